/* BPE: the tables merging needs, and the symbols a word begins as: its bytes (byte-level
 * vocabularies) or its characters. */

#include "formats/base/buf.h"
#include "formats/base/rd.h"
#include "runtime/tok/tok_parts.h"

#include <stdlib.h>
#include <string.h>

enum { STACK_SYMBOLS = 256 }; /* longer words take memory from the heap */

/* ---- building --------------------------------------------------------------------- */

/* What `text` stands for, in `out`; false: outside the byte alphabet. */
static bool meaning(struct buf *out, const struct tok_bpe *b, struct meta_str text)
{
    if (b->opts.bytes)
        return tok_bytes(out, text.p, text.n);
    buf_put(out, text.p, text.n);
    return true;
}

static int enter(struct tok_bpe *b, struct buf *scratch, struct meta_str text, size_t value,
                 struct err *err)
{
    bool added;

    scratch->n = 0;
    if (!text.p || !meaning(scratch, b, text) || !scratch->n)
        return buf_check(scratch, err);
    int rc = buf_check(scratch, err);
    if (rc)
        return rc;
    const char *copy = arena_strn(&b->arena, scratch->p, scratch->n);
    if (!copy)
        return err_nomem(err);
    rc = strmap_add(&added, &b->text, copy, scratch->n, value, err);
    if (added)
        b->own[value] = (struct meta_str){copy, scratch->n};
    return rc;
}

/* Of equal texts the highest id counts, as other programs have it. */
static int enter_tokens(struct tok_bpe *b, struct buf *scratch, const struct vocab_token *token,
                        struct err *err)
{
    int rc = strmap_reserve(&b->text, b->n_tokens, err);

    b->own = arena_array(&b->arena, b->n_tokens, sizeof(*b->own));
    if (!rc && !b->own)
        rc = err_nomem(err);
    for (size_t i = b->n_tokens; i-- > 0 && !rc;)
        rc = enter(b, scratch, token[i].text, i, err);
    return rc;
}

static size_t pair_slot(const struct tok_bpe *b, int32_t left, int32_t right)
{
    uint64_t h = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;

    h *= 0x9e3779b97f4a7c15U;
    size_t i = (size_t)(h >> 20) & (b->cap - 1);
    while (b->pair[i].left >= 0 && (b->pair[i].left != left || b->pair[i].right != right))
        i = (i + 1) & (b->cap - 1);
    return i;
}

const struct tok_pair *tok_pair_find(const struct tok_bpe *b, int32_t left, int32_t right)
{
    const struct tok_pair *p = &b->pair[pair_slot(b, left, right)];

    return p->left < 0 ? NULL : p;
}

/* The symbol of text[0, n), made when there is none. */
static int symbol(int32_t *out, struct tok_bpe *b, const char *text, size_t n, struct err *err)
{
    size_t value;
    bool added;

    if (strmap_get(&value, &b->text, text, n)) {
        *out = (int32_t)value;
        return 0;
    }
    const char *copy = arena_strn(&b->arena, text, n);
    if (!copy)
        return err_nomem(err);
    value = b->n_tokens + b->n_extra;
    b->extra[b->n_extra++] = (struct meta_str){copy, n};
    *out = (int32_t)value;
    return strmap_add(&added, &b->text, copy, n, value, err);
}

/* Is token `id` that text? Merges make tokens in the order of their ids mostly: looking
 * there first saves a far look into the table. */
static bool is_own(const struct tok_bpe *b, size_t id, const struct buf *text)
{
    return id < b->n_tokens && b->own[id].p && b->own[id].n == text->n &&
           !memcmp(b->own[id].p, text->p, text->n);
}

static void put_pair(struct tok_bpe *b, struct tok_pair pair)
{
    struct tok_pair *p = &b->pair[pair_slot(b, pair.left, pair.right)];

    if (p->left < 0 || b->opts.last_merge)
        *p = pair;
}

/* A merge of bytes. One that is not in the byte alphabet can never happen and is left
 * out; its parts and what it makes need not be tokens. */
static int enter_bytes(struct tok_bpe *b, struct buf *s, struct tok_merge m, size_t rank,
                       size_t *next, struct err *err)
{
    int32_t left = 0, right = 0, to = (int32_t)*next;

    s->n = 0;
    bool good = tok_bytes(s, m.left.p, m.left.n) && s->n;
    const size_t mid = s->n;
    good = good && tok_bytes(s, m.right.p, m.right.n) && s->n > mid;
    int rc = buf_check(s, err);
    if (rc || !good)
        return rc;
    rc = symbol(&left, b, s->p, mid, err);
    if (!rc)
        rc = symbol(&right, b, s->p + mid, s->n - mid, err);
    if (!rc && !is_own(b, *next, s))
        rc = symbol(&to, b, s->p, s->n, err);
    if (!rc)
        put_pair(b, (struct tok_pair){left, right, (int32_t)rank, to});
    *next = (size_t)to + 1;
    return rc;
}

