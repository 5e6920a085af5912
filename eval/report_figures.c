#include "eval/metric.h"
#include "eval/report_check.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { PATH_BYTES = 128 };

/* Sums in another order agree to this share of what was added up. */
static const double eps = 1e-9;

/* A result, and where the report writes it. */
struct result {
    const struct report_text *t;
    const char *prefix; /* "models.0" */
    const struct eval_result *r;
};

static double largest(const double *x, size_t n)
{
    double most = 0;

    for (size_t i = 0; i < n; i++)
        most = fabs(x[i]) > most ? fabs(x[i]) : most;
    return most;
}

/* The figure at prefix.key has to be `want`, which is `because`; `scale` is of what it was
 * computed from. */
static int expect(const struct result *c, const char *key, double got, double want, double scale,
                  const char *because, struct err *err)
{
    char path[PATH_BYTES];

    if (isnan(got) == isnan(want) &&
        (isnan(want) || fabs(got - want) <= eps * (fabs(want) + scale)))
        return 0;
    (void)snprintf(path, sizeof(path), "%s.%s", c->prefix, key);
    return report_bad(c->t, path, err, "expected %.12g, %s; found %.12g", want, because, got);
}

/* A mean and its error, from the means of windows. */
static int expect_mean(const struct result *c, const char *key, struct stats_mean got,
                       const double *x, const char *list, struct err *err)
{
    const struct stats_mean want = stats_clustered(x, c->r->n_windows, 1);
    const double scale = largest(x, c->r->n_windows);
    char part[PATH_BYTES], because[96];

    (void)snprintf(part, sizeof(part), "%s.value", key);
    (void)snprintf(because, sizeof(because), "the mean of %s", list);
    const int rc = expect(c, part, got.value, want.value, scale, because, err);
    (void)snprintf(part, sizeof(part), "%s.error", key);
    (void)snprintf(because, sizeof(because), "the standard error of the mean of %s", list);
    return rc ? rc : expect(c, part, got.error, want.error, scale, because, err);
}

static int expect_exp(const struct result *c, const char *key, struct stats_mean got,
                      struct stats_mean ln, const char *of, struct err *err)
{
    const struct stats_mean want = stats_exp(ln);
    char part[PATH_BYTES], because[64];

    (void)snprintf(part, sizeof(part), "%s.value", key);
    (void)snprintf(because, sizeof(because), "exp of %s", of);
    const int rc = expect(c, part, got.value, want.value, want.value, because, err);
    (void)snprintf(part, sizeof(part), "%s.error", key);
    (void)snprintf(because, sizeof(because), "the value times the error of %s", of);
    return rc ? rc : expect(c, part, got.error, want.error, want.value, because, err);
}

/* Means by position add up to the same mean. */
static int expect_positions(const struct result *c, const char *key, const double *x, double want,
                            const char *of, struct err *err)
{
    const double scale = largest(x, c->r->n_positions);
    char because[64];

    (void)snprintf(because, sizeof(because), "%s, in the mean", of);
    return expect(c, key, stats_clustered(x, c->r->n_positions, 1).value, want, scale, because,
                  err);
}

static int check_own(const struct result *c, struct err *err)
{
    const struct eval_result *r = c->r;
    int rc = expect_mean(c, "nll", r->nll, r->window_nll, "window_nll", err);

    if (!rc)
        rc = expect_exp(c, "ppl", r->ppl, r->nll, "nll", err);
    if (!rc)
        rc = expect_positions(c, "position_nll", r->position_nll, r->nll.value, "nll", err);
    return rc;
}

/* ---- against the original --------------------------------------------------------------------- */

static int check_means(const struct result *c, struct err *err)
{
    const struct eval_result *r = c->r;
    int rc = expect_mean(c, "against.kld.mean", r->kld, r->window_kld, "window_kld", err);

    if (!rc)
        rc = expect_mean(c, "against.top1", r->top1, r->window_top1, "window_top1", err);
    if (!rc)
        rc = expect_mean(c, "against.top5", r->top5, r->window_top5, "window_top5", err);
    if (!rc)
        rc = expect_mean(c, "against.dp.mean", r->dp, r->window_dp, "window_dp", err);
    if (!rc)
        rc = expect_positions(c, "against.position_kld", r->position_kld, r->kld.value, "kld.mean",
                              err);
    if (!rc)
        rc = expect_exp(c, "against.ppl_ratio", r->ppl_ratio, r->ln_ratio, "ln_ppl_ratio", err);
    return rc;
}

