#ifndef QUANT_KERN_AVX2_H
#define QUANT_KERN_AVX2_H

/* What the AVX2 kernels share: masks, sums, exp, transposition, the register tile. */

#include "quant/kern/tile.h"

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

/* The lanes that hold the first `left` values, for maskload and maskstore. */
static inline __m256i mask8(size_t left)
{
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);

    return _mm256_cmpgt_epi32(_mm256_set1_epi32(left < 8 ? (int)left : 8), lane);
}

static inline float sum8(__m256 v)
{
    const __m128 a = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    const __m128 b = _mm_add_ps(a, _mm_movehl_ps(a, a));

    return _mm_cvtss_f32(_mm_add_ss(b, _mm_movehdup_ps(b)));
}

static inline float max8(__m256 v)
{
    const __m128 a = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    const __m128 b = _mm_max_ps(a, _mm_movehl_ps(a, a));

    return _mm_cvtss_f32(_mm_max_ss(b, _mm_movehdup_ps(b)));
}

/* To BF16 and back, nearest even; NaN stays NaN. */
static inline __m256 round_bf16_8(__m256 v)
{
    const __m256i u = _mm256_castps_si256(v);
    const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(u, 16), _mm256_set1_epi32(1));
    const __m256i up = _mm256_add_epi32(u, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
    const __m256i quiet = _mm256_or_si256(u, _mm256_set1_epi32(0x400000));
    const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(v, v, _CMP_UNORD_Q));
    const __m256i r = _mm256_blendv_epi8(up, quiet, nan);

    return _mm256_castsi256_ps(_mm256_and_si256(r, _mm256_set1_epi32((int)0xffff0000)));
}

/* ---- exp: as quant/kern/avx512.h ----------------------------------------------------- */

__m256 _ZGVdN8v_expf(__m256 x);
__m256 _ZGVdN8v_erff(__m256 x);
__m256 _ZGVdN8v_tanhf(__m256 x);
__m256d _ZGVdN4v_log(__m256d x);

#define EXP_RANGE 87.0F /* exp(+-87) is a normal float */

/* exp(x) for x <= 0; 0 below -EXP_RANGE; NaN stays NaN. */
static inline __m256 exp_weight8(__m256 x)
{
    const __m256 least = _mm256_set1_ps(-EXP_RANGE);
    const __m256 keep = _mm256_cmp_ps(x, least, _CMP_NLT_UQ);

    return _mm256_and_ps(keep, _ZGVdN8v_expf(_mm256_max_ps(least, x)));
}

/* exp(x), x first moved into +-EXP_RANGE. */
static inline __m256 exp_clamped8(__m256 x)
{
    const __m256 most = _mm256_set1_ps(EXP_RANGE);

    x = _mm256_max_ps(_mm256_sub_ps(_mm256_setzero_ps(), most), _mm256_min_ps(most, x));
    return _ZGVdN8v_expf(x);
}

/* ---- matrices ---------------------------------------------------------------------- */

/* 8 x 8 values at src (of which `rows` and `cols` are there, the others zero) to dst,
 * transposed, rows ld apart. */
static inline void transpose8(float *dst, size_t ld, struct tile_in src, size_t rows, size_t cols)
{
    const __m256i m = mask8(cols);
    __m256 v[8], t[8];

#pragma GCC unroll 8
    for (size_t i = 0; i < 8; i++)
        v[i] = i < rows ? _mm256_maskload_ps(src.p + i * src.ld, m) : _mm256_setzero_ps();
#pragma GCC unroll 8
    for (int i = 0; i < 4; i++) {
        t[2 * i] = _mm256_unpacklo_ps(v[2 * i], v[2 * i + 1]);
        t[2 * i + 1] = _mm256_unpackhi_ps(v[2 * i], v[2 * i + 1]);
    }
#pragma GCC unroll 8
    for (int i = 0; i < 2; i++) {
        v[4 * i] = _mm256_shuffle_ps(t[4 * i], t[4 * i + 2], 0x44);
        v[4 * i + 1] = _mm256_shuffle_ps(t[4 * i], t[4 * i + 2], 0xee);
        v[4 * i + 2] = _mm256_shuffle_ps(t[4 * i + 1], t[4 * i + 3], 0x44);
        v[4 * i + 3] = _mm256_shuffle_ps(t[4 * i + 1], t[4 * i + 3], 0xee);
    }
#pragma GCC unroll 8
    for (size_t c = 0; c < 4; c++) {
        _mm256_storeu_ps(dst + c * ld, _mm256_permute2f128_ps(v[c], v[4 + c], 0x20));
        _mm256_storeu_ps(dst + (4 + c) * ld, _mm256_permute2f128_ps(v[c], v[4 + c], 0x31));
    }
}

enum { TILE256_COLS = 16, TILE256_ROWS = 6 };

/* c[rows, cols] = a[rows, n] . b[n, cols], rows <= R <= TILE256_ROWS; columns beyond
 * TILE256_COLS are left alone. R is a constant: the sums are registers. */
static inline __attribute__((always_inline)) void tile256(struct tile_out c, struct tile_in a,
                                                          struct tile_in b, size_t n, int R)
{
    const __m256i m0 = mask8(c.cols), m1 = mask8(c.cols > 8 ? c.cols - 8 : 0);
    const float *row[TILE256_ROWS];
    __m256 s[TILE256_ROWS][2];

#pragma GCC unroll 6
    for (int r = 0; r < R; r++) {
        row[r] = a.p + ((size_t)r < c.rows ? (size_t)r : c.rows - 1) * a.ld;
        s[r][0] = s[r][1] = _mm256_setzero_ps();
    }
    for (size_t i = 0; i < n; i++) {
        const __m256 b0 = _mm256_maskload_ps(b.p + i * b.ld, m0);
        const __m256 b1 = _mm256_maskload_ps(b.p + i * b.ld + 8, m1);

#pragma GCC unroll 6
        for (int r = 0; r < R; r++) {
            const __m256 v = _mm256_set1_ps(row[r][i]);

            s[r][0] = _mm256_fmadd_ps(v, b0, s[r][0]);
            s[r][1] = _mm256_fmadd_ps(v, b1, s[r][1]);
        }
    }
#pragma GCC unroll 6
    for (int r = 0; r < R; r++) {
        const __m256 f = _mm256_set1_ps(c.scale && (size_t)r < c.rows ? c.scale[r] : 1);
        float *to = c.p + (size_t)r * c.ld;

        if ((size_t)r >= c.rows)
            break;
        s[r][0] = _mm256_mul_ps(s[r][0], f);
        s[r][1] = _mm256_mul_ps(s[r][1], f);
        if (c.add) {
            s[r][0] = _mm256_add_ps(s[r][0], _mm256_maskload_ps(to, m0));
            s[r][1] = _mm256_add_ps(s[r][1], _mm256_maskload_ps(to + 8, m1));
        }
        _mm256_maskstore_ps(to, m0, s[r][0]);
        _mm256_maskstore_ps(to + 8, m1, s[r][1]);
    }
}

#endif /* QUANT_KERN_AVX2_H */
