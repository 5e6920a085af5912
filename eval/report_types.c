#include "eval/metric.h"
#include "eval/report_check.h"
#include "formats/base/json_where.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { PATH_BYTES = 128, SHOWN_BYTES = 64 };

/* ---- messages ----------------------------------------------------------------------------- */

int report_bad(const struct report_text *t, const char *path, struct err *err, const char *fmt, ...)
{
    char what[ERR_MSG_BYTES];
    size_t line, column;
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(what, sizeof(what), fmt, args);
    va_end(args);
    json_line_column(&line, &column, t->text, json_where(t->text, t->n, path));
    return err_set(err, ERR_FORMAT, "line %zu, column %zu: %s%s%s", line, column, path,
                   *path ? ": " : "", what);
}

/* What stands there, in a few words. */
static void show(char out[SHOWN_BYTES], const json_val *v)
{
    double x;
    bool yes;

    if (!v)
        (void)snprintf(out, SHOWN_BYTES, "nothing");
    else if (json_str(v))
        (void)snprintf(out, SHOWN_BYTES, "\"%.40s\"", json_str(v));
    else if (json_num(v, &x))
        (void)snprintf(out, SHOWN_BYTES, "%.17g", x);
    else if (json_bool(v, &yes))
        (void)snprintf(out, SHOWN_BYTES, "%s", yes ? "true" : "false");
    else if (json_is_null(v))
        (void)snprintf(out, SHOWN_BYTES, "null");
    else
        (void)snprintf(out, SHOWN_BYTES, json_is_array(v) ? "a list of %zu" : "an object of %zu",
                       json_len(v));
}

static int expected(const struct report_text *t, const char *path, const char *what,
                    struct err *err)
{
    char found[SHOWN_BYTES];

    show(found, *path ? json_path(t->doc, path) : t->doc);
    return report_bad(t, path, err, "expected %s, found %s", what, found);
}

/* ---- values ----------------------------------------------------------------------------------- */

enum kind {
    TEXT,
    TEXT_OR_NULL,
    HEX_OR_NULL, /* a SHA-256 */
    WHOLE,       /* 0 and more */
    OPTIONAL     /* a number of at least 0, or nothing */
};

/* A member of an object. */
struct member {
    const char *key;
    enum kind kind;
};

static bool is_hex(const char *s)
{
    return strlen(s) == HASH_HEX_BYTES - 1 && strspn(s, "0123456789abcdef") == HASH_HEX_BYTES - 1;
}

static int check_member(const struct report_text *t, const char *path, enum kind kind,
                        struct err *err)
{
    const json_val *v = json_path(t->doc, path);
    const char *s = json_str(v);
    int64_t whole;
    double x;

    switch (kind) {
    case TEXT:
        return s ? 0 : expected(t, path, "a text", err);
    case TEXT_OR_NULL:
        return s || json_is_null(v) ? 0 : expected(t, path, "a text or null", err);
    case HEX_OR_NULL:
        return json_is_null(v) || (s && is_hex(s))
                   ? 0
                   : expected(t, path, "64 hexadecimal digits or null", err);
    case WHOLE:
        return json_int(v, &whole) && whole >= 0 ? 0 : expected(t, path, "a whole number", err);
    case OPTIONAL:
        return !v || (json_num(v, &x) && x >= 0 && isfinite(x))
                   ? 0
                   : expected(t, path, "a number of at least 0", err);
    }
    return 0;
}

static int check_members(const struct report_text *t, const char *prefix, const struct member *m,
                         size_t n, struct err *err)
{
    int rc = 0;

    if (!json_is_object(json_path(t->doc, prefix)))
        return expected(t, prefix, "an object", err);
    for (size_t i = 0; !rc && i < n; i++) {
        char path[PATH_BYTES];
        (void)snprintf(path, sizeof(path), "%s.%s", prefix, m[i].key);
        rc = check_member(t, path, m[i].kind, err);
    }
    return rc;
}

/* A number of a range. */
struct range {
    double low, high;
    bool null; /* or null */
};

static int check_number(const struct report_text *t, const char *path, const struct range *range,
                        struct err *err)
{
    const json_val *v = json_path(t->doc, path);
    char what[96];
    double x;

    if (range->null && v && json_is_null(v))
        return 0;
    if (json_num(v, &x) && isfinite(x) && x >= range->low && x <= range->high)
        return 0;
    if (isfinite(range->high))
        (void)snprintf(what, sizeof(what), "a number from %g to %g", range->low, range->high);
    else if (isfinite(range->low))
        (void)snprintf(what, sizeof(what), "a number of at least %g", range->low);
    else
        (void)snprintf(what, sizeof(what), "a finite number");
    return expected(t, path, what, err);
}