static int check_ratio(const struct result *c, const struct eval_result *original, struct err *err)
{
    double each = 0, square = 0;
    const size_t n = c->r->n_windows;
    const double scale = largest(c->r->window_nll, n);

    for (size_t i = 0; i < n; i++)
        each += (c->r->window_nll[i] - original->window_nll[i]) / (double)n;
    int rc = expect(c, "against.ln_ppl_ratio.value", c->r->ln_ratio.value, each, scale,
                    "the mean of window_nll less the original's", err);
    if (rc || n < 2)
        return rc;
    for (size_t i = 0; i < n; i++) {
        const double d = c->r->window_nll[i] - original->window_nll[i] - each;
        square += d * d;
    }
    return expect(c, "against.ln_ppl_ratio.error", c->r->ln_ratio.error,
                  sqrt(square / (double)(n - 1) / (double)n), scale,
                  "the standard error of the mean of window_nll less the original's", err);
}

/* Quantiles, from the least on: each at least the one before. */
static int check_order(const struct result *c, const char *const *name, size_t n, struct err *err)
{
    double before = -(double)INFINITY;

    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; metric_at(k); k++) {
            if (strcmp(metric_at(k)->name, name[i]) != 0)
                continue;
            const double x = *(const double *)(const void *)((const char *)c->r + metric_at(k)->at);
            char path[PATH_BYTES];
            (void)snprintf(path, sizeof(path), "%s.against.%s", c->prefix, name[i]);
            if (x < before)
                return report_bad(c->t, path, err,
                                  "expected at least %.12g, which %s is; found %.12g", before,
                                  name[i - 1], x);
            before = x;
        }
    }
    return 0;
}

static int check_places(const struct result *c, struct err *err)
{
    static const char *const kld[] = {"kld.min", "kld.p1",  "kld.p5",  "kld.p10",  "kld.median",
                                      "kld.p90", "kld.p95", "kld.p99", "kld.p999", "kld.max"};
    static const char *const dp[] = {"dp.min", "dp.p01",    "dp.p1",  "dp.p5",  "dp.p10",
                                     "dp.p25", "dp.median", "dp.p75", "dp.p90", "dp.p95",
                                     "dp.p99", "dp.p999",   "dp.max"};
    const int rc = check_order(c, kld, sizeof(kld) / sizeof(kld[0]), err);

    return rc ? rc : check_order(c, dp, sizeof(dp) / sizeof(dp[0]), err);
}

static int check_worst(const struct result *c, struct err *err)
{
    const struct eval_result *r = c->r;
    int rc = 0;

    for (size_t i = 0; !rc && i < r->n_worst; i++) {
        const struct eval_worst *w = &r->worst[i];
        const size_t n = r->n_positions;
        char key[PATH_BYTES];
        (void)snprintf(key, sizeof(key), "against.worst.%zu.kld", i);
        rc =
            expect(c, key, w->kld, r->window_kld[w->window], 0, "that window's in window_kld", err);
        (void)snprintf(key, sizeof(key), "against.worst.%zu.token_kld", i);
        if (!rc)
            rc = expect(c, key, stats_clustered(w->token_kld, n, 1).value, w->kld,
                        largest(w->token_kld, n), "the window's kld, in the mean", err);
        (void)snprintf(key, sizeof(key), "against.worst.%zu.token_nll", i);
        if (!rc)
            rc = expect(c, key, stats_clustered(w->token_nll, n, 1).value, r->window_nll[w->window],
                        largest(w->token_nll, n), "that window's in window_nll, in the mean", err);
    }
    return rc;
}

/* ---- tasks ------------------------------------------------------------------------------------------ */

