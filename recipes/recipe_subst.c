#include "recipes/recipe_subst.h"

#include "formats/base/buf.h"
#include "recipes/recipe_node.h"

#include <string.h>

static const char name_chars[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";

/* One "${...}" or "${{ ... }}". */
struct place {
    bool of_matrix;
    const char *name; /* behind "matrix." or "env." */
    size_t n;
    const char *fallback; /* behind ":-"; NULL: none */
    size_t n_fallback;
    const char *end; /* behind its last bracket */
};

static const char *spaces(const char *p)
{
    return p + strspn(p, " ");
}

static bool skip(const char **p, const char *word)
{
    const size_t n = strlen(word);

    if (strncmp(*p, word, n) != 0)
        return false;
    *p += n;
    return true;
}

/* p: behind "$". false: not of that form. */
static bool read_place(struct place *out, const char *p)
{
    const bool twice = p[1] == '{';

    *out = (struct place){0};
    p += twice ? 2 : 1;
    if (twice)
        p = spaces(p);
    out->of_matrix = skip(&p, "matrix.");
    if (twice && !out->of_matrix && !skip(&p, "env."))
        return false;
    out->name = p;
    out->n = strspn(p, name_chars);
    p += out->n;
    if (!out->n || (*out->name >= '0' && *out->name <= '9'))
        return false;
    if (!twice && !out->of_matrix && skip(&p, ":-")) {
        out->fallback = p;
        out->n_fallback = strcspn(p, "}");
        p += out->n_fallback;
    }
    if (twice)
        p = spaces(p);
    if (*p != '}' || (twice && p[1] != '}'))
        return false;
    out->end = p + (twice ? 2 : 1);
    return true;
}

static int put_value(struct buf *b, struct arena *arena, const struct yaml_node *at,
                     const struct place *p, const struct subst *s, struct err *err)
{
    const char *name = arena_strn(arena, p->name, p->n), *value = NULL;

    if (!name)
        return err_nomem(err);
    if (p->of_matrix) {
        value = s->matrix ? s->matrix(s->matrix_arg, name) : NULL;
        if (!value)
            return node_bad(err, at, ERR_FORMAT, "\"${matrix.%.60s}\": matrix: has no such key",
                            name);
    } else {
        value = s->env ? s->env(s->env_arg, name) : NULL;
    }
    if (value && (*value || !p->fallback))
        buf_str(b, value);
    else if (p->fallback)
        buf_put(b, p->fallback, p->n_fallback);
    else
        return node_bad(err, at, ERR_FORMAT,
                        "the environment has no %.60s: set it, or give a default as in "
                        "${%.60s:-text}",
                        name, name);
    return 0;
}

static int put_all(struct buf *b, struct arena *arena, const struct yaml_node *at,
                   const struct subst *s, struct err *err)
{
    const char *p = at->text;
    struct place place;
    int rc = 0;

    while (!rc && *p) {
        const size_t plain = strcspn(p, "$");
        buf_put(b, p, plain);
        p += plain;
        if (!strncmp(p, "$${", 3)) {
            buf_str(b, "${");
            p += 3;
        } else if (p[0] == '$' && p[1] == '{') {
            if (!read_place(&place, p + 1))
                return node_bad(err, at, ERR_FORMAT,
                                "\"%.40s\": expected ${NAME}, ${NAME:-default} or ${matrix.KEY} "
                                "(\"$${\" for a \"${\")",
                                p);
            rc = put_value(b, arena, at, &place, s, err);
            p = place.end;
        } else if (*p) {
            buf_put(b, p++, 1);
        }
    }
    return rc;
}

/* A small recipe must not stand for a large one. */
static int use(const struct subst *s, size_t n, const struct yaml_node *at, struct err *err)
{
    if (!s->used || (*s->used += n) <= SUBST_MAX)
        return 0;
    return node_bad(err, at, ERR_FORMAT,
                    "matrix and variables make more than %d MiB of this recipe", SUBST_MAX >> 20);
}

int subst_text(const char **out, struct arena *arena, const struct yaml_node *at,
               const struct subst *s, struct err *err)
{
    enum { MOST = 1 << 16 };
    struct buf b = {0};
    int rc;

    *out = at->text;
    if (!strstr(at->text, "${"))
        return 0;
    rc = put_all(&b, arena, at, s, err);
    if (!rc)
        rc = buf_check(&b, err);
    if (!rc && b.n > MOST)
        rc = node_bad(err, at, ERR_FORMAT, "a text of more than 64 KiB");
    if (!rc)
        rc = use(s, b.n, at, err);
    if (!rc && !(*out = arena_strn(arena, b.n ? b.p : "", b.n)))
        rc = err_nomem(err);
    buf_release(&b);
    return rc;
}

int subst_tree(struct yaml_node **out, struct arena *arena, const struct yaml_node *from,
               const struct subst *s, struct err *err)
{
    struct yaml_node *copy = node_copy(arena, from), **tail;
    int rc = 0;

    if (!copy)
        return err_nomem(err);
    rc = use(s, sizeof(*copy), from, err);
    if (!rc && from->kind == YAML_SCALAR)
        rc = subst_text(&copy->text, arena, from, s, err);
    tail = &copy->first;
    for (const struct yaml_node *n = from->first; !rc && n; n = n->next) {
        rc = subst_tree(tail, arena, n, s, err);
        if (!rc)
            tail = &(*tail)->next;
    }
    *out = copy;
    return rc;
}

bool subst_uses(const struct yaml_node *root, const char *key)
{
    struct place place;

    for (const char *p = root->kind == YAML_SCALAR ? strstr(root->text, "${") : NULL; p;
         p = strstr(p + 2, "${"))
        if ((p == root->text || p[-1] != '$') && read_place(&place, p + 1) && place.of_matrix &&
            strlen(key) == place.n && !memcmp(place.name, key, place.n))
            return true;
    for (const struct yaml_node *n = root->first; n; n = n->next)
        if (subst_uses(n, key))
            return true;
    return false;
}
