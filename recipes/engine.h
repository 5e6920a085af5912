#ifndef RECIPES_ENGINE_H
#define RECIPES_ENGINE_H

/* Running a recipe: its steps, which of them are finished, and doing the rest. The key
 * of a step is the SHA-256 of what goes into it: content of inputs, parameters, and the
 * versions of the code that decides its bytes. A finished step is never done twice.
 * A recipe with a matrix has branches, each with a report of its own. */

#include "eval/gate.h"
#include "eval/report.h"
#include "formats/base/err.h"
#include "formats/base/log.h"
#include "formats/base/par.h"
#include "recipes/recipe.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum engine_kind {
    ENGINE_CALIBRATE,
    ENGINE_DISTILL,
    ENGINE_CONVERT,
    ENGINE_QUANTIZE,
    ENGINE_EVALUATE,
    ENGINE_REPORT,
    ENGINE_KINDS
};

/* "quantize". */
const char *engine_kind_name(enum engine_kind kind);

enum engine_state {
    ENGINE_TODO,
    ENGINE_CACHED, /* finished before this run, or by another meanwhile */
    ENGINE_WAITING,
    ENGINE_RUNNING,
    ENGINE_DONE,
    ENGINE_FAILED,
    ENGINE_SKIPPED /* it needs one that failed */
};

/* A file that a step makes. */
struct engine_file {
    const char *path;
    char sha256[65]; /* hex digits; "" until known */
};

struct engine_step {
    enum engine_kind kind;
    const char *branch; /* of a matrix; "": there is only one */
    const char *name;   /* of the variant or the report file */
    size_t item;        /* which of its kind's: variant, model (0: the original; also where it is
                           calibrated on), report form */
    const char *path;   /* of the output; NULL for an evaluation */
    struct engine_file *file; /* [n_files]: of all that it makes */
    size_t n_files;
    uint64_t bytes; /* the output has or will have; 0: not known */
    enum engine_state state;
    const char *why; /* it failed; NULL: it did not */
    char key[65];    /* hex digits; "" for reports */
};

struct engine_opts {
    const char *out_dir;      /* NULL: "<name>.out" */
    const char *cache_dir;    /* shared by output folders; NULL: the output folder's .cache */
    const char *also_written; /* by the caller, afterwards; NULL: nothing. No input may be it */
    struct recipe_opts recipe;
    bool plan_only;     /* write nothing, compute sizes of what would be made */
    bool keep_going;    /* after a failure do all that does not need what failed */
    bool allow_overlap; /* of calibration and evaluation text */
    size_t jobs;        /* steps at a time, at most; 0: as many as seems best */
    uint64_t memory;    /* bytes that steps running side by side may take; 0: most of what is
                           free. One alone is done in any case */
    unsigned cpu;       /* cpu_flag bits allowed */
    struct par par;
    const struct log *log;
    /* Called when a step begins, waits, is found finished, fails or is skipped; NULL: not.
     * From any thread, one at a time. */
    void (*on_step)(void *arg, const struct engine_step *s);
    void *arg;
};

struct engine;

/* Read the recipe, hash its inputs, find what is finished. opts must outlive *out.
 * Errors: those of recipe_load; ERR_IO (a missing model or text, a folder that can't
 * be made, another run in it); ERR_FORMAT (calibration and evaluation text overlap); with
 * plan_only also those of source_open. */
int engine_open(struct engine **out, const char *recipe, const struct engine_opts *opts,
                struct err *err) WARN_UNUSED;
void engine_free(struct engine *e); /* accepts NULL */

/* The steps in the order they are done; NULL past the end. */
size_t engine_n_steps(const struct engine *e);
const struct engine_step *engine_step(const struct engine *e, size_t i);

/* Do what is not finished. After a failure finished steps stay finished. Failed gates are no
 * failure of a run: engine_gates. */
int engine_run(struct engine *e, struct err *err) WARN_UNUSED;

/* Branches of the matrix; 1 without. */
size_t engine_n_branches(const struct engine *e);

/* Of a branch, after engine_run; NULL when the recipe evaluates nothing, or it failed. */
const struct report *engine_report(const struct engine *e, size_t branch);

/* How its gates came out; NULL: it has none, or it failed before. */
const struct gate_results *engine_gates(const struct engine *e, size_t branch);

/* Where finished steps are remembered. */
const char *engine_cache_dir(const struct engine *e);

#endif /* RECIPES_ENGINE_H */
