#ifndef TOOLS_GATES_H
#define TOOLS_GATES_H

/* --gate and --junit, as `pare eval` and `pare compare` have them. */

#include "eval/gate.h"
#include "eval/report.h"
#include "formats/base/arena.h"
#include "formats/base/err.h"
#include "tools/opt.h"

#include <stddef.h>

/* All zeros: none. */
struct gates {
    struct gate *at; /* in the arena */
    size_t n;
    struct arena arena;
};

/* Parse them and look at their baselines, before anything is measured; names of models are known
 * then, too (n_names 0: not looked at). To be released also after a failure. Errors: ERR_ARG; of a
 * baseline that can't be read. */
int gates_parse(struct gates *out, const struct opt_list *exprs, const char *const *name,
                size_t n_names, struct err *err) WARN_UNUSED;
/* A file that is written may not be a baseline: it would be compared with itself. `path` NULL:
 * none. Errors: ERR_ARG. */
int gates_apart(const struct gates *g, const char *path, struct err *err) WARN_UNUSED;
void gates_release(struct gates *g);

/* Check them on the models of a report, print a line each, write `junit` unless it is NULL.
 * Errors: ERR_GATE when one is not met. */
int gates_run(const struct gates *g, const struct report *r, const char *junit,
              struct err *err) WARN_UNUSED;

/* The lines and the JUnit file of results that are there. Errors: as gates_run. */
int gates_show(const struct gate_results *results, const char *name, const char *junit,
               struct err *err) WARN_UNUSED;

#endif /* TOOLS_GATES_H */
