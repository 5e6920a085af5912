#ifndef EVAL_COLUMNS_H
#define EVAL_COLUMNS_H

/* The figures of a report's models as the columns of its tables. */

#include "eval/figure.h"
#include "eval/report.h"

#include <stdbool.h>
#include <stddef.h>

enum column_kind {
    COLUMN_SIZE,   /* bytes */
    COLUMN_NUM,    /* a double */
    COLUMN_MEAN,   /* a struct stats_mean */
    COLUMN_SHARE,  /* the same, of 1, in percent */
    COLUMN_PERCENT /* a double of 1, in percent */
};

struct column {
    const char *head; /* "KLD 99 %" */
    const char *tip;  /* what it is, in a sentence's length */
    enum column_kind kind;
    int decimals;
    /* false: the model has no such figure. */
    bool (*get)(struct stats_mean *out, const struct report_model *m);
};

/* The table of models, and that of the loss's distribution. */
extern const struct column columns_main[], columns_tail[];
extern const size_t columns_n_main, columns_n_tail;

/* A model's cell. */
struct column_cell {
    bool known;
    struct stats_mean mean; /* error NaN where it has none */
    char text[FIGURE_BYTES];
};
void column_get(struct column_cell *out, const struct column *c, const struct report_model *m);

/* Does any model of the report, the original included, have a figure there? */
bool column_used(const struct column *c, const struct report *r);

#endif /* EVAL_COLUMNS_H */
