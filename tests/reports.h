#ifndef TESTS_REPORTS_H
#define TESTS_REPORTS_H

/* Reports of models that were never run: scores drawn at random, with windows whose tokens go
 * together as those of real texts do. */

#include "eval/report.h"

#include <stddef.h>
#include <stdint.h>

enum { REPORTS_MODELS = 3, REPORTS_ITEMS = 40 };

struct reports_opts {
    uint32_t seed;                /* of the text and the original */
    uint32_t salt;                /* of the models */
    size_t windows, each;         /* scored tokens of a window */
    size_t n_models;              /* "m0", "m1", ... */
    double shift[REPORTS_MODELS]; /* nll above the original's */
    double together;              /* deviation of a model's nll that all tokens of a window share */
    double apart;                 /* deviation that every token has of its own */
    bool alone;                   /* without an original */
    bool tasks;                   /* with a task "quiz" */
};

struct made_report {
    struct report report;                          /* points into this struct: not to be copied */
    struct report_model model[REPORTS_MODELS + 1]; /* the original last */
    struct eval_about about;
    char name[REPORTS_MODELS][24];
};

/* Make one; a failure ends the program. */
void reports_make(struct made_report *out, const struct reports_opts *o);
void reports_release(struct made_report *m);

#endif /* TESTS_REPORTS_H */
