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

/* Of B against A, at 95 %. */
enum compare_verdict {
    COMPARE_SAME, /* no difference to be seen: the interval holds 0 (equal sizes, too) */
    COMPARE_BETTER,
    COMPARE_WORSE,
    COMPARE_UNKNOWN /* no error to judge it by (one window, a quantile), or no better way */
};

/* One metric. */
struct compare_row {
    struct metric_ref ref;  /* name, title, unit, which way is better: ref.metric */
    const char *name;       /* with its task: "task:NAME.acc", "fast.kld" */
    double a, b;            /* on the windows that both have */
    struct stats_mean diff; /* b - a, with its paired standard error (0: exact; NaN: unknown);
                               where ref.metric->log: ln b - ln a */
    double low, high;       /* 95 % confidence interval of b - a (NaN: unknown); where
                               ref.metric->log: of b / a */
    enum compare_verdict verdict;
    size_t n;      /* windows (of a task: items) that were paired; 0: none */
    double needed; /* windows (items) in all that would show a difference as large as this one at
                      95 %; 0: settled or unknown; INFINITY: none would */
};

/* A window on which the two differ much. */
struct compare_window {
    size_t window;    /* its index in the text */
    const char *text; /* its beginning; NULL: unknown */
    double a, b;      /* mean KLD, or nll without an original */
};

/* One model of A with one of B. */
struct compare_pair {
    const struct report_model *a, *b;
    struct compare_row *row;
    size_t n_rows;
    size_t n_windows;                       /* that both have; the first ones */
    const struct metric *top_metric;        /* what `top` is by: "kld" or "nll" */
    struct compare_window top[COMPARE_TOP]; /* largest |b - a| first; only those with any */
    size_t n_top;
};

struct comparison {
    const char *a_name, *b_name; /* the files as told; of one report twice the same */
    const struct report *a, *b;  /* borrowed */
    struct compare_pair *pair;   /* in B's order */
    size_t n_pairs;
    const char **unpaired; /* names of models that only one of them has */
    size_t n_unpaired;
    struct arena arena; /* owns all that is not said to be borrowed */
};

/* Which models to pair: all zeros for those of the same name, or the only two. */
struct compare_opts {
    const char *a_name, *b_name;   /* of the files, for messages */
    const char *model_a, *model_b; /* this one with that one; NULL: as above */
};

/* Whether windows of a and b can be paired: the same text, context, tokenizer, kernels and
 * original. Errors: ERR_UNSUPPORTED with the reason. */
int compare_check(const struct report *a, const struct report *b, struct err *err) WARN_UNUSED;

/* Compare; a and b must outlive *out. To be released also after a failure. Errors:
 * compare_check's; ERR_ARG for a model that isn't there; ERR_UNSUPPORTED when none pair up. */
int compare_reports(struct comparison *out, const struct report *a, const struct report *b,
                    const struct compare_opts *opts, struct err *err) WARN_UNUSED;
void comparison_release(struct comparison *c);

/* "better", "worse", "same", "unknown". */
const char *compare_verdict_name(enum compare_verdict v);

/* As JSON, schema "pare.comparison": docs/formats.md. */
int compare_json(struct buf *out, const struct comparison *c, struct err *err) WARN_UNUSED;

#endif /* EVAL_COMPARE_H */
