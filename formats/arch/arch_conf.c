#include "formats/arch/arch_conf.h"

#include "formats/base/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void conf_release(struct conf *c)
{
    free(c->entry);
    arena_release(&c->arena);
    *c = (struct conf){0};
}

/* Does `path` lie at or below `at`? */
static bool is_below(const char *path, const char *at, size_t n)
{
    return !strncmp(path, at, n) && (path[n] == '\0' || path[n] == '.');
}

bool conf_has(const struct conf *c, const char *path)
{
    for (size_t i = 0; i < c->n; i++)
        if (is_below(c->entry[i].path, path, strlen(path)))
            return true;
    return false;
}

void conf_text(struct conf *c, const char *path, const char *text, bool quiet)
{
    if (c->bad || conf_has(c, path))
        return;
    if (c->n == c->cap) {
        const size_t cap = c->cap ? 2 * c->cap : 64;
        struct conf_entry *grown = realloc(c->entry, cap * sizeof(*grown));
        c->bad = !grown;
        if (c->bad)
            return;
        c->entry = grown;
        c->cap = cap;
    }
    struct conf_entry *e = &c->entry[c->n];
    e->path = arena_str(&c->arena, path);
    e->text = arena_str(&c->arena, text);
    e->quiet = quiet;
    c->bad = !e->path || !e->text;
    c->n += !c->bad;
}

void conf_str(struct conf *c, const char *path, const char *s)
{
    struct buf b = {0};
    struct json_out j = json_out_init(&b, true);

    json_put_str(&j, NULL, s);
    c->bad = c->bad || b.bad;
    conf_text(c, path, b.p ? b.p : "", false);
    buf_release(&b);
}

void conf_bool(struct conf *c, const char *path, bool v)
{
    conf_text(c, path, v ? "true" : "false", false);
}

void conf_show(char *dst, size_t size, double v)
{
    if (v == floor(v) && fabs(v) < 1e15) {
        (void)snprintf(dst, size, "%.0f", v);
        return;
    }
    for (int digits = 1; digits <= 17; digits++) {
        (void)snprintf(dst, size, "%.*g", digits, v);
        const double back = strtod(dst, NULL);
        if (back == v || ((double)(float)v == v && (float)back == (float)v))
            return;
    }
}

void conf_num(struct conf *c, const char *path, double v, bool quiet)
{
    char text[40];

    conf_show(text, sizeof(text), v);
    conf_text(c, path, text, quiet);
}

/* ---- printing ------------------------------------------------------------------- */

static void indent(struct buf *b, int depth)
{
    buf_str(b, "\n");
    for (int i = 0; i < depth; i++)
        buf_str(b, "  ");
}

/* The entries whose path begins with at[0, n), which is empty or ends with a dot; each
 * first component once. */
struct level {
    const struct conf *c;
    const char *at;
    size_t n;
};

static bool in_level(const struct level *l, size_t i)
{
    return !strncmp(l->c->entry[i].path, l->at, l->n);
}

/* Is entry i the first with its component here? */
static bool is_first(const struct level *l, size_t i)
{
    const char *name = l->c->entry[i].path + l->n;
    const size_t k = strcspn(name, ".");

    if (!in_level(l, i))
        return false;
    for (size_t j = 0; j < i; j++)
        if (in_level(l, j) && is_below(l->c->entry[j].path + l->n, name, k))
            return false;
    return true;
}

static bool is_list(const struct level *l)
{
    for (size_t i = 0; i < l->c->n; i++)
        if (in_level(l, i))
            return l->c->entry[i].path[l->n] >= '0' && l->c->entry[i].path[l->n] <= '9';
    return false;
}

/* Would every value of it be the same without it? */
static bool is_quiet(const struct level *l)
{
    for (size_t i = 0; i < l->c->n; i++)
        if (in_level(l, i) && !l->c->entry[i].quiet)
            return false;
    return is_list(l);
}

static void print_level(struct buf *b, const struct level *l, int depth);

static void print_entry(struct buf *b, const struct level *l, size_t i, int depth)
{
    const struct conf_entry *e = &l->c->entry[i];
    const size_t k = l->n + strcspn(e->path + l->n, ".");
    const struct level below = {l->c, e->path, k + 1};

    if (e->path[k] == '.')
        print_level(b, &below, depth + 1);
    else
        buf_str(b, e->text);
}

/* Items in the order of their numbers; those that are not there are null. */
static void print_list(struct buf *b, const struct level *l, int depth)
{
    unsigned long most = 0;

    for (size_t i = 0; i < l->c->n; i++)
        if (in_level(l, i) && strtoul(l->c->entry[i].path + l->n, NULL, 10) + 1 > most)
            most = strtoul(l->c->entry[i].path + l->n, NULL, 10) + 1;
    for (unsigned long k = 0; k < most; k++) {
        size_t at = l->c->n;
        for (size_t i = l->c->n; i-- > 0;)
            if (is_first(l, i) && strtoul(l->c->entry[i].path + l->n, NULL, 10) == k)
                at = i;
        buf_str(b, k ? ", " : "");
        if (at < l->c->n)
            print_entry(b, l, at, depth);
        else
            buf_str(b, "null");
    }
}

static void print_level(struct buf *b, const struct level *l, int depth)
{
    bool any = false;

    if (is_list(l)) {
        buf_str(b, "[");
        print_list(b, l, depth);
        buf_str(b, "]");
        return;
    }
    buf_str(b, "{");
    for (size_t i = 0; i < l->c->n; i++) {
        const char *name = l->c->entry[i].path + l->n;
        if (!is_first(l, i))
            continue;
        const size_t k = strcspn(name, ".");
        const struct level below = {l->c, l->c->entry[i].path, l->n + k + 1};
        if (name[k] && is_quiet(&below))
            continue;
        buf_str(b, any ? "," : "");
        indent(b, depth + 1);
        const size_t skip = *name == *CONF_MEMBER;
        buf_fmt(b, "\"%.*s\": ", (int)(k - skip), name + skip);
        print_entry(b, l, i, depth);
        any = true;
    }
    if (any)
        indent(b, depth);
    buf_str(b, "}");
}

int conf_print(struct buf *b, const struct conf *c, struct err *err)
{
    const struct level top = {c, "", 0};

    if (c->bad)
        return err_nomem(err);
    print_level(b, &top, 0);
    buf_str(b, "\n");
    return buf_check(b, err);
}
