#ifndef EVAL_GATE_RESULT_H
#define EVAL_GATE_RESULT_H

/* How one gate fares: what eval/gate.c puts together. */

#include "eval/gate.h"

/* What was found, and a sentence for it in the arena. */
struct gate_finding {
    enum gate_status status;
    const char *why; /* NULL: no memory */
};

/* A metric beside a value. */
struct gate_finding gate_find_value(struct arena *arena, const struct gate *gate,
                                    const struct report *r, const struct report_model *m);

/* "not worse than" a baseline, whose report this is. Errors: ERR_NOMEM. */
int gate_find_worse(struct gate_finding *out, struct arena *arena, const struct gate *gate,
                    const struct report *r, const struct report_model *m,
                    const struct report *baseline, struct err *err) WARN_UNUSED;

/* "can't be decided with 12 windows: SHOWN; about 60 windows would". */
const char *gate_undecided(struct arena *arena, const struct metric *metric, size_t n,
                           const char *shown, double needed);

#endif /* EVAL_GATE_RESULT_H */
