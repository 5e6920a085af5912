#ifndef EVAL_METRIC_H
#define EVAL_METRIC_H

/* The figures of a report by name, for gates and comparisons: one table. Names and
 * meanings: docs/formats.md, "Metrics". */

#include "eval/report.h"
#include "eval/stats.h"
#include "formats/base/arena.h"
#include "formats/base/err.h"

#include <stdbool.h>
#include <stddef.h>

enum metric_unit {
    METRIC_PLAIN, /* a number: a perplexity, a ratio, bits per weight */
    METRIC_NATS,
    METRIC_SHARE, /* of 1, shown in percent */
    METRIC_BYTES,
    METRIC_COUNT
};

enum metric_better { METRIC_LOWER, METRIC_HIGHER, METRIC_NEITHER };

/* How far a value can be trusted. */
enum metric_error {
    METRIC_EXACT,  /* a size: no error at all */
    METRIC_MEAN,   /* of windows (of a task: items), with a standard error */
    METRIC_UNKNOWN /* a quantile, a maximum: nothing is known of its error */
};

/* Which struct holds it. */
enum metric_of { METRIC_OF_FILE, METRIC_OF_TEXT, METRIC_OF_TASK };

/* What else is true of it. */
enum metric_flag {
    METRIC_LOG = 1,      /* exp of a mean: bounds are taken of its logarithm */
    METRIC_AGAINST = 2,  /* needs an original */
    METRIC_COMPARED = 4, /* a row of comparisons */
    METRIC_JUDGED = 8,   /* looked at by "not worse than" without a metric */
    METRIC_LESS = 16     /* its means are the series less the original's */
};

#define METRIC_NO_SERIES ((size_t)-1)

struct metric {
    const char *name;  /* "kld.p99"; "acc" of a task is addressed as task:NAME.acc */
    const char *title; /* for people: "KLD, 99 %" */
    enum metric_of of;
    enum metric_unit unit;
    enum metric_better better;
    enum metric_error error;
    unsigned flags;
    /* METRIC_OF_FILE: the value of model m in report r */
    double (*size)(const struct report *r, const struct report_model *m);
    size_t at;     /* else: in struct eval_result or task_result, a struct stats_mean (METRIC_MEAN)
                      or a double */
    size_t series; /* there: the double * to its means by window or item, or METRIC_NO_SERIES */
};

/* A metric as written: with the task that it is of, and of which kernels. */
struct metric_ref {
    const struct metric *metric; /* NULL: none */
    const char *task;            /* NULL: of the model */
    bool fast;                   /* of the fast kernels: "fast.kld" */
};

/* What a model's report holds for it. */
struct metric_value {
    bool known;             /* false: the report does not have it */
    struct stats_mean mean; /* error NaN: unknown; 0 for exact ones */
    size_t n;               /* windows or items behind it; 0: exact */
};

/* Row i of the table, or NULL past its end. */
const struct metric *metric_at(size_t i);

/* name[0, n): "kld", "fast.kld.p99", "task:NAME.acc". The task's name is copied to the arena.
 * Errors: ERR_ARG with the nearest name there is. */
int metric_parse(struct metric_ref *out, struct arena *arena, const char *name, size_t n,
                 struct err *err) WARN_UNUSED;

/* The name again, in the arena; NULL: no memory. */
const char *metric_name(struct arena *arena, const struct metric_ref *ref);

/* The value in model m of report r. */
struct metric_value metric_get(const struct metric_ref *ref, const struct report *r,
                               const struct report_model *m);

/* The first n of the means by window or item that the value is the mean of (METRIC_LOG: the
 * logarithm of the value). false: the report has none, or fewer. */
bool metric_series(double *out, size_t n, const struct metric_ref *ref, const struct report *r,
                   const struct report_model *m);

/* Confidence interval at `level` in (0, 1): Student's t with n - 1 degrees of freedom;
 * METRIC_LOG ones of the logarithm. NaN where the error is unknown. */
struct metric_interval {
    double low, high;
};
struct metric_interval metric_interval(const struct metric *metric, struct stats_mean mean,
                                       size_t n, double level);

/* For people, with its unit: "0.0285 ± 0.0041", "98.20 ± 0.30 %", "88.2 MiB". */
enum { METRIC_SHOW_BYTES = 96 };
void metric_show(char out[METRIC_SHOW_BYTES], const struct metric *metric, struct stats_mean mean);

#endif /* EVAL_METRIC_H */
