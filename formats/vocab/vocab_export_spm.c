/* tokenizer.model out of a vocabulary, and ranked merges out of its scores.
 * Source: sentencepiece_model.proto; protobuf's wire format. */

#include "formats/base/strmap.h"
#include "formats/vocab/vocab_export_impl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- merges ------------------------------------------------------------------------- */

struct join {
    size_t left, right; /* tokens */
    size_t token;
    float score;
    size_t bytes; /* of a user-defined token: the longest comes first; else 0 */
};

/* Higher scores first; then as the tokens stand. */
static int by_score(const void *a, const void *b)
{
    const struct join *x = a, *y = b;

    if (x->score > y->score || x->score < y->score)
        return x->score > y->score ? -1 : 1;
    if (x->bytes != y->bytes)
        return x->bytes > y->bytes ? -1 : 1;
    if (x->token != y->token)
        return x->token < y->token ? -1 : 1;
    if (x->left != y->left)
        return x->left < y->left ? -1 : 1;
    return x->right < y->right ? -1 : x->right > y->right;
}

struct joins {
    struct join *join; /* owned */
    size_t n, cap;
};

static int add(struct joins *js, struct join one, struct err *err)
{
    if (js->n == js->cap) {
        const size_t cap = js->cap ? 2 * js->cap : 4096;
        struct join *grown = realloc(js->join, cap * sizeof(*grown));
        if (!grown)
            return err_nomem(err);
        js->join = grown;
        js->cap = cap;
    }
    js->join[js->n++] = one;
    return 0;
}

/* Does it come of merging? User-defined tokens do too, before all others. */
static bool is_part(const struct vocab_token *t)
{
    return (t->type == VOCAB_NORMAL || t->type == VOCAB_USER) && t->text.n;
}

/* Every way to cut a token in two that are tokens. */
static int cut(struct joins *js, const struct vocab *v, const struct meta_str *text,
               const struct strmap *ids, size_t i, struct err *err)
{
    const bool user = v->token[i].type == VOCAB_USER;
    const float score = user ? INFINITY : v->token[i].score;
    const struct meta_str s = text[i];
    size_t l, r;
    int rc = 0;

    for (size_t at = 1; !rc && at < s.n; at++)
        if (strmap_get(&l, ids, s.p, at) && strmap_get(&r, ids, s.p + at, s.n - at))
            rc = add(js, (struct join){l, r, i, score, user ? s.n : 0}, err);
    return rc;
}

static int list_joins(struct joins *js, const struct vocab *v, const struct meta_str *text,
                      struct err *err)
{
    struct strmap ids = {0};
    bool fresh;
    int rc = strmap_reserve(&ids, v->n_tokens, err);

    for (size_t i = 0; !rc && i < v->n_tokens; i++)
        if (is_part(&v->token[i]))
            rc = strmap_add(&fresh, &ids, text[i].p, text[i].n, i, err);
    for (size_t i = 0; !rc && i < v->n_tokens; i++)
        if (is_part(&v->token[i]))
            rc = cut(js, v, text, &ids, i, err);
    strmap_release(&ids);
    return rc;
}

/* Every token as it is spelled. */
static int spell(struct meta_str **out, struct arena *a, const struct vocab *v, struct err *err)
{
    *out = arena_array(a, v->n_tokens + 1, sizeof(**out));
    for (size_t i = 0; *out && i < v->n_tokens; i++) {
        (*out)[i] = v->token[i].text;
        if (v->token[i].type != VOCAB_USER)
            continue;
        char *text = vocab_spelled(v, i);
        char *copy = text ? arena_str(a, text) : NULL;
        free(text);
        if (!copy)
            return err_nomem(err);
        (*out)[i] = (struct meta_str){copy, strlen(copy)};
    }
    return *out ? 0 : err_nomem(err);
}

