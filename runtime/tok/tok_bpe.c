/* Byte-level BPE: inside each word, the pair of neighbours with the lowest rank merges
 * first, the leftmost of equals.
 * Source: Sennrich et al. 2016; GPT-2's bytes_to_unicode; the tokenizers library. */

#include "formats/base/buf.h"
#include "formats/base/rd.h"
#include "runtime/tok/tok_parts.h"

#include <stdlib.h>
#include <string.h>

/* Words of up to this many symbols are merged by looking through all pairs. */
enum { SHORT_WORD = 48 };

/* ---- the byte alphabet ----------------------------------------------------------- */

/* Printable bytes stand for themselves as code points; the other 68, in order, for
 * U+0100 and up. */
static int byte_of(uint32_t c)
{
    if ((c >= 0x21 && c <= 0x7e) || (c >= 0xa1 && c <= 0xac) || (c >= 0xae && c <= 0xff))
        return (int)c;
    if (c >= 0x100 && c <= 0x120) /* 0x00-0x20 */
        return (int)c - 0x100;
    if (c >= 0x121 && c <= 0x142) /* 0x7f-0xa0 */
        return (int)c - 0x121 + 0x7f;
    return c == 0x143 ? 0xad : -1;
}

bool tok_bytes(struct buf *out, const char *text, size_t n)
{
    for (size_t i = 0; i < n;) {
        const unsigned char a = (unsigned char)text[i];
        const unsigned char b = i + 1 < n ? (unsigned char)text[i + 1] : 0;
        uint32_t c = a;
        size_t k = 1;
        if (a >= 0xc0 && a < 0xe0 && (b & 0xc0) == 0x80) {
            c = (uint32_t)(a & 0x1f) << 6 | (b & 0x3f);
            k = 2;
        } else if (a >= 0x80) {
            return false;
        }
        const int byte = byte_of(c);
        if (byte < 0)
            return false;
        const char one = (char)byte;
        buf_put(out, &one, 1);
        i += k;
    }
    return true;
}

/* ---- building --------------------------------------------------------------------- */

/* Enter what `text` stands for, as `value`; a text outside the alphabet is left out. */
static int enter(struct tok_bpe *b, struct buf *scratch, struct meta_str text, size_t value,
                 struct err *err)
{
    bool added;

    scratch->n = 0;
    if (!tok_bytes(scratch, text.p, text.n) || !scratch->n)
        return buf_check(scratch, err);
    int rc = buf_check(scratch, err);
    if (rc)
        return rc;
    const char *copy = arena_strn(&b->arena, scratch->p, scratch->n);
    if (!copy)
        return err_nomem(err);
    return strmap_add(&added, &b->bytes, copy, scratch->n, value, err);
}

/* Of equal texts the highest id counts, as other programs have it. */
static int enter_tokens(struct tok_bpe *b, struct buf *scratch, const struct vocab *v,
                        struct err *err)
{
    int rc = strmap_reserve(&b->bytes, v->n_tokens, err);

    for (size_t i = v->n_tokens; i-- > 0 && !rc;)
        rc = enter(b, scratch, v->token[i].text, i, err);
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

/* The symbol of `bytes`, made when there is none. */
static int symbol(int32_t *out, struct tok_bpe *b, size_t n_tokens, const char *bytes, size_t n,
                  struct err *err)
{
    size_t value;
    bool added;

    if (strmap_get(&value, &b->bytes, bytes, n)) {
        *out = (int32_t)value;
        return 0;
    }
    const char *copy = arena_strn(&b->arena, bytes, n);
    if (!copy)
        return err_nomem(err);
    value = n_tokens + b->n_extra;
    b->extra[b->n_extra++] = (struct meta_str){copy, n};
    *out = (int32_t)value;
    return strmap_add(&added, &b->bytes, copy, n, value, err);
}

/* Merge `rank`: "left right". One that is not of that form, or not in the byte
 * alphabet, can never happen and is left out. Of equals the first counts. */
static int enter_merge(struct tok_bpe *b, struct buf *s, const struct vocab *v, size_t rank,
                       struct err *err)
{
    const struct meta_str m = v->merge[rank];
    const char *gap = m.n > 2 ? memchr(m.p + 1, ' ', m.n - 1) : NULL;
    int32_t left = 0, right = 0, to = 0;

