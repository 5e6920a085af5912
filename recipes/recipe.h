#ifndef RECIPES_RECIPE_H
#define RECIPES_RECIPE_H

/* A recipe: what to make of a model, as its YAML file says. Keys, their meaning and
 * defaults: docs/formats.md, "Recipes". Nothing is opened or computed here. */

#include "formats/base/arena.h"
#include "formats/base/err.h"
#include "formats/dtype.h"
#include "quant/mix.h"

#include <stdbool.h>
#include <stddef.h>

/* One file to make. */
struct recipe_quant {
    const char *name; /* of the variant; safe in a file name */
    const struct mix *mix;
    bool pure;                              /* the mix's base type for every matrix */
    enum dtype output_type, embedding_type; /* DTYPE_NONE: the mix decides */
};

/* Everything lives in `arena`; paths are ready to open. */
struct recipe {
    const char *name;  /* safe in a file name */
    const char *model; /* checkpoint or GGUF: the original of every comparison */
    struct recipe_quant *quant;
    size_t n_quant;
    const char *calibration; /* text to collect importance on; NULL: all columns count alike */
    const char *calibration_as_told;
    size_t calibration_ctx, calibration_chunks; /* chunks 0: all of the text */
    const char *text;                           /* NULL: nothing is evaluated */
    const char *text_as_told;                   /* as the recipe writes it, for reports */
    size_t n_ctx, n_chunks;                     /* n_chunks 0: all of the text */
    const char *html, *json; /* report files, relative to the output folder; NULL: none */
    struct arena arena;
};

/* Parse text[0, n), the content of the file `path` (its folder is where relative
 * paths begin, its name gives the default name). sets: "key.key=value" texts that
 * replace or add values; relative paths in them begin at the current folder. On
 * success *out is owned.
 *
 * Errors: ERR_FORMAT and ERR_UNSUPPORTED "<path>: line L, column C: ..." (not YAML, an
 * unknown key and the known ones, a key of a later version, a value of the wrong
 * kind), ERR_ARG (a set that is no key=value), ERR_NOMEM. */
int recipe_parse(struct recipe *out, const char *path, const char *text, size_t n,
                 const char *const *sets, size_t n_sets, struct err *err) WARN_UNUSED;

/* The same from the file. */
int recipe_load(struct recipe *out, const char *path, const char *const *sets, size_t n_sets,
                struct err *err) WARN_UNUSED;

/* Accepts an all-zero struct. */
void recipe_release(struct recipe *r);

#endif /* RECIPES_RECIPE_H */
