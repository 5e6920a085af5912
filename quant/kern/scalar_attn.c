#include "quant/half.h"
#include "quant/kern/kern_isa.h"

#include <math.h>

/* p[n] = softmax(p), in place; a sink takes its share. */
static void softmax(float *p, size_t n, const float *sink)
{
    float max = sink ? *sink : -INFINITY, sum = 0;

    for (size_t i = 0; i < n; i++)
        max = p[i] > max ? p[i] : max;
    for (size_t i = 0; i < n; i++) {
        p[i] = expf(p[i] - max);
        sum += p[i];
    }
    if (sink)
        sum += expf(*sink - max);
    for (size_t i = 0; i < n; i++)
        p[i] /= sum;
}

static size_t first_seen(const struct kern_attn *how, size_t pos)
{
    const size_t window = how->window && pos + 1 > how->window ? pos + 1 - how->window : 0;
    const size_t chunk = how->chunk ? pos - pos % how->chunk : 0;

    return window > chunk ? window : chunk;
}

static float bf16(float f)
{
    return f32_from_bf16(bf16_from_f32(f));
}

/* Of a query at pos and a key at `key`. */
static float score(const struct kern_attn *how, float dot, size_t pos, size_t key)
{
    float s = dot * how->scale;

    if (how->cap > 0)
        s = how->cap * tanhf(s / how->cap);
    if (how->rounded > 0)
        return s + how->rounded * bf16(bf16(how->slope) * bf16((float)key));
    return s - how->slope * (float)(pos - key);
}

static void attn(float *out, size_t ld_out, const float *q, size_t ld_q, const float *k,
                 const float *v, size_t m, size_t pos, size_t dk, size_t dv,
                 const struct kern_attn *how, void *scratch)
{
    float *p = scratch;

    for (size_t i = 0; i < m; i++) {
        const size_t begin = first_seen(how, pos + i), end = pos + i + 1;

        for (size_t j = begin; j < end; j++) {
            float dot = 0;

            for (size_t c = 0; c < dk; c++)
                dot += q[i * ld_q + c] * k[j * dk + c];
            p[j] = score(how, dot, pos + i, j);
        }
        softmax(p + begin, end - begin, how->sink);
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
