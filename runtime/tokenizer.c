#include "runtime/tokenizer.h"

#include "runtime/tok/tok_parts.h"

#include <stdlib.h>
#include <string.h>

struct tok {
    const struct vocab *v; /* borrowed */
    struct tok_special special;
    struct tok_bpe bpe; /* VOCAB_BPE */
    struct tok_spm spm; /* VOCAB_SPM */
    bool *control;      /* owned; by id: does not show, is not parsed unless asked */
    bool *end;          /* owned; by id: ends a generation */
    int32_t bos, eos;   /* what is put around a text; -1: nothing */
};

/* Tokens that end a turn or a text, whatever type a file gives them. */
static bool is_end_text(struct meta_str t)
{
    static const char *const ends[] = {
        "<|eot_id|>",      "<|im_end|>",
        "<|end|>",         "<|return|>",
        "<|call|>",        "<end_of_turn>",
        "<|eom_id|>",      "</s>",
        "<|endoftext|>",   "<EOT>",
        "<|end_of_text|>", "_<EOT>",
        "[EOT]",           "<end_of_utterance>",
        "[EOS]",           "<\uff5cend\u2581of\u2581sentence\uff5c>",
    };

    for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++)
        if (strlen(ends[i]) == t.n && !memcmp(ends[i], t.p, t.n))
            return true;
    return false;
}

static void mark_end(struct tok *t, int32_t id)
{
    if (id >= 0 && (size_t)id < t->v->n_tokens)
        t->end[id] = true;
}

static int mark(struct tok *t, struct err *err)
{
    const struct vocab *v = t->v;

    t->control = calloc(v->n_tokens + 1, sizeof(*t->control));
    t->end = calloc(v->n_tokens + 1, sizeof(*t->end));
    if (!t->control || !t->end)
        return err_nomem(err);
    for (size_t i = 0; i < v->n_tokens; i++) {
        const enum vocab_type type = v->token[i].type;
        t->end[i] = is_end_text(v->token[i].text);
        t->control[i] = t->end[i] || type == VOCAB_CONTROL || type == VOCAB_UNKNOWN;
    }
    mark_end(t, v->eos);
    mark_end(t, v->eot);
    mark_end(t, v->eom);
    return 0;
}

/* The file's word, or what is usual for the kind: SentencePiece models begin with
 * BOS (id 1 when they do not say which), few byte-level ones do. */
static void set_ends(struct tok *t)
{
    const struct vocab *v = t->v;
    const bool spm = v->kind == VOCAB_SPM;
    const struct pretok *pre = spm ? NULL : pretok_by_name(v->pre);
    const bool usual = spm || (pre && pre->flags & PRETOK_ADD_BOS);
    const int32_t bos = v->bos < 0 && spm ? 1 : v->bos;
    const int32_t eos = v->eos < 0 && spm ? 2 : v->eos;
    const bool add_bos = v->add_bos < 0 ? usual : v->add_bos;

    t->bos = add_bos && bos >= 0 && (size_t)bos < v->n_tokens ? bos : -1;
    t->eos = v->add_eos > 0 && eos >= 0 && (size_t)eos < v->n_tokens ? eos : -1;
}

int tok_new(struct tok **out, const struct vocab *v, struct err *err)
{
    struct tok *t;
    int rc;

    *out = NULL;
    if (v->kind != VOCAB_BPE && v->kind != VOCAB_SPM)
        return err_set(err, ERR_UNSUPPORTED, "the model has no tokenizer");
    t = calloc(1, sizeof(*t));
    if (!t)
        return err_nomem(err);
    t->v = v;
    rc = mark(t, err);
    if (!rc)
        rc = tok_special_init(&t->special, v, t->control, err);
    if (!rc)
        rc = v->kind == VOCAB_BPE ? tok_bpe_init(&t->bpe, v, err) : tok_spm_init(&t->spm, v, err);
    if (rc)
        goto fail;
    set_ends(t);
    *out = t;
    return 0;

fail:
    tok_free(t);
    return rc;
}

void tok_free(struct tok *t)
{
    if (!t)
        return;
    tok_special_release(&t->special);
    tok_bpe_release(&t->bpe);
    tok_spm_release(&t->spm);
    free(t->control);
    free(t->end);
    free(t);
}

