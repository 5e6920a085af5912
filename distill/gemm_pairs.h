#ifndef DISTILL_GEMM_PAIRS_H
#define DISTILL_GEMM_PAIRS_H

/* Packing that the kernels of BF16 pairs share, for files built with AVX-512. */

#include <immintrin.h>
#include <stddef.h>

/* Of values from .. from + 15, those below n. */
static inline __mmask16 mask_of(size_t n, size_t from)
{
    const size_t left = n > from ? n - from : 0;

    return (__mmask16)(left < 16 ? (1U << left) - 1 : 0xffffU);
}

/* h[0, 16) and h[16, 32), 16 bits each, to pairs h[i], h[i + 16]. */
static inline __m512i pair_up(__m512i h)
{
    const __m512i zip = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24,
                                         8, 23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);

    return _mm512_permutexvar_epi16(zip, h);
}

#endif /* DISTILL_GEMM_PAIRS_H */
