#ifndef EVAL_METRIC_H
#define EVAL_METRIC_H

/* The figures of a report by name, for gates and comparisons: one table. Names and
 * meanings: docs/formats.md, "Metrics". */

#include "eval/report.h"
#include "eval/stats.h"

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
    METRIC_EXACT,   /* a size: no error at all */
    METRIC_MEAN,    /* of windows (of a task: items), with a standard error */
    METRIC_UNKNOWN, /* a quantile, a maximum: nothing is known of its error */
};

struct metric {
    const char *name;  /* "kld.p99"; "acc" of a task is addressed as task:NAME.acc */
    const char *title; /* for people: "KLD, 99 %" */
    enum metric_unit unit;
    enum metric_better better;
    enum metric_error error;
    bool task;     /* of a task's result, not of the model's */
    bool log;      /* exp of a mean: bounds are taken of its logarithm */
    bool against;  /* needs an original */
    size_t at;     /* in the struct the value lies in */
    size_t series; /* there: the per-window means (of a task, items), or METRIC_NO_SERIES */
};

#define METRIC_NO_SERIES ((size_t)-1)

/* A metric as written: with the task that it is of, and of which kernels. */
struct metric_ref {
    const struct metric *metric; /* NULL: none */
    const char *task;            /* NULL: of the model */
    bool fast;                   /* of the fast kernels: "fast.kld" */
};

/* What a model's report holds for it. */
struct metric_value {
    bool known;             /* false: the report does not have it */
    struct stats_mean mean; /* error NaN: unknown, 0 for exact ones */
    size_t n;               /* windows or items behind it */
    const double *series;   /* [n] means, borrowed; NULL: none */
};

/* Row i of the table, or NULL past its end. */
const struct metric *metric_at(size_t i);

/* "kld", "fast.kld.p99", "task:NAME.acc". The task's name is copied to the arena. An unknown one
 * is ERR_ARG with the nearest name there is. */
int metric_parse(struct metric_ref *out, struct arena *arena, const char *name, size_t n,
                 struct err *err) WARN_UNUSED;

/* The value in model m of report r. */
struct metric_value metric_get(const struct metric_ref *ref, const struct report *r,
                               const struct report_model *m);

/* Confidence bounds of a value at a two-sided level in (0, 1): Student's t with n - 1 degrees
 * of freedom, for `log` ones of the logarithm. NaN when the error is unknown. */
struct metric_bounds {
    double low, high;
};
struct metric_bounds metric_bounds(const struct metric *metric, struct stats_mean mean, size_t n,
                                   double level);

/* The value for people: "0.0285 ± 0.0041 nats", "98.20 ± 0.30 %", "88.2 MiB". */
void metric_show(char *out, size_t size, const struct metric *metric, struct stats_mean mean);

#endif /* EVAL_METRIC_H */
