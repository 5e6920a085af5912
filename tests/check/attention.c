/* Attention of one head. */

#include "tests/check/check.h"

#include <math.h>
#include <stdlib.h>

struct head {
    size_t m, pos, dk, dv, ld_q, ld_out;
    struct kern_attn how;
    float sink, *q, *k, *v;
};

/* Half of them have none of the rare options. */
static void options(struct head *h, struct rnd *r)
{
    h->how.scale = 0.5F / sqrtf((float)h->dk);
    h->how.window = rnd_below(r, 3) ? 0 : 1 + rnd_below(r, 90);
    if (rnd_below(r, 2))
        return;
    h->how.chunk = rnd_below(r, 2) ? 0 : 1 + rnd_below(r, 90);
    h->how.cap = rnd_below(r, 2) ? 0 : 1 + 10 * fabsf(rnd_float(r));
    h->how.slope = rnd_below(r, 2) ? 0 : 0.25F * fabsf(rnd_float(r));
    h->how.rounded = rnd_below(r, 2) ? 0 : h->how.scale;
    h->sink = rnd_float(r);
    h->how.sink = rnd_below(r, 2) ? NULL : &h->sink;
}

static void head_new(struct head *h, struct rnd *r)
{
    static const size_t dims[] = {1, 7, 16, 48, 64, 80, 128, 130};
    size_t n;

    *h = (struct head){.m = 1 + rnd_below(r, 80), .pos = rnd_below(r, 200)};
    h->dk = dims[rnd_below(r, 8)];
    h->dv = rnd_below(r, 2) ? h->dk : dims[rnd_below(r, 8)];
    h->ld_q = h->dk + rnd_below(r, 3);
    h->ld_out = h->dv + rnd_below(r, 3);
    n = h->pos + h->m;
    h->q = mem_floats(r, (h->m - 1) * h->ld_q + h->dk);
    h->k = mem_floats(r, n * h->dk);
    h->v = mem_floats(r, n * h->dv);
    options(h, r);
}

static float *head_run(const struct kern *k, const struct head *h)
{
    void *scratch = mem(k->attn_bytes(h->m, h->pos + h->m));
    float *out = mem(((h->m - 1) * h->ld_out + h->dv) * sizeof(*out));

    k->attn(out, h->ld_out, h->q, h->ld_q, h->k, h->v, h->m, h->pos, h->dk, h->dv, &h->how,
            scratch);
    free(scratch);
    return out;
}

/* Largest scale * sum |q k| of query i, with what is added to it: how far rounding can
 * move a score. */
static double score_size(const struct head *h, size_t i)
{
    double most = 0;

    for (size_t j = 0; j <= h->pos + i; j++) {
        double s = 0;

        for (size_t c = 0; c < h->dk; c++)
            s += fabs((double)h->q[i * h->ld_q + c] * (double)h->k[j * h->dk + c]);
        most = s > most ? s : most;
    }
    return most * (double)h->how.scale + (double)h->how.slope * (double)(h->pos + i) +
           (h->how.sink ? fabs((double)h->sink) : 0);
}

/* Scores err by eps (dk / 16 + 8) of their absolute products, exp makes that a
 * relative error of the weights (which sum to 1; a weight above and below the
 * fraction bar: twice), exp itself 4 ulp, the sums over up to n positions add eps
 * (n / 16 + 8). The output errs by that much of the largest |v|. */
bool check_attn(const struct kern *ref, const struct kern *now, enum dtype t, struct rnd *r,
                struct why *w)
{
    struct head h;

    head_new(&h, r);
    float *want = head_run(ref, &h), *got = head_run(now, &h);
    const double eps = 0x1p-24, n = (double)(h.pos + h.m);
    double v_max = 0;
    bool good = true;

    (void)t;
    for (size_t i = 0; i < (h.pos + h.m) * h.dv; i++)
        v_max = fmax(v_max, fabs((double)h.v[i]));
    for (size_t i = 0; i < h.m && good; i++) {
        const double size = score_size(&h, i);
        const double bound = 2 * eps * v_max * (size * ((double)h.dk / 16 + 8) + 16 + n / 16);

        for (size_t c = 0; c < h.dv && good; c++) {
            const float a = want[i * h.ld_out + c], b = got[i * h.ld_out + c];

            if (!(fabs((double)a - (double)b) <= bound))
                good = why(
                    w,
                    "m=%zu pos=%zu window=%zu chunk=%zu cap=%g slope=%g sink=%d dk=%zu dv=%zu "
                    "[%zu,%zu] want %a got %a",
                    h.m, h.pos, h.how.window, h.how.chunk, (double)h.how.cap, (double)h.how.slope,
                    h.how.sink != NULL, h.dk, h.dv, i, c, (double)a, (double)b);
        }
    }
    free(want);
    free(got);
    free(h.q);
    free(h.k);
    free(h.v);
    return good;
}
