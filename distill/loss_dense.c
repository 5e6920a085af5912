/* Divergences of whole rows. Forward KL alone is the common case and made of kernels; others go by blocks,
 * twice: the gradient needs a sum over the row. */

#include "distill/loss_impl.h"

#include <math.h>

/* Both softmaxes of a row. */
struct pair {
    struct kern_soft z, t; /* weight: 1 / the sum of the exponentials */
    double log_z, log_t;   /* logarithms of these sums */
    float s;               /* 1 / T */
};

static void pair_init(struct pair *p, double *apart, const struct kern *k,
                      const struct kern_soft *z, const float *t, size_t n, double temperature)
{
    double sum_z, sum_t, other;

    p->s = (float)(1 / temperature);
    p->z = *z;
    p->t = (struct kern_soft){t, k->max(t, n), 1};
    k->soft_sums(&sum_z, &other, &p->z, &p->t, p->s, n);
    k->soft_sums(&sum_t, apart, &p->t, &p->z, p->s, n);
    *apart /= sum_t;
    p->log_z = log(sum_z);
    p->log_t = log(sum_t);
    p->z.weight = (float)(1 / sum_z);
    p->t.weight = (float)(1 / sum_t);
}

static double forward_kl(float *d, const struct loss *l, const struct kern *k, struct pair *p,
                         double apart, size_t n, double scale)
{
    const float s = p->s;
    const double value = apart * (double)s - p->log_t + p->log_z;
    double weight = 0;

    for (size_t i = 0; i < l->n; i++)
        if (loss_term_kind(&l->term[i]) == LOSS_FORWARD_KL)
            weight += l->term[i].weight;
    p->z.weight = (float)((double)p->z.weight * scale * weight * (double)s);
    p->t.weight = (float)((double)p->t.weight * scale * weight * (double)s);
    k->soft_pull(d, &p->z, &p->t, s, n);
    return weight * value;
}

static void fill(struct loss_block *b, const struct loss *l, const struct kern *k,
                 const struct pair *p, size_t at, size_t n)
{
    const double s = (double)p->s, off = p->log_z - p->log_t;
    const double no_p = p->log_z + loss_ruled_out(l);
    const float *z = p->z.x + at, *t = p->t.x + at;

    b->n = n;
    k->exp_from(b->q, z, p->z.max, p->s, n);
    k->exp_from(b->p, t, p->t.max, p->s, n);
    for (size_t i = 0; i < n; i++) {
        const double to_z = (double)z[i] - (double)p->z.max;

        b->q[i] *= p->z.weight;
        b->p[i] *= p->t.weight;
        b->lr[i] = t[i] == -INFINITY ? s * to_z - no_p
                                     : s * (to_z - ((double)t[i] - (double)p->t.max)) - off;
    }
}

static double by_blocks(float *d, const struct loss *l, const struct kern *k, const struct pair *p,
                        size_t n, double scale)
{
    struct loss_block b;
    double value = 0, h = 0, q = 0;

    for (size_t at = 0; at < n; at += LOSS_BLOCK) {
        fill(&b, l, k, p, at, n - at < LOSS_BLOCK ? n - at : LOSS_BLOCK);
        loss_block_terms(&b, l, k);
        value += b.value;
        h += b.sum_h;
        q += b.sum_q;
    }
    scale *= (double)p->s;
    for (size_t at = 0; at < n; at += LOSS_BLOCK) {
        fill(&b, l, k, p, at, n - at < LOSS_BLOCK ? n - at : LOSS_BLOCK);
        loss_block_terms(&b, l, k);
        for (size_t i = 0; i < b.n; i++)
            if (p->z.x[at + i] != -INFINITY)
                d[at + i] += (float)(scale * (b.h[i] - (double)b.q[i] * (h / q)));
    }
    return value;
}

static bool only_forward_kl(const struct loss *l)
{
    for (size_t i = 0; i < l->n; i++) {
        const enum loss_kind kind = loss_term_kind(&l->term[i]);

        if (loss_is_divergence(kind) && kind != LOSS_FORWARD_KL)
            return false;
    }
    return true;
}

double loss_dense(float *d, const struct loss *l, const struct kern *k, const struct kern_soft *z,
                  const float *t, size_t n, double scale)
{
    struct pair p;
    double apart;

    pair_init(&p, &apart, k, z, t, n, l->temperature);
    if (p.t.max == -INFINITY)
        return 0;
    if (only_forward_kl(l))
        return forward_kl(d, l, k, &p, apart, n, scale);
    return by_blocks(d, l, k, &p, n, scale);
}
