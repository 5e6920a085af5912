#include "eval/compare.h"

#include <math.h>
#include <string.h>

/* ---- whether they can be paired ----------------------------------------------------------- */

/* Digests, names: both known and different. */
static bool differ(const char *a, const char *b)
{
    return a && b && *a && *b && strcmp(a, b) != 0;
}

static const char *known(const char *s)
{
    return s && *s ? s : "unknown";
}

static int check_text(const struct report *a, const struct report *b, struct err *err)
{
    if ((a->text || b->text) && (!a->text_sha256 || !b->text_sha256))
        return err_set(err, ERR_UNSUPPORTED, "%s does not say which text it is of (text_sha256)",
                       a->text_sha256 ? "the second report" : "the first report");
    if (differ(a->text_sha256, b->text_sha256))
        return err_set(err, ERR_UNSUPPORTED,
                       "measured on different texts: %.100s (sha256 %.12s…) and %.100s (%.12s…)",
                       known(a->text), a->text_sha256, known(b->text), b->text_sha256);
    if (a->n_ctx != b->n_ctx)
        return err_set(err, ERR_UNSUPPORTED,
                       "measured with different contexts: %zu and %zu tokens a window", a->n_ctx,
                       b->n_ctx);
    if (differ(a->kernels, b->kernels))
        return err_set(err, ERR_UNSUPPORTED, "measured with different kernels: %s and %s",
                       a->kernels, b->kernels);
    if (a->about && b->about && differ(a->about->tokenizer, b->about->tokenizer))
        return err_set(err, ERR_UNSUPPORTED,
                       "different tokenizers (sha256 %.12s… and %.12s…): their windows hold other "
                       "tokens",
                       a->about->tokenizer, b->about->tokenizer);
    return 0;
}

int compare_check(const struct report *a, const struct report *b, struct err *err)
{
    const struct report_model *x = a->original, *y = b->original;
    const int rc = check_text(a, b, err);

    if (rc || (!x && !y))
        return rc;
    if (!x || !y)
        return err_set(err, ERR_UNSUPPORTED,
                       "%s was measured against an original (%.100s), the other against none",
                       x ? "the first report" : "the second report", (x ? x : y)->name);
    if (differ(x->sha256, y->sha256))
        return err_set(err, ERR_UNSUPPORTED,
                       "different originals: %.100s (sha256 %.12s…) and %.100s (%.12s…)", x->name,
                       x->sha256, y->name, y->sha256);
    if (x->params != y->params)
        return err_set(err, ERR_UNSUPPORTED,
                       "different originals: %.100s of %llu parameters and %.100s of %llu", x->name,
                       (unsigned long long)x->params, y->name, (unsigned long long)y->params);
    return 0;
}

/* Items pair up by their place in the file: it has to be the same one. */
int compare_check_tasks(const struct report_model *a, const struct report_model *b, struct err *err)
{
    for (size_t i = 0; i < a->tasks.n; i++)
        for (size_t k = 0; k < b->tasks.n; k++) {
            const struct task_result *x = &a->tasks.at[i], *y = &b->tasks.at[k];
            if (!strcmp(x->name, y->name) && differ(x->sha256, y->sha256))
                return err_set(err, ERR_UNSUPPORTED,
                               "task %.100s was read from different files (sha256 %.12s… and "
                               "%.12s…)",
                               x->name, x->sha256, y->sha256);
        }
    return 0;
}

/* ---- rows ----------------------------------------------------------------------------------- */

/* Collects the rows of a pair. */
struct rows {
    struct comparison *c;
    struct compare_pair *pair;
    struct compare_sides sides;
    size_t cap;
};

static int add_row(struct rows *r, const struct metric_ref *ref, struct err *err)
{
    struct compare_row row;
    const int rc = compare_metric(&row, ref, &r->sides, COMPARE_LEVEL, err);

    if (rc || isnan(row.a) || isnan(row.b))
        return rc;
    row.name = metric_name(&r->c->arena, ref);
    if (!row.name)
        return err_nomem(err);
    if (r->pair->n_rows < r->cap)
        r->pair->row[r->pair->n_rows++] = row;
    return 0;
}