/* A list of `want` numbers. */
static int check_list(const struct report_text *t, const char *path, size_t want,
                      const struct range *range, struct err *err)
{
    const json_val *v = json_path(t->doc, path);
    size_t i = 0;

    if (!json_is_array(v) || json_len(v) != want) {
        char what[64];
        (void)snprintf(what, sizeof(what), "a list of %zu numbers", want);
        return expected(t, path, what, err);
    }
    for (v = json_first(v); v; v = json_next(v), i++) {
        double x;
        if (!json_num(v, &x) || !isfinite(x) || x < range->low || x > range->high) {
            char item[PATH_BYTES + 24];
            (void)snprintf(item, sizeof(item), "%s.%zu", path, i);
            return check_number(t, item, range, err);
        }
    }
    return 0;
}

/* ---- results -------------------------------------------------------------------------------------- */

/* How far KLDs may be below 0 by rounding. */
static const double kld_least = -1e-6;

static struct range range_of(const struct metric *m)
{
    const double inf = (double)INFINITY;

    if (!strcmp(m->name, "ln_ppl_ratio"))
        return (struct range){-inf, inf, false};
    if (!strcmp(m->name, "ln_ppl_correlation"))
        return (struct range){-1.000001, 1.000001, true};
    if (!strncmp(m->name, "kld", 3))
        return (struct range){kld_least, inf, false};
    if (!strncmp(m->name, "dp", 2))
        return (struct range){-1, 1, false};
    return (struct range){0, m->unit == METRIC_SHARE ? 1 : inf, false};
}

/* Where a result's object writes it: "kld" is "against.kld.mean". */
static void path_of(char out[PATH_BYTES], const char *prefix, const struct metric *m)
{
    const bool group = !strcmp(m->name, "kld") || !strcmp(m->name, "dp");

    (void)snprintf(out, PATH_BYTES, "%s.%s%s%s", prefix,
                   m->flags & METRIC_AGAINST ? "against." : "", m->name, group ? ".mean" : "");
}

static int check_metric(const struct report_text *t, const char *prefix, const struct metric *m,
                        bool scored, struct err *err)
{
    const struct range error = {0, (double)INFINITY, true};
    struct range range = range_of(m);
    char path[PATH_BYTES], part[PATH_BYTES + 8];

    range.null = range.null || !scored;
    path_of(path, prefix, m);
    if (m->error != METRIC_MEAN)
        return check_number(t, path, &range, err);
    if (!json_is_object(json_path(t->doc, path)))
        return expected(t, path, "an object {\"value\", \"error\"}", err);
    (void)snprintf(part, sizeof(part), "%s.value", path);
    const int rc = check_number(t, part, &range, err);
    (void)snprintf(part, sizeof(part), "%s.error", path);
    return rc ? rc : check_number(t, part, &error, err);
}

/* A list beside the figures. */
struct list {
    const char *key;
    bool position; /* a number for each scored position, not window */
    struct range range;
};

static const struct list own_lists[] = {
    {"window_nll",   false, {0, (double)INFINITY, false}},
    {"position_nll", true,  {0, (double)INFINITY, false}},
};

static const struct list against_lists[] = {
    {"against.window_kld",   false, {-1e-6, (double)INFINITY, false}},
    {"against.window_top1",  false, {0, 1, false}                   },
    {"against.window_top5",  false, {0, 1, false}                   },
    {"against.window_dp",    false, {-1, 1, false}                  },
    {"against.position_kld", true,  {-1e-6, (double)INFINITY, false}},
};

static int check_lists(const struct report_text *t, const char *prefix, const struct list *l,
                       size_t n, struct err *err)
{
    char path[PATH_BYTES];
    int64_t tokens = 0, windows = 0;
    int rc = 0;

    (void)snprintf(path, sizeof(path), "%s.tokens", prefix);
    (void)json_int(json_path(t->doc, path), &tokens);
    (void)snprintf(path, sizeof(path), "%s.windows", prefix);
    (void)json_int(json_path(t->doc, path), &windows);
    if (windows ? tokens % windows : tokens)
        return expected(t, path, "a number that divides the tokens", err);
    for (size_t i = 0; !rc && i < n; i++) {
        (void)snprintf(path, sizeof(path), "%s.%s", prefix, l[i].key);
        rc = check_list(t, path,
                        (size_t)(!l[i].position ? windows
                                 : windows      ? tokens / windows
                                                : 0),
                        &l[i].range, err);
    }
    return rc;
}

