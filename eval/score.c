#include "eval/score.h"

#include "formats/base/rd.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

size_t score_top(const float *x, size_t n)
{
    size_t best = 0;

    for (size_t i = 1; i < n; i++)
        if (x[i] > x[best])
            best = i;
    return best;
}

/* KL(P || Q) of the logits p and q, whose normalisers are lp and lq. */
static double divergence(const float *p, double lp, const float *q, double lq, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++) {
        const double log_p = (double)p[i] - lp;
        const double share = exp(log_p);
        if (share > 0)
            sum += share * (log_p - ((double)q[i] - lq));
    }
    return sum < 0 ? 0 : sum; /* rounding can leave -1e-17 where both are equal */
}

void score_position(struct score *out, const float *logits, size_t n_vocab, int32_t next,
                    const struct score *ref, const float *own, const struct kern *kern)
{
    *out = (struct score){.lse = kern->log_sum_exp(logits, n_vocab)};
    out->nll = out->lse - (double)logits[next];
    out->top = score_top(logits, n_vocab);
    if (!ref)
        return;
    out->kld = divergence(own, ref->lse, logits, out->lse, n_vocab);
    out->dp = exp(-out->nll) - exp(-ref->nll);
}

/* Room for the columns of a summary. */
struct columns {
    double *x, *y; /* n values each */
    size_t n_windows, each, n;
};

static double *window_means(const double *x, size_t n_windows, size_t each)
{
    double *means = calloc(n_windows + !n_windows, sizeof(*means));

    for (size_t w = 0; means && w < n_windows; w++) {
        for (size_t i = 0; i < each; i++)
            means[w] += x[w * each + i];
        means[w] /= (double)each;
    }
    return means;
}

static void sum_divergence(struct eval_result *out, const struct score *s, struct columns *c)
{
    for (size_t i = 0; i < c->n; i++)
        c->x[i] = s[i].kld;
    out->kld = stats_clustered(c->x, c->n_windows, c->each);
    out->window_kld = window_means(c->x, c->n_windows, c->each);
    stats_sort(c->x, c->n);
    out->kld_max = c->x[c->n - 1];
    out->kld_p999 = stats_quantile(c->x, c->n, 0.999);
    out->kld_p99 = stats_quantile(c->x, c->n, 0.99);
    out->kld_p95 = stats_quantile(c->x, c->n, 0.95);
    out->kld_p90 = stats_quantile(c->x, c->n, 0.90);
    out->kld_median = stats_quantile(c->x, c->n, 0.5);
}

static void sum_dp(struct eval_result *out, const struct score *s, struct columns *c)
{
    for (size_t i = 0; i < c->n; i++)
        c->x[i] = s[i].dp;
    out->dp = stats_clustered(c->x, c->n_windows, c->each);
    out->dp_rms = stats_rms(c->x, c->n);
    stats_sort(c->x, c->n);
    out->dp_p99 = stats_quantile(c->x, c->n, 0.99);
    out->dp_p95 = stats_quantile(c->x, c->n, 0.95);
    out->dp_p90 = stats_quantile(c->x, c->n, 0.90);
    out->dp_median = stats_quantile(c->x, c->n, 0.5);
    out->dp_p10 = stats_quantile(c->x, c->n, 0.10);
    out->dp_p5 = stats_quantile(c->x, c->n, 0.05);
    out->dp_p1 = stats_quantile(c->x, c->n, 0.01);
}

/* c->x holds the model's nll. */
static void sum_against(struct eval_result *out, const struct score *s, const struct score *ref,
                        struct columns *c)
{
    for (size_t i = 0; i < c->n; i++)
        c->y[i] = ref[i].nll;
    out->ln_correlation = stats_correlation(c->x, c->y, c->n);
    for (size_t i = 0; i < c->n; i++)
        c->y[i] = c->x[i] - c->y[i];
    out->ln_ratio = stats_clustered(c->y, c->n_windows, c->each);
    out->ppl_ratio = stats_exp(out->ln_ratio);
    for (size_t i = 0; i < c->n; i++)
        c->y[i] = s[i].top == ref[i].top;
    out->top1 = stats_clustered(c->y, c->n_windows, c->each);
    sum_divergence(out, s, c);
    sum_dp(out, s, c);
}

int score_summary(struct eval_result *out, const struct score *s, const struct score *ref,
                  size_t n_windows, size_t each, struct err *err)
{
    struct columns c = {.n_windows = n_windows, .each = each};
    int rc = 0;

    *out = (struct eval_result){.n_windows = n_windows, .have_original = ref != NULL};
    if (!mul_ok(&c.n, n_windows, each) || !c.n)
        return err_set(err, ERR_ARG, "no scored positions");
    out->n_tokens = c.n;
    c.x = calloc(c.n, sizeof(*c.x));
    c.y = calloc(c.n, sizeof(*c.y));
    if (!c.x || !c.y) {
        rc = err_nomem(err);
        goto fail;
    }
    for (size_t i = 0; i < c.n; i++)
        c.x[i] = s[i].nll;
    out->nll = stats_clustered(c.x, n_windows, each);
    out->ppl = stats_exp(out->nll);
    out->window_nll = window_means(c.x, n_windows, each);
    if (ref)
        sum_against(out, s, ref, &c);
    if (!out->window_nll || (ref && !out->window_kld)) {
        eval_result_release(out);
        rc = err_nomem(err);
    }
fail:
    free(c.x);
    free(c.y);
    return rc;
}

void eval_result_release(struct eval_result *r)
{
    free(r->window_nll);
    free(r->window_kld);
    *r = (struct eval_result){0};
}
