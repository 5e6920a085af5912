#include "eval/report_result.h"

#include <math.h>
#include <string.h>

/* ---- single figures ------------------------------------------------------------ */

/* A figure of struct eval_result: where its JSON stands and where it lies. */
struct figure {
    const char *group; /* object around it, or NULL */
    const char *key;
    size_t at;
    bool mean; /* a struct stats_mean, else a double */
};

#define AT(field) offsetof(struct eval_result, field)

static const struct figure own_figures[] = {
    {NULL, "nll", AT(nll), true},
    {NULL, "ppl", AT(ppl), true},
};

static const struct figure against_figures[] = {
    {NULL,  "ln_ppl_ratio",       AT(ln_ratio),       true },
    {NULL,  "ppl_ratio",          AT(ppl_ratio),      true },
    {NULL,  "ln_ppl_correlation", AT(ln_correlation), false},
    {NULL,  "top1",               AT(top1),           true },
    {NULL,  "top5",               AT(top5),           true },
    {"kld", "mean",               AT(kld),            true },
    {"kld", "max",                AT(kld_max),        false},
    {"kld", "p999",               AT(kld_p999),       false},
    {"kld", "p99",                AT(kld_p99),        false},
    {"kld", "p95",                AT(kld_p95),        false},
    {"kld", "p90",                AT(kld_p90),        false},
    {"kld", "median",             AT(kld_median),     false},
    {"kld", "p10",                AT(kld_p10),        false},
    {"kld", "p5",                 AT(kld_p5),         false},
    {"kld", "p1",                 AT(kld_p1),         false},
    {"kld", "min",                AT(kld_min),        false},
    {"dp",  "mean",               AT(dp),             true },
    {"dp",  "rms",                AT(dp_rms),         false},
    {"dp",  "max",                AT(dp_max),         false},
    {"dp",  "p999",               AT(dp_p999),        false},
    {"dp",  "p99",                AT(dp_p99),         false},
    {"dp",  "p95",                AT(dp_p95),         false},
    {"dp",  "p90",                AT(dp_p90),         false},
    {"dp",  "p75",                AT(dp_p75),         false},
    {"dp",  "median",             AT(dp_median),      false},
    {"dp",  "p25",                AT(dp_p25),         false},
    {"dp",  "p10",                AT(dp_p10),         false},
    {"dp",  "p5",                 AT(dp_p5),          false},
    {"dp",  "p1",                 AT(dp_p1),          false},
    {"dp",  "p01",                AT(dp_p01),         false},
    {"dp",  "min",                AT(dp_min),         false},
};

#define N_OF(array) (sizeof(array) / sizeof((array)[0]))

static void put_figure(struct json_out *j, const struct figure *f, const struct eval_result *r)
{
    const void *at = (const char *)r + f->at;
    const struct stats_mean *mean = at;
    const double *one = at;

    if (!f->mean) {
        json_put_num(j, f->key, *one);
        return;
    }
    json_open(j, f->key, '{');
    json_put_num(j, "value", mean->value);
    json_put_num(j, "error", mean->error);
    json_close(j, '}');
}

static void put_figures(struct json_out *j, const struct figure *f, size_t n,
                        const struct eval_result *r)
{
    const char *group = NULL;

    for (size_t i = 0; i < n; i++) {
        if (f[i].group != group && (!group || !f[i].group || strcmp(group, f[i].group) != 0)) {
            if (group)
                json_close(j, '}');
            if (f[i].group)
                json_open(j, f[i].group, '{');
            group = f[i].group;
        }
        put_figure(j, &f[i], r);
    }
    if (group)
        json_close(j, '}');
}

/* NaN is null in JSON: an absent number reads as NaN too. */
static double get_num(const json_val *v)
{
    double x;

    return json_num(v, &x) ? x : (double)NAN;
}

