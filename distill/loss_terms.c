/* Divergences by outcome: the term of the value and h (distill/loss_impl.h) for each. */

#include "distill/loss_impl.h"

#include <math.h>

double loss_ruled_out(const struct loss *l)
{
    return l->finite ? log(LOSS_LEAST_P) : -HUGE_VAL;
}

static void forward_kl(struct loss_block *b, double w)
{
    for (size_t i = 0; i < b->n; i++) {
        const double p = (double)b->p[i];

        b->f[i] -= p > 0 ? w * p * b->lr[i] : 0;
        b->h[i] -= w * p;
    }
}

static void reverse_kl(struct loss_block *b, double w)
{
    for (size_t i = 0; i < b->n; i++) {
        const double q = (double)b->q[i], f = q > 0 ? q * b->lr[i] : 0;

        b->f[i] += w * f;
        b->h[i] += f < HUGE_VAL ? w * f : 0;
    }
}

/* share p + (1 - share) q, from the nearer of the two: of equals, and at both ends, exactly theirs. */
static double between(double p, double q, double share)
{
    return share < 0.5 ? q + share * (p - q) : p + (1 - share) * (q - p);
}

/* ratio[i] = log(x / m), m between p and q; 0 where x is none. */
static void log_ratio(struct loss_block *b, const struct kern *k, const float *x, double share)
{
    for (size_t i = 0; i < b->n; i++) {
        const double p = (double)b->p[i], q = (double)b->q[i];

        b->ratio[i] = x[i] > LOSS_LEAST ? between(p, q, share) / (double)x[i] : 1;
    }
    k->log(b->ratio, b->ratio, b->n);
    for (size_t i = 0; i < b->n; i++)
        b->ratio[i] = -b->ratio[i];
}

static void jsd(struct loss_block *b, const struct kern *k, double w, double beta)
{
    log_ratio(b, k, b->p, beta);
    for (size_t i = 0; i < b->n; i++)
        b->f[i] += w * beta * (double)b->p[i] * b->ratio[i];
    log_ratio(b, k, b->q, beta);
    for (size_t i = 0; i < b->n; i++) {
        const double f = (1 - beta) * (double)b->q[i] * b->ratio[i];

        b->f[i] += w * f;
        b->h[i] += w * f;
    }
}

static void skew_kl(struct loss_block *b, const struct kern *k, double w, double alpha)
{
    log_ratio(b, k, b->p, alpha);
    for (size_t i = 0; i < b->n; i++) {
        const double p = (double)b->p[i], q = (double)b->q[i], m = between(p, q, alpha);

        b->f[i] += w * p * b->ratio[i];
        b->h[i] -= m > 0 ? w * p * (1 - alpha) * (q / m) : 0;
    }
}

static void skew_reverse_kl(struct loss_block *b, const struct kern *k, double w, double alpha)
{
    log_ratio(b, k, b->q, 1 - alpha);
    for (size_t i = 0; i < b->n; i++) {
        const double p = (double)b->p[i], q = (double)b->q[i], m = between(q, p, alpha);
        const double f = q * b->ratio[i];

        b->f[i] += w * f;
        b->h[i] += w * (f - (m > 0 ? alpha * q * (q / m) : 0));
    }
}

static void tvd(struct loss_block *b, double w)
{
    for (size_t i = 0; i < b->n; i++) {
        const double q = (double)b->q[i], apart = q - (double)b->p[i];

        b->f[i] += w * fabs(apart) / 2;
        b->h[i] += w * q / 2 * (double)((apart > 0) - (apart < 0));
    }
}

static void add_term(struct loss_block *b, const struct loss_term *t, const struct kern *k)
{
    switch (loss_term_kind(t)) {
    case LOSS_FORWARD_KL:
        forward_kl(b, t->weight);
        break;
    case LOSS_REVERSE_KL:
        reverse_kl(b, t->weight);
        break;
    case LOSS_JSD:
        jsd(b, k, t->weight, t->param);
        break;
    case LOSS_SKEW_KL:
        skew_kl(b, k, t->weight, t->param);
        break;
    case LOSS_SKEW_REVERSE_KL:
        skew_reverse_kl(b, k, t->weight, t->param);
        break;
    case LOSS_TVD:
        tvd(b, t->weight);
        break;
    case LOSS_CE:
    case LOSS_HIDDEN_MSE:
    case LOSS_HIDDEN_COS:
    case LOSS_KIND_COUNT:
        break;
    }
}

/* In lanes, so that each sum waits for itself alone. */
static double sum_of(const double *x, size_t n)
{
    double lane[4] = {0};
    size_t i = 0;

    for (; i + 4 <= n; i += 4)
        for (size_t k = 0; k < 4; k++)
            lane[k] += x[i + k];
    for (; i < n; i++)
        lane[0] += x[i];
    return (lane[0] + lane[1]) + (lane[2] + lane[3]);
}

void loss_block_terms(struct loss_block *b, const struct loss *l, const struct kern *k)
{
    for (size_t i = 0; i < b->n; i++)
        b->f[i] = b->h[i] = 0;
    for (size_t i = 0; i < l->n; i++)
        add_term(b, &l->term[i], k);
    b->value = sum_of(b->f, b->n);
    b->sum_h = sum_of(b->h, b->n);
    for (size_t i = 0; i < b->n; i++)
        b->f[i] = (double)b->q[i];
    b->sum_q = sum_of(b->f, b->n);
}
