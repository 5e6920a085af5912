#ifndef EVAL_GATE_H
#define EVAL_GATE_H

/* Gates: conditions that a report's models have to meet. The language, what `at 95%` means and
 * when a gate can't be decided (which fails): docs/formats.md, "Gates".
 *
 *   [MODEL: ] METRIC <=|<|>=|> VALUE [at P%]
 *   [MODEL: ] [METRIC] not worse than FILE.json [by MARGIN] [at P%]
 *
 * Use: gate_parse each (ERR_ARG with the column), gates_check after measuring, print
 * result[i].line, then return gates_status(): ERR_GATE makes exit status 3. */

#include "eval/metric.h"
#include "eval/report.h"
#include "formats/base/arena.h"
#include "formats/base/err.h"

#include <stdbool.h>
#include <stddef.h>

enum gate_op { GATE_LE, GATE_LT, GATE_GE, GATE_GT, GATE_NOT_WORSE };

/* One condition. Texts lie in the arena it was parsed with. */
struct gate {
    const char *text;      /* the condition without the model: "kld <= 0.03 at 95%" */
    const char *model;     /* NULL: every model of the report */
    struct metric_ref ref; /* metric NULL: "not worse" of all that is measured on text and tasks */
    enum gate_op op;
    double limit;         /* or the margin of "not worse ... by" */
    bool relative;        /* the margin is a share of the baseline's value */
    double level;         /* 0.95; 0: not given, the measured value decides */
    const char *baseline; /* path as written; a recipe may replace it by one from its folder */
};

/* An expression as on the command line. Errors: ERR_ARG, with the column in it. */
int gate_parse(struct gate *out, struct arena *arena, const char *text,
               struct err *err) WARN_UNUSED;

/* The same in parts, as in a recipe's `gate: {MODEL: {METRIC: CONDITION}}`: gate_parse_key(&g, a,
 * "Q4_K_M", "kld", "<= 0.03", err). model NULL: every model; metric NULL: condition is a
 * whole expression (without a model before it). */
int gate_parse_key(struct gate *out, struct arena *arena, const char *model, const char *metric,
                   const char *condition, struct err *err) WARN_UNUSED;

/* That the models which gates name are among these, to be asked before hours of measuring.
 * Errors: ERR_ARG with the nearest name. */
int gates_models(const struct gate *gate, size_t n, const char *const *name, size_t n_names,
                 struct err *err) WARN_UNUSED;

/* That the baselines can be read, likewise. Errors: those of report_load. */
int gates_baselines(const struct gate *gate, size_t n, struct err *err) WARN_UNUSED;

enum gate_status { GATE_MET, GATE_FAILED, GATE_UNDECIDED /* counts as failed */ };

/* One gate of one model. */
struct gate_result {
    const struct gate *gate; /* borrowed */
    const char *model;       /* its name in the report */
    enum gate_status status;
    const char *why;  /* "0.0285 ± 0.0041 nats", "can't be decided with 12 windows: ..." */
    const char *line; /* all of it: "failed: Q4_K_M: kld <= 0.03: 0.0431 ± 0.0041 nats" */
};

struct gate_results {
    struct gate_result *at; /* by model, then in the gates' order */
    size_t n, n_failed;     /* n_failed with the undecided ones */
    struct arena arena;     /* owns all of it */
};

/* Check every gate on the models of r that it is for. Baselines are read from disk. To be
 * released also after a failure.
 * Errors: a baseline that can't be read; a gate that names no model of r (ERR_ARG). A failed
 * gate is no error. */
int gates_check(struct gate_results *out, const struct gate *gate, size_t n, const struct report *r,
                struct err *err) WARN_UNUSED;
void gate_results_release(struct gate_results *g);

/* 0, or ERR_GATE with one sentence: how many of how many failed, and which first. */
int gates_status(const struct gate_results *g, struct err *err) WARN_UNUSED;

#endif /* EVAL_GATE_H */
