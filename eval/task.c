#include "eval/task.h"

#include "eval/task_file.h"
#include "eval/task_score.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- an item -------------------------------------------------------------------------------- */

/* The choice of the highest log-likelihood, the first among equals; by character if asked. */
static size_t pick(const struct task_item *item, const struct task_score *s, bool by_length)
{
    size_t best = 0;
    double most = -(double)INFINITY;

    for (size_t i = 0; i < item->n; i++) {
        const double x = by_length ? s[i].ll / (double)item->request[i].length : s[i].ll;
        if (x > most) {
            most = x;
            best = i;
        }
    }
    return best;
}

static bool is_right(const struct task_item *item, const struct task_score *s, bool by_length)
{
    return item->n == 1 ? s->greedy : pick(item, s, by_length) == item->answer;
}

/* What each choice got, as a line of JSON. */
static void put_sample(struct buf *out, const struct task *t, const struct model *m,
                       const struct task_item *item, const struct task_score *s)
{
    struct json_out j = json_out_init(out, true);

    json_open(&j, NULL, '{');
    json_put_str(&j, "task", t->name);
    json_put_str(&j, "model", source_path(model_source(m)));
    json_put_uint(&j, "line", item->line);
    json_put_uint(&j, "answer", item->answer);
    json_put_bool(&j, "correct", is_right(item, s, false));
    if (t->have_norm)
        json_put_bool(&j, "correct_norm", is_right(item, s, true));
    json_open(&j, "ll", '[');
    for (size_t i = 0; i < item->n; i++)
        json_put_num(&j, NULL, s[i].ll);
    json_close(&j, ']');
    json_open(&j, "tokens", '[');
    for (size_t i = 0; i < item->n; i++)
        json_put_uint(&j, NULL, s[i].n_tokens);
    json_close(&j, ']');
    json_close(&j, '}');
    buf_str(out, "\n");
}

/* ---- a task --------------------------------------------------------------------------------- */

static int result_new(struct task_result *r, struct arena *arena, const struct task *t,
                      struct err *err)
{
    *r = (struct task_result){.n_items = t->n,
                              .have_norm = t->have_norm,
                              .have_ppl = t->have_ppl,
                              .name = arena_str(arena, t->name),
                              .layout = arena_str(arena, t->layout),
                              .sha256 = arena_str(arena, t->sha256),
                              .item_correct = arena_array(arena, t->n, sizeof(double)),
                              .item_nll = arena_array(arena, t->n, sizeof(double))};
    if (t->have_norm)
        r->item_correct_norm = arena_array(arena, t->n, sizeof(double));
    return r->name && r->layout && r->sha256 && r->item_correct && r->item_nll &&
                   (!t->have_norm || r->item_correct_norm)
               ? 0
               : err_nomem(err);
}

static void summarize(struct task_result *r, const struct task *t, const struct task_score *s)
{
    for (size_t i = 0; i < t->n; s += t->item[i++].n) {
        const struct task_item *item = &t->item[i];
        bool truncated = false;
        for (size_t k = 0; k < item->n; k++)
            truncated = truncated || s[k].truncated;
        r->n_truncated += truncated;
        r->item_correct[i] = is_right(item, s, false);
        if (r->have_norm)
            r->item_correct_norm[i] = is_right(item, s, true);
        r->item_nll[i] = -s[item->answer].ll;
    }
    r->acc = stats_clustered(r->item_correct, t->n, 1);
    if (r->have_norm)
        r->acc_norm = stats_clustered(r->item_correct_norm, t->n, 1);
    if (r->have_ppl)
        r->ppl = stats_exp(stats_clustered(r->item_nll, t->n, 1));
}

static size_t n_requests(const struct task *t)
{
    size_t n = 0;

    for (size_t i = 0; i < t->n; i++)
        n += t->item[i].n;
    return n;
}

static int run_one(struct task_result *r, struct arena *arena, const struct task *t,
                   const struct model *m, const struct task_opts *opts, struct task_clock *clock,
                   struct err *err)
{
    struct task_score *scores = calloc(n_requests(t) + 1, sizeof(*scores));
    int rc = scores ? result_new(r, arena, t, err) : err_nomem(err);

    if (!rc && (rc = task_score(scores, t, m, opts, clock, err)) && rc != ERR_INTERRUPTED)
        (void)err_wrap(err, "%s", source_path(model_source(m)));
    if (!rc) {
        const struct task_score *s = scores;
        summarize(r, t, scores);
        for (size_t i = 0; opts->samples && i < t->n; s += t->item[i++].n)
            put_sample(opts->samples, t, m, &t->item[i], s);
        if (r->n_truncated)
            log_warn(opts->log,
                     "%s: %s: %zu of %zu items are longer than the model's context and "
                     "lost their beginning",
                     source_path(model_source(m)), t->path, r->n_truncated, t->n);
    }
    free(scores);
    return rc;
}

