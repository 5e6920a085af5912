#include "eval/gate.h"
#include "formats/base/nearest.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- pieces of an expression ---------------------------------------------------------- */

/* What is left to read of it. */
struct words {
    const char *begin; /* of the text that columns are counted in */
    const char *p;
    const char *what; /* for messages: "gate" or "gate Q4_K_M: kld" */
    struct arena *arena;
};

static int bad(const struct words *w, const char *at, const char *what, struct err *err)
{
    return err_set(err, ERR_ARG, "%s \"%.200s\", column %zu: %s", w->what, w->begin,
                   (size_t)(at - w->begin) + 1, what);
}

static void skip_space(struct words *w)
{
    while (*w->p == ' ' || *w->p == '\t')
        w->p++;
}

/* Over `word` and the space around it, where the text goes on with it as a word. */
static bool take(struct words *w, const char *word)
{
    const size_t n = strlen(word);

    skip_space(w);
    if (strncmp(w->p, word, n) != 0 || (w->p[n] && !strchr(" \t", w->p[n])))
        return false;
    w->p += n;
    skip_space(w);
    return true;
}

static bool take_not_worse(struct words *w)
{
    const char *begin = w->p;

    if (take(w, "not") && take(w, "worse") && take(w, "than"))
        return true;
    w->p = begin;
    return false;
}

/* A plain decimal number: no hex, infinity or NaN. */
static int take_number(double *out, struct words *w, struct err *err)
{
    char *end;

    skip_space(w);
    const size_t n = strspn(w->p, "+-0123456789.eE");
    if (!n || strchr("eE", *w->p))
        return bad(w, w->p, "expected a number", err);
    char *copy = arena_strn(w->arena, w->p, n);
    if (!copy)
        return err_nomem(err);
    *out = strtod(copy, &end);
    if (end == copy || !isfinite(*out))
        return bad(w, w->p, "expected a number", err);
    w->p += end - copy;
    return 0;
}

/* ---- units ------------------------------------------------------------------------------- */

/* What may follow a number, and what it then counts; `of` as bits 1 << enum metric_unit. */
static const struct unit {
    const char *name;
    double times;
    unsigned of;
} units[] = {
    {"%",    0.01,            1U << METRIC_SHARE | 1U << METRIC_PLAIN},
    {"nats", 1,               1U << METRIC_NATS                      },
    {"B",    1,               1U << METRIC_BYTES                     },
    {"KiB",  1024.0,          1U << METRIC_BYTES                     },
    {"MiB",  1048576.0,       1U << METRIC_BYTES                     },
    {"GiB",  1073741824.0,    1U << METRIC_BYTES                     },
    {"TiB",  1099511627776.0, 1U << METRIC_BYTES                     },
    {"kB",   1e3,             1U << METRIC_BYTES                     },
    {"KB",   1e3,             1U << METRIC_BYTES                     },
    {"MB",   1e6,             1U << METRIC_BYTES                     },
    {"GB",   1e9,             1U << METRIC_BYTES                     },
    {"TB",   1e12,            1U << METRIC_BYTES                     },
    {"K",    1e3,             1U << METRIC_COUNT | 1U << METRIC_BYTES},
    {"M",    1e6,             1U << METRIC_COUNT | 1U << METRIC_BYTES},
    {"G",    1e9,             1U << METRIC_COUNT | 1U << METRIC_BYTES},
    {"B",    1e9,             1U << METRIC_COUNT                     },
};

/* A number with a unit of that kind, or none. *percent: it was the sign. */
static int take_value(double *out, bool *percent, struct words *w, unsigned of, struct err *err)
{
    const int rc = take_number(out, w, err);

    if (rc)
        return rc;
    skip_space(w);
    const size_t n = strcspn(w->p, " \t");
    *percent = false;
    if (!n || (n == 2 && !strncmp(w->p, "at", 2)))
        return 0;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if ((units[i].of & of) && strlen(units[i].name) == n && !strncmp(w->p, units[i].name, n)) {
            *out *= units[i].times;
            *percent = units[i].name[0] == '%';
            w->p += n;
            return 0;
        }
    return bad(w, w->p, "this is no unit of that metric", err);
}

