#include "eval/task.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

void task_results_release(struct task_results *r)
{
    arena_release(&r->arena);
    *r = (struct task_results){0};
}

/* ---- the figures, as rows -------------------------------------------------------------------- */

enum need { ALWAYS, NORM, PPL };

/* A mean of struct task_result. */
struct figure {
    const char *key;
    size_t at;
    enum need need;
};

#define AT(field) offsetof(struct task_result, field)

static const struct figure own[] = {
    {"acc",      AT(acc),      ALWAYS},
    {"acc_norm", AT(acc_norm), NORM  },
    {"ppl",      AT(ppl),      PPL   },
};

static const struct figure against[] = {
    {"acc",       AT(acc_diff),      ALWAYS},
    {"acc_norm",  AT(acc_norm_diff), NORM  },
    {"ppl_ratio", AT(ppl_ratio),     PPL   },
    {"flips",     AT(flips),         ALWAYS},
};

/* A figure of every item. */
struct list {
    const char *key;
    size_t at; /* a double * */
    enum need need;
    bool whole; /* 0 or 1 */
};

static const struct list lists[] = {
    {"item_correct",      AT(item_correct),      ALWAYS, true },
    {"item_correct_norm", AT(item_correct_norm), NORM,   true },
    {"item_nll",          AT(item_nll),          ALWAYS, false},
};

#define N_OF(array) (sizeof(array) / sizeof((array)[0]))

static bool has(const struct task_result *r, enum need need)
{
    return need == ALWAYS || (need == NORM ? r->have_norm : r->have_ppl);
}

/* ---- writing ---------------------------------------------------------------------------------- */

static void put_figures(struct json_out *j, const struct figure *f, size_t n,
                        const struct task_result *r)
{
    for (size_t i = 0; i < n; i++) {
        const void *at = (const char *)r + f[i].at;
        const struct stats_mean *mean = at;
        if (!has(r, f[i].need))
            continue;
        json_open(j, f[i].key, '{');
        json_put_num(j, "value", mean->value);
        json_put_num(j, "error", mean->error);
        json_close(j, '}');
    }
}

static void put_list(struct json_out *j, const struct list *l, const struct task_result *r)
{
    const void *at = (const char *)r + l->at;
    const double *x = *(double *const *)at;
    const bool flat = j->flat;

    json_open(j, l->key, '[');
    j->flat = true; /* thousands of numbers: one line */
    for (size_t i = 0; i < r->n_items; i++)
        json_put_num(j, NULL, x[i]);
    json_close(j, ']');
    j->flat = flat;
}

static void put(struct json_out *j, const struct task_result *r)
{
    json_open(j, NULL, '{');
    json_put_str(j, "name", r->name);
    json_put_str(j, "layout", r->layout);
    json_put_str(j, "sha256", r->sha256);
    json_put_uint(j, "items", r->n_items);
    json_put_uint(j, "truncated", r->n_truncated);
    put_figures(j, own, N_OF(own), r);
    for (size_t i = 0; i < N_OF(lists); i++)
        if (has(r, lists[i].need))
            put_list(j, &lists[i], r);
    if (r->have_original) {
        json_open(j, "against", '{');
        put_figures(j, against, N_OF(against), r);
        json_close(j, '}');
    }
    json_close(j, '}');
}

void task_results_put(struct json_out *j, const char *key, const struct task_results *r)
{
    if (!r->n)
        return;
    json_open(j, key, '[');
    for (size_t i = 0; i < r->n; i++)
        put(j, &r->at[i]);
    json_close(j, ']');
}

/* ---- reading ----------------------------------------------------------------------------------- */

/* NaN is null in JSON: an absent number reads as NaN too. */
static double get_num(const json_val *v)
{
    double x;

    return json_num(v, &x) ? x : (double)NAN;
}

static void get_figures(struct task_result *r, const struct figure *f, size_t n, const json_val *v)
{
    for (size_t i = 0; i < n; i++) {
        void *at = (char *)r + f[i].at;
        const json_val *from = json_get(v, f[i].key);
        *(struct stats_mean *)at =
            (struct stats_mean){get_num(json_get(from, "value")), get_num(json_get(from, "error"))};
    }
}

static int get_list(struct task_result *r, struct arena *arena, const struct list *l,
                    const json_val *v, struct err *err)
{
    void *at = (char *)r + l->at;
    size_t n = 0;

    v = json_get(v, l->key);
    if (!json_is_array(v) || json_len(v) != r->n_items)
        return err_set(err, ERR_FORMAT, "%s: expected %zu numbers, one for each item", l->key,
                       r->n_items);
    double *x = arena_array(arena, r->n_items, sizeof(*x));
    if (!x)
        return err_nomem(err);
    for (v = json_first(v); v; v = json_next(v), n++) {
        x[n] = get_num(v);
        if (l->whole ? x[n] != 0 && x[n] != 1 : !(x[n] >= 0))
            return err_set(err, ERR_FORMAT, "%s: expected %s for item %zu", l->key,
                           l->whole ? "0 or 1" : "a number of 0 or more", n);
    }
    *(double **)at = x;
    return 0;
}

static int get_text(const char **out, struct arena *arena, const json_val *v, const char *key,
                    struct err *err)
{
    const char *s = json_str(json_get(v, key));

    if (!s)
        return err_set(err, ERR_FORMAT, "expected a text as \"%s\"", key);
    *out = arena_str(arena, s);
    return *out ? 0 : err_nomem(err);
}

static int get_count(size_t *out, const json_val *v, const char *key, int64_t least,
                     struct err *err)
{
    int64_t n;

    if (!json_int(json_get(v, key), &n) || n < least)
        return err_set(err, ERR_FORMAT, "expected a whole number from %lld as \"%s\"",
                       (long long)least, key);
    *out = (size_t)n;
    return 0;
}

static int get(struct task_result *r, struct arena *arena, const json_val *v, struct err *err)
{
    const json_val *versus = json_get(v, "against");
    int rc = get_text(&r->name, arena, v, "name", err);

    if (!rc)
        rc = get_text(&r->layout, arena, v, "layout", err);
    if (!rc)
        rc = get_text(&r->sha256, arena, v, "sha256", err);
    if (!rc)
        rc = get_count(&r->n_items, v, "items", 1, err);
    if (!rc)
        rc = get_count(&r->n_truncated, v, "truncated", 0, err);
    r->have_norm = json_get(v, "acc_norm") != NULL;
    r->have_ppl = json_get(v, "ppl") != NULL;
    r->have_original = versus != NULL;
    for (size_t i = 0; !rc && i < N_OF(lists); i++)
        if (has(r, lists[i].need))
            rc = get_list(r, arena, &lists[i], v, err);
    get_figures(r, own, N_OF(own), v);
    get_figures(r, against, N_OF(against), versus);
    return rc;
}

int task_results_get(struct task_results *out, const json_val *v, struct err *err)
{
    struct task_results r = {0};
    int rc = 0;

    *out = r;
    if (!v)
        return 0;
    if (!json_is_array(v))
        return err_set(err, ERR_FORMAT, "tasks: expected a list");
    r.at = arena_array(&r.arena, json_len(v) + 1, sizeof(*r.at));
    if (!r.at)
        return err_nomem(err);
    for (v = json_first(v); v && !rc; v = json_next(v), r.n++)
        rc = get(&r.at[r.n], &r.arena, v, err);
    if (rc) {
        (void)err_wrap(err, "tasks: %zu", r.n - 1);
        task_results_release(&r);
        return rc;
    }
    *out = r;
    return 0;
}