static void get_figures(struct eval_result *r, const struct figure *f, size_t n, const json_val *v)
{
    for (size_t i = 0; i < n; i++) {
        const json_val *from = json_get(f[i].group ? json_get(v, f[i].group) : v, f[i].key);
        void *to = (char *)r + f[i].at;
        if (f[i].mean)
            *(struct stats_mean *)to = (struct stats_mean){get_num(json_get(from, "value")),
                                                           get_num(json_get(from, "error"))};
        else
            *(double *)to = get_num(from);
    }
}

/* ---- lists of them ----------------------------------------------------------------- */

/* A list of numbers: one for each window, or each scored position. */
struct list {
    const char *key;
    size_t at;     /* a double * */
    bool position; /* one for each position */
};

static const struct list own_lists[] = {
    {"window_nll",   AT(window_nll),   false},
    {"position_nll", AT(position_nll), true },
};

static const struct list against_lists[] = {
    {"window_kld",   AT(window_kld),   false},
    {"window_top1",  AT(window_top1),  false},
    {"window_top5",  AT(window_top5),  false},
    {"window_dp",    AT(window_dp),    false},
    {"position_kld", AT(position_kld), true },
};

static void put_numbers(struct json_out *j, const char *key, const double *x, size_t n)
{
    const bool flat = j->flat;

    json_open(j, key, '[');
    j->flat = true; /* hundreds of numbers: one line */
    for (size_t i = 0; i < n; i++)
        json_put_num(j, NULL, x[i]);
    json_close(j, ']');
    j->flat = flat;
}

static void put_lists(struct json_out *j, const struct list *l, size_t n,
                      const struct eval_result *r)
{
    for (size_t i = 0; i < n; i++)
        put_numbers(j, l[i].key, *(double *const *)((const char *)r + l[i].at),
                    l[i].position ? r->n_positions : r->n_windows);
}

static int get_numbers(double **out, struct arena *arena, const json_val *v, size_t n,
                       const char *what, struct err *err)
{
    size_t i = 0;

    if (!json_is_array(v) || json_len(v) != n)
        return err_set(err, ERR_FORMAT, "%s: expected %zu numbers", what, n);
    *out = arena_array(arena, n, sizeof(**out));
    if (!*out)
        return err_nomem(err);
    for (v = json_first(v); v; v = json_next(v))
        (*out)[i++] = get_num(v);
    return 0;
}

static int get_lists(struct eval_result *r, const struct list *l, size_t n, const json_val *v,
                     struct err *err)
{
    int rc = 0;

    for (size_t i = 0; !rc && i < n; i++)
        rc = get_numbers((double **)((char *)r + l[i].at), &r->arena, json_get(v, l[i].key),
                         l[i].position ? r->n_positions : r->n_windows, l[i].key, err);
    return rc;
}

/* ---- the worst windows ------------------------------------------------------------- */

static void put_worst(struct json_out *j, const struct eval_result *r)
{
    json_open(j, "worst", '[');
    for (size_t i = 0; i < r->n_worst; i++) {
        const struct eval_worst *w = &r->worst[i];
        const bool flat = j->flat;
        json_open(j, NULL, '{');
        json_put_uint(j, "window", w->window);
        json_put_num(j, "kld", w->kld);
        json_open(j, "token", '[');
        j->flat = true;
        for (size_t k = 0; k < r->n_positions; k++)
            json_put_str(j, NULL, w->token[k]);
        json_close(j, ']');
        j->flat = flat;
        put_numbers(j, "token_kld", w->token_kld, r->n_positions);
        put_numbers(j, "token_nll", w->token_nll, r->n_positions);
        json_close(j, '}');
    }
    json_close(j, ']');
}

static int get_tokens(struct eval_worst *w, struct eval_result *r, const json_val *v,
                      struct err *err)
{
    size_t i = 0;

