#ifndef QUANT_KERN_RUNS_AVX2_H
#define QUANT_KERN_RUNS_AVX2_H

/* 32 neighbouring values of a stored row in registers, one function per type: what
 * the AVX2 and AVX-512 decoders, packers and vec kernels are made of.
 * w[i] = s[i / 16] * q[i] - min, rounded as the codec's decoder rounds. */

#include "formats/blocks.h"

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define KERN_INLINE static inline __attribute__((always_inline))

/* What is multiplied 2 KB after this block comes into the cache: rows are read once, one
 * after another, and the processor's own prefetching ends with each page. */
KERN_INLINE void run_ahead(const void *block, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += 64)
        _mm_prefetch((const char *)block + 2048 + i, _MM_HINT_T0);
}

struct run {
    __m256i q;    /* 32 signed bytes */
    float s0, s1; /* of values 0 .. 15 and 16 .. 31; equal but for Q6_K */
    float min;
};

/* Run r (0 .. runs - 1) of one block. */
typedef struct run run_fn(const void *block, int r);

/* 16 bytes of two codes each: values j in low halves, j + 16 in high ones. */
KERN_INLINE __m256i run_nibbles(const uint8_t qs[16])
{
    const __m128i b = _mm_loadu_si128((const __m128i *)(const void *)qs);
    const __m256i both = _mm256_set_m128i(_mm_srli_epi16(b, 4), b);

    return _mm256_and_si256(both, _mm256_set1_epi8(15));
}

/* Bit i of qh as 16 in byte i. */
KERN_INLINE __m256i run_fifth_bits(const uint8_t qh[4])
{
    const __m256i pick =
        _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
    const __m256i bit = _mm256_set1_epi64x((long long)0x8040201008040201ULL);
    uint32_t word;
    __m256i v;

    memcpy(&word, qh, sizeof(word));
    v = _mm256_shuffle_epi8(_mm256_set1_epi32((int)word), pick);
    v = _mm256_cmpeq_epi8(_mm256_and_si256(v, bit), bit);
    return _mm256_and_si256(v, _mm256_set1_epi8(16));
}

KERN_INLINE struct run run_q8_0(const void *block, int r)
{
    const struct block_q8_0 *b = block;
    const float d = _cvtsh_ss(b->d);

    (void)r;
    return (struct run){_mm256_loadu_si256((const __m256i *)(const void *)b->qs), d, d, 0};
}

KERN_INLINE struct run run_q4_0(const void *block, int r)
{
    const struct block_q4_0 *b = block;
    const float d = _cvtsh_ss(b->d);

    (void)r;
    return (struct run){_mm256_sub_epi8(run_nibbles(b->qs), _mm256_set1_epi8(8)), d, d, 0};
}

KERN_INLINE struct run run_q5_0(const void *block, int r)
{
    const struct block_q5_0 *b = block;
    const float d = _cvtsh_ss(b->d);
    const __m256i code = _mm256_or_si256(run_nibbles(b->qs), run_fifth_bits(b->qh));

    (void)r;
    return (struct run){_mm256_sub_epi8(code, _mm256_set1_epi8(16)), d, d, 0};
}

KERN_INLINE struct run run_q5_1(const void *block, int r)
{
    const struct block_q5_1 *b = block;
    const float d = _cvtsh_ss(b->d);

    (void)r;
    return (struct run){_mm256_or_si256(run_nibbles(b->qs), run_fifth_bits(b->qh)), d, d,
                        -_cvtsh_ss(b->m)};
}

/* 6-bit scale and minimum of run r, packed as quant/ref/k_scales.h says. */
KERN_INLINE void run_k_scale(struct run *out, uint16_t d, uint16_t dmin, const uint8_t b[12], int r)
{
    const int s = r < 4 ? b[r] & 63 : (b[r + 4] & 15) | (b[r - 4] >> 6) << 4;
    const int m = r < 4 ? b[r + 4] & 63 : b[r + 4] >> 4 | (b[r] >> 6) << 4;

    out->s0 = out->s1 = _cvtsh_ss(d) * (float)s;
    out->min = _cvtsh_ss(dmin) * (float)m;
}

