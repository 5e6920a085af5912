/* Decoders, matrix products and single rows, for one type of weights. */

#include "quant/kern/kern_isa.h"
#include "tests/check/check.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Decoding is exact: the same bits. */
bool check_dec(const struct kern *ref, const struct kern *now, enum dtype t, struct rnd *r,
               struct why *w)
{
    const size_t k = rnd_columns(r, t);
    uint8_t *row = mem_rows(r, t, 1, k);
    float *want = mem(k * sizeof(*want)), *got = mem(k * sizeof(*got));
    bool good = true;

    ref->dec[t](want, row, k);
    now->dec[t](got, row, k);
    for (size_t i = 0; i < k && good; i++)
        if (memcmp(&want[i], &got[i], sizeof(*got)))
            good = why(w, "k=%zu i=%zu want %a got %a", k, i, (double)want[i], (double)got[i]);
    free(row);
    free(want);
    free(got);
    return good;
}

/* So are integers, scales and minima. */
bool check_ints(const struct kern *ref, const struct kern *now, enum dtype t, struct rnd *r,
                struct why *w)
{
    const size_t k = rnd_columns(r, t), n = k + k / 16 * 4 + k / 32 * 4;
    uint8_t *row, *want, *got;
    bool good = true;

    if (!ref->ints[t])
        return now->ints[t] ? why(w, "there are no integers of this type") : true;
    row = mem_rows(r, t, 1, k);
    want = mem(n);
    got = mem(n);
    ref->ints[t]((int8_t *)want, (float *)(void *)(want + k),
                 (float *)(void *)(want + k + k / 16 * 4), row, k);
    now->ints[t]((int8_t *)got, (float *)(void *)(got + k), (float *)(void *)(got + k + k / 16 * 4),
                 row, k);
    for (size_t i = 0; i < n && good; i++)
        if (want[i] != got[i])
            good = why(w, "k=%zu byte %zu want %d got %d", k, i, want[i], got[i]);
    free(row);
    free(want);
    free(got);
    return good;
}

/* Activations in 16 bits are the same bits, however small they are; where one is infinite or no
 * number, so is what the others are multiplied by. */
bool check_pack_int16(const struct kern *ref, const struct kern *now, enum dtype t, struct rnd *r,
                      struct why *w)
{
    static const float odd[] = {0, 0x1p-149F, 0x1p-101F, 0x1p100F, FLT_MAX, INFINITY, NAN};
    const size_t k = 32 * (1 + rnd_below(r, 40));
    float *x = mem_floats(r, k);
    struct act16 want = act16_at(mem(act16_bytes(k)), k), got = act16_at(mem(act16_bytes(k)), k);
    bool good = true;

    (void)t;
    for (size_t i = 0; i < k; i++)
        if (!rnd_below(r, 40))
            x[i] = (rnd_below(r, 2) ? -1.0F : 1.0F) * odd[rnd_below(r, sizeof(odd) / sizeof(*odd))];
        else if (i / 32 % 4 == 1)
            x[i] *= 0x1p-110F;
    ref->pack_vec[KERN_INT16](want.q, x, k);
    now->pack_vec[KERN_INT16](got.q, x, k);
    for (size_t b = 0; b < k / 32 && good; b++) {
        bool finite = true;

        for (size_t i = 32 * b; i < 32 * b + 32; i++)
            finite = finite && isfinite(x[i]);
        if (isfinite(want.d[b]) != finite || isfinite(got.d[b]) != finite)
            good =
                why(w, "k=%zu block %zu want %a got %a", k, b, (double)want.d[b], (double)got.d[b]);
        else if (finite && (memcmp(&want.d[b], &got.d[b], sizeof(float)) ||
                            memcmp(&want.sum[b], &got.sum[b], sizeof(float)) ||
                            memcmp(want.q + 32 * b, got.q + 32 * b, 64)))
            good = why(w, "k=%zu block %zu: other bits", k, b);
    }
    free(x);
    free(want.q);
    free(got.q);
    return good;
}

/* ---- products -------------------------------------------------------------------- */

/* A product y[m, n] = x[m, k] . w[n, k]^T of stored rows. */
struct product {
    enum dtype t;
    enum kern_math math;
    size_t m, n, k, ld_x, ld_y;
    const uint8_t **row; /* n */
    uint8_t *w;
    float *x;
};

static struct product product_new(struct rnd *r, enum dtype t, enum kern_math math, bool many)
{
    struct product p = {.t = t, .math = math, .m = many ? 1 + rnd_below(r, 70) : 1};
    const struct dtype_info *info = dtype_get(t);

    p.n = 1 + rnd_below(r, 80);
    p.k = rnd_columns(r, t);
    p.ld_x = p.k + rnd_below(r, 3);
    p.ld_y = p.n + rnd_below(r, 3);
    p.w = mem_rows(r, t, p.n, p.k);
    p.x = mem_floats(r, (p.m - 1) * p.ld_x + p.k);
    p.row = mem(p.n * sizeof(*p.row));
    for (size_t i = 0; i < p.n; i++)
        p.row[i] = p.w + i * (p.k / info->block * info->bytes);
    return p;
}

static void product_release(struct product *p)
{
    free(p->row);
    free(p->w);
    free(p->x);
}

