#ifndef QUANT_AMX_H
#define QUANT_AMX_H

/* Floats as BF16 tiles of the AMX unit, for files built for it.
 *
 * A tile is 16 rows of 64 bytes. Of one operand a row holds 32 values of the sum; of the other, a row
 * holds the two values of a pair for each of 16 columns. Seen as 32-bit units one is the transpose of
 * the other. */

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

enum {
    AMX_TILE = 1024, /* bytes of a tile */
    AMX_STEP = 32    /* values of the sum in a tile */
};

/* The float of each BF16 in h[16]. */
static inline __m512 amx_widen(__m256i h)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16));
}

/* 32 values a, b to their leading BF16 term, leaving what it lacks in a and b. */
static inline __m512i amx_take_term(__m512 *a, __m512 *b)
{
    const __m512i h = (__m512i)_mm512_cvtne2ps_pbh(*b, *a);

    *a = _mm512_sub_ps(*a, amx_widen(_mm512_castsi512_si256(h)));
    *b = _mm512_sub_ps(*b, amx_widen(_mm512_extracti64x4_epi64(h, 1)));
    return h;
}

/* Rows g, g + 4, g + 8, g + 12 of 16: their 16 bytes at `at`, side by side. */
static inline __m512i amx_quarters(const uint8_t *const *row, size_t g, size_t at)
{
#define PART(r) _mm_loadu_si128((const __m128i *)(const void *)(row[r] + at))
    const __m512i one = _mm512_castsi128_si512(PART(g));
    const __m512i two = _mm512_inserti32x4(one, PART(g + 4), 1);
    const __m512i three = _mm512_inserti32x4(two, PART(g + 8), 2);

    return _mm512_inserti32x4(three, PART(g + 12), 3);
#undef PART
}

/* 16 rows of 64 bytes at row[r] + at, as 32-bit units, transposed to a tile. */
static inline void amx_transpose(uint8_t *tile, const uint8_t *const *row, size_t at)
{
    for (size_t c = 0; c < 4; c++, at += 16, tile += 256) {
        const __m512i r0 = amx_quarters(row, 0, at), r1 = amx_quarters(row, 1, at);
        const __m512i r2 = amx_quarters(row, 2, at), r3 = amx_quarters(row, 3, at);
        const __m512i a = _mm512_unpacklo_epi32(r0, r1), b = _mm512_unpackhi_epi32(r0, r1);
        const __m512i d = _mm512_unpacklo_epi32(r2, r3), e = _mm512_unpackhi_epi32(r2, r3);

        _mm512_store_si512(tile, _mm512_unpacklo_epi64(a, d));
        _mm512_store_si512(tile + 64, _mm512_unpackhi_epi64(a, d));
        _mm512_store_si512(tile + 128, _mm512_unpacklo_epi64(b, e));
        _mm512_store_si512(tile + 192, _mm512_unpackhi_epi64(b, e));
    }
}

struct amx_config {
    uint8_t palette, start_row, reserved[14];
    uint16_t bytes[16]; /* of a row */
    uint8_t rows[16];
};

/* All eight tiles have 16 rows of 64 bytes. */
static inline void amx_on(void)
{
    struct amx_config c = {.palette = 1};

    for (int i = 0; i < 8; i++) {
        c.bytes[i] = 64;
        c.rows[i] = 16;
    }
    _tile_loadconfig(&c);
}

#endif /* QUANT_AMX_H */