/* All compared metrics of the text (with `fast` its fast kernels), the file, or a task. */
static int add_rows(struct rows *r, enum metric_of of, const char *task, bool fast, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; !rc && metric_at(i); i++) {
        const struct metric_ref ref = {.metric = metric_at(i), .task = task, .fast = fast};
        if (ref.metric->of == of && (ref.metric->flags & METRIC_COMPARED))
            rc = add_row(r, &ref, err);
    }
    return rc;
}

static size_t rows_in_table(void)
{
    size_t n = 0;

    while (metric_at(n))
        n++;
    return n;
}

static int fill_rows(struct rows *r, struct err *err)
{
    const struct task_results *tasks = &r->sides.model_b->tasks;

    r->cap = rows_in_table() * (2 + tasks->n);
    r->pair->row = arena_array(&r->c->arena, r->cap, sizeof(*r->pair->row));
    if (!r->pair->row)
        return err_nomem(err);
    int rc = add_rows(r, METRIC_OF_TEXT, NULL, false, err);
    if (!rc && r->sides.model_a->result.fast && r->sides.model_b->result.fast)
        rc = add_rows(r, METRIC_OF_TEXT, NULL, true, err);
    for (size_t i = 0; !rc && i < tasks->n; i++)
        rc = add_rows(r, METRIC_OF_TASK, tasks->at[i].name, false, err);
    return rc ? rc : add_rows(r, METRIC_OF_FILE, NULL, false, err);
}

/* ---- where they differ most --------------------------------------------------------------------- */

static const char *window_text(const struct comparison *c, size_t i)
{
    const struct eval_about *about = c->b->about;

    return about && i < about->n_windows ? about->window[i] : NULL;
}

static double distance(const struct compare_window *w)
{
    return fabs(w->b - w->a);
}

/* Keep the largest differences, of equal ones the first. */
static void keep_window(struct compare_pair *p, const struct compare_window *w)
{
    size_t at = p->n_top;

    if (!(distance(w) > 0))
        return;
    if (at < COMPARE_TOP)
        p->n_top++;
    else if (distance(w) <= distance(&p->top[--at]))
        return;
    for (; at && distance(w) > distance(&p->top[at - 1]); at--)
        p->top[at] = p->top[at - 1];
    p->top[at] = *w;
}

static void find_top(struct compare_pair *p, const struct comparison *c)
{
    const struct eval_result *a = &p->a->result, *b = &p->b->result;
    const bool against = a->have_original && b->have_original;
    const double *x = against ? a->window_kld : a->window_nll;
    const double *y = against ? b->window_kld : b->window_nll;

    for (size_t i = 0; metric_at(i); i++)
        if (!strcmp(metric_at(i)->name, against ? "kld" : "nll"))
            p->top_metric = metric_at(i);
    for (size_t i = 0; x && y && i < p->n_windows; i++) {
        const struct compare_window w = {i, window_text(c, i), x[i], y[i]};
        keep_window(p, &w);
    }
}

/* ---- pairs ---------------------------------------------------------------------------------------- */

static const struct report_model *find_model(const struct report *r, const char *name)
{
    for (size_t i = 0; name && i < r->n_models; i++)
        if (r->model[i].name && !strcmp(r->model[i].name, name))
            return &r->model[i];
    return NULL;
}

const struct report_model *compare_partner(const struct report *other,
                                           const struct report_model *model, bool only)
{
    const struct report_model *found = find_model(other, model->name);

    return found || !only || other->n_models != 1 ? found : &other->model[0];
}

