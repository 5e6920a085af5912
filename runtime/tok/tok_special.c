/* Tokens whose text stands in a text as such: user-defined ones always, control and
 * unknown ones when asked. The longest goes first, over the whole text, then the next. */

#include "runtime/tok/tok_parts.h"

#include <stdlib.h>
#include <string.h>

struct entry {
    size_t n;
    int32_t id;
};

static int longest_first(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;

    if (x->n != y->n)
        return x->n > y->n ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

static bool is_special(const struct vocab *v, size_t i, const bool *control)
{
    return v->token[i].text.n && (control[i] || v->token[i].type == VOCAB_USER);
}

/* by_first: indices into id, grouped by the first byte of the text. */
static void index_first(struct tok_special *s, const struct vocab *v)
{
    uint32_t at[256];

    for (size_t i = 0; i < s->n; i++)
        s->first[(unsigned char)v->token[s->id[i]].text.p[0] + 1]++;
    for (int c = 0; c < 256; c++) {
        s->first[c + 1] += s->first[c];
        at[c] = s->first[c];
    }
    for (size_t i = 0; i < s->n; i++)
        s->by_first[at[(unsigned char)v->token[s->id[i]].text.p[0]]++] = (uint32_t)i;
}

int tok_special_init(struct tok_special *s, const struct vocab *v, const bool *control,
                     struct err *err)
{
    size_t n = 0;

    for (size_t i = 0; i < v->n_tokens; i++)
        n += is_special(v, i, control);
    struct entry *e = arena_array(&s->arena, n, sizeof(*e));
    s->id = arena_array(&s->arena, n, sizeof(*s->id));
    s->by_first = arena_array(&s->arena, n, sizeof(*s->by_first));
    s->first = arena_array(&s->arena, 257, sizeof(*s->first));
    if (!e || !s->id || !s->by_first || !s->first)
        return err_nomem(err);
    for (size_t i = 0; i < v->n_tokens; i++)
        if (is_special(v, i, control))
            e[s->n++] = (struct entry){v->token[i].text.n, (int32_t)i};
    qsort(e, s->n, sizeof(*e), longest_first);
    for (size_t i = 0; i < s->n; i++)
        s->id[i] = e[i].id;
    index_first(s, v);
    return 0;
}

void tok_special_release(struct tok_special *s)
{
    arena_release(&s->arena);
}

static int push(struct tok_pieces *out, struct tok_piece p, struct err *err)
{
    if (out->n == out->cap) {
        const size_t cap = out->cap ? out->cap * 2 : 16;
        struct tok_piece *at = realloc(out->at, cap * sizeof(*at));
        if (!at)
            return err_nomem(err);
        out->at = at;
        out->cap = cap;
    }
    out->at[out->n++] = p;
    return 0;
}

void tok_pieces_release(struct tok_pieces *p)
{
    free(p->at);
    *p = (struct tok_pieces){0};
}

static bool stands_at(const struct vocab *v, int32_t id, const char *text, size_t left)
{
    const struct meta_str t = v->token[id].text;

    return t.n <= left && !memcmp(t.p, text, t.n);
}

/* seen[i]: does id[i] occur in the text at all? Most never do. */
static bool find_seen(bool *seen, const struct tok_special *s, const struct vocab *v,
                      const char *text, size_t n)
{
    bool any = false;

    for (size_t at = 0; at < n; at++) {
        const unsigned char c = (unsigned char)text[at];
        for (uint32_t k = s->first[c]; k < s->first[c + 1]; k++) {
            const uint32_t i = s->by_first[k];
            if (!seen[i] && stands_at(v, s->id[i], text + at, n - at))
                seen[i] = any = true;
        }
    }
    return any;
}

/* One stretch of text, cut at every `id` in it. */
static int cut_at(struct tok_pieces *out, const struct vocab *v, int32_t id, struct tok_piece p,
                  struct err *err)
{
    const struct meta_str t = v->token[id].text;
    const char *begin = p.text, *end = p.text + p.n, *at = begin;
    int rc = 0;

    while (!rc && (at = memchr(at, t.p[0], (size_t)(end - at)))) {
        if (!stands_at(v, id, at, (size_t)(end - at))) {
            at++;
            continue;
        }
        if (at > begin)
            rc = push(out, (struct tok_piece){begin, (size_t)(at - begin), -1}, err);
        if (!rc)
            rc = push(out, (struct tok_piece){NULL, 0, id}, err);
        begin = at += t.n;
    }
    if (!rc && begin < end)
        rc = push(out, (struct tok_piece){begin, (size_t)(end - begin), -1}, err);
    return rc;
}

/* Every stretch of *p, cut at every `id`. */
static int cut_all(struct tok_pieces *p, const struct vocab *v, int32_t id, struct err *err)
{
    struct tok_pieces next = {0};
    int rc = 0;

    for (size_t i = 0; i < p->n && !rc; i++)
        rc = p->at[i].text ? cut_at(&next, v, id, p->at[i], err) : push(&next, p->at[i], err);
    tok_pieces_release(p);
    *p = next;
    return rc;
}

int tok_special_split(struct tok_pieces *out, const struct tok_special *s, const struct vocab *v,
                      const bool *control, bool parse, const char *text, size_t n, struct err *err)
{
    if (!n)
        return 0;
    int rc = push(out, (struct tok_piece){text, n, -1}, err);
    bool *seen = calloc(s->n + 1, sizeof(*seen));
    if (!rc && !seen)
        rc = err_nomem(err);
    if (!rc && find_seen(seen, s, v, text, n))
        for (size_t i = 0; i < s->n && !rc; i++)
            if (seen[i] && (parse || !control[s->id[i]]))
                rc = cut_all(out, v, s->id[i], err);
    free(seen);
    return rc;
}
