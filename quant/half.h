#ifndef QUANT_HALF_H
#define QUANT_HALF_H

/* Scalar conversions between binary32 and the 16- and 8-bit floats: the
 * definition every kernel is checked against. Round to nearest even; denormals
 * kept. Source: IEEE 754; OCP 8-bit floating point, revision 1.0. */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline float f32_from_bits(uint32_t u)
{
    float f;

    memcpy(&f, &u, sizeof(f));
    return f;
}

static inline uint32_t f32_bits(float f)
{
    uint32_t u;

    memcpy(&u, &f, sizeof(u));
    return u;
}

static inline float f32_from_bf16(uint16_t h)
{
    return f32_from_bits((uint32_t)h << 16);
}

/* NaN stays NaN (quiet). */
static inline uint16_t bf16_from_f32(float f)
{
    const uint32_t u = f32_bits(f);

    if ((u & 0x7fffffffU) > 0x7f800000U)
        return (uint16_t)(u >> 16 | 0x40U);
    return (uint16_t)((u + 0x7fffU + (u >> 16 & 1U)) >> 16);
}

/* binary16. */
float f32_from_f16(uint16_t h);
/* Too large becomes infinite. */
uint16_t f16_from_f32(float f);

/* n values at any alignment. */
void f32_from_f16_n(float *dst, const void *src, size_t n);
void f16_from_f32_n(void *dst, const float *src, size_t n);

/* OCP 8-bit floats. E4M3 has no infinity; 0x7f and 0xff are NaN. */
float f32_from_e4m3(uint8_t b);
float f32_from_e5m2(uint8_t b);

#endif /* QUANT_HALF_H */
