#include "quant/half.h"

#include "quant/wide.h"

/* Branches are written as selections, so that the loops below vectorize. */
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
    const uint32_t sign = u >> 16 & 0x8000U;
    const uint32_t mag = u & 0x7fffffffU;
    const uint32_t normal = (mag + 0xfffU + (mag >> 13 & 1U) - (112U << 23)) >> 13;
    /* below 2^-14: shift the significand until its unit is 2^-24; 31 bits push
     * everything out, and the rounding below sees that */
    const uint32_t exp = mag >> 23;
    const uint32_t shift = exp < 95U ? 31U : (126U - exp) & 31U;
    const uint32_t sig = (mag & 0x7fffffU) | 0x800000U;
    const uint32_t whole = sig >> shift;
    const uint32_t rest = sig - (whole << shift);
    const uint32_t half = 1U << ((shift - 1U) & 31U);
    const uint32_t up = (uint32_t)(rest > half) | ((uint32_t)(rest == half) & (whole & 1U));
    const uint32_t denormal = whole + up;
    const uint32_t finite = mag < 0x38800000U ? denormal : normal;
    const uint32_t capped = mag >= 0x477ff000U ? 0x7c00U : finite;

    return sign | (mag > 0x7f800000U ? 0x7e00U : capped);
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
    uint8_t *p = dst;

    for (size_t i = 0; i < n; i++) {
        const uint16_t h = (uint16_t)f32_bits_to_f16_bits(f32_bits(src[i]));
        memcpy(p + 2 * i, &h, sizeof(h));
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