    if (!gap)
        return 0;
    s->n = 0;
    bool good = tok_bytes(s, m.p, (size_t)(gap - m.p));
    const size_t mid = s->n;
    good = good && tok_bytes(s, gap + 1, m.n - (size_t)(gap - m.p) - 1) && s->n > mid;
    int rc = buf_check(s, err);
    if (rc || !good)
        return rc;
    rc = symbol(&left, b, v->n_tokens, s->p, mid, err);
    if (!rc)
        rc = symbol(&right, b, v->n_tokens, s->p + mid, s->n - mid, err);
    if (!rc)
        rc = symbol(&to, b, v->n_tokens, s->p, s->n, err);
    if (rc)
        return rc;
    struct tok_pair *p = &b->pair[pair_slot(b, left, right)];
    if (p->left < 0)
        *p = (struct tok_pair){left, right, (int32_t)rank, to};
    return 0;
}

static int enter_merges(struct tok_bpe *b, struct buf *scratch, const struct vocab *v,
                        struct err *err)
{
    size_t n;
    int rc = 0;

    /* three new symbols a merge at most, and one a byte */
    if (!mul_ok(&n, v->n_merges, 3) || n > INT32_MAX - VOCAB_BYTES - v->n_tokens)
        return err_set(err, ERR_FORMAT, "%zu merges are too many", v->n_merges);
    b->extra = arena_array(&b->arena, n + VOCAB_BYTES, sizeof(*b->extra));
    for (b->cap = 64; b->cap < v->n_merges * 2; b->cap *= 2)
        ;
    b->pair = arena_array(&b->arena, b->cap, sizeof(*b->pair));
    if (!b->extra || !b->pair)
        return err_nomem(err);
    for (size_t i = 0; i < b->cap; i++)
        b->pair[i].left = -1;
    for (size_t i = 0; i < v->n_merges && !rc; i++)
        rc = enter_merge(b, scratch, v, i, err);
    return rc;
}

int tok_bpe_init(struct tok_bpe *b, const struct vocab *v, struct err *err)
{
    const struct pretok *pre = pretok_by_name(v->pre);
    struct buf scratch = {0};
    int rc = 0;

    if (!pre)
        return err_set(err, ERR_UNSUPPORTED, "pre-tokenizer \"%.60s\" is not supported", v->pre);
    b->whole_words = pre->flags & PRETOK_WHOLE_WORDS;
    rc = tok_regex_new(&b->regex, pre, err);
    if (!rc)
        rc = enter_tokens(b, &scratch, v, err);
    if (!rc)
        rc = enter_merges(b, &scratch, v, err);
    for (int c = 0; c < VOCAB_BYTES && !rc; c++) {
        const char one = (char)c;
        rc = symbol(&b->byte[c], b, v->n_tokens, &one, 1, err);
    }
    buf_release(&scratch);
    return rc;
}

void tok_bpe_release(struct tok_bpe *b)
{
    tok_regex_free(b->regex);
    strmap_release(&b->bytes);
    arena_release(&b->arena);
}

/* ---- merging ----------------------------------------------------------------------- */

static const struct tok_pair *find(const struct tok_bpe *b, int32_t left, int32_t right)
{
    const struct tok_pair *p = &b->pair[pair_slot(b, left, right)];

    return p->left < 0 ? NULL : p;
}

/* sym[0, n) to fewer; returns how many. Looks through all pairs at every merge. */
static size_t merge_short(const struct tok_bpe *b, int32_t *sym, size_t n)
{
    const struct tok_pair *pair[SHORT_WORD];

    for (size_t i = 0; i + 1 < n; i++)
        pair[i] = find(b, sym[i], sym[i + 1]);
    while (n > 1) {
        size_t best = n;
        for (size_t i = 0; i + 1 < n; i++)
            if (pair[i] && (best == n || pair[i]->rank < pair[best]->rank))
                best = i;
        if (best == n)
            break;
        sym[best] = pair[best]->to;
        memmove(sym + best + 1, sym + best + 2, (n - best - 2) * sizeof(*sym));
        if (n - best > 2)
            memmove(pair + best + 1, pair + best + 2,
                    (n - best - 3) * sizeof(const struct tok_pair *));
        n--;
        if (best > 0)
            pair[best - 1] = find(b, sym[best - 1], sym[best]);
        if (best + 1 < n)
            pair[best] = find(b, sym[best], sym[best + 1]);
    }
    return n;
}

/* A long word: symbols in a chain, possible merges in a heap. */
struct link {
    int32_t sym; /* -1: merged into the one before */
    uint32_t prev, next;
};

struct chance {
    int32_t rank;
    uint32_t at; /* the left one */
    const struct tok_pair *pair;
};

struct word {
    struct link *link;
    struct chance *heap; /* the first merges first */
    size_t n_heap;
};

static bool before(const struct chance *a, const struct chance *b)
{
    return a->rank < b->rank || (a->rank == b->rank && a->at < b->at);
}

static void heap_push(struct word *w, struct chance c)
{
    size_t i = w->n_heap++;

    for (; i && before(&c, &w->heap[(i - 1) / 2]); i = (i - 1) / 2)
        w->heap[i] = w->heap[(i - 1) / 2];
    w->heap[i] = c;
}

static struct chance heap_pop(struct word *w)
{
    const struct chance top = w->heap[0], last = w->heap[--w->n_heap];
    size_t i = 0;

