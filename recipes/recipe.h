#ifndef RECIPES_RECIPE_H
#define RECIPES_RECIPE_H

/* A recipe: what to make of a model, as its YAML file says. Keys, their meaning and
 * defaults: docs/recipes.md. Nothing is opened or computed here but files that it
 * includes. */

#include "distill/distill.h"
#include "eval/formats.h"
#include "eval/gate.h"
#include "formats/base/arena.h"
#include "formats/base/err.h"
#include "formats/dtype.h"
#include "quant/codec.h"
#include "quant/kern.h"
#include "quant/mix.h"

#include <stdbool.h>
#include <stddef.h>

/* A file that a recipe names. */
struct recipe_path {
    const char *path;    /* ready to open; NULL: none */
    const char *as_told; /* as the recipe writes it, for reports */
    const char *where;   /* it was written: "r.yaml: line 2, column 8" */
};

struct recipe_student;

/* One file to make. */
struct recipe_quant {
    const char *name; /* of the variant; safe in a file name */
    const struct mix *mix;
    bool pure;                              /* the mix's base type for every matrix */
    enum dtype output_type, embedding_type; /* DTYPE_NONE: the mix decides */
    const struct mix_override *overrides;
    size_t n_overrides;
    enum codec_effort effort;
    bool no_importance;                   /* although the recipe calibrates */
    bool requantize;                      /* what is quantized already */
    bool keep_split;                      /* as many files as the model has */
    const struct recipe_student *student; /* it is made from; NULL: the model */
    bool is_student;                      /* it is that student's own file */
};

/* A student to distil from the model. Its file is a variant, and so is what is made from it. */
struct recipe_student {
    const char *name;
    struct recipe_path text;    /* to train on; none: what is calibrated on */
    struct recipe_path from;    /* config.json, checkpoint or GGUF to begin with; none: the model */
    struct recipe_path imatrix; /* of training through a mix; none: that of calibrate */
    struct distill_opts o; /* teacher, output, text and how it runs are the engine's to fill in */
    const char *settings;  /* all that the recipe says of it */
    const char *where;     /* it was written */
    struct recipe_quant *then;
    size_t n_then;
};

/* Files to write, relative to the output folder, by row of report_format_at; NULL: not. */
struct recipe_reports {
    const char *path[REPORT_FORMATS_MAX];
};

/* One recipe; what it points to lies in the list's arena. */
struct recipe {
    const char *name;           /* safe in a file name */
    const char *suffix;         /* of a matrix' branch: its folder; "": it is the only one */
    struct recipe_path model;   /* checkpoint or GGUF: the original of every comparison */
    struct recipe_quant *quant; /* students' variants last */
    size_t n_quant;
    struct recipe_student *student;
    size_t n_student;
    struct recipe_path calibration; /* text to collect importance on */
    struct recipe_path imatrix;     /* or a file that has it; neither: columns count alike */
    size_t calibration_ctx, calibration_chunks; /* chunks 0: all of the text */
    struct recipe_path text;                    /* none: nothing is evaluated */
    size_t n_ctx, n_chunks;                     /* n_chunks 0: all of the text */
    struct recipe_path *tasks;                  /* files or patterns of them (glob) */
    size_t n_tasks;
    enum kern_math kernels;
    bool kernels_both; /* also the fast ones */
    bool allow_overlap;
    struct recipe_reports report;
    struct gate *gate;       /* baselines are ready to open */
    const char **gate_where; /* each was written */
    size_t n_gates;
};

/* All recipes that one file stands for: as many as its matrix has branches. */
struct recipe_list {
    struct recipe *at;
    size_t n;
    const char *name; /* for all of them: what their names have in common, or the file's */
    struct arena arena;
};

/* What is given beside the file. */
struct recipe_opts {
    const char *const *sets; /* "key.key=value" texts that replace or add values */
    size_t n_sets;
    const char *(*env)(void *arg, const char *name); /* for ${NAME}; NULL: nothing is set */
    void *env_arg;
};

/* Parse text[0, n), the content of the file `path` (its folder is where relative
 * paths begin, its name gives the default name). Relative paths in sets begin at the
 * current folder. On success *out is owned.
 *
 * Errors: ERR_FORMAT and ERR_UNSUPPORTED "<file>: line L, column C: ..." (not YAML, an
 * unknown key and the known ones, a key of a later version, a value of the wrong
 * kind), ERR_IO (an included file), ERR_ARG (a set that is no key=value), ERR_NOMEM. */
int recipe_parse(struct recipe_list *out, const char *path, const char *text, size_t n,
                 const struct recipe_opts *opts, struct err *err) WARN_UNUSED;

/* The same from the file. */
int recipe_load(struct recipe_list *out, const char *path, const struct recipe_opts *opts,
                struct err *err) WARN_UNUSED;

/* Accepts an all-zero struct. */
void recipe_release(struct recipe_list *r);

#endif /* RECIPES_RECIPE_H */
