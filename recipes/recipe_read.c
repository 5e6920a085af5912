#include "recipes/recipe_read.h"

#include "formats/base/buf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *title(const struct yaml_node *v)
{
    return v->key ? v->key : "item";
}

int read_text(struct reader *r, const char **to, const struct yaml_node *v)
{
    if (v->kind != YAML_SCALAR || !*v->text)
        return node_bad(r->err, v, ERR_FORMAT, "%s: expected text", title(v));
    *to = v->text;
    return 0;
}

int read_name(struct reader *r, const char **to, const struct yaml_node *v)
{
    static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    int rc = read_text(r, to, v);

    if (!rc && (v->text[0] == '.' || v->text[0] == '-' || strlen(v->text) > 100 ||
                v->text[strspn(v->text, safe)]))
        rc = node_bad(r->err, v, ERR_FORMAT,
                      "\"%.40s\" is no name: expected at most 100 letters, digits, \".\", \"_\" "
                      "or \"-\", beginning with a letter or digit",
                      v->text);
    return rc;
}

int read_count(struct reader *r, size_t *to, const struct yaml_node *v, size_t min)
{
    const size_t max = 1000000000;
    char *end;

    errno = 0;
    const unsigned long long n = v->kind == YAML_SCALAR ? strtoull(v->text, &end, 10) : 0;
    if (v->kind != YAML_SCALAR || v->text[0] < '0' || v->text[0] > '9' || *end || errno ||
        n < min || n > max)
        return node_bad(r->err, v, ERR_FORMAT, "%s: expected a whole number, %zu or more", title(v),
                        min);
    *to = (size_t)n;
    return 0;
}

int read_bool(struct reader *r, bool *to, const struct yaml_node *v)
{
    const bool yes = v->kind == YAML_SCALAR && !v->quoted && !strcmp(v->text, "true");

    if (!yes && (v->kind != YAML_SCALAR || v->quoted || strcmp(v->text, "false") != 0))
        return node_bad(r->err, v, ERR_FORMAT, "%s: expected true or false", title(v));
    *to = yes;
    return 0;
}

int read_dtype(struct reader *r, enum dtype *to, const struct yaml_node *v)
{
    const char *name = NULL;
    struct err why;
    const int rc = read_text(r, &name, v);

    if (rc)
        return rc;
    if (mix_read_type(to, name, &why))
        return node_bad(r->err, v, ERR_FORMAT, "%s: %s", title(v), why.msg);
    return 0;
}

int read_path(struct reader *r, struct recipe_path *to, const struct yaml_node *v)
{
    const int rc = read_text(r, &to->as_told, v);
    const char *text = to->as_told, *dir;

    if (rc)
        return rc;
    to->where = node_place(r->arena, v);
    dir = node_folder(r->arena, v);
    if (!to->where || !dir)
        return err_nomem(r->err);
    while (!strncmp(text, "./", 2))
        text += 2;
    if (text[0] == '/' || !v->line)
        to->path = v->text;
    else if (!*text || !strcmp(text, "."))
        to->path = *dir ? arena_strn(r->arena, dir, strlen(dir) - 1) : ".";
    else
        to->path = arena_fmt(r->arena, "%s%s", dir, text);
    return to->path ? 0 : err_nomem(r->err);
}

/* A plain path: each part a name, the first not that of the run's own folder. */
static bool is_inside(const char *path)
{
    for (const char *p = path;; p++) {
        const size_t n = strcspn(p, "/");
        if (!n || (n == 1 && *p == '.') || (n == 2 && !strncmp(p, "..", 2)))
            return false;
        p += n;
        if (!*p)
            return strncmp(path, ".cache/", 7) != 0 && strcmp(path, ".cache") != 0;
    }
}

int read_output(struct reader *r, const char **to, const struct yaml_node *v)
{
    int rc = read_text(r, to, v);

    if (!rc && !is_inside(v->text))
        rc = node_bad(r->err, v, ERR_FORMAT,
                      "%s: expected a plain path inside the output folder (--out), not in .cache",
                      title(v));
    return rc;
}

static int unknown_key(struct reader *r, const struct yaml_node *at, const struct reader_key *keys,
                       size_t n)
{
    struct buf known = {0};

    for (size_t i = 0; i < n; i++)
        if (keys[i].read)
            buf_fmt(&known, "%s%s", known.n ? ", " : "", keys[i].name);
    int rc = buf_check(&known, r->err);
    if (!rc)
        rc =
            node_bad(r->err, at, ERR_FORMAT, "unknown key \"%.60s\" (known: %s)", at->key, known.p);
    buf_release(&known);
    return rc;
}

int read_map(struct reader *r, void *to, const struct yaml_node *map, const struct reader_key *keys,
             size_t n)
{
    if (map->kind != YAML_MAP)
        return node_bad(r->err, map, ERR_FORMAT, "%s: expected keys and values",
                        map->key ? map->key : "the recipe");
    for (const struct yaml_node *m = map->first; m; m = m->next) {
        size_t i = 0;
        while (i < n && strcmp(keys[i].name, m->key) != 0)
            i++;
        if (i == n)
            return unknown_key(r, m, keys, n);
        if (!keys[i].read)
            return node_bad(r->err, m, ERR_UNSUPPORTED, "%s is not supported yet", m->key);
        const int rc = keys[i].read(r, to, m);
        if (rc)
            return rc;
    }
    return 0;
}
