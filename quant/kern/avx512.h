#ifndef QUANT_KERN_AVX512_H
#define QUANT_KERN_AVX512_H

/* What the AVX-512 kernels share: masks, exp, transposition, the register tile. */

#include "quant/kern/kern_isa.h"
#include "quant/kern/tile.h"

#include <immintrin.h>
#include <stddef.h>

/* The lanes that hold the first `left` values. */
static inline __mmask16 mask16(size_t left)
{
    return (__mmask16)(left < 16 ? (1U << left) - 1 : 0xffffU);
}

/* To BF16 and back, nearest even; NaN stays NaN. */
static inline __m512 round_bf16(__m512 v)
{
    const __m512i u = _mm512_castps_si512(v);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(u, 16), _mm512_set1_epi32(1));
    const __m512i up = _mm512_add_epi32(u, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
    const __m512i quiet = _mm512_or_si512(u, _mm512_set1_epi32(0x400000));
    const __mmask16 nan = _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
    const __m512i r = _mm512_mask_mov_epi32(up, nan, quiet);

    return _mm512_castsi512_ps(_mm512_and_si512(r, _mm512_set1_epi32((int)0xffff0000)));
}

/* 32 values in 16 bits, x[i] ~ *d * q[i], and the sum of q: see quant/kern/kern_isa.h. */
static inline __m512i round_16bit(float *d, int *sum, const float *x)
{
    const __m512i lo = _mm512_loadu_si512(x), hi = _mm512_loadu_si512(x + 16);
    const __m512i both = _mm512_max_epu32(_mm512_add_epi32(lo, lo), _mm512_add_epi32(hi, hi));
    const float f = act16_factor(d, _mm512_reduce_max_epu32(both) >> 1);
    const __m512 by = _mm512_set1_ps(f);
    const __m512i q0 = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_castsi512_ps(lo), by));
    const __m512i q1 = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_castsi512_ps(hi), by));

    *sum = _mm512_reduce_add_epi32(_mm512_add_epi32(q0, q1));
    return _mm512_inserti64x4(_mm512_castsi256_si512(_mm512_cvtepi32_epi16(q0)),
                              _mm512_cvtepi32_epi16(q1), 1);
}

/* ---- exp ---------------------------------------------------------------------------
 * By glibc's libmvec (within 4 ulp), kept away from where its result would be denormal
 * or infinite: there it falls back to scalar code, and denormals slow down whatever
 * uses them. */

__m512 _ZGVeN16v_expf(__m512 x);
__m512 _ZGVeN16v_erff(__m512 x);
__m512 _ZGVeN16v_tanhf(__m512 x);
__m512d _ZGVeN8v_log(__m512d x);

#define EXP_RANGE 87.0F /* exp(+-87) is a normal float */

/* exp(x) for x <= 0; 0 below -EXP_RANGE; NaN stays NaN. */
static inline __m512 exp_weight(__m512 x)
{
    const __m512 least = _mm512_set1_ps(-EXP_RANGE);
    const __mmask16 m = _mm512_cmp_ps_mask(x, least, _CMP_NLT_UQ);

    return _mm512_maskz_mov_ps(m, _ZGVeN16v_expf(_mm512_max_ps(least, x)));
}

/* exp(x), x first moved into +-EXP_RANGE. */
static inline __m512 exp_clamped(__m512 x)
{
    const __m512 most = _mm512_set1_ps(EXP_RANGE);

    x = _mm512_max_ps(_mm512_sub_ps(_mm512_setzero_ps(), most), _mm512_min_ps(most, x));
    return _ZGVeN16v_expf(x);
}

/* ---- matrices ---------------------------------------------------------------------- */

/* 16 x 16 values at src (of which `rows` and `cols` are there, the others zero) to
 * dst, transposed, rows ld apart. */