    if (!json_is_array(v) || json_len(v) != r->n_positions)
        return err_set(err, ERR_FORMAT, "token: expected %zu texts", r->n_positions);
    w->token = arena_array(&r->arena, r->n_positions, sizeof(*w->token));
    if (!w->token)
        return err_nomem(err);
    for (v = json_first(v); v; v = json_next(v), i++) {
        if (!json_str(v))
            return err_set(err, ERR_FORMAT, "token: item %zu: expected a text", i);
        w->token[i] = arena_str(&r->arena, json_str(v));
        if (!w->token[i])
            return err_nomem(err);
    }
    return 0;
}

static int get_window(struct eval_worst *w, struct eval_result *r, const json_val *v,
                      struct err *err)
{
    int64_t window;

    if (!json_int(json_get(v, "window"), &window) || window < 0 || (uint64_t)window >= r->n_windows)
        return err_set(err, ERR_FORMAT, "window: expected a number below %zu", r->n_windows);
    *w = (struct eval_worst){.window = (size_t)window, .kld = get_num(json_get(v, "kld"))};
    int rc = get_tokens(w, r, json_get(v, "token"), err);
    if (!rc)
        rc = get_numbers(&w->token_kld, &r->arena, json_get(v, "token_kld"), r->n_positions,
                         "token_kld", err);
    if (!rc)
        rc = get_numbers(&w->token_nll, &r->arena, json_get(v, "token_nll"), r->n_positions,
                         "token_nll", err);
    return rc;
}

static int get_worst(struct eval_result *r, const json_val *v, struct err *err)
{
    if (!json_is_array(v) || json_len(v) > EVAL_WORST)
        return err_set(err, ERR_FORMAT, "worst: expected at most %d windows", EVAL_WORST);
    for (v = json_first(v); v; v = json_next(v)) {
        if (get_window(&r->worst[r->n_worst], r, v, err))
            return err_wrap(err, "worst: item %zu", r->n_worst);
        r->n_worst++;
    }
    return 0;
}

/* ---- all of it ----------------------------------------------------------------------- */

void report_result_put(struct json_out *j, const struct eval_result *r)
{
    json_put_uint(j, "tokens", r->n_tokens);
    json_put_uint(j, "windows", r->n_windows);
    put_figures(j, own_figures, N_OF(own_figures), r);
    put_lists(j, own_lists, N_OF(own_lists), r);
    if (!r->have_original)
        return;
    json_open(j, "against", '{');
    put_figures(j, against_figures, N_OF(against_figures), r);
    put_lists(j, against_lists, N_OF(against_lists), r);
    put_worst(j, r);
    json_close(j, '}');
}

static int get_counts(struct eval_result *r, const json_val *v, struct err *err)
{
    int64_t tokens, windows;

    if (!json_int(json_get(v, "tokens"), &tokens) || tokens < 0 ||
        !json_int(json_get(v, "windows"), &windows) || windows < 0)
        return err_set(err, ERR_FORMAT, "expected whole numbers tokens and windows");
    if (windows ? tokens % windows : tokens)
        return err_set(err, ERR_FORMAT, "%lld tokens are no multiple of %lld windows",
                       (long long)tokens, (long long)windows);
    r->n_tokens = (size_t)tokens;
    r->n_windows = (size_t)windows;
    r->n_positions = windows ? r->n_tokens / r->n_windows : 0;
    return 0;
}

int report_result_get(struct eval_result *out, const json_val *v, struct err *err)
{
    const json_val *against = json_get(v, "against");

    *out = (struct eval_result){.have_original = against != NULL};
    int rc = get_counts(out, v, err);
    if (!rc)
        rc = get_lists(out, own_lists, N_OF(own_lists), v, err);
    if (!rc && against)
        rc = get_lists(out, against_lists, N_OF(against_lists), against, err);
    if (!rc && against)
        rc = get_worst(out, json_get(against, "worst"), err);
    if (rc)
        return rc;
    get_figures(out, own_figures, N_OF(own_figures), v);
    if (against)
        get_figures(out, against_figures, N_OF(against_figures), against);
    return 0;
}
