/* SentencePiece's BPE: over the whole text, the pair of neighbours whose joined piece
 * scores highest merges first, the leftmost of equals; what is no piece in the end
 * becomes its bytes. Source: sentencepiece's bpe_model.cc; Llama's tokenizer. */

#include "formats/base/utf8.h"
#include "runtime/tok/tok_parts.h"

#include <stdlib.h>
#include <string.h>

/* The byte tokens; where one is missing, the token that is just that byte. */
static void find_bytes(struct tok_spm *s, const struct vocab *v)
{
    for (int c = 0; c < VOCAB_BYTES; c++) {
        const char one = (char)c;
        size_t id;
        s->byte[c] = strmap_get(&id, &s->text, &one, 1) ? (int32_t)id : -1;
    }
    for (size_t i = v->n_tokens; i-- > 0;) {
        const int c = tok_byte_of(v->token[i].text);
        if (c >= 0)
            s->byte[c] = (int32_t)i;
    }
}

static int enter(struct tok_spm *s, struct meta_str t, size_t id, struct err *err)
{
    bool added;

    s->longest = t.n > s->longest ? t.n : s->longest;
    tok_cuts_add(&s->cuts, t.p, t.n);
    return strmap_add(&added, &s->text, t.p, t.n, id, err);
}

/* User-defined tokens are stored with spaces, and merge as U+2581 like others. */
static int enter_escaped(struct tok_spm *s, struct meta_str t, size_t id, struct err *err)
{
    char *p = arena_alloc(&s->arena, 3 * t.n + 1);
    size_t n = 0;

    if (!p)
        return err_nomem(err);
    for (size_t i = 0; i < t.n; i++) {
        const bool space = t.p[i] == ' ';
        memcpy(p + n, space ? TOK_SPACE : t.p + i, space ? 3 : 1);
        n += space ? 3 : 1;
    }
    return enter(s, (struct meta_str){p, n}, id, err);
}

int tok_spm_init(struct tok_spm *s, const struct vocab *v, struct err *err)
{
    int rc = strmap_reserve(&s->text, v->n_tokens, err);

    s->cuts.spaces = s->cuts.pairs = true;
    /* of equal texts the highest id counts, as other programs have it */
    for (size_t i = v->n_tokens; i-- > 0 && !rc;) {
        const struct meta_str t = v->token[i].text;
        rc = enter(s, t, i, err);
        if (!rc && v->token[i].type == VOCAB_USER && t.n && memchr(t.p, ' ', t.n))
            rc = enter_escaped(s, t, i, err);
    }
    s->unk = v->unk >= 0 ? v->unk : v->n_tokens ? 0 : -1;
    if (!rc)
        find_bytes(s, v);
    return rc;
}

void tok_spm_release(struct tok_spm *s)
{
    strmap_release(&s->text);
    arena_release(&s->arena);
}

/* A symbol is a stretch of the text; n = 0 once it merged into the one before. */
struct symbol {
    uint32_t at, n;
    uint32_t prev, next;
};

struct chance {
    float score;
    uint32_t left, n; /* the left symbol; bytes of both */
};

struct spm_run {
    const struct tok_spm *spm;
    const struct vocab *v;
    const char *text;
    size_t n;
    struct symbol *sym;
    uint32_t n_sym;
    struct chance *heap; /* the first merges first */
    size_t n_heap;
};

static bool before(const struct chance *a, const struct chance *b)
{
    return a->score > b->score || (a->score == b->score && a->left < b->left);
}

static void heap_push(struct spm_run *r, struct chance c)
{
    size_t i = r->n_heap++;

    for (; i && before(&c, &r->heap[(i - 1) / 2]); i = (i - 1) / 2)
        r->heap[i] = r->heap[(i - 1) / 2];
    r->heap[i] = c;
}

static struct chance heap_pop(struct spm_run *r)
{
    const struct chance top = r->heap[0], last = r->heap[--r->n_heap];
    size_t i = 0;

