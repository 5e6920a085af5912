/* Tokens whose text stands in a text as such: user-defined ones always, special ones when
 * asked. Of those that begin first the longest counts; one may take the white space beside
 * it along, or want to stand alone.
 * Source: the tokenizers library's added tokens. */

#include "runtime/tok/tok_parts.h"

#include <stdlib.h>
#include <string.h>

int tok_special_add(struct tok_special *s, const char *text, size_t n, struct vocab_added added,
                    struct err *err)
{
    if (!n)
        return 0;
    if (!(s->n & (s->n - 1))) {
        struct vocab_added *p = realloc(s->added, (s->n ? 2 * s->n : 1) * sizeof(*p));
        if (!p)
            return err_nomem(err);
        s->added = p;
    }
    s->added[s->n++] = added;
    s->begins[(unsigned char)text[0]] = true;
    return tok_trie_add(&s->trie, text, n, (int32_t)s->n - 1, err);
}

void tok_special_release(struct tok_special *s)
{
    tok_trie_release(&s->trie);
    free(s->added);
    *s = (struct tok_special){0};
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

static bool stands_alone(const char *text, size_t n, size_t from, size_t to)
{
    size_t k;

    return !(from && tok_is_word(tok_char_before(&k, text, from))) &&
           !(to < n && tok_is_word(tok_char(&k, text + to, n - to)));
}

static size_t spaces_before(const char *text, size_t at)
{
    for (size_t k; at && tok_is_space(tok_char_before(&k, text, at)); at -= k)
        ;
    return at;
}

static size_t spaces_after(const char *text, size_t n, size_t at)
{
    for (size_t k; at < n && tok_is_space(tok_char(&k, text + at, n - at)); at += k)
        ;
    return at;
}

/* The token in all.text[from, to), after what comes before it from *begin on; *begin
 * becomes how far the text is used up. */
static int put_found(struct tok_pieces *out, size_t *begin, const struct vocab_added *a,
                     struct tok_piece all, size_t from, size_t to, struct err *err)
{
    int rc = 0;

    if (a->flags & VOCAB_LSTRIP)
        from = spaces_before(all.text, from);
    if (a->flags & VOCAB_RSTRIP)
        to = spaces_after(all.text, all.n, to);
    if (*begin < from)
        rc = push(out, (struct tok_piece){all.text + *begin, from - *begin, -1}, err);
    *begin = to;
    return rc ? rc : push(out, (struct tok_piece){NULL, 0, (int32_t)a->id}, err);
}

int tok_special_split(struct tok_pieces *out, const struct tok_special *s, bool parse,
                      const char *text, size_t n, struct err *err)
{
    const struct tok_piece all = {text, n, -1};
    size_t begin = 0;
    int rc = 0;

    for (size_t at = 0; at < n && !rc;) {
        size_t bytes = 0;
        if (!s->begins[(unsigned char)text[at]]) {
            at++;
            continue;
        }
        const int32_t i = tok_trie_longest(&bytes, &s->trie, TOK_TRIE_ROOT, text + at, n - at);
        const struct vocab_added *a = i < 0 ? NULL : &s->added[i];
        const bool taken =
            a && (parse || !(a->flags & VOCAB_SPECIAL)) &&
            (!(a->flags & VOCAB_SINGLE_WORD) || stands_alone(text, n, at, at + bytes));
        if (taken)
            rc = put_found(out, &begin, a, all, at, at + bytes, err);
        at += a ? bytes : 1;
    }
    if (!rc && begin < n)
        rc = push(out, (struct tok_piece){text + begin, n - begin, -1}, err);
    return rc;
}
