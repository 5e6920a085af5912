#ifndef RECIPES_RECIPE_SET_H
#define RECIPES_RECIPE_SET_H

/* --set: values given beside a recipe. */

#include "formats/base/arena.h"
#include "formats/base/err.h"
#include "formats/base/yaml.h"

/* Put the value of "key.key=value" (itself YAML) into `root`, replacing one that is
 * there and adding maps on the way. Its nodes have line 0. Errors: ERR_ARG. */
int recipe_set(struct yaml_node *root, struct arena *arena, const char *text,
               struct err *err) WARN_UNUSED;

#endif /* RECIPES_RECIPE_SET_H */
