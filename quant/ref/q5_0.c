/* Q5_0: 32 values, w = d * (code - 16), code 0 .. 31. */

#include "formats/blocks.h"
#include "quant/half.h"
#include "quant/ref/q5_bits.h"
#include "quant/ref/ref.h"

void q5_0_decode(float *dst, const void *src, size_t n)
{
    const struct block_q5_0 *b = src;

    for (size_t i = 0; i < n / QK; i++, dst += QK) {
        const float d = f32_from_f16(b[i].d);
        uint8_t code[QK];
        q5_bits_get(code, b[i].qh, b[i].qs);
        for (int j = 0; j < QK; j++)
            dst[j] = (float)(code[j] - 16) * d;
    }
}
