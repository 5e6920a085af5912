#include "quant/kern/kern_isa.h"

#include <math.h>

/* p[n] = softmax(p), in place. */
static void softmax(float *p, size_t n)
{
    float max = -INFINITY, sum = 0;

    for (size_t i = 0; i < n; i++)
        max = p[i] > max ? p[i] : max;
    for (size_t i = 0; i < n; i++) {
        p[i] = expf(p[i] - max);
        sum += p[i];
    }
    for (size_t i = 0; i < n; i++)
        p[i] /= sum;
}

static void attn(float *out, size_t ld_out, const float *q, size_t ld_q, const float *k,
                 const float *v, size_t m, size_t pos, size_t window, size_t dk, size_t dv,
                 float scale, void *scratch)
{
    float *p = scratch;

    for (size_t i = 0; i < m; i++) {
        const size_t end = pos + i + 1;
        const size_t begin = window && end > window ? end - window : 0;

        for (size_t j = begin; j < end; j++) {
            p[j] = 0;
            for (size_t c = 0; c < dk; c++)
                p[j] += q[i * ld_q + c] * k[j * dk + c];
            p[j] *= scale;
        }
        softmax(p + begin, end - begin);
        for (size_t c = 0; c < dv; c++) {
            float sum = 0;

            for (size_t j = begin; j < end; j++)
                sum += p[j] * v[j * dv + c];
            out[i * ld_out + c] = sum;
        }
    }
}

static size_t attn_bytes(size_t m, size_t n_pos)
{
    (void)m;
    return n_pos * sizeof(float);
}

void kern_init_scalar_attn(struct kern *k)
{
    k->attn = attn;
    k->attn_bytes = attn_bytes;
}
