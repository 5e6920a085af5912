#ifndef RECIPES_RECIPE_INCLUDE_H
#define RECIPES_RECIPE_INCLUDE_H

/* A recipe's document with what it includes: `include: FILE` or a list of them, each read
 * first, so that keys written later win; maps are merged, other values replaced. */

#include "formats/base/arena.h"
#include "formats/base/err.h"
#include "formats/base/yaml.h"
#include "recipes/recipe_subst.h"

/* Parse text[0, n) of the file `path` and what it includes. Nodes know their file, line and
 * column. Errors: ERR_FORMAT, ERR_IO, each with file, line and column (a cycle, more than
 * 8 levels, 64 files or 256 KiB). */
int include_parse(struct yaml_node **out, struct arena *arena, const char *path, const char *text,
                  size_t n, const struct subst *env, struct err *err) WARN_UNUSED;

#endif /* RECIPES_RECIPE_INCLUDE_H */