static int add_pair(struct comparison *c, const struct report_model *a,
                    const struct report_model *b, struct err *err)
{
    struct compare_pair *p = &c->pair[c->n_pairs];
    const size_t n = a->result.n_windows, m = b->result.n_windows;
    struct rows rows = {
        .c = c, .pair = p, .sides = {c->a, c->b, a, b}
    };
    const int rc = compare_check_tasks(a, b, err);

    if (rc)
        return rc;
    *p = (struct compare_pair){.a = a, .b = b, .n_windows = n < m ? n : m};
    c->n_pairs++;
    find_top(p, c);
    return fill_rows(&rows, err);
}

static int named_model(const struct report_model **out, const struct report *r, const char *name,
                       const char *file, struct err *err)
{
    *out = find_model(r, name);
    return *out ? 0 : err_set(err, ERR_ARG, "%s holds no model \"%.100s\"", file, name);
}

/* Of names that the user gave: one, or both. */
static int add_named(struct comparison *c, const struct compare_opts *o, struct err *err)
{
    const struct report_model *a = NULL, *b = NULL;
    int rc = o->model_a ? named_model(&a, c->a, o->model_a, c->a_file, err) : 0;

    if (!rc && o->model_b)
        rc = named_model(&b, c->b, o->model_b, c->b_file, err);
    if (rc)
        return rc;
    if (!a)
        a = compare_partner(c->a, b, true);
    if (!b && a)
        b = compare_partner(c->b, a, true);
    if (!a || !b)
        return err_set(err, ERR_ARG, "%s holds several models, none named \"%.100s\": say which",
                       a ? c->b_file : c->a_file, (a ? a : b)->name);
    return add_pair(c, a, b, err);
}

/* Models are found by their names. */
static int check_names(const struct report *r, const char *file, struct err *err)
{
    for (size_t i = 0; i < r->n_models; i++)
        if (find_model(r, r->model[i].name) != &r->model[i])
            return err_set(err, ERR_UNSUPPORTED, "%s holds two models named \"%.100s\"", file,
                           r->model[i].name);
    return 0;
}

static int add_matching(struct comparison *c, struct err *err)
{
    int rc = check_names(c->a, c->a_file, err);

    if (!rc)
        rc = check_names(c->b, c->b_file, err);

    for (size_t i = 0; !rc && i < c->b->n_models; i++) {
        const struct report_model *b = &c->b->model[i];
        const struct report_model *a = compare_partner(c->a, b, c->b->n_models == 1);
        if (a)
            rc = add_pair(c, a, b, err);
        else
            c->unpaired[c->n_unpaired++] = b->name;
    }
    for (size_t i = 0; !rc && i < c->a->n_models; i++)
        if (!compare_partner(c->b, &c->a->model[i], c->a->n_models == 1))
            c->unpaired[c->n_unpaired++] = c->a->model[i].name;
    if (!rc && !c->n_pairs)
        rc = err_set(err, ERR_UNSUPPORTED,
                     "no models of the same name in %.100s (%zu models) and %.100s (%zu)",
                     c->a_file, c->a->n_models, c->b_file, c->b->n_models);
    return rc;
}

int compare_reports(struct comparison *out, const struct report *a, const struct report *b,
                    const struct compare_opts *opts, struct err *err)
{
    *out = (struct comparison){.a_file = opts->a_file, .b_file = opts->b_file, .a = a, .b = b};
    if (compare_check(a, b, err))
        return err_wrap(err, "%s and %s can't be compared", opts->a_file, opts->b_file);
    out->pair = arena_array(&out->arena, b->n_models + 1, sizeof(*out->pair));
    out->unpaired = arena_array(&out->arena, a->n_models + b->n_models + 1, sizeof(char *));
    if (!out->pair || !out->unpaired)
        return err_nomem(err);
    return opts->model_a || opts->model_b ? add_named(out, opts, err) : add_matching(out, err);
}

void comparison_release(struct comparison *c)
{
    arena_release(&c->arena);
    *c = (struct comparison){0};
}