/* " at 95%" and the end, or the end. */
static int take_level(double *level, struct words *w, struct err *err)
{
    double percent;

    *level = 0;
    if (take(w, "at")) {
        const char *begin = w->p;
        const int rc = take_number(&percent, w, err);
        if (rc)
            return rc;
        skip_space(w);
        if (*w->p != '%')
            return bad(w, w->p, "expected %, as in \"at 95%\"", err);
        w->p++;
        if (!(percent >= 50) || !(percent < 100))
            return bad(w, begin, "expected a confidence from 50% to below 100%", err);
        *level = percent / 100;
    }
    skip_space(w);
    return *w->p ? bad(w, w->p, "expected the end, or \"at 95%\"", err) : 0;
}

/* ---- "not worse than FILE [by MARGIN] [at P%]" --------------------------------------------- */

/* The last " word NUMBER" from p to before `end`, or NULL: a file's name may hold such words. */
static const char *last_word(const char *p, const char *end, const char *word)
{
    const char *found = NULL;

    for (const char *at = p; (at = strstr(at, word)) && at < end; at++) {
        const char *after = at + strlen(word) + strspn(at + strlen(word), " \t");
        if (*after && strchr("+-.0123456789", *after))
            found = at;
    }
    return found;
}

static int take_path(const char **out, struct words *w, const char *end, struct err *err)
{
    const char *p = w->p;
    size_t n = (size_t)(end - p);

    while (n && strchr(" \t", p[n - 1]))
        n--;
    if (n >= 2 && p[0] == '"' && p[n - 1] == '"') {
        p++;
        n -= 2;
    }
    if (!n)
        return bad(w, w->p, "expected a report's file, as in \"not worse than baseline.json\"",
                   err);
    *out = arena_strn(w->arena, p, n);
    w->p = end;
    return *out ? 0 : err_nomem(err);
}

static int take_margin(struct gate *g, struct words *w, struct err *err)
{
    const struct metric *metric = g->ref.metric;
    const char *begin = w->p;

    if (!take(w, "by"))
        return 0;
    if (!metric)
        return bad(w, begin, "\"by\" needs a metric before \"not worse\"", err);
    const int rc = take_value(&g->limit, &g->relative, w,
                              1U << metric->unit | 1U << METRIC_PLAIN | 1U << METRIC_SHARE, err);
    if (rc)
        return rc;
    /* percent of a share are points, of anything else part of the baseline's value */
    g->relative = g->relative && metric->unit != METRIC_SHARE;
    return g->limit >= 0 ? 0 : bad(w, begin, "expected a margin of 0 or more", err);
}

static int take_baseline(struct gate *g, struct words *w, struct err *err)
{
    const char *end = w->p + strlen(w->p);
    const char *quote = *w->p == '"' ? strchr(w->p + 1, '"') : NULL;
    const char *at = last_word(w->p, end, " at ");

    g->op = GATE_NOT_WORSE;
    end = at ? at : end;
    const char *by = last_word(w->p, end, " by ");
    end = quote ? quote + 1 : by ? by : end;
    int rc = take_path(&g->baseline, w, end, err);
    if (!rc)
        rc = take_margin(g, w, err);
    if (!rc)
        rc = take_level(&g->level, w, err);
    return rc;
}

/* ---- "METRIC <= VALUE [at P%]" ---------------------------------------------------------------- */

static int take_op(enum gate_op *op, struct words *w, struct err *err)
{
    static const struct {
        const char *sign;
        enum gate_op op;
    } signs[] = {
        {"<=", GATE_LE},
        {">=", GATE_GE},
        {"<",  GATE_LT},
        {">",  GATE_GT}
    };

    skip_space(w);
    for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++)
        if (!strncmp(w->p, signs[i].sign, strlen(signs[i].sign))) {
            w->p += strlen(signs[i].sign);
            *op = signs[i].op;
            return 0;
        }
    return bad(w, w->p, "expected <=, <, >=, > or \"not worse than FILE\"", err);
}