    for (size_t k; (k = 2 * i + 1) < w->n_heap; i = k) {
        if (k + 1 < w->n_heap && before(&w->heap[k + 1], &w->heap[k]))
            k++;
        if (!before(&w->heap[k], &last))
            break;
        w->heap[i] = w->heap[k];
    }
    w->heap[i] = last;
    return top;
}

static void consider(const struct tok_bpe *b, struct word *w, uint32_t left, uint32_t n)
{
    if (left == UINT32_MAX || w->link[left].next >= n)
        return;
    const struct tok_pair *p = find(b, w->link[left].sym, w->link[w->link[left].next].sym);
    if (p)
        heap_push(w, (struct chance){p->rank, left, p});
}

static void merge_chain(const struct tok_bpe *b, struct word *w, uint32_t n)
{
    for (uint32_t i = 0; i + 1 < n; i++)
        consider(b, w, i, n);
    while (w->n_heap) {
        const struct chance c = heap_pop(w);
        struct link *l = &w->link[c.at];
        if (l->sym != c.pair->left || l->next >= n || w->link[l->next].sym != c.pair->right)
            continue; /* one of them has merged since */
        struct link *r = &w->link[l->next];
        l->sym = c.pair->to;
        l->next = r->next;
        r->sym = -1;
        if (l->next < n)
            w->link[l->next].prev = c.at;
        consider(b, w, l->prev, n);
        consider(b, w, c.at, n);
    }
}

struct encoder {
    struct tok_ids *out;
    const struct tok_bpe *bpe;
    const struct vocab *v;
};

/* A symbol that is no token gives its bytes' tokens; a byte without one, unk. */
static int put(const struct encoder *e, int32_t sym, struct err *err)
{
    const size_t n_tokens = e->v->n_tokens;
    int rc = 0;

    if ((size_t)sym < n_tokens)
        return tok_push(e->out, sym, err);
    const struct meta_str text = e->bpe->extra[(size_t)sym - n_tokens];
    for (size_t i = 0; i < text.n && !rc; i++) {
        const int32_t id = e->bpe->byte[(unsigned char)text.p[i]];
        if ((size_t)id < n_tokens)
            rc = tok_push(e->out, id, err);
        else if (e->v->unk >= 0)
            rc = tok_push(e->out, e->v->unk, err);
    }
    return rc;
}

static int encode_long(const struct encoder *e, const char *word, size_t n, struct err *err)
{
    struct word w = {0};
    const uint32_t count = (uint32_t)n;
    int rc = 0;

    /* every merge adds at most two chances and removes a symbol */
    w.link = calloc(n, sizeof(*w.link));
    w.heap = calloc(n, 3 * sizeof(*w.heap));
    if (!w.link || !w.heap)
        rc = err_nomem(err);
    for (uint32_t i = 0; i < count && !rc; i++)
        w.link[i] = (struct link){e->bpe->byte[(unsigned char)word[i]], i - 1, i + 1};
    if (!rc)
        merge_chain(e->bpe, &w, count);
    for (uint32_t i = 0; i < count && !rc; i = w.link[i].next)
        rc = put(e, w.link[i].sym, err);
    free(w.link);
    free(w.heap);
    return rc;
}

static int encode_word(void *arg, const char *word, size_t n, struct err *err)
{
    const struct encoder *e = arg;
    int32_t sym[SHORT_WORD];
    size_t whole;
    int rc = 0;

    if (e->bpe->whole_words && strmap_get(&whole, &e->bpe->bytes, word, n) &&
        whole < e->v->n_tokens)
        return tok_push(e->out, (int32_t)whole, err);
    if (n > SHORT_WORD)
        return encode_long(e, word, n, err);
    for (size_t i = 0; i < n; i++)
        sym[i] = e->bpe->byte[(unsigned char)word[i]];
    n = merge_short(e->bpe, sym, n);
    for (size_t i = 0; i < n && !rc; i++)
        rc = put(e, sym[i], err);
    return rc;
}

int tok_bpe_encode(struct tok_ids *out, const struct tok_bpe *b, const struct vocab *v,
                   const char *text, size_t n, struct err *err)
{
    struct encoder e = {out, b, v};

    return tok_regex_split(b->regex, text, n, encode_word, &e, err);
}
