#include "recipes/recipe_node.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *node_place(struct arena *arena, const struct yaml_node *at)
{
    if (!at->line)
        return "--set";
    return arena_fmt(arena, "%s: line %zu, column %zu", at->file ? at->file : "recipe", at->line,
                     at->column);
}

int node_bad(struct err *err, const struct yaml_node *at, enum err_code code, const char *fmt, ...)
{
    char msg[ERR_MSG_BYTES - 64]; /* leaves room for the place */
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(msg, sizeof(msg), fmt, args);
    va_end(args);
    if (!at->line)
        return err_set(err, code, "--set: %s", msg);
    return err_set(err, code, "%s: line %zu, column %zu: %s", at->file ? at->file : "recipe",
                   at->line, at->column, msg);
}

void node_set_file(struct yaml_node *root, const char *file)
{
    root->file = file;
    for (struct yaml_node *n = root->first; n; n = n->next)
        node_set_file(n, file);
}

struct yaml_node *node_copy(struct arena *arena, const struct yaml_node *from)
{
    struct yaml_node *copy = arena_alloc(arena, sizeof(*copy));

    if (copy) {
        *copy = *from;
        copy->first = copy->next = NULL;
    }
    return copy;
}

struct yaml_node *node_text(struct arena *arena, const struct yaml_node *at, const char *key,
                            const char *text)
{
    struct yaml_node *node = node_copy(arena, at);

    if (node) {
        node->kind = YAML_SCALAR;
        node->key = key;
        node->text = text;
        node->quoted = false;
    }
    return node;
}

void node_append(struct yaml_node *parent, struct yaml_node *item)
{
    struct yaml_node **tail = &parent->first;

    while (*tail)
        tail = &(*tail)->next;
    *tail = item;
    item->next = NULL;
}

struct yaml_node *node_take(struct yaml_node *map, const char *key)
{
    for (struct yaml_node **at = &map->first; *at; at = &(*at)->next) {
        struct yaml_node *found = *at;
        if (strcmp(found->key, key) != 0)
            continue;
        *at = found->next;
        found->next = NULL;
        return found;
    }
    return NULL;
}

const char *node_folder(struct arena *arena, const struct yaml_node *at)
{
    const char *slash = at->line && at->file ? strrchr(at->file, '/') : NULL;

    return slash ? arena_strn(arena, at->file, (size_t)(slash + 1 - at->file)) : "";
}
