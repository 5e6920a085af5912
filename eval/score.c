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

/* ---- a position ---------------------------------------------------------------- */

void score_best_clear(struct score_best *b)
{
    for (size_t i = 0; i < SCORE_TOP; i++) {
        b->logit[i] = -INFINITY;
        b->id[i] = -1;
    }
}

/* Is (x, id) before the i-th? Tokens that are not there are after all. */
static bool before(float x, int32_t id, const struct score_best *b, size_t i)
{
    return b->id[i] < 0 || x > b->logit[i] || (x == b->logit[i] && id < b->id[i]);
}

static void insert(struct score_best *b, float x, int32_t id)
{
    size_t at = SCORE_TOP - 1;

    if (!before(x, id, b, at))
        return;
    for (; at && before(x, id, b, at - 1); at--) {
        b->logit[at] = b->logit[at - 1];
        b->id[at] = b->id[at - 1];
    }
    b->logit[at] = x;
    b->id[at] = id;
}

void score_best_add(struct score_best *to, const struct score_best *from)
{
    for (size_t i = 0; i < SCORE_TOP && from->id[i] >= 0; i++)
        insert(to, from->logit[i], from->id[i]);
}

void score_stretch(struct score_part *out, struct score_best *best, const float *x,
                   const float *own, size_t first, size_t n, const struct kern *kern)
{
    const float max = kern->max(x, n), own_max = own ? kern->max(own, n) : 0;
    double share;

    out->lse = max == -INFINITY ? (double)-INFINITY : kern->log_sum_exp(x, n);
    out->apart = 0;
    /* most stretches have none of the likeliest */
    if (best->id[SCORE_TOP - 1] < 0 || max >= best->logit[SCORE_TOP - 1])
        for (size_t i = 0; i < n; i++)
            if (!(x[i] < best->logit[SCORE_TOP - 1]))
                insert(best, x[i], (int32_t)(first + i));
    if (own && own_max != -INFINITY) {
        kern->divergence(&share, &out->apart, own, x, own_max, n);
        out->apart /= share;
    }
}

/* log(exp(a) + exp(b)) */
static double add_logs(double a, double b)
{
    const double most = a > b ? a : b, least = a > b ? b : a;

    return least == (double)-INFINITY ? most : most + log1p(exp(least - most));
}

void score_join(struct score_part *to, const struct score_part *part,
                const struct score_part *ref_to, const struct score_part *ref_part)
{
    to->lse = add_logs(to->lse, part->lse);
    if (!ref_to)
        return;
    const double all = add_logs(ref_to->lse, ref_part->lse);
    if (all == (double)-INFINITY)
        return;
    to->apart = exp(ref_to->lse - all) * to->apart + exp(ref_part->lse - all) * part->apart;
}

void score_finish(struct score *out, const struct score_best *best, double next_logit, double total)
{
    *out = (struct score){.lse = total, .nll = total - next_logit};
    memcpy(out->five, best->id, sizeof(out->five));
    out->top = best->id[0] < 0 ? 0 : (size_t)best->id[0];
}

static unsigned shared(const int32_t a[SCORE_TOP], const int32_t b[SCORE_TOP])
{
    unsigned n = 0;

    for (size_t i = 0; i < SCORE_TOP; i++)
        for (size_t k = 0; k < SCORE_TOP && a[i] >= 0; k++)
            n += a[i] == b[k];
    return n;
}

void score_against(struct score *out, const struct score_part *all, const struct score *ref,
                   const struct score_part *ref_all)
{
    const double kld = exp(ref_all->lse - ref->lse) * (all->apart + out->lse - ref->lse);

    out->kld = kld < 0 ? 0 : kld; /* rounding can leave -1e-9 where both are nearly equal */
    out->dp = exp(-out->nll) - exp(-ref->nll);
    out->shared = shared(ref->five, out->five);
}

/* ---- summaries ---------------------------------------------------------------- */

/* Room for the columns of a summary. */
struct columns {
    double *x, *y; /* n values each */
    size_t n_windows, each, n;
};

/* A quantile that a result holds. */
struct place {
    double share;
    size_t at;
};