static int check_task(const struct report_text *t, const char *prefix,
                      const struct task_result *task, struct err *err)
{
    const struct eval_result items = {.n_windows = task->n_items};
    const struct result c = {t, prefix, &items};
    int rc = 0;

    for (size_t i = 0; !rc && i < task->n_items; i++)
        if (task->item_correct[i] != 0 && task->item_correct[i] != 1) {
            char path[PATH_BYTES + 40];
            (void)snprintf(path, sizeof(path), "%s.item_correct.%zu", prefix, i);
            rc = report_bad(t, path, err, "expected 0 or 1, found %g", task->item_correct[i]);
        }
    if (!rc)
        rc = expect_mean(&c, "acc", task->acc, task->item_correct, "item_correct", err);
    if (!rc && task->have_norm && task->item_correct_norm)
        rc = expect_mean(&c, "acc_norm", task->acc_norm, task->item_correct_norm,
                         "item_correct_norm", err);
    if (!rc && task->have_ppl)
        rc = expect_exp(&c, "ppl", task->ppl, stats_clustered(task->item_nll, task->n_items, 1),
                        "the mean of item_nll", err);
    return rc;
}

static int check_tasks(const struct report_text *t, const char *prefix,
                       const struct task_results *tasks, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; !rc && i < tasks->n; i++) {
        char path[PATH_BYTES];
        (void)snprintf(path, sizeof(path), "%s.tasks.%zu", prefix, i);
        rc = check_task(t, path, &tasks->at[i], err);
    }
    return rc;
}

/* ---- models ------------------------------------------------------------------------------------------- */

static int check_result(const struct result *c, const struct eval_result *original, struct err *err)
{
    int rc = c->r->n_windows ? check_own(c, err) : 0;

    if (rc || !c->r->have_original || !c->r->n_windows)
        return rc;
    rc = check_means(c, err);
    if (!rc && original)
        rc = check_ratio(c, original, err);
    if (!rc)
        rc = check_places(c, err);
    return rc ? rc : check_worst(c, err);
}

/* All were measured on the same windows, as long as the context says. */
static int check_counts(const struct result *c, const struct report *r, struct err *err)
{
    const size_t n = r->n_models ? r->model[0].result.n_windows : c->r->n_windows;
    const size_t each = r->n_ctx < 2 ? 0 : r->n_ctx - 1 - r->n_ctx / 2;
    char path[PATH_BYTES];

    (void)snprintf(path, sizeof(path), "%s.windows", c->prefix);
    if (c->r->n_windows != n)
        return report_bad(c->t, path, err, "expected %zu, as of the first model; found %zu", n,
                          c->r->n_windows);
    (void)snprintf(path, sizeof(path), "%s.tokens", c->prefix);
    if (c->r->n_tokens != n * each)
        return report_bad(c->t, path, err, "expected %zu: %zu in each window; found %zu", n * each,
                          each, c->r->n_tokens);
    return 0;
}

static int check_model(const struct report_text *t, const char *prefix, const struct report *r,
                       const struct report_model *m, struct err *err)
{
    const struct result own = {t, prefix, &m->result};
    const struct eval_result *original = r->original ? &r->original->result : NULL;
    char path[PATH_BYTES];
    double bpw = (double)NAN;
    int rc = check_counts(&own, r, err);

    if (!rc)
        rc = check_result(&own, original, err);
    if (!rc && m->result.fast) {
        (void)snprintf(path, sizeof(path), "%s.fast", prefix);
        const struct result fast = {t, path, m->result.fast};
        rc = check_counts(&fast, r, err);
        rc = rc ? rc : check_result(&fast, original, err);
    }
    if (rc)
        return rc;
    (void)snprintf(path, sizeof(path), "%s.bpw", prefix);
    (void)json_num(json_path(t->doc, path), &bpw);
    rc = expect(&own, "bpw", bpw, report_bpw(m), 0, "8 · tensor_bytes / params", err);
    return rc ? rc : check_tasks(t, prefix, &m->tasks, err);
}

int report_check_figures(const struct report_text *t, const struct report *r, struct err *err)
{
    int rc = 0;

    if (r->original)
        rc = check_model(t, "original", r, r->original, err);
    for (size_t i = 0; !rc && i < r->n_models; i++) {
        char path[PATH_BYTES];
        (void)snprintf(path, sizeof(path), "models.%zu", i);
        rc = check_model(t, path, r, &r->model[i], err);
        if (!rc && r->model[i].result.have_original && !r->original)
            rc = report_bad(t, path, err, "measured against an original, which is missing");
    }
    if (!rc && r->about && r->n_models && r->about->n_windows != r->model[0].result.n_windows)
        rc = report_bad(t, "evaluation.windows", err, "expected %zu windows' texts, found %zu",
                        r->model[0].result.n_windows, r->about->n_windows);
    return rc;
}