/* A merge of characters: of tokens, to a token. */
static int enter_chars(struct tok_bpe *b, struct buf *s, struct tok_merge m, size_t rank,
                       size_t *next, struct err *err)
{
    const size_t skip = b->opts.prefix.n <= m.right.n ? b->opts.prefix.n : 0;
    size_t left, right, to = *next;

    s->n = 0;
    buf_put(s, m.left.p, m.left.n);
    buf_put(s, m.right.p + skip, m.right.n - skip);
    const int rc = buf_check(s, err);
    if (rc)
        return rc;
    if (s->n && strmap_get(&left, &b->text, m.left.p, m.left.n) &&
        strmap_get(&right, &b->text, m.right.p, m.right.n) &&
        (is_own(b, to, s) || strmap_get(&to, &b->text, s->p, s->n))) {
        *next = to + 1;
        put_pair(b, (struct tok_pair){(int32_t)left, (int32_t)right, (int32_t)rank, (int32_t)to});
        tok_cuts_add(&b->cuts, s->p, s->n);
    } else if (b->opts.strict) {
        return err_set(err, ERR_FORMAT, "merge %zu (\"%.*s\" and \"%.*s\") is not of tokens", rank,
                       (int)(m.left.n < 60 ? m.left.n : 60), m.left.p,
                       (int)(m.right.n < 60 ? m.right.n : 60), m.right.p);
    }
    return 0;
}

static int enter_merges(struct tok_bpe *b, struct buf *scratch, const struct tok_merge *merge,
                        size_t n_merges, struct err *err)
{
    size_t n, next = 0;
    int rc = 0;

    /* three new symbols a merge at most, and one a byte */
    if (!mul_ok(&n, n_merges, 3) || n > INT32_MAX - VOCAB_BYTES - b->n_tokens)
        return err_set(err, ERR_FORMAT, "%zu merges are too many", n_merges);
    b->extra = arena_array(&b->arena, b->opts.bytes ? n + VOCAB_BYTES : 1, sizeof(*b->extra));
    for (b->cap = 64; b->cap < n_merges * 2; b->cap *= 2)
        ;
    b->pair = arena_array(&b->arena, b->cap, sizeof(*b->pair));
    if (!b->extra || !b->pair)
        return err_nomem(err);
    for (size_t i = 0; i < b->cap; i++)
        b->pair[i].left = -1;
    for (size_t i = 0; i < n_merges && !rc; i++)
        rc = b->opts.bytes ? enter_bytes(b, scratch, merge[i], i, &next, err)
                           : enter_chars(b, scratch, merge[i], i, &next, err);
    return rc;
}

/* Symbols of single bytes; in text of characters, those of ASCII and the "<0xAB>". */
static int enter_single(struct tok_bpe *b, const struct vocab_token *token, struct err *err)
{
    int rc = 0;

    for (int c = 0; c < VOCAB_BYTES && !rc; c++) {
        const char one = (char)c;
        size_t id;
        b->byte[c] = b->ascii[c] = -1;
        if (b->opts.bytes)
            rc = symbol(&b->byte[c], b, &one, 1, err);
        else if (c < 0x80 && strmap_get(&id, &b->text, &one, 1))
            b->ascii[c] = (int32_t)id;
    }
    for (size_t i = b->n_tokens; i-- > 0 && !b->opts.bytes;) {
        const int c = token[i].text.p ? tok_byte_of(token[i].text) : -1;
        if (c >= 0)
            b->byte[c] = (int32_t)i;
    }
    return rc;
}

int tok_bpe_init(struct tok_bpe *b, const struct vocab_token *token, size_t n_tokens,
                 const struct tok_merge *merge, size_t n_merges, const struct tok_bpe_opts *opts,
                 struct err *err)
{
    struct buf scratch = {0};
    size_t id;

    b->opts = *opts;
    b->n_tokens = n_tokens;
    int rc = enter_tokens(b, &scratch, token, err);
    b->cuts.spaces = !opts->bytes && !opts->prefix.n && !opts->suffix.n && !opts->whole_words &&
                     strmap_get(&id, &b->text, TOK_SPACE, 3);
    if (!rc)
        rc = enter_merges(b, &scratch, merge, n_merges, err);
    if (!rc)
        rc = enter_single(b, token, err);
    buf_release(&scratch);
    return rc;
}

void tok_bpe_release(struct tok_bpe *b)
{
    strmap_release(&b->text);
    arena_release(&b->arena);
}

/* ---- a word ------------------------------------------------------------------------- */

/* The symbols a word begins as. */
struct start {
    const struct tok_bpe *bpe;
    int32_t *sym;
    size_t n;
    bool unknown; /* the last characters had no token, and unk is still to be put */
};

static void flush_unknown(struct start *s)
{
    if (s->unknown && s->bpe->opts.unk >= 0)
        s->sym[s->n++] = s->bpe->opts.unk;
    s->unknown = false;
}

