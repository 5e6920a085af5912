#ifndef RECIPES_RECIPE_NODE_H
#define RECIPES_RECIPE_NODE_H

/* A recipe's values while it is put together of files, --set, variables and its matrix:
 * where each was written, and copies of them. */

#include "formats/base/arena.h"
#include "formats/base/err.h"
#include "formats/base/yaml.h"

#include <stdbool.h>
#include <stddef.h>

/* "<file>: line L, column C", or "--set"; NULL: no memory. */
const char *node_place(struct arena *arena, const struct yaml_node *at);

/* The error "<place>: ..."; returns its code. */
int node_bad(struct err *err, const struct yaml_node *at, enum err_code code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* All nodes of the tree were read from `file`. */
void node_set_file(struct yaml_node *root, const char *file);

/* One node without its items and its siblings; NULL: no memory. */
struct yaml_node *node_copy(struct arena *arena, const struct yaml_node *from);

/* A text that stands where `at` does. */
struct yaml_node *node_text(struct arena *arena, const struct yaml_node *at, const char *key,
                            const char *text);

/* Append to a list or map. */
void node_append(struct yaml_node *parent, struct yaml_node *item);

/* Take a map's member out; NULL: it has none. */
struct yaml_node *node_take(struct yaml_node *map, const char *key);

/* "folder/" of the file a node was read from; "" for here and for --set. */
const char *node_folder(struct arena *arena, const struct yaml_node *at);

#endif /* RECIPES_RECIPE_NODE_H */
