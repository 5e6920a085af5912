#ifndef RECIPES_RECIPE_SUBST_H
#define RECIPES_RECIPE_SUBST_H

/* "${NAME}", "${NAME:-default}", "${matrix.KEY}" and "${{ matrix.KEY }}" in a recipe's texts;
 * "$${" stands for "${". What was put in is not looked at again. */

#include "formats/base/arena.h"
#include "formats/base/err.h"
#include "formats/base/yaml.h"

#include <stdbool.h>

/* What names stand for: a text, or NULL. */
struct subst {
    const char *(*env)(void *arg, const char *name); /* NULL: nothing is set */
    void *env_arg;
    const char *(*matrix)(void *arg, const char *key); /* NULL: there is no matrix */
    void *matrix_arg;
    size_t *used; /* bytes that copies took so far, of SUBST_MAX; NULL: not counted */
};

enum { SUBST_MAX = 64 << 20 };

/* The node's text with names replaced. Errors: ERR_FORMAT at the node's place (a name that is
 * not set, a "${" without its end, more bytes than s->used may come to). */
int subst_text(const char **out, struct arena *arena, const struct yaml_node *at,
               const struct subst *s, struct err *err) WARN_UNUSED;

/* A copy of the tree, keys as they are. */
int subst_tree(struct yaml_node **out, struct arena *arena, const struct yaml_node *from,
               const struct subst *s, struct err *err) WARN_UNUSED;

/* Does a text of the tree name that key of the matrix? */
bool subst_uses(const struct yaml_node *root, const char *key);

#endif /* RECIPES_RECIPE_SUBST_H */