static bool put_fallback(struct start *s, const char *p, size_t n)
{
    const struct tok_bpe *b = s->bpe;

    if (!b->opts.byte_fallback)
        return false;
    for (size_t i = 0; i < n; i++)
        if (b->byte[(unsigned char)p[i]] < 0)
            return false;
    for (size_t i = 0; i < n; i++)
        s->sym[s->n++] = b->byte[(unsigned char)p[i]];
    return true;
}

/* A pending unk goes before a known character, but not before bytes: so the tokenizers
 * library has it. */
static void put_symbol(struct start *s, int32_t sym, const char *p, size_t n)
{
    if (sym >= 0) {
        flush_unknown(s);
        s->sym[s->n++] = sym;
    } else if (!put_fallback(s, p, n)) {
        if (!s->bpe->opts.fuse_unk)
            flush_unknown(s);
        s->unknown = true;
    }
}

static int32_t symbol_of(const struct tok_bpe *b, const char *p, size_t n)
{
    size_t id;

    if (n == 1 && (unsigned char)*p < 0x80)
        return b->ascii[(unsigned char)*p];
    return strmap_get(&id, &b->text, p, n) ? (int32_t)id : -1;
}

/* With the prefix of further characters, and the suffix of the last. */
static int put_affixed(struct start *s, struct buf *scratch, const char *p, size_t n, bool first,
                       bool last, struct err *err)
{
    const struct tok_bpe_opts *o = &s->bpe->opts;
    size_t id;

    scratch->n = 0;
    if (!first)
        buf_put(scratch, o->prefix.p, o->prefix.n);
    buf_put(scratch, p, n);
    if (last)
        buf_put(scratch, o->suffix.p, o->suffix.n);
    const int rc = buf_check(scratch, err);
    if (!rc && strmap_get(&id, &s->bpe->text, scratch->p, scratch->n))
        put_symbol(s, (int32_t)id, p, n);
    else if (!rc)
        put_symbol(s, -1, scratch->p, scratch->n);
    return rc;
}

static int begin_chars(struct start *s, const char *word, size_t n, struct err *err)
{
    const struct tok_bpe_opts *o = &s->bpe->opts;
    const bool plain = !o->prefix.n && !o->suffix.n;
    struct buf scratch = {0};
    int rc = 0;

    for (size_t i = 0, k; i < n && !rc; i += k) {
        (void)tok_char(&k, word + i, n - i);
        if (plain)
            put_symbol(s, symbol_of(s->bpe, word + i, k), word + i, k);
        else
            rc = put_affixed(s, &scratch, word + i, k, !i, i + k == n, err);
    }
    flush_unknown(s);
    buf_release(&scratch);
    return rc;
}

/* A symbol that is no token gives its bytes' tokens; a byte without one, unk. */
static int put(struct tok_ids *out, const struct tok_bpe *b, int32_t sym, struct err *err)
{
    int rc = 0;

    if ((size_t)sym < b->n_tokens)
        return tok_push(out, sym, err);
    const struct meta_str text = b->extra[(size_t)sym - b->n_tokens];
    for (size_t i = 0; i < text.n && !rc; i++) {
        const int32_t id = b->byte[(unsigned char)text.p[i]];
        if ((size_t)id < b->n_tokens)
            rc = tok_push(out, id, err);
        else if (b->opts.unk >= 0)
            rc = tok_push(out, b->opts.unk, err);
    }
    return rc;
}

static int encode_into(struct tok_ids *out, struct start *s, const char *word, size_t n,
                       struct err *err)
{
    const struct tok_bpe *b = s->bpe;
    int rc = 0;

    if (b->opts.bytes)
        for (size_t i = 0; i < n; i++)
            s->sym[s->n++] = b->byte[(unsigned char)word[i]];
    else
        rc = begin_chars(s, word, n, err);
    if (!rc)
        rc = tok_merge_all(b, s->sym, &s->n, err);
    for (size_t i = 0; i < s->n && !rc; i++)
        rc = put(out, b, s->sym[i], err);
    return rc;
}

int tok_bpe_word(struct tok_ids *out, const struct tok_bpe *b, const char *word, size_t n,
                 struct err *err)
{
    int32_t few[STACK_SYMBOLS];
    struct start s = {.bpe = b, .sym = few};
    size_t whole, most;

    if (b->opts.whole_words && strmap_get(&whole, &b->text, word, n) && whole < b->n_tokens)
        return tok_push(out, (int32_t)whole, err);
    /* an affixed character may fall back to all its bytes */
    if (!add_ok(&most, b->opts.prefix.n + b->opts.suffix.n + 1, 0) || !mul_ok(&most, most, n + 1))
        return err_nomem(err);
    if (most > STACK_SYMBOLS)
        s.sym = most > SIZE_MAX / sizeof(*s.sym) ? NULL : malloc(most * sizeof(*s.sym));
    if (!s.sym)
        return err_nomem(err);
    const int rc = encode_into(out, &s, word, n, err);
    if (s.sym != few)
        free(s.sym);
    return rc;
}
