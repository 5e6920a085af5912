#ifndef RECIPES_ENGINE_IMPL_H
#define RECIPES_ENGINE_IMPL_H

/* What the engine's files share: engine.c (life), engine_plan.c (steps), engine_recall.c (what is
 * finished), engine_run.c (which step next), engine_kinds.c (a row for each kind of step) and a
 * file for each kind: what its steps are, their keys, doing one. */

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

/* What variants are made of. Texts are borrowed. */
struct weights {
    const char *path;
    const char *name;          /* of its folder or file: the converter guesses general.* from it */
    const char *key;           /* digest of its files, or the key of the step that makes them */
    struct engine_step *maker; /* NULL: it is there */
    struct engine_step *calibrate; /* NULL: no importance is collected on it */
    const char *imatrix_path;      /* it comes to, or that is given; NULL: none */
    /* Under the branch's lock; opened at the first step that needs it, owned. */
    struct source *source;
    char source_sha[HASH_HEX_BYTES]; /* "" until known */
    struct imatrix *imatrix;         /* what calibration found */
    struct importance *importance;
};

/* One model the recipe makes. */
struct variant {
    const struct recipe_quant *quant;
    struct weights *from;
    struct weights own;        /* of a student: what others are made from */
    const char *path;          /* as the pipeline wants it, also where it makes several files */
    const char *file;          /* the first's name in the output folder; its path: make->path */
    enum dtype convert;        /* DTYPE_NONE: quantized by the mix */
    uint64_t n_params;         /* of a student, as it is planned; else 0 */
    struct engine_step *make;  /* in engine.step */
    struct engine_step *score; /* NULL: nothing is evaluated */
    char hex[HASH_HEX_BYTES];  /* digest of the file, or of all of them; "" until known */
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

    struct weights original;            /* the recipe's model */
    struct variant *variant;            /* recipe->n_quant */
    struct engine_step *score_original; /* NULL: nothing is evaluated */

    pthread_mutex_t lock; /* of what steps open of weights */

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
    uint64_t memory;           /* for steps side by side */
    size_t jobs;               /* of them */
    struct branch *branch;     /* recipes.n */
    struct engine_step **step; /* [n_steps], owned; the steps lie in the arena */
    size_t n_steps, room;
    pthread_mutex_t lock; /* of the arena, of what is told to opts->log and on_step, of `alone` */
    bool alone;           /* one step runs: its progress is worth showing */
    struct arena arena;
};

enum engine_need {
    NEED_NOTHING,
    NEED_ANY, /* of all such steps one must have come out well, and none be left to do */
    NEED_IT
};

/* A kind of step. A piece of work is one step, or all steps of a branch that are of one kind and
 * are done together. */
struct engine_ops {
    const char *name; /* "quantize" */
    /* Add the branch's steps (engine_add). NULL: the row before does. */
    int (*plan)(struct branch *b, struct err *err);
    /* Find out whether a step is finished; NULL: that is seen when it is done. */
    int (*recall)(struct branch *b, struct engine_step *s, struct err *err);
    /* Do one, which is locked and not finished; or with `together` all, of which s is the first
     * (NULL: there are none): lock, recall, announce and do them. */
    int (*run)(struct branch *b, struct engine_step *s, const struct par *par, struct err *err);
    bool together;
    /* Does s need `on`, a step of the same branch that is planned before? NULL: nothing. */
    enum engine_need (*needs)(const struct branch *b, const struct engine_step *s,
                              const struct engine_step *on);
    /* Bytes of the models it will hold; NULL: none. */
    uint64_t (*memory)(const struct branch *b, const struct engine_step *s);
};

/* ---- engine_kinds.c; a row each, in the file of that kind ---- */

/* The row of a kind. */
const struct engine_ops *engine_ops(enum engine_kind kind);

extern const struct engine_ops engine_calibrate_ops; /* engine_calibrate.c */
extern const struct engine_ops engine_distill_ops;   /* engine_distill.c */
extern const struct engine_ops engine_convert_ops;   /* engine_make.c */
extern const struct engine_ops engine_quantize_ops;  /* engine_make.c */
extern const struct engine_ops engine_evaluate_ops;  /* engine_score.c */
extern const struct engine_ops engine_report_ops;    /* engine_report.c */

