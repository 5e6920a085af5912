#include "formats/base/sha256.h"

#if defined(__x86_64__)
#include <immintrin.h>

/* The first 32 bits of the fractions of the cube roots of the first 64 primes. */
static const uint32_t k256[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

#define INLINE static inline __attribute__((always_inline))

bool sha256_wide_native(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw");
}

/* By their truth tables: a ^ b ^ c, a ? b : c, two of three. */
INLINE __m512i xor3(__m512i a, __m512i b, __m512i c)
{
    return _mm512_ternarylogic_epi32(a, b, c, 0x96);
}

INLINE __m512i choose(__m512i a, __m512i b, __m512i c)
{
    return _mm512_ternarylogic_epi32(a, b, c, 0xca);
}

INLINE __m512i majority(__m512i a, __m512i b, __m512i c)
{
    return _mm512_ternarylogic_epi32(a, b, c, 0xe8);
}

INLINE __m512i add(__m512i a, __m512i b)
{
    return _mm512_add_epi32(a, b);
}

/* Round r of a group of sixteen; words a .. h are v[-r & 7] and those behind it. */
INLINE void round_of(__m512i v[8], int r, __m512i wk)
{
    __m512i *a = &v[-r & 7], *b = &v[(1 - r) & 7], *c = &v[(2 - r) & 7], *d = &v[(3 - r) & 7];
    __m512i *e = &v[(4 - r) & 7], *f = &v[(5 - r) & 7], *g = &v[(6 - r) & 7], *h = &v[(7 - r) & 7];
    const __m512i s1 =
        xor3(_mm512_ror_epi32(*e, 6), _mm512_ror_epi32(*e, 11), _mm512_ror_epi32(*e, 25));
    const __m512i s0 =
        xor3(_mm512_ror_epi32(*a, 2), _mm512_ror_epi32(*a, 13), _mm512_ror_epi32(*a, 22));
    const __m512i t = add(add(*h, wk), add(s1, choose(*e, *f, *g)));

    *d = add(*d, t);
    *h = add(t, add(s0, majority(*a, *b, *c)));
}

/* The word sixteen after w[i], in its place. */
INLINE void extend(__m512i w[16], int i)
{
    const __m512i x = w[(i + 1) & 15], y = w[(i + 14) & 15];
    const __m512i s0 =
        xor3(_mm512_ror_epi32(x, 7), _mm512_ror_epi32(x, 18), _mm512_srli_epi32(x, 3));
    const __m512i s1 =
        xor3(_mm512_ror_epi32(y, 17), _mm512_ror_epi32(y, 19), _mm512_srli_epi32(y, 10));

    w[i] = add(add(w[i], s0), add(w[(i + 9) & 15], s1));
}

/* Columns of four registers become rows, in each of their quarters. */
INLINE void transpose_4(__m512i w[4])
{
    const __m512i a = _mm512_unpacklo_epi32(w[0], w[1]), b = _mm512_unpackhi_epi32(w[0], w[1]);
    const __m512i c = _mm512_unpacklo_epi32(w[2], w[3]), d = _mm512_unpackhi_epi32(w[2], w[3]);

    w[0] = _mm512_unpacklo_epi64(a, c);
    w[1] = _mm512_unpackhi_epi64(a, c);
    w[2] = _mm512_unpacklo_epi64(b, d);
    w[3] = _mm512_unpackhi_epi64(b, d);
}

/* The same with quarters. */
INLINE void transpose_quarters(__m512i *a, __m512i *b, __m512i *c, __m512i *d)
{
    const __m512i e = _mm512_shuffle_i32x4(*a, *b, 0x44), f = _mm512_shuffle_i32x4(*a, *b, 0xee);
    const __m512i g = _mm512_shuffle_i32x4(*c, *d, 0x44), h = _mm512_shuffle_i32x4(*c, *d, 0xee);

    *a = _mm512_shuffle_i32x4(e, g, 0x88);
    *b = _mm512_shuffle_i32x4(e, g, 0xdd);
    *c = _mm512_shuffle_i32x4(f, h, 0x88);
    *d = _mm512_shuffle_i32x4(f, h, 0xdd);
}

/* w[i]: word i of a block, big endian, of every digest. */
INLINE void load_words(__m512i w[16], const uint8_t *const p[SHA256_WIDTH], size_t at)
{
    const __m512i swap =
        _mm512_broadcast_i32x4(_mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203));

#pragma GCC unroll 16
    for (int k = 0; k < 16; k++)
        w[k] = _mm512_shuffle_epi8(_mm512_loadu_si512(p[k] + at), swap);
#pragma GCC unroll 4
    for (int k = 0; k < 16; k += 4)
        transpose_4(w + k);
#pragma GCC unroll 4
    for (int k = 0; k < 4; k++)
        transpose_quarters(&w[k], &w[4 + k], &w[8 + k], &w[12 + k]);
}

INLINE void rounds(__m512i v[8], __m512i w[16])
{
    for (int g = 0; g < 64; g += 16) {
#pragma GCC unroll 16
        for (int i = 0; i < 16; i++)
            round_of(v, i, add(w[i], _mm512_set1_epi32((int)k256[g + i])));
        if (g == 48)
            break;
#pragma GCC unroll 16
        for (int i = 0; i < 16; i++)
            extend(w, i);
    }
}

void sha256_wide(uint32_t state[SHA256_WORDS][SHA256_WIDTH], const uint8_t *const p[SHA256_WIDTH],
                 size_t n)
{
    __m512i v[8], was[8], w[16];

    for (int i = 0; i < 8; i++)
        v[i] = _mm512_loadu_si512(state[i]);
    for (size_t k = 0; k < n; k++) {
        load_words(w, p, k * SHA256_BLOCK);
        for (int i = 0; i < 8; i++)
            was[i] = v[i];
        rounds(v, w);
        for (int i = 0; i < 8; i++)
            v[i] = add(v[i], was[i]);
    }
    for (int i = 0; i < 8; i++)
        _mm512_storeu_si512(state[i], v[i]);
}
#else
bool sha256_wide_native(void)
{
    return false;
}

void sha256_wide(uint32_t state[SHA256_WORDS][SHA256_WIDTH], const uint8_t *const p[SHA256_WIDTH],
                 size_t n)
{
    (void)state;
    (void)p;
    (void)n;
}
#endif
