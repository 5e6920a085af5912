/* Divergences by outcome: the term of the value and h (distill/loss_impl.h) for each. */

#include "distill/loss_impl.h"

#include <math.h>

static void forward_kl(struct loss_block *b, double w)
{
    double value = 0;

#pragma omp simd reduction(+ : value)
    for (size_t i = 0; i < b->n; i++) {
        const double p = (double)b->p[i];

        value -= p > 0 ? p * b->lr[i] : 0;
        b->h[i] -= w * p;
    }
    b->value += w * value;
}

static void reverse_kl(struct loss_block *b, double w)
{
    double value = 0;

#pragma omp simd reduction(+ : value)
    for (size_t i = 0; i < b->n; i++) {
        const double q = (double)b->q[i], f = q > 0 ? q * b->lr[i] : 0;

        value += f;
        b->h[i] += f < HUGE_VAL ? w * f : 0;
    }
    b->value += w * value;
}

/* ratio[i] = log(x / m), m = q + share (p - q); 0 where x is none. Of equals exactly 0. */
static void log_ratio(struct loss_block *b, const struct kern *k, const float *x, double share)
{
    for (size_t i = 0; i < b->n; i++) {
        const double p = (double)b->p[i], q = (double)b->q[i];

        b->ratio[i] = x[i] > LOSS_LEAST ? (q + share * (p - q)) / (double)x[i] : 1;
    }
    k->log(b->ratio, b->ratio, b->n);
    for (size_t i = 0; i < b->n; i++)
        b->ratio[i] = -b->ratio[i];
}

static void jsd(struct loss_block *b, const struct kern *k, double w, double beta)
{
    double value = 0;

    log_ratio(b, k, b->p, beta);
#pragma omp simd reduction(+ : value)
    for (size_t i = 0; i < b->n; i++)
        value += beta * (double)b->p[i] * b->ratio[i];
    log_ratio(b, k, b->q, beta);
#pragma omp simd reduction(+ : value)
    for (size_t i = 0; i < b->n; i++) {
        const double f = (1 - beta) * (double)b->q[i] * b->ratio[i];

        value += f;
        b->h[i] += w * f;
    }
    b->value += w * value;
}

static void skew_kl(struct loss_block *b, const struct kern *k, double w, double alpha)
{
    double value = 0;

    log_ratio(b, k, b->p, alpha);
#pragma omp simd reduction(+ : value)
    for (size_t i = 0; i < b->n; i++) {
        const double p = (double)b->p[i], q = (double)b->q[i], m = q + alpha * (p - q);

        value += p * b->ratio[i];
        b->h[i] -= m > 0 ? w * p * (1 - alpha) * (q / m) : 0;
    }
    b->value += w * value;
}

static void skew_reverse_kl(struct loss_block *b, const struct kern *k, double w, double alpha)
{
    double value = 0;

    log_ratio(b, k, b->q, 1 - alpha);
#pragma omp simd reduction(+ : value)
    for (size_t i = 0; i < b->n; i++) {
        const double p = (double)b->p[i], q = (double)b->q[i], m = p + alpha * (q - p);
        const double f = q * b->ratio[i];

        value += f;
        b->h[i] += w * (f - (m > 0 ? alpha * q * (q / m) : 0));
    }
    b->value += w * value;
}

static void tvd(struct loss_block *b, double w)
{
    double value = 0;

#pragma omp simd reduction(+ : value)
    for (size_t i = 0; i < b->n; i++) {
        const double q = (double)b->q[i], apart = q - (double)b->p[i];

        value += fabs(apart) / 2;
        b->h[i] += w * q / 2 * (double)((apart > 0) - (apart < 0));
    }
    b->value += w * value;
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

void loss_block_terms(struct loss_block *b, const struct loss *l, const struct kern *k)
{
    double h = 0, q = 0;

    b->value = 0;
    for (size_t i = 0; i < b->n; i++)
        b->h[i] = 0;
    for (size_t i = 0; i < l->n; i++)
        add_term(b, &l->term[i], k);
#pragma omp simd reduction(+ : h, q)
    for (size_t i = 0; i < b->n; i++) {
        h += b->h[i];
        q += (double)b->q[i];
    }
    b->sum_h = h;
    b->sum_q = q;
}
