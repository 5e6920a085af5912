#ifndef RECIPES_RECIPE_MATRIX_H
#define RECIPES_RECIPE_MATRIX_H

/* `matrix:`: keys with lists of values, all combinations of them. A key that is named only in
 * items of quantize: multiplies those items; one that is named elsewhere multiplies the
 * recipe. */

#include "formats/base/arena.h"
#include "formats/base/err.h"
#include "formats/base/yaml.h"
#include "recipes/recipe_subst.h"

#include <stdbool.h>
#include <stddef.h>

enum { MATRIX_MAX = 256 }; /* combinations */

/* One recipe of it. */
struct matrix_branch {
    struct yaml_node *root; /* names replaced, without matrix: */
    const char *suffix;     /* of its values, safe in a file name; "": there is only one */
    bool named;             /* its name: tells it from the others */
};

/* Take `root` apart; its nodes may be used again. Without matrix: one branch. Errors: ERR_FORMAT
 * with the place (a key nothing names, values that are no texts, too many combinations, two
 * branches of one name). */
int matrix_expand(struct matrix_branch **out, size_t *n, struct arena *arena,
                  struct yaml_node *root, const struct subst *env, struct err *err) WARN_UNUSED;

#endif /* RECIPES_RECIPE_MATRIX_H */
