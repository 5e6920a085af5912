/* Plain numbers: one value is one block. Whole numbers beyond 2^24 and F64 round
 * to the nearest F32. */

#include "quant/half.h"
#include "quant/ref/ref.h"

#include <string.h>

void f32_encode(void *dst, const float *src, size_t n, const struct codec_how *how)
{
    (void)how;
    memcpy(dst, src, n * sizeof(*src));
}

void f16_encode(void *dst, const float *src, size_t n, const struct codec_how *how)
{
    (void)how;
    f16_from_f32_n(dst, src, n);
}

void bf16_encode(void *dst, const float *src, size_t n, const struct codec_how *how)
{
    uint8_t *p = dst;

    (void)how;
    for (size_t i = 0; i < n; i++) {
        const uint16_t h = bf16_from_f32(src[i]);
        memcpy(p + 2 * i, &h, sizeof(h));
    }
}

void f32_decode(float *dst, const void *src, size_t n)
{
    memcpy(dst, src, n * sizeof(*dst));
}

void f16_decode(float *dst, const void *src, size_t n)
{
    f32_from_f16_n(dst, src, n);
}

void bf16_decode(float *dst, const void *src, size_t n)
{
    const uint8_t *p = src;

    for (size_t i = 0; i < n; i++) {
        uint16_t h;
        memcpy(&h, p + 2 * i, sizeof(h));
        dst[i] = f32_from_bf16(h);
    }
}

void e4m3_decode(float *dst, const void *src, size_t n)
{
    const uint8_t *p = src;

    for (size_t i = 0; i < n; i++)
        dst[i] = f32_from_e4m3(p[i]);
}

void e5m2_decode(float *dst, const void *src, size_t n)
{
    const uint8_t *p = src;

    for (size_t i = 0; i < n; i++)
        dst[i] = f32_from_e5m2(p[i]);
}

/* A decoder of unaligned numbers of one C type. */
#define PLAIN_DECODE(name, type)                                                                   \
    void name(float *dst, const void *src, size_t n)                                               \
    {                                                                                              \
        const uint8_t *p = src;                                                                    \
                                                                                                   \
        for (size_t i = 0; i < n; i++) {                                                           \
            type v;                                                                                \
            memcpy(&v, p + i * sizeof(v), sizeof(v));                                              \
            dst[i] = (float)v;                                                                     \
        }                                                                                          \
    }

PLAIN_DECODE(f64_decode, double)
PLAIN_DECODE(i64_decode, int64_t)
PLAIN_DECODE(i32_decode, int32_t)
PLAIN_DECODE(i16_decode, int16_t)
PLAIN_DECODE(i8_decode, int8_t)
PLAIN_DECODE(u64_decode, uint64_t)
PLAIN_DECODE(u32_decode, uint32_t)
PLAIN_DECODE(u16_decode, uint16_t)
PLAIN_DECODE(u8_decode, uint8_t)
PLAIN_DECODE(bool_decode, uint8_t)
