/* Q4_K: 256 values in eight runs of 32, w = (d * s) * code - dmin * m with 6-bit
 * s and m a run, code 0 .. 15. */

#include "formats/blocks.h"
#include "quant/half.h"
#include "quant/ref/k_scales.h"
#include "quant/ref/ref.h"

void q4_k_decode(float *dst, const void *src, size_t n)
{
    const struct block_q4_k *b = src;

    for (size_t i = 0; i < n / QK_K; i++) {
        const float d = f32_from_f16(b[i].d), dmin = f32_from_f16(b[i].dmin);
        uint8_t s[8], m[8];
        k_scales_get(s, m, b[i].scales);
        for (int k = 0; k < 8; k++, dst += 32) {
            const uint8_t *q = b[i].qs + 32 * (k / 2);
            const float scale = d * (float)s[k], min = dmin * (float)m[k];
            for (int j = 0; j < 32; j++)
                dst[j] = scale * (float)(k % 2 ? q[j] >> 4 : q[j] & 15) - min;
        }
    }
}
