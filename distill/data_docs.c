/* Where documents begin and end in files. */

#include "distill/data_parts.h"
#include "formats/base/path.h"
#include "formats/base/utf8.h"
#include "formats/lines.h"

#include <stdlib.h>
#include <string.h>

enum { PIECE = 64 << 20 }; /* bytes; a longer text is cut after a line, and then is several */

void data_docs_release(struct data_docs *d)
{
    for (size_t i = 0; i < d->n_files; i++)
        map_release(&d->file[i].map);
    free(d->file);
    free(d->doc);
    *d = (struct data_docs){0};
}

int data_docs_add(struct data_docs *d, size_t at, const struct data_doc *doc, struct err *err)
{
    if (d->n == d->cap) {
        const size_t cap = d->cap ? 2 * d->cap : 256;
        struct data_doc *p = realloc(d->doc, cap * sizeof(*p));
        if (!p)
            return err_nomem(err);
        d->doc = p;
        d->cap = cap;
    }
    memmove(d->doc + at + 1, d->doc + at, (d->n - at) * sizeof(*d->doc));
    d->doc[at] = *doc;
    d->n++;
    return 0;
}

/* ---- lines ------------------------------------------------------------------------------- */

static bool is_blank(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] != ' ' && p[i] != '\t' && p[i] != '\r')
            return false;
    return true;
}

static int find_lines(struct data_docs *d, size_t file, struct err *err)
{
    const struct map *m = &d->file[file].map;
    const char *text = (const char *)m->data;
    size_t at = m->size >= 3 && !memcmp(text, "\xef\xbb\xbf", 3) ? 3 : 0;
    int rc = 0;

    for (size_t line = 1; !rc && at < m->size; line++) {
        const char *eol = memchr(text + at, '\n', m->size - at);
        const size_t n = eol ? (size_t)(eol - (text + at)) : m->size - at;
        const struct data_doc doc = {.file = file, .at = at, .n = n, .line = line};
        if (!is_blank(text + at, n))
            rc = data_docs_add(d, d->n, &doc, err);
        at += n + 1;
    }
    return rc;
}

/* ---- plain text -------------------------------------------------------------------------- */

/* Offset of the next `what` in p[at, n), or n. */
static size_t find(const char *p, size_t at, size_t n, struct meta_str what)
{
    while (n - at >= what.n) {
        const char *c = memchr(p + at, what.p[0], n - at - what.n + 1);
        if (!c)
            return n;
        at = (size_t)(c - p);
        if (!memcmp(c, what.p, what.n))
            return at;
        at++;
    }
    return n;
}

/* Where text[at, end) may be cut at `to` or before: after a line, else between characters. */
static size_t cut_before(const char *text, size_t at, size_t to)
{
    size_t i = to;

    while (i > at && text[i - 1] != '\n')
        i--;
    if (i > at)
        return i;
    for (i = to; i > at && ((unsigned char)text[i] & 0xc0U) == 0x80U;)
        i--;
    return i > at ? i : to;
}

static int add_text(struct data_docs *d, size_t file, size_t at, size_t end, struct err *err)
{
    const char *text = (const char *)d->file[file].map.data;
    int rc = 0;

    while (!rc && at < end) {
        const size_t to = end - at > PIECE ? cut_before(text, at, at + PIECE) : end;
        const struct data_doc doc = {.file = file, .at = at, .n = to - at};
        rc = data_docs_add(d, d->n, &doc, err);
        at = to;
    }
    return rc;
}

static bool is_break(char c)
{
    return c == '\n' || c == '\r';
}

static int find_texts(struct data_docs *d, size_t file, struct meta_str split, struct err *err)
{
    const struct map *m = &d->file[file].map;
    const char *text = (const char *)m->data;
    size_t at = m->size >= 3 && !memcmp(text, "\xef\xbb\xbf", 3) ? 3 : 0, next;
    int rc = 0;

    for (; !rc && at < m->size; at = next) {
        size_t end = split.n ? find(text, at, m->size, split) : m->size;
        next = end < m->size ? end + split.n : m->size;
        d->file[file].ended = d->file[file].ended || end < m->size;
        if (split.n) {
            while (at < end && is_break(text[at]))
                at++;
            while (end > at && is_break(text[end - 1]))
                end--;
        }
        rc = add_text(d, file, at, end, err);
    }
    return rc;
}

