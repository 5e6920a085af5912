#ifndef FORMATS_BASE_YAML_H
#define FORMATS_BASE_YAML_H

/* YAML over libyaml: one document as a tree whose nodes know their line and
 * column. Scalars stay text; who reads them gives them a type. Anchors, aliases
 * and tags are refused, duplicate keys too. */

#include "formats/base/arena.h"
#include "formats/base/err.h"

#include <stdbool.h>
#include <stddef.h>

enum yaml_kind { YAML_SCALAR, YAML_LIST, YAML_MAP };

struct yaml_node {
    enum yaml_kind kind;
    const char *key;         /* in a map: the member's key, else NULL */
    const char *text;        /* YAML_SCALAR: the text; "" for an empty value */
    bool quoted;             /* YAML_SCALAR: was in quotes */
    struct yaml_node *first; /* items of a list, members of a map, in order */
    struct yaml_node *next;  /* the following sibling */
    size_t line, column;     /* of the value, from 1 */
    const char *file;        /* for who puts several files together; NULL */
};

/* Parse text[0, n); nodes live in `arena`. Errors: ERR_FORMAT "line L, column C: ...". */
int yaml_parse(struct yaml_node **out, struct arena *arena, const char *text, size_t n,
               struct err *err) WARN_UNUSED;

/* A map's member, or NULL. */
const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key);

#endif /* FORMATS_BASE_YAML_H */
