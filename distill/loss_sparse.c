/* Divergences from a teacher's row of which k outcomes and the rest are known. The student's rest is the exact
 * mass of its other tokens at T. So is the teacher's of a row that was kept at T; of one at T = 1 the k + 1 are
 * tempered and normalised anew, which takes a rest of many tokens for one. */

#include "distill/loss_impl.h"

#include <math.h>
#include <string.h>

struct sparse {
    const struct loss *l;
    const struct kern *k;
    const struct kern_soft *z;
    const struct loss_sparse *t;
    float s;         /* 1 / T */
    double lse_t;    /* of the teacher's k + 1 tempered logarithms */
    double log_z;    /* logarithm of the student's sum, relative to z->max */
    double log_rest; /* log q of the student's rest */
};

/* Tempered logarithm of outcome i <= k. */
static double outcome(const struct sparse *s, size_t i)
{
    const double by = s->t->tempered ? 1 : (double)s->s;

    return by * (double)(i < s->t->k ? s->t->logp[i] : s->t->log_rest);
}

static double teacher_lse(const struct sparse *s)
{
    double max = (double)-INFINITY, sum = 0;

    for (size_t i = 0; i <= s->t->k; i++)
        max = fmax(max, outcome(s, i));
    for (size_t i = 0; i <= s->t->k; i++)
        sum += exp(outcome(s, i) - max);
    return max + log(sum);
}

static double log_q(const struct sparse *s, size_t i)
{
    const float z = i < s->t->k ? s->z->x[s->t->id[i]] : 0;

    return i < s->t->k ? (double)s->s * ((double)z - (double)s->z->max) - s->log_z : s->log_rest;
}

/* d[i]: the share that each other token has of the rest; 0 for the k. Sets log_z and log_rest. */
static void share_rest(float *d, struct sparse *s, size_t n)
{
    const struct loss_sparse *t = s->t;
    double sum = 0, rest, top = 0;
    float max;

    memcpy(d, s->z->x, n * sizeof(*d));
    for (size_t i = 0; i < t->k; i++)
        d[t->id[i]] = -INFINITY;
    max = s->k->max(d, n);
    if (max == -INFINITY)
        memset(d, 0, n * sizeof(*d));
    else
        sum = s->k->exp_from(d, d, max, s->s, n);
    for (size_t i = 0; i < t->k; i++)
        top += exp((double)s->s * ((double)s->z->x[t->id[i]] - (double)s->z->max));
    rest =
        sum > 0 ? (double)s->s * ((double)max - (double)s->z->max) + log(sum) : (double)-INFINITY;
    s->log_z = log(top + exp(rest));
    s->log_rest = rest - s->log_z;
    for (size_t i = 0; i < n && sum > 0; i++)
        d[i] *= (float)(1 / sum);
}

static void fill(struct loss_block *b, const struct sparse *s, size_t at)
{
    const size_t left = s->t->k + 1 - at;

    b->n = left < LOSS_BLOCK ? left : LOSS_BLOCK;
    for (size_t i = 0; i < b->n; i++) {
        const double p = outcome(s, at + i) - s->lse_t, q = log_q(s, at + i);

        b->p[i] = (float)exp(p);
        b->q[i] = (float)exp(q);
        b->lr[i] = q - (p == (double)-INFINITY ? loss_ruled_out(s->l) : p);
    }
}

/* d[i] of the rest holds its share. */
static void spread(float *d, double rest, size_t n)
{
    for (size_t i = 0; i < n; i++)
        d[i] *= (float)rest;
}

double loss_sparse(float *d, const struct loss *l, const struct kern *k, const struct kern_soft *z,
                   const struct loss_sparse *t, size_t n, double scale)
{
    struct sparse s = {.l = l, .k = k, .z = z, .t = t, .s = (float)(1 / l->temperature)};
    double value = 0, h = 0, q = 0;
    struct loss_block b;

    s.lse_t = teacher_lse(&s);
    share_rest(d, &s, n);
    for (size_t at = 0; at <= t->k; at += LOSS_BLOCK) {
        fill(&b, &s, at);
        loss_block_terms(&b, l, k);
        value += b.value;
        h += b.sum_h;
        q += b.sum_q;
    }
    scale *= (double)s.s;
    /* the rest is the last outcome of the last block, which is filled already */
    spread(d, scale * (b.h[b.n - 1] - (double)b.q[b.n - 1] * (h / q)), n);
    for (size_t at = 0; at <= t->k; at += LOSS_BLOCK) {
        fill(&b, &s, at);
        loss_block_terms(&b, l, k);
        for (size_t i = 0; i < b.n && at + i < t->k; i++)
            if (z->x[t->id[at + i]] != -INFINITY)
                d[t->id[at + i]] = (float)(scale * (b.h[i] - (double)b.q[i] * (h / q)));
    }
    return value;
}
