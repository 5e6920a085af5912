#ifndef RECIPES_ENGINE_H
#define RECIPES_ENGINE_H

/* Running a recipe: its steps, which of them are finished, and doing the rest. The key
 * of a step is the SHA-256 of what goes into it: content of inputs, parameters, and the
 * versions of the code that decides its bytes. A finished step is never done twice. */

#include "eval/report.h"
#include "formats/base/err.h"
#include "formats/base/log.h"
#include "formats/base/par.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum engine_kind {
    ENGINE_CALIBRATE,
    ENGINE_CONVERT,
    ENGINE_QUANTIZE,
    ENGINE_EVALUATE,
    ENGINE_REPORT
};

struct engine_step {
    enum engine_kind kind;
    const char *name; /* of the variant or the report file */
    const char *path; /* of the output; NULL for an evaluation */
    uint64_t bytes;   /* the output has or will have; 0: not known */
    bool cached;      /* finished before this run */
    char key[65];     /* hex digits; "" for reports */
};

struct engine_opts {
    const char *out_dir;     /* NULL: "<name>.out" */
    const char *const *sets; /* as recipe_parse */
    size_t n_sets;
    bool plan_only; /* write nothing, compute sizes of what would be made */
    unsigned cpu;   /* cpu_flag bits allowed */
    struct par par;
    const struct log *log;
    /* Called when a step begins, or is found finished; NULL: not. */
    void (*on_step)(void *arg, const struct engine_step *s);
    void *arg;
};

struct engine;

/* Read the recipe, hash its inputs, find what is finished. opts must outlive *out.
 * Errors: those of recipe_load; ERR_IO (a missing model or text, a folder that can't
 * be made, another run in it); with plan_only also those of source_open. */
int engine_open(struct engine **out, const char *recipe, const struct engine_opts *opts,
                struct err *err) WARN_UNUSED;
void engine_free(struct engine *e); /* accepts NULL */

/* The steps in the order they are done; NULL past the end. */
size_t engine_n_steps(const struct engine *e);
const struct engine_step *engine_step(const struct engine *e, size_t i);

/* Do what is not finished. After a failure finished steps stay finished. */
int engine_run(struct engine *e, struct err *err) WARN_UNUSED;

/* After engine_run; NULL when the recipe evaluates nothing. */
const struct report *engine_report(const struct engine *e);

#endif /* RECIPES_ENGINE_H */
