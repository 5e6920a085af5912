#ifndef RECIPES_ENGINE_IMPL_H
#define RECIPES_ENGINE_IMPL_H

/* What engine.c (plan) and engine_steps.c (work) share. */

#include "formats/base/hash.h"
#include "formats/imatrix.h"
#include "formats/source.h"
#include "quant/importance.h"
#include "quant/job.h"
#include "recipes/cache.h"
#include "recipes/engine.h"
#include "recipes/recipe.h"

/* One file the recipe makes. */
struct variant {
    const struct recipe_quant *quant;
    const char *file; /* name in the output folder */
    const char *path;
    enum dtype convert;        /* DTYPE_NONE: quantized by the mix */
    struct engine_step *make;  /* in engine.step */
    struct engine_step *score; /* NULL: nothing is evaluated */
};

struct engine {
    const struct engine_opts *opts;
    struct recipe recipe;
    struct cache *cache;
    const char *out_dir;
    char model_sha[HASH_HEX_BYTES], text_sha[HASH_HEX_BYTES], calibration_sha[HASH_HEX_BYTES];

    struct engine_step *step; /* in the arena */
    size_t n_steps;
    struct variant *variant;            /* in the arena; recipe.n_quant */
    struct engine_step *calibrate;      /* NULL: no importance */
    struct engine_step *score_original; /* NULL: nothing is evaluated */

    /* What calibration found, read at the first step that needs it. */
    struct imatrix *imatrix;
    struct importance *importance;

    /* The model opened to be quantized, at the first step that needs it. */
    struct source *source;
    char source_sha[HASH_HEX_BYTES]; /* "" until known */

    /* What was measured: [0] the original, then the variants. result is owned. */
    struct report_model *model;
    struct report report;
    bool have_report;
    struct arena arena;
};

/* The source, opened once. */
int engine_source(struct engine *e, struct err *err) WARN_UNUSED;

/* The job that makes a variant. */
int engine_job(struct job **out, struct engine *e, const struct variant *v, bool size_only,
               struct err *err) WARN_UNUSED;

/* Plan the step that collects importance, where the recipe asks for it. */
int engine_plan_calibration(struct engine *e, struct err *err) WARN_UNUSED;

/* Collect what is not there yet, and keep its record in the cache. */
int engine_calibrate(struct engine *e, struct err *err) WARN_UNUSED;

/* e->importance, read once; nothing when the recipe has no calibration. */
int engine_importance(struct engine *e, struct err *err) WARN_UNUSED;

/* A step's record goes to the cache. */
int engine_remember(struct engine *e, const struct engine_step *s, const struct report_model *m,
                    struct err *err) WARN_UNUSED;

/* Tell whoever watches that a step begins or is found finished. */
void engine_announce(const struct engine *e, const struct engine_step *s);

/* The next step of the plan. */
struct engine_step *engine_add_step(struct engine *e, enum engine_kind kind, const char *name,
                                    const char *path);

/* Fill e->report from e->model; every evaluation must be recalled or done. */
void engine_compose(struct engine *e);

/* Is the report at s->path what e->report renders to? When `write`, make it so. */
int engine_write_report(struct engine *e, struct engine_step *s, bool write,
                        struct err *err) WARN_UNUSED;

#endif /* RECIPES_ENGINE_IMPL_H */