/* What follows the metric. */
static int take_condition(struct gate *g, struct words *w, struct err *err)
{
    const struct metric *metric = g->ref.metric;
    const char *begin = w->p;
    bool percent;
    int rc;

    if (take_not_worse(w))
        rc = take_baseline(g, w, err);
    else {
        rc = take_op(&g->op, w, err);
        if (!rc)
            rc = take_value(&g->limit, &percent, w, 1U << metric->unit, err);
        if (!rc)
            rc = take_level(&g->level, w, err);
    }
    if (rc)
        return rc;
    if (g->level > 0 && metric && metric->error == METRIC_UNKNOWN)
        return bad(w, begin, "\"at\" needs a metric whose error is known: a mean or a size", err);
    if (g->op == GATE_NOT_WORSE && metric && metric->better == METRIC_NEITHER)
        return bad(w, begin, "neither more nor less of this metric is worse", err);
    return 0;
}

static int take_metric(struct gate *g, struct words *w, struct err *err)
{
    const char *begin = w->p, *not_worse = strstr(w->p, " not ");
    size_t n = strcspn(w->p, "<>=");

    if (not_worse && (size_t)(not_worse - begin) < n)
        n = (size_t)(not_worse - begin);
    w->p += n;
    while (n && strchr(" \t", begin[n - 1]))
        n--;
    if (!n)
        return bad(w, begin, "expected a metric, as in \"kld <= 0.03\"", err);
    if (metric_parse(&g->ref, w->arena, begin, n, err)) {
        if (err->code == ERR_NOMEM)
            return err->code;
        return err_wrap(err, "%s \"%.200s\", column %zu", w->what, w->begin,
                        (size_t)(begin - w->begin) + 1);
    }
    return 0;
}

/* The expression without the model. */
static int take_expression(struct gate *g, struct words *w, struct err *err)
{
    skip_space(w);
    g->text = arena_str(w->arena, w->p);
    if (!g->text)
        return err_nomem(err);
    const char *begin = w->p;
    if (take_not_worse(w)) {
        w->p = begin;
        return take_condition(g, w, err);
    }
    const int rc = take_metric(g, w, err);
    return rc ? rc : take_condition(g, w, err);
}

/* ---- whole gates ---------------------------------------------------------------------------------- */

int gate_parse(struct gate *out, struct arena *arena, const char *text, struct err *err)
{
    struct words w = {text, text, "gate", arena};
    const char *colon = strstr(text, ": ");

    *out = (struct gate){0};
    skip_space(&w);
    if (colon) {
        if (colon <= w.p)
            return bad(&w, w.p, "expected a model's name before the colon", err);
        out->model = arena_strn(arena, w.p, (size_t)(colon - w.p));
        if (!out->model)
            return err_nomem(err);
        w.p = colon + 2;
    }
    return take_expression(out, &w, err);
}

int gate_parse_key(struct gate *out, struct arena *arena, const char *model, const char *metric,
                   const char *condition, struct err *err)
{
    const char *what = arena_fmt(arena, "gate %s%s%s", model ? model : "",
                                 model && metric ? ": " : "", metric ? metric : "");
    struct words w = {condition, condition, what, arena};

    *out = (struct gate){0};
    out->model = model ? arena_str(arena, model) : NULL;
    if (!what || (model && !out->model))
        return err_nomem(err);
    if (!metric)
        return take_expression(out, &w, err);
    skip_space(&w);
    out->text = arena_fmt(arena, "%s %s", metric, w.p);
    if (!out->text)
        return err_nomem(err);
    const int rc = metric_parse(&out->ref, arena, metric, strlen(metric), err);
    if (rc)
        return rc == ERR_NOMEM ? rc : err_wrap(err, "gate %s", model ? model : "of every model");
    return take_condition(out, &w, err);
}

int gates_models(const struct gate *gate, size_t n, const char *const *name, size_t n_names,
                 struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        struct nearest near = nearest_init(gate[i].model ? gate[i].model : "");
        bool found = !gate[i].model;
        for (size_t k = 0; k < n_names && !found; k++) {
            nearest_look(&near, name[k]);
            found = !strcmp(name[k], gate[i].model);
        }
        if (!found)
            return err_set(err, ERR_ARG,
                           "gate \"%s: %s\": there is no model \"%s\"; did you mean \"%s\"?",
                           gate[i].model, gate[i].text, gate[i].model, near.best);
    }
    return 0;
}
