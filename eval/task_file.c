#include "eval/task_file.h"

#include "formats/base/json_line.h"
#include "formats/base/json_where.h"
#include "formats/base/map.h"
#include "formats/base/path.h"
#include "formats/base/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FOUND_BYTES = 48 }; /* of a value, shown in a message */

/* ---- messages ------------------------------------------------------------------------------ */

/* The value as JSON, cut short between characters. */
static void show(char out[FOUND_BYTES + 8], const json_val *v)
{
    struct buf b = {0};
    struct err err;
    size_t n = 0;
    bool good;

    (void)snprintf(out, FOUND_BYTES + 8, "nothing");
    if (v && !json_print(&b, v, &err)) {
        while (n < b.n) {
            const size_t k = utf8_step(&good, b.p + n, b.n - n);
            if (n + k > FOUND_BYTES)
                break;
            n += k;
        }
        (void)snprintf(out, FOUND_BYTES + 8, "%.*s%s", (int)n, b.p, n < b.n ? "..." : "");
    }
    buf_release(&b);
}

int task_bad(const struct task_line *in, const char *path, struct err *err, const char *expected,
             ...)
{
    char what[256], found[FOUND_BYTES + 8];
    va_list args;

    va_start(args, expected);
    (void)vsnprintf(what, sizeof(what), expected, args);
    va_end(args);
    show(found, path ? json_path(in->v, path) : in->v);
    return err_set(err, ERR_FORMAT, "line %zu, column %zu: expected %s, found %s", in->number,
                   json_where(in->text, in->n, path) + 1, what, found);
}

/* ---- one line ------------------------------------------------------------------------------ */

static int bad_keys(const struct task_line *in, const struct task_layout *layout, struct err *err)
{
    char keys[160] = "";
    size_t n = 0;

    if (!json_is_object(in->v))
        return task_bad(in, NULL, err, "an object on every line (JSON Lines)");
    if (layout) {
        for (size_t i = 0; i < TASK_KEYS && layout->key[i]; i++)
            if (!json_get(in->v, layout->key[i]))
                return task_bad(in, NULL, err, "\"%s\" in an item of %s", layout->key[i],
                                layout->name);
        return 0;
    }
    for (size_t i = 0; task_layout_at(i) && n < sizeof(keys); i++)
        n += (size_t)snprintf(keys + n, sizeof(keys) - n, "%s%s", i ? ", " : "",
                              task_layout_at(i)->name);
    return task_bad(in, NULL, err, "the keys of a known layout (%s)", keys);
}

static bool is_blank(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!strchr(" \t\r", p[i]) || !p[i])
            return false;
    return true;
}

/* ---- the file ------------------------------------------------------------------------------ */

struct reader {
    struct task *task;
    const struct task_layout *layout; /* of the first item; NULL: none yet */
    size_t cap;
};

static int add(struct reader *r, struct task_line *in, struct err *err)
{
    struct task *t = r->task;
    struct task_item item = {.line = in->number};

    if (!r->layout)
        r->layout = task_layout_of(in->v);
    int rc = bad_keys(in, r->layout, err);
    if (!rc)
        rc = r->layout->read(&item, in, err);
    if (rc)
        return rc;
    if (t->n == r->cap) {
        const size_t cap = r->cap ? 2 * r->cap : 64;
        struct task_item *p = realloc(t->item, cap * sizeof(*p));
        if (!p)
            return err_nomem(err);
        t->item = p;
        r->cap = cap;
    }
    t->item[t->n++] = item;
    return 0;
}

static int read_line(struct reader *r, const char *p, size_t n, size_t number, struct err *err)
{
    struct task_line in = {.text = p, .n = n, .number = number, .arena = &r->task->arena};
    json_val *v = NULL;

    if (is_blank(p, n))
        return 0;
    int rc = json_read_line(&v, p, n, number, err);
    if (rc)
        return rc;
    in.v = v;
    rc = add(r, &in, err);
    json_free(v);
    return rc;
}

static int read_lines(struct reader *r, const char *text, size_t n, size_t n_items, struct err *err)
{
    const char *p = text, *end = text + n;

    if (n >= 3 && !memcmp(p, "\xef\xbb\xbf", 3))
        p += 3;
    for (size_t number = 1; p < end && (!n_items || r->task->n < n_items); number++) {
        const char *eol = memchr(p, '\n', (size_t)(end - p));
        const int rc = read_line(r, p, (size_t)((eol ? eol : end) - p), number, err);
        if (rc)
            return rc;
        p = eol ? eol + 1 : end;
    }
    if (!r->task->n)
        return err_set(err, ERR_FORMAT,
                       "line 1, column 1: expected items, one object a line, "
                       "found none");
    return 0;
}

/* "dir/arc.jsonl": "arc". */
static const char *name_of(struct arena *arena, const char *path)
{
    static const char *const ends[] = {".jsonl", ".json", ".ndjson"};
    const char *slash = strrchr(path, '/');
    const char *name = slash && slash[1] ? slash + 1 : path;
    size_t n = strlen(name);

    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        if (path_ends(name, ends[i])) {
            n -= strlen(ends[i]);
            break;
        }
    }
    return arena_strn(arena, name, n);
}

int task_parse(struct task *out, const char *path, const char *text, size_t n, size_t n_items,
               struct err *err)
{
    struct reader r = {.task = out};

    *out = (struct task){0};
    out->path = arena_str(&out->arena, path);
    out->name = name_of(&out->arena, path);
    if (!out->path || !out->name)
        return err_nomem(err);
    int rc = read_lines(&r, text, n, n_items, err);
    if (rc == ERR_FORMAT)
        return err_wrap(err, "%s", path);
    if (rc)
        return rc;
    out->layout = r.layout->name;
    out->have_norm = r.layout->have_norm;
    out->have_ppl = r.layout->have_ppl;
    return hash_of(text, n, out->sha256, err);
}

int task_load(struct task *out, const char *path, size_t n_items, struct err *err)
{
    struct map m;

    *out = (struct task){0};
    int rc = map_open(&m, path, err);
    if (rc)
        return rc;
    rc = task_parse(out, path, m.data ? (const char *)m.data : "", m.size, n_items, err);
    map_release(&m);
    return rc;
}

void task_release(struct task *t)
{
    free(t->item);
    arena_release(&t->arena);
    *t = (struct task){0};
}
