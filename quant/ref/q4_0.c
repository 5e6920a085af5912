/* Q4_0: 32 values, w = d * (code - 8), code 0 .. 15. */

#include "formats/blocks.h"
#include "quant/half.h"
#include "quant/ref/ref.h"

void q4_0_decode(float *dst, const void *src, size_t n)
{
    const struct block_q4_0 *b = src;

    for (size_t i = 0; i < n / QK; i++, dst += QK) {
        const float d = f32_from_f16(b[i].d);
        for (int j = 0; j < 16; j++) {
            dst[j] = (float)((b[i].qs[j] & 15) - 8) * d;
            dst[j + 16] = (float)((b[i].qs[j] >> 4) - 8) * d;
        }
    }
}
