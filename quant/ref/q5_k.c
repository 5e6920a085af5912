/* Q5_K: as Q4_K with a fifth bit, code 0 .. 31. */

#include "formats/blocks.h"
#include "quant/half.h"
#include "quant/ref/k_scales.h"
#include "quant/ref/ref.h"

void q5_k_decode(float *dst, const void *src, size_t n)
{
    const struct block_q5_k *b = src;

    for (size_t i = 0; i < n / QK_K; i++) {
        const float d = f32_from_f16(b[i].d), dmin = f32_from_f16(b[i].dmin);
        uint8_t s[8], m[8];
        k_scales_get(s, m, b[i].scales);
        for (int k = 0; k < 8; k++, dst += 32) {
            const uint8_t *q = b[i].qs + 32 * (k / 2);
            const float scale = d * (float)s[k], min = dmin * (float)m[k];
            for (int j = 0; j < 32; j++) {
                const int low = k % 2 ? q[j] >> 4 : q[j] & 15;
                dst[j] = scale * (float)(low | (b[i].qh[j] >> k & 1) << 4) - min;
            }
        }
    }
}