int tok_push(struct tok_ids *out, int32_t id, struct err *err)
{
    if (out->n == out->cap) {
        const size_t cap = out->cap ? out->cap * 2 : 256;
        int32_t *p = realloc(out->id, cap * sizeof(*p));
        if (!p)
            return err_nomem(err);
        out->id = p;
        out->cap = cap;
    }
    out->id[out->n++] = id;
    return 0;
}

void tok_ids_release(struct tok_ids *ids)
{
    free(ids->id);
    *ids = (struct tok_ids){0};
}

/* In SentencePiece models every stretch of text begins with a space: it stands at the
 * beginning, or after a token that was cut out. */
static int encode_pieces(struct tok_ids *out, const struct tok *t, const struct tok_pieces *p,
                         struct err *err)
{
    int rc = 0;

    for (size_t i = 0; i < p->n && !rc; i++) {
        const struct tok_piece *at = &p->at[i];
        if (!at->text)
            rc = tok_push(out, at->id, err);
        else if (t->v->kind == VOCAB_BPE)
            rc = tok_bpe_encode(out, &t->bpe, t->v, at->text, at->n, err);
        else
            rc = tok_spm_encode(out, &t->spm, t->v, at->text, at->n, t->v->add_space_prefix, err);
    }
    return rc;
}

int tok_encode(struct tok_ids *out, const struct tok *t, const char *text, size_t n, unsigned flags,
               struct err *err)
{
    struct tok_pieces pieces = {0};
    int rc = 0;

    if (n > INT32_MAX)
        return err_set(err, ERR_UNSUPPORTED, "a text of %zu bytes is too long to tokenize", n);
    if (flags & TOK_ADD_SPECIAL && t->bos >= 0)
        rc = tok_push(out, t->bos, err);
    if (!rc)
        rc = tok_special_split(&pieces, &t->special, t->v, t->control, flags & TOK_PARSE_SPECIAL,
                               text, n, err);
    if (!rc)
        rc = encode_pieces(out, t, &pieces, err);
    if (!rc && flags & TOK_ADD_SPECIAL && t->eos >= 0)
        rc = tok_push(out, t->eos, err);
    tok_pieces_release(&pieces);
    return rc;
}

/* U+2581 becomes a space. */
static void put_unescaped(struct buf *out, struct meta_str s)
{
    for (size_t i = 0; i < s.n;) {
        const bool space = s.n - i >= 3 && !memcmp(s.p + i, "\xe2\x96\x81", 3);
        buf_put(out, space ? " " : s.p + i, 1);
        i += space ? 3 : 1;
    }
}

static void put_byte(struct buf *out, struct meta_str s)
{
    const char digits[3] = {s.n == 6 ? s.p[3] : '0', s.n == 6 ? s.p[4] : '0', '\0'};
    const char byte = (char)strtoul(digits, NULL, 16);

    buf_put(out, &byte, 1);
}

int tok_decode(struct buf *out, const struct tok *t, int32_t id, bool special, struct err *err)
{
    if (id < 0 || (size_t)id >= t->v->n_tokens)
        return err_set(err, ERR_ARG, "token %d: the vocabulary has %zu", (int)id, t->v->n_tokens);
    const struct vocab_token *token = &t->v->token[id];
    const struct meta_str s = token->text;
    if (t->control[id] || token->type == VOCAB_UNUSED) {
        if (special)
            buf_put(out, s.p, s.n);
    } else if (token->type == VOCAB_USER) {
        buf_put(out, s.p, s.n);
    } else if (token->type == VOCAB_BYTE) {
        put_byte(out, s);
    } else if (t->v->kind == VOCAB_SPM) {
        put_unescaped(out, s);
    } else {
        const size_t n = out->n;
        if (!tok_bytes(out, s.p, s.n)) {
            out->n = n; /* not byte-level text: as it is */
            buf_put(out, s.p, s.n);
        }
    }
    return buf_check(out, err);
}

const struct vocab *tok_vocab(const struct tok *t)
{
    return t->v;
}

bool tok_is_end(const struct tok *t, int32_t id)
{
    return id >= 0 && (size_t)id < t->v->n_tokens && t->end[id];
}
