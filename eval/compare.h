#ifndef EVAL_COMPARE_H
#define EVAL_COMPARE_H

/* Two models' reports beside each other, paired window by window: what changed from A to B, how
 * sure that is, and where. Definitions: docs/formats.md, "Comparisons". */

#include "eval/metric.h"
#include "eval/report.h"
#include "formats/base/arena.h"
#include "formats/base/buf.h"
#include "formats/base/err.h"

#include <stdbool.h>
#include <stddef.h>

enum { COMPARE_VERSION = 1, COMPARE_TOP = 5 };

#define COMPARE_LEVEL 0.95

/* Of B against A, at 95 %. */
enum compare_verdict {
    COMPARE_SAME, /* no difference to be seen: the interval holds none (equal sizes, too) */
    COMPARE_BETTER,
    COMPARE_WORSE,
    COMPARE_UNKNOWN /* no error to judge it by (one window, a quantile), or no better way */
};

/* One metric. */
struct compare_row {
    struct metric_ref ref; /* name, title, unit, which way is better: ref.metric */
    const char *name;      /* with its task: "task:NAME.acc", "fast.kld" */
    double a, b;           /* on the windows that both have */
    /* b - a with its paired standard error (0: exact; NaN: unknown); of METRIC_LOG ones
     * ln b - ln a */
    struct stats_mean diff;
    /* Confidence interval of b - a (NaN: unknown); of METRIC_LOG ones of b / a */
    double low, high;
    enum compare_verdict verdict;
    size_t n; /* windows (of a task: items) that were paired; 0: none, sizes */
    /* COMPARE_SAME only: windows (items) in all that would show a difference as large as this
     * one; 0: there is none at all; INFINITY: more than anyone has */
    double needed;
};

/* A window on which the two differ much. */
struct compare_window {
    size_t window;    /* its index in the text */
    const char *text; /* its beginning; NULL: unknown */
    double a, b;      /* means of top_metric in it */
};

/* One model of A with one of B. */
struct compare_pair {
    const struct report_model *a, *b;
    struct compare_row *row;
    size_t n_rows;
    size_t n_windows;                       /* that both have: the first ones */
    const struct metric *top_metric;        /* "kld", or "nll" without an original */
    struct compare_window top[COMPARE_TOP]; /* largest |b - a| first; only those with any */
    size_t n_top;
};

struct comparison {
    const char *a_file, *b_file; /* as told; of one report twice the same */
    const struct report *a, *b;  /* borrowed, and so is what they hold */
    struct compare_pair *pair;   /* in B's order */
    size_t n_pairs;
    const char **unpaired; /* names of models that only one of them has */
    size_t n_unpaired;
    struct arena arena; /* owns the rest */
};

/* What to compare. */
struct compare_opts {
    const char *a_file, *b_file;   /* for messages and pages, borrowed */
    const char *model_a, *model_b; /* this one with that one. NULL: those of the same name, or
                                      the only two */
};

/* Whether windows of a and b can be paired: the same text, context, tokenizer, kernels and
 * original. Errors: ERR_UNSUPPORTED with the reason. */
int compare_check(const struct report *a, const struct report *b, struct err *err) WARN_UNUSED;

/* Compare; a and b must outlive *out. To be released also after a failure. Errors:
 * compare_check's; ERR_ARG for a model that isn't there; ERR_UNSUPPORTED when none pair up, or
 * tasks of the same name differ. */
int compare_reports(struct comparison *out, const struct report *a, const struct report *b,
                    const struct compare_opts *opts, struct err *err) WARN_UNUSED;
void comparison_release(struct comparison *c);

/* The model of `other` for this one: of the same name, or with `only` the only one it has; NULL:
 * none. */
const struct report_model *compare_partner(const struct report *other,
                                           const struct report_model *model, bool only);

/* Whether their tasks can be paired: those of one name are of one file. Errors:
 * ERR_UNSUPPORTED. */
int compare_check_tasks(const struct report_model *a, const struct report_model *b,
                        struct err *err) WARN_UNUSED;

/* A model of each report. */
struct compare_sides {
    const struct report *a, *b;
    const struct report_model *model_a, *model_b;
};

/* One metric of them, at a confidence `level`; name is left NULL. a and b NaN: a report does
 * not have it. Errors: ERR_NOMEM. */
int compare_metric(struct compare_row *out, const struct metric_ref *ref,
                   const struct compare_sides *sides, double level, struct err *err) WARN_UNUSED;

/* "better", "worse", "same", "unknown". */
const char *compare_verdict_name(enum compare_verdict v);

/* As JSON, schema "pare.comparison": docs/formats.md. */
int compare_json(struct buf *out, const struct comparison *c, struct err *err) WARN_UNUSED;

#endif /* EVAL_COMPARE_H */