#define AT(field) offsetof(struct eval_result, field)

static const struct place kld_places[] = {
    {1,    AT(kld_max)   },
    {.999, AT(kld_p999)  },
    {.99,  AT(kld_p99)   },
    {.95,  AT(kld_p95)   },
    {.90,  AT(kld_p90)   },
    {.5,   AT(kld_median)},
    {.10,  AT(kld_p10)   },
    {.05,  AT(kld_p5)    },
    {.01,  AT(kld_p1)    },
    {0,    AT(kld_min)   },
};

static const struct place dp_places[] = {
    {1,    AT(dp_max)   },
    {.999, AT(dp_p999)  },
    {.99,  AT(dp_p99)   },
    {.95,  AT(dp_p95)   },
    {.90,  AT(dp_p90)   },
    {.75,  AT(dp_p75)   },
    {.5,   AT(dp_median)},
    {.25,  AT(dp_p25)   },
    {.10,  AT(dp_p10)   },
    {.05,  AT(dp_p5)    },
    {.01,  AT(dp_p1)    },
    {.001, AT(dp_p01)   },
    {0,    AT(dp_min)   },
};

#define N_OF(array) (sizeof(array) / sizeof((array)[0]))

/* Sorts x. */
static void sum_places(struct eval_result *out, const struct place *p, size_t n,
                       const struct columns *c)
{
    stats_sort(c->x, c->n);
    for (size_t i = 0; i < n; i++)
        *(double *)((char *)out + p[i].at) = stats_quantile(c->x, c->n, p[i].share);
}

static int window_means(double **out, struct eval_result *r, const double *x, struct err *err)
{
    double *means = *out = arena_array(&r->arena, r->n_windows, sizeof(*means));

    if (!means)
        return err_nomem(err);
    for (size_t w = 0; w < r->n_windows; w++) {
        for (size_t i = 0; i < r->n_positions; i++)
            means[w] += x[w * r->n_positions + i];
        means[w] /= (double)r->n_positions;
    }
    return 0;
}

static int position_means(double **out, struct eval_result *r, const double *x, struct err *err)
{
    double *means = *out = arena_array(&r->arena, r->n_positions, sizeof(*means));

    if (!means)
        return err_nomem(err);
    for (size_t i = 0; i < r->n_tokens; i++)
        means[i % r->n_positions] += x[i];
    for (size_t i = 0; i < r->n_positions; i++)
        means[i] /= (double)r->n_windows;
    return 0;
}

static int sum_divergence(struct eval_result *out, const struct score *s, const struct columns *c,
                          struct err *err)
{
    for (size_t i = 0; i < c->n; i++)
        c->x[i] = s[i].kld;
    out->kld = stats_clustered(c->x, c->n_windows, c->each);
    int rc = window_means(&out->window_kld, out, c->x, err);
    if (!rc)
        rc = position_means(&out->position_kld, out, c->x, err);
    sum_places(out, kld_places, N_OF(kld_places), c);
    return rc;
}

static int sum_dp(struct eval_result *out, const struct score *s, const struct columns *c,
                  struct err *err)
{
    for (size_t i = 0; i < c->n; i++)
        c->x[i] = s[i].dp;
    out->dp = stats_clustered(c->x, c->n_windows, c->each);
    out->dp_rms = stats_rms(c->x, c->n);
    const int rc = window_means(&out->window_dp, out, c->x, err);
    sum_places(out, dp_places, N_OF(dp_places), c);
    return rc;
}

static int sum_tops(struct eval_result *out, const struct score *s, const struct score *ref,
                    const struct columns *c, struct err *err)
{
    for (size_t i = 0; i < c->n; i++) {
        c->x[i] = s[i].top == ref[i].top;
        c->y[i] = (double)s[i].shared / SCORE_TOP;
    }
    out->top1 = stats_clustered(c->x, c->n_windows, c->each);
    out->top5 = stats_clustered(c->y, c->n_windows, c->each);
    const int rc = window_means(&out->window_top1, out, c->x, err);
    return rc ? rc : window_means(&out->window_top5, out, c->y, err);
}