/* A text of another encoding would be trained on as noise. */
static int check_text(const struct data_source *f, const struct log *log, struct err *err)
{
    const char *text = (const char *)f->map.data;
    const size_t n = f->map.size, bad = utf8_bad(text, n);

    if (n > 1 && (!memcmp(text, "\xff\xfe", 2) || !memcmp(text, "\xfe\xff", 2)))
        return err_set(err, ERR_FORMAT, "%s: UTF-16, expected UTF-8", f->path);
    if (bad < n)
        log_warn(log, "%s: byte %zu, 0x%02x, is no UTF-8: it is taken as it is", f->path, bad,
                 (unsigned)(unsigned char)text[bad]);
    if (path_ends_nocase(f->path, ".json"))
        log_warn(log, "%s: read as plain text; JSON Lines are told by .jsonl", f->path);
    return 0;
}

/* ---- files ------------------------------------------------------------------------------- */

/* The end-of-text token as it stands in a text: only one that is marked as such, so that
 * no line break or word is taken for it. */
static struct meta_str end_text(const struct tok *t)
{
    const struct vocab *v = tok_vocab(t);
    const bool marked =
        v->eos >= 0 && (size_t)v->eos < v->n_tokens && v->token[v->eos].type == VOCAB_CONTROL;

    return marked && v->token[v->eos].text.n >= 3 ? v->token[v->eos].text : (struct meta_str){0};
}

static int open_file(struct data_docs *d, size_t i, struct meta_str split, bool ended,
                     const struct log *log, struct err *err)
{
    struct data_source *f = &d->file[i];
    const size_t before = d->n;
    int rc = map_open(&f->map, f->path, err);

    if (rc)
        return rc;
    f->lines = lines_named(f->path);
    rc = f->lines || !f->map.size ? 0 : check_text(f, log, err);
    if (!rc)
        rc = f->lines ? find_lines(d, i, err) : find_texts(d, i, split, err);
    f->ended = f->ended && ended;
    if (!rc && d->n == before)
        rc = err_set(err, ERR_FORMAT, "%s: %s", f->path,
                     f->map.size ? "no text in it" : "an empty file");
    return rc;
}

/* Files of one weight belong to one stream, numbered as they come. */
static int part_of(struct data_docs *d, size_t i, struct err *err)
{
    struct data_source *f = &d->file[i];

    if (!(f->weight > 0) || f->weight > 1000)
        return err_set(err, ERR_ARG, "%s: a weight of %g; it is above 0 and at most 1000", f->path,
                       f->weight);
    f->part = d->n_parts;
    for (size_t k = 0; k < i; k++)
        if (!(d->file[k].weight < f->weight) && !(d->file[k].weight > f->weight))
            f->part = d->file[k].part;
    if (f->part == d->n_parts)
        d->n_parts++;
    return 0;
}

int data_docs_find(struct data_docs *out, const struct tok *t, const struct data_opts *o,
                   struct err *err)
{
    const struct meta_str split =
        o->split ? (struct meta_str){o->split, strlen(o->split)} : end_text(t);
    int rc = 0;

    *out = (struct data_docs){0};
    if (!o->n_files)
        return err_set(err, ERR_ARG, "no text was named");
    out->file = calloc(o->n_files, sizeof(*out->file));
    if (!out->file)
        return err_nomem(err);
    for (size_t i = 0; !rc && i < o->n_files; i++) {
        out->n_files = i + 1;
        out->file[i].path = o->file[i].path;
        out->file[i].weight = o->file[i].weight;
        rc = part_of(out, i, err);
        if (!rc)
            rc = open_file(out, i, split, split.n && !o->split, o->log, err);
    }
    return rc;
}
