#include "recipes/recipe_set.h"

#include <string.h>

static void forget_lines(struct yaml_node *node)
{
    node->line = node->column = 0;
    node->file = NULL;
    for (struct yaml_node *m = node->first; m; m = m->next)
        forget_lines(m);
}

/* The member's slot, or where a new one would go. */
static struct yaml_node **slot_of(struct yaml_node *map, const char *key, size_t n)
{
    struct yaml_node **at = &map->first;

    while (*at && (strlen((*at)->key) != n || memcmp((*at)->key, key, n) != 0))
        at = &(*at)->next;
    return at;
}

static struct yaml_node *new_map(struct arena *arena, const char *key, size_t n)
{
    struct yaml_node *node = arena_alloc(arena, sizeof(*node));

    if (!node || !(node->key = arena_strn(arena, key, n)))
        return NULL;
    node->kind = YAML_MAP;
    return node;
}

static int put(struct yaml_node *root, struct arena *arena, const char *key, size_t n,
               struct yaml_node *value, struct err *err)
{
    for (;;) {
        const char *dot = memchr(key, '.', n);
        const size_t len = dot ? (size_t)(dot - key) : n;
        if (root->kind != YAML_MAP)
            return err_set(err, ERR_ARG, "\"%.*s\" would go into something that has no keys",
                           (int)n, key);
        struct yaml_node **slot = slot_of(root, key, len);
        if (!dot) {
            value->key = arena_strn(arena, key, len);
            value->next = *slot ? (*slot)->next : NULL;
            *slot = value;
            return value->key ? 0 : err_nomem(err);
        }
        if (!*slot && !(*slot = new_map(arena, key, len)))
            return err_nomem(err);
        root = *slot;
        key = dot + 1;
        n -= len + 1;
    }
}

int recipe_set(struct yaml_node *root, struct arena *arena, const char *text, struct err *err)
{
    const char *eq = strchr(text, '=');
    struct yaml_node *value;
    int rc;

    if (!eq || eq == text)
        return err_set(err, ERR_ARG, "--set wants key=value, not \"%s\"", text);
    rc = yaml_parse(&value, arena, eq + 1, strlen(eq + 1), err);
    if (!rc) {
        forget_lines(value);
        rc = put(root, arena, text, (size_t)(eq - text), value, err);
    }
    if (rc && rc != ERR_NOMEM) {
        (void)err_wrap(err, "--set %.100s", text);
        err->code = ERR_ARG;
        rc = ERR_ARG;
    }
    return rc;
}
