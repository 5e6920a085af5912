#include "quant/half.h"

#include "quant/wide.h"

INLINE uint32_t f16_bits_to_f32_bits(uint32_t h)
{
    const uint32_t sign = (h & 0x8000U) << 16;
    const uint32_t mag = h & 0x7fffU;
    /* a denormal is an exact multiple of 2^-24 */
    const uint32_t denormal = f32_bits((float)(int32_t)mag * 0x1p-24F);
    const uint32_t normal = (mag << 13) + (112U << 23);
    const uint32_t special = (mag << 13) | 0x7f800000U; /* infinity and NaN */
    const uint32_t finite = mag < 0x400U ? denormal : normal;

    return sign | (mag < 0x7c00U ? finite : special);
}

INLINE uint32_t f32_bits_to_f16_bits(uint32_t u)
{
    const uint32_t mag = u & 0x7fffffffU;
    const uint32_t normal = (mag + 0xfffU + (mag >> 13 & 1U) - (112U << 23)) >> 13;
    /* below 2^-14: a unit in the last place of 0.5 is 2^-24, that of a denormal F16 */
    const uint32_t denormal = f32_bits(f32_from_bits(mag) + 0.5F) - 0x3f000000U;
    const uint32_t finite = mag < 0x38800000U ? denormal : normal;
    const uint32_t capped = mag < 0x477ff000U ? finite : 0x7c00U;
    const uint32_t all = mag > 0x7f800000U ? 0x7e00U : capped;

    return all | (u ^ mag) >> 16;
}

float f32_from_f16(uint16_t h)
{
    return f32_from_bits(f16_bits_to_f32_bits(h));
}

uint16_t f16_from_f32(float f)
{
    return (uint16_t)f32_bits_to_f16_bits(f32_bits(f));
}

WIDE void f32_from_f16_n(float *dst, const void *src, size_t n)
{
    const uint8_t *p = src;

    for (size_t i = 0; i < n; i++) {
        uint16_t h;
        memcpy(&h, p + 2 * i, sizeof(h));
        dst[i] = f32_from_bits(f16_bits_to_f32_bits(h));
    }
}

WIDE void f16_from_f32_n(void *dst, const float *src, size_t n)
{
    enum { STRIP = 64 };
    uint8_t *p = dst;

    for (size_t i = 0; i < n; i += STRIP) {
        const size_t k = n - i < STRIP ? n - i : STRIP;
        uint32_t bits[STRIP];
        uint16_t half[STRIP];
        memcpy(bits, src + i, k * sizeof(*src));
        for (size_t j = 0; j < k; j++)
            bits[j] = f32_bits_to_f16_bits(bits[j]);
        for (size_t j = 0; j < k; j++)
            half[j] = (uint16_t)bits[j];
        memcpy(p + 2 * i, half, k * sizeof(*half));
    }
}

float f32_from_e4m3(uint8_t b)
{
    const float sign = b & 0x80 ? -1.0F : 1.0F;
    const unsigned exp = b >> 3 & 15U, man = b & 7U;

    if ((b & 0x7f) == 0x7f)
        return f32_from_bits((b & 0x80U) << 24 | 0x7fc00000U);
    if (!exp)
        return sign * (float)man * 0x1p-9F;
    return f32_from_bits((b & 0x80U) << 24 | (exp + 120U) << 23 | man << 20);
}

float f32_from_e5m2(uint8_t b)
{
    /* the upper half of an F16 */
    return f32_from_f16((uint16_t)(b << 8));
}