#define N_OF(array) (sizeof(array) / sizeof((array)[0]))

/* What was measured on the text, with or without an original. */
static int check_result(const struct report_text *t, const char *prefix, struct err *err)
{
    static const struct member counts[] = {
        {"tokens",  WHOLE   },
        {"windows", WHOLE   },
        {"seconds", OPTIONAL}
    };
    char path[PATH_BYTES];
    int64_t windows = 0;
    int rc = check_members(t, prefix, counts, N_OF(counts), err);

    (void)snprintf(path, sizeof(path), "%s.windows", prefix);
    (void)json_int(json_path(t->doc, path), &windows);
    (void)snprintf(path, sizeof(path), "%s.against", prefix);
    const json_val *against = json_path(t->doc, path);
    if (!rc && against && !json_is_object(against))
        rc = expected(t, path, "an object", err);
    for (size_t i = 0; !rc && metric_at(i); i++)
        if (metric_at(i)->of == METRIC_OF_TEXT &&
            (against || !(metric_at(i)->flags & METRIC_AGAINST)))
            rc = check_metric(t, prefix, metric_at(i), windows > 0, err);
    if (!rc)
        rc = check_lists(t, prefix, own_lists, N_OF(own_lists), err);
    if (!rc && against)
        rc = check_lists(t, prefix, against_lists, N_OF(against_lists), err);
    return rc;
}

static int check_model(const struct report_text *t, const char *prefix, struct err *err)
{
    static const struct member members[] = {
        {"name",         TEXT       },
        {"file",         TEXT       },
        {"type",         TEXT       },
        {"sha256",       HEX_OR_NULL},
        {"bytes",        WHOLE      },
        {"tensor_bytes", WHOLE      },
        {"params",       WHOLE      },
    };
    char path[PATH_BYTES];
    int rc = check_members(t, prefix, members, N_OF(members), err);

    if (!rc)
        rc = check_result(t, prefix, err);
    (void)snprintf(path, sizeof(path), "%s.fast", prefix);
    if (!rc && json_path(t->doc, path))
        rc = check_result(t, path, err);
    return rc;
}

/* ---- the report -------------------------------------------------------------------------------------- */

static int check_head(const struct report_text *t, struct err *err)
{
    const char *schema = json_str(json_get(t->doc, "schema"));
    int64_t version;

    if (!json_is_object(t->doc))
        return expected(t, "", "an object: a report", err);
    if (!schema || strcmp(schema, "pare.report") != 0)
        return expected(t, "schema", "\"pare.report\"", err);
    if (!json_int(json_get(t->doc, "version"), &version))
        return expected(t, "version", "a whole number", err);
    if (version != REPORT_VERSION) {
        (void)report_bad(t, "version", err,
                         "a report of version %lld; this pare reads version %d: measure again",
                         (long long)version, REPORT_VERSION);
        err->code = ERR_UNSUPPORTED;
        return ERR_UNSUPPORTED;
    }
    return 0;
}

static int check_evaluation(const struct report_text *t, struct err *err)
{
    static const struct member members[] = {
        {"text",        TEXT_OR_NULL},
        {"text_sha256", HEX_OR_NULL },
        {"ctx",         WHOLE       },
        {"kernels",     TEXT        },
        {"tokenizer",   HEX_OR_NULL },
    };
    const char *kernels = json_str(json_path(t->doc, "evaluation.kernels"));
    enum kern_math math;
    int rc = check_members(t, "evaluation", members, N_OF(members), err);

    if (!rc && !report_math(&math, kernels))
        rc = expected(t, "evaluation.kernels", "f32, bf16 or fast", err);
    return rc;
}

int report_check_types(const struct report_text *t, struct err *err)
{
    const json_val *models = json_get(t->doc, "models");
    int rc = check_head(t, err);

    if (!rc)
        rc = check_member(t, "name", TEXT, err);
    if (!rc)
        rc = check_evaluation(t, err);
    if (!rc && json_get(t->doc, "original"))
        rc = check_model(t, "original", err);
    if (!rc && !json_is_array(models))
        rc = expected(t, "models", "a list of models", err);
    for (size_t i = 0; !rc && i < json_len(models); i++) {
        char path[PATH_BYTES];
        (void)snprintf(path, sizeof(path), "models.%zu", i);
        rc = check_model(t, path, err);
    }
    return rc;
}