static inline void transpose16(float *dst, size_t ld, struct tile_in src, size_t rows, size_t cols)
{
    const __mmask16 m = mask16(cols);
    __m512 v[16], t[16];

#pragma GCC unroll 16
    for (size_t i = 0; i < 16; i++)
        v[i] = i < rows ? _mm512_maskz_loadu_ps(m, src.p + i * src.ld) : _mm512_setzero_ps();
#pragma GCC unroll 16
    for (int i = 0; i < 8; i++) {
        t[2 * i] = _mm512_unpacklo_ps(v[2 * i], v[2 * i + 1]);
        t[2 * i + 1] = _mm512_unpackhi_ps(v[2 * i], v[2 * i + 1]);
    }
#pragma GCC unroll 16
    for (int i = 0; i < 4; i++) {
        v[4 * i] = _mm512_shuffle_ps(t[4 * i], t[4 * i + 2], 0x44);
        v[4 * i + 1] = _mm512_shuffle_ps(t[4 * i], t[4 * i + 2], 0xee);
        v[4 * i + 2] = _mm512_shuffle_ps(t[4 * i + 1], t[4 * i + 3], 0x44);
        v[4 * i + 3] = _mm512_shuffle_ps(t[4 * i + 1], t[4 * i + 3], 0xee);
    }
    /* v[4 g + c]: column 4 b + c of rows 4 g .. 4 g + 3 in 128-bit part b */
#pragma GCC unroll 16
    for (size_t c = 0; c < 4; c++) {
        const __m512 lo01 = _mm512_shuffle_f32x4(v[c], v[4 + c], 0x88);
        const __m512 hi01 = _mm512_shuffle_f32x4(v[c], v[4 + c], 0xdd);
        const __m512 lo23 = _mm512_shuffle_f32x4(v[8 + c], v[12 + c], 0x88);
        const __m512 hi23 = _mm512_shuffle_f32x4(v[8 + c], v[12 + c], 0xdd);

        _mm512_storeu_ps(dst + c * ld, _mm512_shuffle_f32x4(lo01, lo23, 0x88));
        _mm512_storeu_ps(dst + (4 + c) * ld, _mm512_shuffle_f32x4(hi01, hi23, 0x88));
        _mm512_storeu_ps(dst + (8 + c) * ld, _mm512_shuffle_f32x4(lo01, lo23, 0xdd));
        _mm512_storeu_ps(dst + (12 + c) * ld, _mm512_shuffle_f32x4(hi01, hi23, 0xdd));
    }
}

enum { TILE512_COLS = 32, TILE512_ROWS = 12 };

/* c[rows, cols] = a[rows, n] . b[n, cols], rows <= R <= TILE512_ROWS; columns beyond
 * TILE512_COLS are left alone. R is a constant: the sums are registers. */
static inline __attribute__((always_inline)) void tile512(struct tile_out c, struct tile_in a,
                                                          struct tile_in b, size_t n, int R)
{
    const __mmask16 m0 = mask16(c.cols), m1 = c.cols > 16 ? mask16(c.cols - 16) : 0;
    const float *row[TILE512_ROWS];
    __m512 s[TILE512_ROWS][2];

#pragma GCC unroll 12
    for (int r = 0; r < R; r++) {
        row[r] = a.p + ((size_t)r < c.rows ? (size_t)r : c.rows - 1) * a.ld;
        s[r][0] = s[r][1] = _mm512_setzero_ps();
    }
    for (size_t i = 0; i < n; i++) {
        const __m512 b0 = _mm512_maskz_loadu_ps(m0, b.p + i * b.ld);
        const __m512 b1 = _mm512_maskz_loadu_ps(m1, b.p + i * b.ld + 16);

#pragma GCC unroll 12
        for (int r = 0; r < R; r++) {
            const __m512 v = _mm512_set1_ps(row[r][i]);

            s[r][0] = _mm512_fmadd_ps(v, b0, s[r][0]);
            s[r][1] = _mm512_fmadd_ps(v, b1, s[r][1]);
        }
    }
#pragma GCC unroll 12
    for (int r = 0; r < R; r++) {
        const __m512 f = _mm512_set1_ps(c.scale && (size_t)r < c.rows ? c.scale[r] : 1);
        float *to = c.p + (size_t)r * c.ld;

        if ((size_t)r >= c.rows)
            break;
        s[r][0] = _mm512_mul_ps(s[r][0], f);
        s[r][1] = _mm512_mul_ps(s[r][1], f);
        if (c.add) {
            s[r][0] = _mm512_add_ps(s[r][0], _mm512_maskz_loadu_ps(m0, to));
            s[r][1] = _mm512_add_ps(s[r][1], _mm512_maskz_loadu_ps(m1, to + 16));
        }
        _mm512_mask_storeu_ps(to, m0, s[r][0]);
        _mm512_mask_storeu_ps(to + 16, m1, s[r][1]);
    }
}

#endif /* QUANT_KERN_AVX512_H */