    for (size_t k; (k = 2 * i + 1) < r->n_heap; i = k) {
        if (k + 1 < r->n_heap && before(&r->heap[k + 1], &r->heap[k]))
            k++;
        if (!before(&r->heap[k], &last))
            break;
        r->heap[i] = r->heap[k];
    }
    r->heap[i] = last;
    return top;
}

static void consider(struct spm_run *r, uint32_t left)
{
    if (left == UINT32_MAX || r->sym[left].next >= r->n_sym)
        return;
    const struct symbol *a = &r->sym[left], *b = &r->sym[a->next];
    const uint32_t n = a->n + b->n;
    size_t id;
    if (n > r->spm->longest || !strmap_get(&id, &r->spm->text, r->text + a->at, n))
        return;
    heap_push(r, (struct chance){r->v->token[id].score, left, n});
}

static void merge(struct spm_run *r)
{
    for (uint32_t i = 0; i + 1 < r->n_sym; i++)
        consider(r, i);
    while (r->n_heap) {
        const struct chance c = heap_pop(r);
        struct symbol *a = &r->sym[c.left];
        if (!a->n || a->next >= r->n_sym || a->n + r->sym[a->next].n != c.n)
            continue; /* one of them has merged since */
        struct symbol *b = &r->sym[a->next];
        a->n = c.n;
        a->next = b->next;
        b->n = 0;
        if (a->next < r->n_sym)
            r->sym[a->next].prev = c.left;
        consider(r, a->prev);
        consider(r, c.left);
    }
}

static int put(struct tok_ids *out, const struct spm_run *r, const struct symbol *s,
               struct err *err)
{
    size_t id;
    int rc = 0;

    if (strmap_get(&id, &r->spm->text, r->text + s->at, s->n))
        return tok_push(out, (int32_t)id, err);
    for (uint32_t i = 0; i < s->n && !rc; i++) {
        const int32_t byte = r->spm->byte[(unsigned char)r->text[s->at + i]];
        if (byte >= 0)
            rc = tok_push(out, byte, err);
        else if (r->spm->unk >= 0)
            rc = tok_push(out, r->spm->unk, err);
    }
    return rc;
}

/* One symbol a character; a broken byte is one by itself. */
static void cut(struct spm_run *r)
{
    for (size_t at = 0; at < r->n;) {
        bool good = true;
        size_t k = 1;
        if ((unsigned char)r->text[at] >= 0x80)
            k = utf8_step(&good, r->text + at, r->n - at);
        k = good ? k : 1;
        r->sym[r->n_sym] = (struct symbol){(uint32_t)at, (uint32_t)k, r->n_sym - 1, r->n_sym + 1};
        r->n_sym++;
        at += k;
    }
}

static int encode(struct tok_ids *out, struct spm_run *r, struct err *err)
{
    int rc = 0;

    cut(r);
    merge(r);
    for (uint32_t i = 0; i < r->n_sym && !rc; i = r->sym[i].next)
        rc = put(out, r, &r->sym[i], err);
    return rc;
}

/* Every merge adds at most two chances and removes a symbol. */
enum { FEW = 64, CHANCES = 3 };

int tok_spm_word(struct tok_ids *out, const struct tok_spm *s, const struct vocab *v,
                 const char *text, size_t n, struct err *err)
{
    struct symbol sym[FEW];
    struct chance heap[FEW * CHANCES];
    struct spm_run r = {.spm = s, .v = v, .text = text, .n = n, .sym = sym, .heap = heap};

    if (n <= FEW)
        return encode(out, &r, err);
    r.sym = calloc(n + 1, sizeof(*r.sym));
    r.heap = calloc(n + 1, CHANCES * sizeof(*r.heap));
    const int rc = r.sym && r.heap ? encode(out, &r, err) : err_nomem(err);
    free(r.sym);
    free(r.heap);
    return rc;
}
