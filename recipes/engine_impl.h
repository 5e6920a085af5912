#ifndef RECIPES_ENGINE_IMPL_H
#define RECIPES_ENGINE_IMPL_H

/* What the engine's files share: engine.c (life), engine_plan.c (steps and their keys),
 * engine_recall.c (what is finished), engine_run.c (which step next), and a file for each kind
 * of step. */

#include "formats/base/hash.h"
#include "formats/imatrix.h"
#include "formats/source.h"
#include "quant/importance.h"
#include "quant/job.h"
#include "recipes/cache.h"
#include "recipes/engine.h"
#include "recipes/recipe.h"
#include "recipes/store.h"

#include <pthread.h>

/* One file the recipe makes. */
struct variant {
    const struct recipe_quant *quant;
    const char *file; /* name in the output folder */
    const char *path;
    const char *beside;        /* what is said of its tensors: "<path>.json" */
    enum dtype convert;        /* DTYPE_NONE: quantized by the mix */
    struct engine_step *make;  /* in engine.step */
    struct engine_step *score; /* NULL: nothing is evaluated */
    char hex[HASH_HEX_BYTES];  /* digest of the file; "" until known */
};

/* One recipe of the matrix, or the only one. */
struct branch {
    struct engine *e;
    const struct recipe *recipe;
    const char *out_dir;
    char model_sha[HASH_HEX_BYTES], text_sha[HASH_HEX_BYTES];
    char calibration_sha[HASH_HEX_BYTES]; /* of the text, or of the importance matrix given */

    const char **task; /* files */
    size_t n_tasks;
    char tasks_sha[HASH_HEX_BYTES]; /* "": there are none */

    struct variant *variant;            /* recipe->n_quant */
    struct engine_step *calibrate;      /* NULL: no importance is collected */
    struct engine_step *score_original; /* NULL: nothing is evaluated */

    pthread_mutex_t lock; /* of what follows, up to source_sha */
    /* What calibration found, read at the first step that needs it. */
    struct imatrix *imatrix;
    struct importance *importance;
    /* The model opened to be quantized, at the first step that needs it. */
    struct source *source;
    char source_sha[HASH_HEX_BYTES]; /* "" until known */

    /* What was measured: [0] the original, then the variants. result is owned. */
    struct report_model *model;
    struct eval_about about;
    struct report report;
    bool have_report; /* report is filled */
    struct gate_results gates;
    bool have_gates; /* gates are checked */
};

struct engine {
    const struct engine_opts *opts;
    struct log log; /* opts->log for many threads */
    struct recipe_list recipes;
    struct cache *cache;
    struct store *store;
    const char *out_dir;
    uint64_t memory;       /* for steps side by side */
    size_t jobs;           /* of them */
    struct branch *branch; /* recipes.n */
    struct engine_step *step;
    size_t n_steps;
    pthread_mutex_t lock; /* of the arena, of what is told to opts->log and on_step, of `alone` */
    bool alone;           /* one step runs: its progress is worth showing */
    struct arena arena;
};

/* What a step's record holds. */
struct record {
    struct report_model model;                           /* result owned */
    char object[HASH_HEX_BYTES], beside[HASH_HEX_BYTES]; /* digests of its files; "" : none */
};

/* ---- engine_plan.c ---- */

/* All steps of a branch, with their keys, in the order they are done. */
int engine_plan(struct branch *b, struct err *err) WARN_UNUSED;
/* The most steps a recipe has. */
size_t engine_most_steps(const struct recipe *r);
/* A text in the engine's arena, from any thread; NULL: no memory. */
const char *engine_text(struct engine *e, const char *s);

/* ---- engine_recall.c ---- */

/* Which steps of the branch are finished. */
int engine_recall(struct branch *b, struct err *err) WARN_UNUSED;
/* The same of one, again: another run may have finished it. */
int engine_recall_calibrate(struct branch *b, struct err *err) WARN_UNUSED;
int engine_recall_make(struct branch *b, size_t variant, struct err *err) WARN_UNUSED;
int engine_recall_score(struct branch *b, size_t model, struct err *err) WARN_UNUSED;
/* A step's record goes to the store, its files too. about: NULL, or what goes with an original. */
int engine_remember(struct branch *b, const struct engine_step *s, const struct record *r,
                    const struct eval_about *about, struct err *err) WARN_UNUSED;
/* Sizes of what is not there yet, and whether reports are what they would be. */
int engine_foresee(struct branch *b, struct err *err) WARN_UNUSED;

/* ---- engine_make.c ---- */

/* The source, opened once. Errors: those of source_open and tok_check. */
int engine_source(struct branch *b, struct err *err) WARN_UNUSED;
/* The job that makes a variant. */
int engine_job(struct job **out, struct branch *b, const struct variant *v, bool size_only,
               const struct par *par, struct err *err) WARN_UNUSED;
/* Make the variant's file and keep its record. */
int engine_make(struct branch *b, struct variant *v, const struct par *par,
                struct err *err) WARN_UNUSED;

/* ---- engine_calibrate.c ---- */

/* Collect the branch's importance, unless a run before has, and keep its record in the cache. */
int engine_calibrate(struct branch *b, const struct par *par, struct err *err) WARN_UNUSED;
/* b->importance, read once; nothing when the recipe has none. */
int engine_importance(struct branch *b, struct err *err) WARN_UNUSED;
/* Does the variant weigh errors by importance? */
bool engine_uses_importance(const struct branch *b, const struct variant *v);
/* Of the file, for provenance; NULL: none. */
const char *engine_importance_path(const struct branch *b);

/* ---- engine_score.c ---- */

/* Measure what is not measured yet of the original and the variants that are made. */
int engine_score(struct branch *b, const struct par *par, struct err *err) WARN_UNUSED;

/* ---- engine_report.c ---- */

/* Fill b->report from b->model; every evaluation must be recalled or done. */
void engine_compose(struct branch *b);
/* Check the recipe's gates on b->report. */
int engine_check_gates(struct branch *b, struct err *err) WARN_UNUSED;
/* Is the report at s->path what b->report renders to? When `write`, make it so. */
int engine_write_report(struct branch *b, struct engine_step *s, bool write,
                        struct err *err) WARN_UNUSED;

/* ---- engine_tasks.c ---- */

/* Find, check and hash the task files. Errors: ERR_IO (a pattern without a file), those of
 * task_check. */
int engine_find_tasks(struct branch *b, struct err *err) WARN_UNUSED;

/* ---- engine_overlap.c ---- */

/* Errors: ERR_FORMAT when calibration and evaluation text share a run of tokens. */
int engine_check_overlap(struct branch *b, struct err *err) WARN_UNUSED;

/* ---- engine_memory.c ---- */

/* Bytes that may be taken, and that a step will about take. */
uint64_t engine_memory(void);
uint64_t engine_memory_of(struct branch *b, enum engine_kind kind);

/* ---- engine_run.c ---- */

/* Put the step in that state and tell whoever watches. */
void engine_announce(struct engine *e, struct engine_step *s, enum engine_state state);

#endif /* RECIPES_ENGINE_IMPL_H */