/* ---- engine_plan.c ---- */

/* All steps of a branch, with their keys, in the order they are done. */
int engine_plan(struct branch *b, struct err *err) WARN_UNUSED;
/* One more step with room for n_files, whose paths are the caller's to fill in. NULL: no
 * memory. */
struct engine_step *engine_add(struct branch *b, enum engine_kind kind, const char *name,
                               size_t n_files);
/* A text in the engine's arena, from any thread; NULL: no memory. */
const char *engine_text(struct engine *e, const char *s);

/* ---- engine_recall.c ---- */

/* Which steps of the branch are finished. */
int engine_recall(struct branch *b, struct err *err) WARN_UNUSED;
/* *found: the step's record is there, and its files are what they were. *model (NULL: not asked
 * for) is owned, *doc too (or NULL); s->bytes and files' digests are filled in. */
int engine_recall_step(bool *found, struct report_model *model, json_val **doc, struct branch *b,
                       struct engine_step *s, struct err *err) WARN_UNUSED;
/* Take the digests of the step's files. */
int engine_hash_files(struct branch *b, struct engine_step *s, struct err *err) WARN_UNUSED;
/* The step's record goes to the store, its files too. model and about: NULL, or what was measured
 * and what goes with an original. */
int engine_remember(struct branch *b, const struct engine_step *s, const struct report_model *model,
                    const struct eval_about *about, struct err *err) WARN_UNUSED;
/* Sizes of what is not there yet, and whether reports are what they would be. */
int engine_foresee(struct branch *b, struct err *err) WARN_UNUSED;

/* ---- engine_make.c ---- */

/* The source, opened once. Errors: those of source_open and tok_check. */
int engine_source(struct branch *b, struct weights *w, struct err *err) WARN_UNUSED;
/* A variant's step is done, the figures of its file in the branch's model: take digests, keep
 * the record. And the recall of such steps. */
int engine_keep_variant(struct branch *b, struct engine_step *s, struct err *err) WARN_UNUSED;
int engine_recall_variant(struct branch *b, struct engine_step *s, struct err *err) WARN_UNUSED;
/* Bytes that making the variant would give. */
int engine_foresee_size(struct branch *b, struct variant *v, struct err *err) WARN_UNUSED;

/* ---- engine_calibrate.c ---- */

/* The step that measures what variants of a student are quantized by, if there are such: its
 * own importance. b->variant[item] is the student's, whose step is there. */
int engine_plan_calibrate(struct branch *b, size_t item, struct err *err) WARN_UNUSED;
/* w->importance, read once; w->source is open. */
int engine_importance(struct branch *b, struct weights *w, struct err *err) WARN_UNUSED;
/* Does the variant weigh errors by importance? */
bool engine_uses_importance(const struct variant *v);
/* How that importance is collected, or the file that has it, as part of the variant's key. */
void engine_hash_importance(struct hash *h, const struct branch *b, const struct variant *v);

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

/* Bytes that may be taken, that a step will about take, and that a model's weights take. */
uint64_t engine_memory(void);
uint64_t engine_memory_of(const struct branch *b, const struct engine_step *s);
uint64_t engine_weights_bytes(const char *path);

/* ---- engine_run.c ---- */

/* Put the step in that state and tell whoever watches. */
void engine_announce(struct engine *e, struct engine_step *s, enum engine_state state);
/* Lock the keys of steps; whoever watches is told that `s` waits where another run has one. */
int engine_lock(struct store_locks *out, struct engine *e, struct engine_step *s,
                const char *const *key, size_t n, struct err *err) WARN_UNUSED;
/* It failed, because of `why` or (NULL) with one that said why. */
void engine_fail(struct engine *e, struct engine_step *s, const char *why, bool tell);
/* Go on with what does not need what failed so? */
bool engine_goes_on(const struct engine *e, const struct err *why);

#endif /* RECIPES_ENGINE_IMPL_H */