/* ---- the worst windows ----------------------------------------------------------- */

static int worst_tokens(struct eval_worst *w, struct eval_result *r, const struct score *s,
                        struct err *err)
{
    w->token = arena_array(&r->arena, r->n_positions, sizeof(*w->token));
    w->token_kld = arena_array(&r->arena, r->n_positions, sizeof(*w->token_kld));
    w->token_nll = arena_array(&r->arena, r->n_positions, sizeof(*w->token_nll));
    if (!w->token || !w->token_kld || !w->token_nll)
        return err_nomem(err);
    for (size_t i = 0; i < r->n_positions; i++) {
        w->token[i] = "";
        w->token_kld[i] = s[i].kld;
        w->token_nll[i] = s[i].nll;
    }
    return 0;
}

/* Of windows that lost the same, the first. */
static int find_worst(struct eval_result *r, const struct score *s, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; i < r->n_windows; i++) {
        size_t at = r->n_worst;
        if (at < EVAL_WORST)
            r->n_worst++;
        else if (r->window_kld[i] > r->worst[--at].kld)
            ;
        else
            continue;
        for (; at && r->window_kld[i] > r->worst[at - 1].kld; at--)
            r->worst[at] = r->worst[at - 1];
        r->worst[at] = (struct eval_worst){.window = i, .kld = r->window_kld[i]};
    }
    for (size_t i = 0; !rc && i < r->n_worst; i++)
        rc = worst_tokens(&r->worst[i], r, s + r->worst[i].window * r->n_positions, err);
    return rc;
}

/* ---- all of it ----------------------------------------------------------------------- */

/* c->x holds the model's nll. */
static int sum_against(struct eval_result *out, const struct score *s, const struct score *ref,
                       const struct columns *c, struct err *err)
{
    for (size_t i = 0; i < c->n; i++)
        c->y[i] = ref[i].nll;
    out->ln_correlation = stats_correlation(c->x, c->y, c->n);
    for (size_t i = 0; i < c->n; i++)
        c->y[i] = c->x[i] - c->y[i];
    out->ln_ratio = stats_clustered(c->y, c->n_windows, c->each);
    out->ppl_ratio = stats_exp(out->ln_ratio);
    int rc = sum_tops(out, s, ref, c, err);
    if (!rc)
        rc = sum_divergence(out, s, c, err);
    if (!rc)
        rc = sum_dp(out, s, c, err);
    return rc ? rc : find_worst(out, s, err);
}

static int summarise(struct eval_result *out, const struct score *s, const struct score *ref,
                     const struct columns *c, struct err *err)
{
    for (size_t i = 0; i < c->n; i++)
        c->x[i] = s[i].nll;
    out->nll = stats_clustered(c->x, c->n_windows, c->each);
    out->ppl = stats_exp(out->nll);
    int rc = window_means(&out->window_nll, out, c->x, err);
    if (!rc)
        rc = position_means(&out->position_nll, out, c->x, err);
    return rc || !ref ? rc : sum_against(out, s, ref, c, err);
}

int score_summary(struct eval_result *out, const struct score *s, const struct score *ref,
                  size_t n_windows, size_t each, struct err *err)
{
    struct columns c = {.n_windows = n_windows, .each = each};

    *out = (struct eval_result){
        .n_windows = n_windows, .n_positions = each, .have_original = ref != NULL};
    if (!mul_ok(&c.n, n_windows, each) || !c.n)
        return err_set(err, ERR_ARG, "no scored positions");
    out->n_tokens = c.n;
    c.x = calloc(c.n, sizeof(*c.x));
    c.y = calloc(c.n, sizeof(*c.y));
    const int rc = c.x && c.y ? summarise(out, s, ref, &c, err) : err_nomem(err);
    if (rc)
        eval_result_release(out);
    free(c.x);
    free(c.y);
    return rc;
}

void eval_result_release(struct eval_result *r)
{
    if (r->fast) {
        arena_release(&r->fast->arena); /* has no fast one of its own */
        free(r->fast);
    }
    arena_release(&r->arena);
    *r = (struct eval_result){0};
}
