#ifndef RECIPES_RECIPE_READ_H
#define RECIPES_RECIPE_READ_H

/* Values of a recipe by their kinds, and maps of known keys. Errors name file, line, column,
 * the key and what was expected. */

#include "formats/base/yaml.h"
#include "recipes/recipe.h"
#include "recipes/recipe_node.h"

struct reader {
    struct recipe *out;
    struct arena *arena;
    struct err *err;
};

/* A key of a map, and who reads its value. */
struct reader_key {
    const char *name;
    int (*read)(struct reader *r, void *to, const struct yaml_node *value); /* NULL: later */
};

/* Every member goes to its key's reader. */
int read_map(struct reader *r, void *to, const struct yaml_node *map, const struct reader_key *keys,
             size_t n) WARN_UNUSED;

/* Text that is not empty; one that is safe in a file name; a whole number; true or false; the
 * name of a type. */
int read_text(struct reader *r, const char **to, const struct yaml_node *v) WARN_UNUSED;
int read_name(struct reader *r, const char **to, const struct yaml_node *v) WARN_UNUSED;
int read_count(struct reader *r, size_t *to, const struct yaml_node *v, size_t min) WARN_UNUSED;
int read_bool(struct reader *r, bool *to, const struct yaml_node *v) WARN_UNUSED;
int read_dtype(struct reader *r, enum dtype *to, const struct yaml_node *v) WARN_UNUSED;

/* A path, relative to the file it is written in (as it is from --set); a file below the
 * output folder. */
int read_path(struct reader *r, struct recipe_path *to, const struct yaml_node *v) WARN_UNUSED;
int read_output(struct reader *r, const char **to, const struct yaml_node *v) WARN_UNUSED;

/* A list of variants, or one; several names in a list. */
int read_variants(struct reader *r, struct recipe_quant **to, size_t *n,
                  const struct yaml_node *v) WARN_UNUSED;
/* The list of students; their variants, once all else of the recipe is read. */
int read_distill(struct reader *r, void *to, const struct yaml_node *list) WARN_UNUSED;
int join_students(struct reader *r, const struct yaml_node *root) WARN_UNUSED;

/* The list of variants. */
int read_quantize(struct reader *r, void *to, const struct yaml_node *list) WARN_UNUSED;

/* Conditions; the variants that they are of are read before. */
int read_gates(struct reader *r, struct recipe *out, const struct yaml_node *v) WARN_UNUSED;

#define READER_KEYS(array) (array), sizeof(array) / sizeof((array)[0])

#endif /* RECIPES_RECIPE_READ_H */
