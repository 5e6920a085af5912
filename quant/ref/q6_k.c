/* Q6_K: 256 values in sixteen runs of 16, w = (d * s) * (code - 32) with a signed
 * 8-bit s a run, code 0 .. 63. */

#include "formats/blocks.h"
#include "quant/half.h"
#include "quant/ref/ref.h"

void q6_k_decode(float *dst, const void *src, size_t n)
{
    const struct block_q6_k *b = src;

    for (size_t i = 0; i < n / QK_K; i++) {
        const float d = f32_from_f16(b[i].d);
        for (int k = 0; k < 8; k++) {
            /* 32 values: k / 4 chooses the half, k % 4 the bits within it */
            const uint8_t *ql = b[i].ql + 64 * (k / 4) + 32 * (k & 1);
            const uint8_t *qh = b[i].qh + 32 * (k / 4);
            const int low = k % 4 / 2 * 4, high = k % 4 * 2;
            for (int j = 0; j < 32; j++) {
                const float scale = d * (float)b[i].scales[2 * k + j / 16];
                const int code = (ql[j] >> low & 15) | (qh[j] >> high & 3) << 4;
                *dst++ = scale * (float)(code - 32);
            }
        }
    }
}
