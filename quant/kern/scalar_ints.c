/* Stored rows as integers, scales and minima: what KERN_INT16 multiplies. */

#include "formats/blocks.h"
#include "quant/half.h"
#include "quant/kern/kern_isa.h"
#include "quant/ref/k_scales.h"
#include "quant/ref/q5_bits.h"

#include <string.h>

/* One run of 32 values has one scale and one minimum. */
static void put_run(float *scale, float *min, float s, float m)
{
    scale[0] = scale[1] = s;
    *min = m;
}

static void q8_0_ints(int8_t *q, float *scale, float *min, const void *src, size_t k)
{
    const struct block_q8_0 *b = src;

    for (size_t i = 0; i < k / QK; i++) {
        put_run(scale + 2 * i, min + i, f32_from_f16(b[i].d), 0);
        memcpy(q + 32 * i, b[i].qs, 32);
    }
}

static void q4_0_ints(int8_t *q, float *scale, float *min, const void *src, size_t k)
{
    const struct block_q4_0 *b = src;

    for (size_t i = 0; i < k / QK; i++, q += 32) {
        put_run(scale + 2 * i, min + i, f32_from_f16(b[i].d), 0);
        for (int j = 0; j < 16; j++) {
            q[j] = (int8_t)((b[i].qs[j] & 15) - 8);
            q[j + 16] = (int8_t)((b[i].qs[j] >> 4) - 8);
        }
    }
}

static void q5_0_ints(int8_t *q, float *scale, float *min, const void *src, size_t k)
{
    const struct block_q5_0 *b = src;
    uint8_t code[32];

    for (size_t i = 0; i < k / QK; i++, q += 32) {
        put_run(scale + 2 * i, min + i, f32_from_f16(b[i].d), 0);
        q5_bits_get(code, b[i].qh, b[i].qs);
        for (int j = 0; j < 32; j++)
            q[j] = (int8_t)(code[j] - 16);
    }
}

static void q5_1_ints(int8_t *q, float *scale, float *min, const void *src, size_t k)
{
    const struct block_q5_1 *b = src;

    for (size_t i = 0; i < k / QK; i++) {
        put_run(scale + 2 * i, min + i, f32_from_f16(b[i].d), -f32_from_f16(b[i].m));
        q5_bits_get((uint8_t *)q + 32 * i, b[i].qh, b[i].qs);
    }
}

static void q4_k_ints(int8_t *q, float *scale, float *min, const void *src, size_t k)
{
    const struct block_q4_k *b = src;
    uint8_t s[8], m[8];

    for (size_t i = 0; i < k / QK_K; i++) {
        const float d = f32_from_f16(b[i].d), dmin = f32_from_f16(b[i].dmin);

        k_scales_get(s, m, b[i].scales);
        for (size_t r = 0; r < 8; r++, q += 32, scale += 2, min++) {
            const uint8_t *c = b[i].qs + 32 * (r / 2);

            put_run(scale, min, d * (float)s[r], dmin * (float)m[r]);
            for (int j = 0; j < 32; j++)
                q[j] = (int8_t)(r % 2 ? c[j] >> 4 : c[j] & 15);
        }
    }
}

static void q5_k_ints(int8_t *q, float *scale, float *min, const void *src, size_t k)
{
    const struct block_q5_k *b = src;
    uint8_t s[8], m[8];

    for (size_t i = 0; i < k / QK_K; i++) {
        const float d = f32_from_f16(b[i].d), dmin = f32_from_f16(b[i].dmin);

        k_scales_get(s, m, b[i].scales);
        for (size_t r = 0; r < 8; r++, q += 32, scale += 2, min++) {
            const uint8_t *c = b[i].qs + 32 * (r / 2);

            put_run(scale, min, d * (float)s[r], dmin * (float)m[r]);
            for (int j = 0; j < 32; j++) {
                const int low = r % 2 ? c[j] >> 4 : c[j] & 15;

                q[j] = (int8_t)(low | (b[i].qh[j] >> r & 1) << 4);
            }
        }
    }
}

static void q6_k_ints(int8_t *q, float *scale, float *min, const void *src, size_t k)
{
    const struct block_q6_k *b = src;

    for (size_t i = 0; i < k / QK_K; i++) {
        const float d = f32_from_f16(b[i].d);

        for (int r = 0; r < 16; r++)
            *scale++ = d * (float)b[i].scales[r];
        for (int r = 0; r < 8; r++) {
            const uint8_t *ql = b[i].ql + 64 * (r / 4) + 32 * (r & 1);
            const uint8_t *qh = b[i].qh + 32 * (r / 4);
            const int low = r % 4 / 2 * 4, high = r % 4 * 2;

            *min++ = 0;
            for (int j = 0; j < 32; j++)
                *q++ = (int8_t)(((ql[j] >> low & 15) | (qh[j] >> high & 3) << 4) - 32);
        }
    }
}

void kern_init_scalar_ints(struct kern *k)
{
    k->ints[DTYPE_Q8_0] = q8_0_ints;
    k->ints[DTYPE_Q4_0] = q4_0_ints;
    k->ints[DTYPE_Q5_0] = q5_0_ints;
    k->ints[DTYPE_Q5_1] = q5_1_ints;
    k->ints[DTYPE_Q4_K] = q4_k_ints;
    k->ints[DTYPE_Q5_K] = q5_k_ints;
    k->ints[DTYPE_Q6_K] = q6_k_ints;
}