/* ---- models and files ----------------------------------------------------------------------- */

static void tasks_free(struct task *t, size_t n)
{
    for (size_t i = 0; t && i < n; i++)
        task_release(&t[i]);
    free(t);
}

static int tasks_load(struct task **out, const char *const *paths, size_t n, size_t n_items,
                      struct err *err)
{
    struct task *t = calloc(n + 1, sizeof(*t));
    int rc = t ? 0 : err_nomem(err);

    *out = NULL;
    for (size_t i = 0; !rc && i < n; i++) {
        rc = task_load(&t[i], paths[i], n_items, err);
        for (size_t k = 0; !rc && k < i; k++)
            if (!strcmp(t[k].name, t[i].name))
                rc = err_set(err, ERR_ARG, "%s and %s: two tasks named \"%s\"", paths[k], paths[i],
                             t[i].name);
    }
    if (rc) {
        tasks_free(t, n);
        return rc;
    }
    *out = t;
    return 0;
}

int task_check(const char *const *paths, size_t n_paths, size_t n_items, struct err *err)
{
    struct task *t;
    const int rc = tasks_load(&t, paths, n_paths, n_items, err);

    tasks_free(t, rc ? 0 : n_paths);
    return rc;
}

static int run_model(struct task_results *r, const struct task *t, size_t n, const struct model *m,
                     const struct task_opts *opts, struct task_clock *clock, struct err *err)
{
    int rc = 0;

    r->at = arena_array(&r->arena, n + 1, sizeof(*r->at));
    if (!r->at)
        return err_nomem(err);
    for (size_t i = 0; !rc && i < n; i++)
        rc = run_one(&r->at[i], &r->arena, &t[i], m, opts, clock, err);
    r->n = rc ? 0 : n;
    return rc;
}

int task_run(struct task_results *results, struct task_results *original_result,
             const struct model *const *models, size_t n, const struct model *original,
             const char *const *paths, size_t n_paths, const struct task_opts *opts,
             struct err *err)
{
    struct task_clock clock = {0};
    struct task *t;

    for (size_t i = 0; i < n; i++)
        results[i] = (struct task_results){0};
    if (original_result)
        *original_result = (struct task_results){0};
    int rc = tasks_load(&t, paths, n_paths, opts->n_items, err);
    if (rc)
        return rc;
    for (size_t i = 0; i < n_paths; i++)
        clock.total += t[i].n * (n + (original != NULL));
    if (original)
        rc = run_model(original_result, t, n_paths, original, opts, &clock, err);
    for (size_t i = 0; !rc && i < n; i++) {
        rc = run_model(&results[i], t, n_paths, models[i], opts, &clock, err);
        if (!rc && original)
            rc = task_compare(&results[i], original_result, err);
    }
    tasks_free(t, n_paths);
    return rc || !opts->samples ? rc : buf_check(opts->samples, err);
}

/* ---- against an original -------------------------------------------------------------------- */

/* Of a[i] - b[i], or of how often they differ. */
static struct stats_mean paired(double *room, const double *a, const double *b, size_t n,
                                bool absolute)
{
    for (size_t i = 0; i < n; i++)
        room[i] = absolute ? fabs(a[i] - b[i]) : a[i] - b[i];
    return stats_clustered(room, n, 1);
}

static int compare(struct task_result *r, const struct task_result *o, struct err *err)
{
    const size_t n = r->n_items;
    double *room = calloc(n + 1, sizeof(*room));

    if (!room)
        return err_nomem(err);
    r->acc_diff = paired(room, r->item_correct, o->item_correct, n, false);
    r->flips = paired(room, r->item_correct, o->item_correct, n, true);
    if (r->have_norm)
        r->acc_norm_diff = paired(room, r->item_correct_norm, o->item_correct_norm, n, false);
    if (r->have_ppl)
        r->ppl_ratio = stats_exp(paired(room, r->item_nll, o->item_nll, n, false));
    r->have_original = true;
    free(room);
    return 0;
}

static const struct task_result *same_task(const struct task_results *in,
                                           const struct task_result *r)
{
    for (size_t i = 0; i < in->n; i++)
        if (!strcmp(in->at[i].name, r->name))
            return &in->at[i];
    return NULL;
}

int task_compare(struct task_results *r, const struct task_results *original, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; !rc && i < r->n; i++) {
        const struct task_result *o = same_task(original, &r->at[i]);
        if (!o)
            return err_set(err, ERR_ARG, "task %s: the original was not run on it", r->at[i].name);
        if (o->n_items != r->at[i].n_items || strcmp(o->sha256, r->at[i].sha256) != 0)
            return err_set(err, ERR_ARG, "task %s: the original was run on other items",
                           r->at[i].name);
        rc = compare(&r->at[i], o, err);
    }
    return rc;
}