int vocab_merges_by_score(struct vocab_merges *out, const struct vocab *v, struct err *err)
{
    struct joins js = {0};
    struct meta_str *all;

    *out = (struct vocab_merges){0};
    int rc = spell(&all, &out->arena, v, err);
    if (!rc)
        rc = list_joins(&js, v, all, err);
    if (!rc && js.n)
        qsort(js.join, js.n, sizeof(*js.join), by_score);
    out->merge = rc ? NULL : arena_array(&out->arena, js.n + 1, sizeof(*out->merge));
    if (!rc && !out->merge)
        rc = err_nomem(err);
    for (size_t i = 0; !rc && i < js.n; i++) {
        const struct meta_str l = all[js.join[i].left];
        const struct meta_str r = all[js.join[i].right];
        char *text = arena_alloc(&out->arena, l.n + r.n + 2);
        if (!text) {
            rc = err_nomem(err);
            break;
        }
        memcpy(text, l.p, l.n);
        text[l.n] = ' ';
        memcpy(text + l.n + 1, r.p, r.n);
        out->merge[out->n++] = (struct meta_str){text, l.n + r.n + 1};
    }
    free(js.join);
    return rc;
}

/* ---- the proto ---------------------------------------------------------------------- */

static void varint(struct buf *b, uint64_t v)
{
    do {
        const uint8_t byte = (uint8_t)((v & 0x7f) | (v > 0x7f ? 0x80 : 0));
        buf_put(b, &byte, 1);
        v >>= 7;
    } while (v);
}

static void put_number(struct buf *b, unsigned field, uint64_t v)
{
    varint(b, field << 3);
    varint(b, v);
}

static void put_bytes(struct buf *b, unsigned field, const void *p, size_t n)
{
    varint(b, field << 3 | 2);
    varint(b, n);
    buf_put(b, p, n);
}

static void put_message(struct buf *b, unsigned field, struct buf *m)
{
    put_bytes(b, field, m->p ? m->p : "", m->n);
    b->bad = b->bad || m->bad;
    buf_release(m);
}

static void put_piece(struct buf *b, const struct vocab_token *t)
{
    struct buf m = {0};
    uint32_t bits;

    memcpy(&bits, &t->score, sizeof(bits));
    put_bytes(&m, 1, t->text.p, t->text.n);
    varint(&m, 2U << 3 | 5);
    buf_u32(&m, bits);
    if (t->type != VOCAB_NORMAL)
        put_number(&m, 3, t->type);
    put_message(b, 1, &m);
}

static void put_id(struct buf *b, unsigned field, int32_t id)
{
    put_number(b, field, (uint64_t)(int64_t)id); /* -1: ten bytes, as protobuf has it */
}

void vocab_put_spm(struct buf *b, const struct vocab *v)
{
    enum { TYPE_BPE = 2, TYPE = 3, BYTE_FALLBACK = 35, UNK = 40, BOS = 41, EOS = 42, PAD = 43 };
    struct buf trainer = {0}, normalizer = {0};
    size_t n = v->n_tokens;

    while (n && vocab_is_pad(v, n - 1))
        n--;
    for (size_t i = 0; i < n; i++)
        put_piece(b, &v->token[i]);
    put_number(&trainer, TYPE, TYPE_BPE);
    put_number(&trainer, BYTE_FALLBACK, 1);
    put_id(&trainer, UNK, v->unk >= 0 ? v->unk : 0);
    put_id(&trainer, BOS, v->bos);
    put_id(&trainer, EOS, v->eos);
    put_id(&trainer, PAD, v->pad);
    put_message(b, 2, &trainer);
    put_bytes(&normalizer, 1, "identity", 8);
    if (v->charsmap)
        put_bytes(&normalizer, 2, v->charsmap, v->charsmap_bytes);
    put_number(&normalizer, 3, v->add_space_prefix);
    put_number(&normalizer, 4, 0);
    put_number(&normalizer, 5, 1);
    put_message(b, 3, &normalizer);
}