/* What mm does, on one thread and with any number of rows. */
static float *product_many(const struct kern *k, const struct product *p)
{
    const struct kern_gemm *g = &k->gemm[p->math];
    const size_t blocks = (p->m + g->act_rows - 1) / g->act_rows, block = g->act_bytes(p->k);
    const size_t n_y = (p->m - 1) * p->ld_y + p->n;
    uint8_t *act = mem(blocks * block), *panel = mem(g->panel_bytes(p->k));
    float *y = mem(n_y * sizeof(*y));

    for (size_t i = 0; i < blocks; i++) {
        const size_t first = i * g->act_rows, left = p->m - first;

        g->pack_act(act + i * block, p->x + first * p->ld_x, p->ld_x,
                    left < g->act_rows ? left : g->act_rows, p->k);
    }
    for (size_t i = 0; i < p->n; i += g->panel_rows) {
        const size_t n = p->n - i < g->panel_rows ? p->n - i : g->panel_rows;

        g->pack(panel, k, p->t, p->row + i, n, p->k);
        g->mul(y + i, p->ld_y, act, panel, p->m, n, p->k);
    }
    free(act);
    free(panel);
    return y;
}

/* Row by row. */
static float *product_vec(const struct kern *k, const struct product *p)
{
    void *x = mem(k->vec_bytes[p->math](p->k));
    float *y = mem(((p->m - 1) * p->ld_y + p->n) * sizeof(*y));

    for (size_t i = 0; i < p->m; i++) {
        k->pack_vec[p->math](x, p->x + i * p->ld_x, p->k);
        k->vec[p->math][p->t](y + i * p->ld_y, k, p->t, p->row, p->n, x, p->k);
    }
    free(x);
    return y;
}

/* Sums in F32 of k products, in any order and with blocks' sums apart: an error of
 * eps for each addition on the longest way, which is below k / 32 + 40 in every
 * kernel but the scalar one (and there errors of either sign cancel), times the sum
 * of absolute products. KERN_BF16 may hold a weight in two BF16 terms: 2^-18 of it
 * is lost; its smallest terms may be flushed to zero, hence the last summand. */
static double bound(const struct product *p, double sum_abs)
{
    const double eps = 0x1p-24, split = p->math == KERN_BF16 ? 0x1p-18 : 0;

    return (eps * ((double)p->k / 32 + 40) + split) * sum_abs + 0x1p-120;
}

/* Every y against the scalar kernel's. */
static bool compare(const struct kern *ref, const struct product *p, const float *want,
                    const float *got, struct why *why_out)
{
    float *row = mem(p->k * sizeof(*row)), *x = mem(p->m * p->k * sizeof(*x));
    bool good = true;

    for (size_t i = 0; i < p->m; i++)
        ref->pack_vec[p->math == KERN_BF16 ? KERN_BF16 : KERN_F32](x + i * p->k, p->x + i * p->ld_x,
                                                                   p->k);
    for (size_t j = 0; j < p->n && good; j++) {
        ref->dec[p->t](row, p->row[j], p->k);
        for (size_t i = 0; i < p->m && good; i++) {
            const float a = want[i * p->ld_y + j], b = got[i * p->ld_y + j];
            double sum_abs = 0;

            for (size_t c = 0; c < p->k; c++)
                sum_abs += fabs((double)row[c] * (double)x[i * p->k + c]);
            if (!(fabs((double)a - (double)b) <= bound(p, sum_abs)))
                good = why(why_out, "m=%zu n=%zu k=%zu y[%zu,%zu] want %a got %a bound %g", p->m,
                           p->n, p->k, i, j, (double)a, (double)b, bound(p, sum_abs));
        }
    }
    free(row);
    free(x);
    return good;
}

static bool check_product(const struct kern *ref, const struct kern *now, enum dtype t,
                          enum kern_math math, bool many, struct rnd *r, struct why *w)
{
    struct product p = product_new(r, t, kern_math_for(now, math, t, many), many);
    float *want = product_vec(ref, &p);
    float *got = many ? product_many(now, &p) : product_vec(now, &p);
    const bool good = compare(ref, &p, want, got, w);

    free(want);
    free(got);
    product_release(&p);
    return good;
}

bool check_gemm_f32(const struct kern *ref, const struct kern *now, enum dtype t, struct rnd *r,
                    struct why *w)
{
    return check_product(ref, now, t, KERN_F32, true, r, w);
}

bool check_gemm_bf16(const struct kern *ref, const struct kern *now, enum dtype t, struct rnd *r,
                     struct why *w)
{
    return check_product(ref, now, t, KERN_BF16, true, r, w);
}

bool check_gemm_int16(const struct kern *ref, const struct kern *now, enum dtype t, struct rnd *r,
                      struct why *w)
{
    return check_product(ref, now, t, KERN_INT16, true, r, w);
}

bool check_vec_f32(const struct kern *ref, const struct kern *now, enum dtype t, struct rnd *r,
                   struct why *w)
{
    return check_product(ref, now, t, KERN_F32, false, r, w);
}

bool check_vec_bf16(const struct kern *ref, const struct kern *now, enum dtype t, struct rnd *r,
                    struct why *w)
{
    return check_product(ref, now, t, KERN_BF16, false, r, w);
}

bool check_vec_int16(const struct kern *ref, const struct kern *now, enum dtype t, struct rnd *r,
                     struct why *w)
{
    return check_product(ref, now, t, KERN_INT16, false, r, w);
}
