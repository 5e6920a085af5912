/* Products of training by dot products of BF16 pairs, for processors without tiles. Packed blocks are
 * [pair of the sum][outer index], 32 bits each. */

#include "distill/gemm_kern.h"
#include "distill/gemm_pairs.h"

#include <immintrin.h>
#include <stdint.h>

enum {
    M_BLOCK = 12, /* with two registers of columns: 24 sums */
    N_BLOCK = 32,
    STEP = 32 /* values of the sum that are converted together */
};

static size_t pairs(size_t n_k)
{
    return (n_k + 1) / 2;
}

static size_t a_bytes(size_t n_k)
{
    return (pairs(n_k) * M_BLOCK * 4 + 63) / 64 * 64;
}

static size_t b_bytes(size_t n_k)
{
    return pairs(n_k) * N_BLOCK * 4;
}

/* Values of the sum lie side by side. */
static void pack_rows(uint32_t *dst, const struct gemm_piece *p, size_t block)
{
    for (size_t i = 0; i < block; i++)
        for (size_t k = 0; k < p->n_k; k += STEP) {
            const size_t n = i >= p->n ? 0 : p->n_k - k < STEP ? p->n_k - k : STEP;
            const float *x = p->x + (n ? (p->i + i) * p->ld + p->k + k : 0);
            const __m512 low = _mm512_maskz_loadu_ps(mask_of(n, 0), x);
            const __m512 high = _mm512_maskz_loadu_ps(mask_of(n, 16), x + 16);
            uint32_t pair[16] __attribute__((aligned(64)));

            _mm512_store_si512(pair, (__m512i)_mm512_cvtne2ps_pbh(high, low));
            for (size_t j = 0; j < 16 && k / 2 + j < pairs(p->n_k); j++)
                dst[(k / 2 + j) * block + i] = pair[j];
        }
}

/* Outer values do. */
static void pack_columns(uint32_t *dst, const struct gemm_piece *p, size_t block)
{
    for (size_t k = 0; k < p->n_k; k += 2)
        for (size_t i = 0; i < block; i += 16) {
            const size_t n = i >= p->n ? 0 : p->n - i;
            const float *x = p->x + (n ? (p->k + k) * p->ld + p->i + i : 0);
            const bool two = n && k + 1 < p->n_k;
            const __m512 a = _mm512_maskz_loadu_ps(mask_of(n, 0), x);
            const __m512 b = _mm512_maskz_loadu_ps(mask_of(two ? n : 0, 0), two ? x + p->ld : x);
            const __m512i h = (__m512i)_mm512_cvtne2ps_pbh(b, a);

            _mm512_mask_storeu_epi32(dst + k / 2 * block + i, mask_of(block, i), pair_up(h));
        }
}

static void a_pack(void *dst, const struct gemm_piece *p)
{
    if (p->strided)
        pack_columns(dst, p, M_BLOCK);
    else
        pack_rows(dst, p, M_BLOCK);
}

static void b_pack(void *dst, const struct gemm_piece *p)
{
    if (p->strided)
        pack_columns(dst, p, N_BLOCK);
    else
        pack_rows(dst, p, N_BLOCK);
}

/* The broadcast of one pair, as the dot product takes it. */
static inline __m512bh all(const uint32_t *pair)
{
    return (__m512bh)_mm512_set1_epi32((int)*pair);
}

static void mul_block(float *c, size_t ld_c, const uint32_t *a, const uint32_t *b,
                      const size_t mnk[3], bool add)
{
    const __mmask16 low = mask_of(mnk[1], 0), high = mask_of(mnk[1], 16);
    __m512 sum[M_BLOCK][2];

    for (size_t i = 0; i < M_BLOCK; i++)
        sum[i][0] = sum[i][1] = _mm512_setzero_ps();
    for (size_t k = 0; k < pairs(mnk[2]); k++, a += M_BLOCK, b += N_BLOCK) {
        const __m512bh b0 = (__m512bh)_mm512_load_si512(b);
        const __m512bh b1 = (__m512bh)_mm512_load_si512(b + 16);

#pragma GCC unroll 12
        for (size_t i = 0; i < M_BLOCK; i++) {
            sum[i][0] = _mm512_dpbf16_ps(sum[i][0], all(a + i), b0);
            sum[i][1] = _mm512_dpbf16_ps(sum[i][1], all(a + i), b1);
        }
    }
#pragma GCC unroll 12
    for (size_t i = 0; i < M_BLOCK; i++) {
        if (i >= mnk[0])
            break;
        if (add) {
            sum[i][0] = _mm512_add_ps(sum[i][0], _mm512_maskz_loadu_ps(low, c + i * ld_c));
            sum[i][1] = _mm512_add_ps(sum[i][1], _mm512_maskz_loadu_ps(high, c + i * ld_c + 16));
        }
        _mm512_mask_storeu_ps(c + i * ld_c, low, sum[i][0]);
        _mm512_mask_storeu_ps(c + i * ld_c + 16, high, sum[i][1]);
    }
}

static void mul(float *c, size_t ld_c, const void *a, const void *b, const size_t mnk[3], bool add)
{
    const size_t m = (mnk[0] + M_BLOCK - 1) / M_BLOCK, n = (mnk[1] + N_BLOCK - 1) / N_BLOCK;

    for (size_t o = 0; o < m * n; o++) {
        const size_t i = m > n ? o / n : o % m, j = m > n ? o % n : o / m;
        const size_t rows = mnk[0] - i * M_BLOCK, cols = mnk[1] - j * N_BLOCK;
        const size_t here[3] = {rows < M_BLOCK ? rows : M_BLOCK, cols < N_BLOCK ? cols : N_BLOCK,
                                mnk[2]};

        mul_block(c + i * M_BLOCK * ld_c + j * N_BLOCK, ld_c,
                  (const uint32_t *)a + i * (a_bytes(mnk[2]) / 4),
                  (const uint32_t *)b + j * (b_bytes(mnk[2]) / 4), here, add);
    }
}

const struct gemm_kern gemm_avx512_bf16 = {M_BLOCK, N_BLOCK, 512,    a_bytes,
                                           b_bytes, a_pack,  b_pack, mul};
