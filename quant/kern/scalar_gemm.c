/* Matrix products by their definition: decode, round the activations as the math
 * says, multiply in order. A panel is one weight row. */

#include "quant/half.h"
#include "quant/kern/kern_isa.h"

#include <math.h>
#include <string.h>

static size_t f32_bytes(size_t k)
{
    return k * sizeof(float);
}

static void pack_vec_f32(void *dst, const float *x, size_t k)
{
    memcpy(dst, x, k * sizeof(float));
}

static void pack_vec_bf16(void *dst, const float *x, size_t k)
{
    float *y = dst;

    for (size_t i = 0; i < k; i++)
        y[i] = f32_from_bf16(bf16_from_f32(x[i]));
}

static void pack_vec_int16(void *dst, const float *x, size_t k)
{
    const struct act16 a = act16_at(dst, k);

    for (size_t b = 0; b < k / 32; b++, x += 32) {
        uint32_t most = 0;
        int sum = 0;

        for (size_t i = 0; i < 32; i++)
            most = (f32_bits(x[i]) & INT32_MAX) > most ? f32_bits(x[i]) & INT32_MAX : most;
        const float f = act16_factor(&a.d[b], most);
        for (size_t i = 0; i < 32; i++) {
            a.q[32 * b + i] = (int16_t)(f > 0 ? (int)rintf(x[i] * f) : 0);
            sum += a.q[32 * b + i];
        }
        a.sum[b] = a.d[b] * (float)sum;
    }
}

/* Row by row in pieces of a super-block, which is a multiple of every block. */
static void vec_f32(float *y, const struct kern *kern, enum dtype t, const uint8_t *const *w,
                    size_t n, const void *x, size_t k)
{
    const struct dtype_info *info = dtype_get(t);
    const size_t step = 256;
    float row[256];

    for (size_t r = 0; r < n; r++) {
        y[r] = 0;
        for (size_t i = 0; i < k; i += step) {
            const size_t left = k - i < step ? k - i : step;

            kern->dec[t](row, w[r] + i / info->block * info->bytes, left);
            y[r] += kern->dot((const float *)x + i, row, left);
        }
    }
}

/* y = sum over blocks of d * (sum over halves of scale * (q . x)) - min * sum x */
static float dot_int16(const int8_t *q, const float *scale, const float *min, struct act16 x,
                       size_t n_blocks)
{
    float y = 0;

    for (size_t b = 0; b < n_blocks; b++) {
        int s[2] = {0, 0};

        for (size_t i = 0; i < 32; i++)
            s[i / 16] += q[32 * b + i] * x.q[32 * b + i];
        y += x.d[b] * (scale[2 * b] * (float)s[0] + scale[2 * b + 1] * (float)s[1]) -
             min[b] * x.sum[b];
    }
    return y;
}

static void vec_int16(float *y, const struct kern *kern, enum dtype t, const uint8_t *const *w,
                      size_t n, const void *x, size_t k)
{
    const struct dtype_info *info = dtype_get(t);
    const struct act16 all = act16_at((void *)(uintptr_t)x, k);
    int8_t q[256];
    float scale[16], min[8];

    for (size_t r = 0; r < n; r++) {
        y[r] = 0;
        for (size_t i = 0; i < k; i += sizeof(q)) {
            const size_t left = k - i < sizeof(q) ? k - i : sizeof(q);
            const struct act16 part = {all.q + i, all.d + i / 32, all.sum + i / 32};

            kern->ints[t](q, scale, min, w[r] + i / info->block * info->bytes, left);
            y[r] += dot_int16(q, scale, min, part, left / 32);
        }
    }
}

/* ---- gemm: the vec kernels again, one weight row a panel ----------------------- */

static void pack_f32(void *panel, const struct kern *kern, enum dtype t, const uint8_t *const *w,
                     size_t n, size_t k)
{
    if (n)
        kern->dec[t](panel, w[0], k);
}

static void pack_act_f32(void *act, const float *x, size_t ld_x, size_t m, size_t k)
{
    (void)ld_x;
    if (m)
        pack_vec_f32(act, x, k);
}

static void pack_act_bf16(void *act, const float *x, size_t ld_x, size_t m, size_t k)
{
    (void)ld_x;
    if (m)
        pack_vec_bf16(act, x, k);
}

static void mul_f32(float *y, size_t ld_y, const void *act, const void *panel, size_t m, size_t n,
                    size_t k)
{
    const float *x = act, *w = panel;

    for (size_t i = 0; i < m && n; i++) {
        float s = 0;

        for (size_t j = 0; j < k; j++)
            s += x[i * k + j] * w[j];
        y[i * ld_y] = s;
    }
}

void kern_init_scalar_gemm(struct kern *k)
{
    k->gemm[KERN_F32] =
        (struct kern_gemm){1, 1, f32_bytes, f32_bytes, pack_f32, pack_act_f32, mul_f32};
    k->gemm[KERN_BF16] =
        (struct kern_gemm){1, 1, f32_bytes, f32_bytes, pack_f32, pack_act_bf16, mul_f32};

    k->vec_bytes[KERN_F32] = f32_bytes;
    k->vec_bytes[KERN_BF16] = f32_bytes;
    k->vec_bytes[KERN_INT16] = act16_bytes;
    k->pack_vec[KERN_F32] = pack_vec_f32;
    k->pack_vec[KERN_BF16] = pack_vec_bf16;
    k->pack_vec[KERN_INT16] = pack_vec_int16;
    for (int t = 0; t < DTYPE_COUNT; t++) {
        k->vec[KERN_F32][t] = k->vec[KERN_BF16][t] = k->dec[t] ? vec_f32 : NULL;
        k->vec[KERN_INT16][t] = k->ints[t] ? vec_int16 : NULL;
    }
}