/* 32 four-bit codes of run r: bytes of run pair r / 2, the half by r % 2. */
KERN_INLINE __m256i run_k_nibbles(const uint8_t qs[128], int r)
{
    const __m256i b = _mm256_loadu_si256((const __m256i *)(const void *)(qs + 32 * (r / 2)));
    const __m256i half = r % 2 ? _mm256_srli_epi16(b, 4) : b;

    return _mm256_and_si256(half, _mm256_set1_epi8(15));
}

KERN_INLINE struct run run_q4_k(const void *block, int r)
{
    const struct block_q4_k *b = block;
    struct run out = {.q = run_k_nibbles(b->qs, r)};

    run_k_scale(&out, b->d, b->dmin, b->scales, r);
    return out;
}

KERN_INLINE struct run run_q5_k(const void *block, int r)
{
    const struct block_q5_k *b = block;
    const __m256i qh = _mm256_loadu_si256((const __m256i *)(const void *)b->qh);
    const __m256i bit = _mm256_set1_epi8((char)(1 << r));
    const __m256i set = _mm256_cmpeq_epi8(_mm256_and_si256(qh, bit), bit);
    struct run out = {
        .q = _mm256_or_si256(run_k_nibbles(b->qs, r), _mm256_and_si256(set, _mm256_set1_epi8(16)))};

    run_k_scale(&out, b->d, b->dmin, b->scales, r);
    return out;
}

KERN_INLINE struct run run_q6_k(const void *block, int r)
{
    const struct block_q6_k *b = block;
    const float d = _cvtsh_ss(b->d);
    const uint8_t *ql = b->ql + 64 * (r / 4) + 32 * (r & 1), *qh = b->qh + 32 * (r / 4);
    const __m256i l = _mm256_loadu_si256((const __m256i *)(const void *)ql);
    const __m256i h = _mm256_loadu_si256((const __m256i *)(const void *)qh);
    const __m256i low = _mm256_srl_epi16(l, _mm_cvtsi32_si128(r % 4 / 2 * 4));
    const __m256i high = _mm256_srl_epi16(h, _mm_cvtsi32_si128(r % 4 * 2));
    const __m256i code =
        _mm256_or_si256(_mm256_and_si256(low, _mm256_set1_epi8(15)),
                        _mm256_slli_epi16(_mm256_and_si256(high, _mm256_set1_epi8(3)), 4));

    return (struct run){_mm256_sub_epi8(code, _mm256_set1_epi8(32)), d * (float)b->scales[2 * r],
                        d * (float)b->scales[2 * r + 1], 0};
}

/* {type, run function, block struct, runs in a block}: the types made of runs. */
#define KERN_BLOCK_TYPES(X)                                                                        \
    X(DTYPE_Q8_0, q8_0, struct block_q8_0, 1)                                                      \
    X(DTYPE_Q4_0, q4_0, struct block_q4_0, 1)                                                      \
    X(DTYPE_Q5_0, q5_0, struct block_q5_0, 1)                                                      \
    X(DTYPE_Q5_1, q5_1, struct block_q5_1, 1)
#define KERN_SUPER_TYPES(X)                                                                        \
    X(DTYPE_Q4_K, q4_k, struct block_q4_k, 8)                                                      \
    X(DTYPE_Q5_K, q5_k, struct block_q5_k, 8)                                                      \
    X(DTYPE_Q6_K, q6_k, struct block_q6_k, 8)
#define KERN_RUN_TYPES(X) KERN_BLOCK_TYPES(X) KERN_SUPER_TYPES(X)

#endif /* QUANT_KERN_RUNS_AVX2_H */
