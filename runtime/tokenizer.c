#include "runtime/tokenizer.h"

#include "runtime/tok/tok_hf.h"
#include "runtime/tok/tok_parts.h"

#include <stdlib.h>
#include <string.h>

struct tok {
    const struct vocab *v;   /* borrowed, or the engine's own */
    struct hf *hf;           /* owned; NULL: `model` does the work */
    struct tok_model model;  /* of the vocabulary's kind */
    struct tok_special raw;  /* looked for in the text as it is */
    struct tok_special norm; /* looked for in the normalized text */
    bool *control;           /* owned; by id: does not show, is not parsed unless asked */
    bool *end;               /* owned; by id: ends a generation */
    int32_t bos, eos;        /* what is put around a text; -1: nothing */
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

    if (!t.n || !strchr("<_[", t.p[0]))
        return false;
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
        /* a word of the vocabulary that only looks like one stays a word (Qwen2's "</s>") */
        t->control[i] =
            (t->end[i] && type != VOCAB_NORMAL) || type == VOCAB_CONTROL || type == VOCAB_UNKNOWN;
    }
    mark_end(t, v->eos);
    mark_end(t, v->eot);
    mark_end(t, v->eom);
    for (size_t i = 0; i < v->n_ends; i++)
        mark_end(t, (int32_t)v->ends[i]);
    return 0;
}

static int32_t known(const struct tok *t, int32_t id)
{
    return id >= 0 && (size_t)id < t->v->n_tokens ? id : -1;
}

/* The file's word, or what is usual for the kind: SentencePiece models begin with
 * BOS (id 1 when they do not say which), few byte-level ones do; BERT's stand between
 * two, T5's end with EOS. */
static void set_ends(struct tok *t)
{
    const struct vocab *v = t->v;
    const bool spm = v->kind == VOCAB_SPM, bert = v->kind == VOCAB_WORDPIECE;
    const struct pretok *pre = v->kind == VOCAB_BPE ? pretok_by_name(v->pre) : NULL;
    const bool usual = spm || bert || (pre && pre->flags & PRETOK_ADD_BOS);
    const int32_t bos = v->bos < 0 && spm ? 1 : v->bos;
    const int32_t eos = v->eos < 0 && spm ? 2 : v->eos;
    const bool add_bos = v->add_bos < 0 ? usual : v->add_bos;
    const bool add_eos = v->add_eos < 0 ? v->kind == VOCAB_UNIGRAM : v->add_eos;

    t->bos = add_bos ? known(t, bos) : -1;
    t->eos = add_eos ? known(t, eos) : -1;
    if (bert && v->add_sep && v->sep >= 0)
        t->eos = known(t, v->sep);
}

enum { IS_ADDED = 1 << 16 }; /* beside enum vocab_flag: the file lists it */

/* How added tokens are found: flags by id, as the file has them. What does not show is
 * special whatever it says, user-defined tokens never are. */
static unsigned *added_flags(const struct tok *t)
{
    const struct vocab *v = t->v;
    unsigned *flags = calloc(v->n_tokens + 1, sizeof(*flags));

    for (size_t i = 0; flags && i < v->n_added; i++)
        if (v->added[i].id < v->n_tokens)
            flags[v->added[i].id] = v->added[i].flags | IS_ADDED;
    for (size_t i = 0; flags && i < v->n_tokens; i++) {
        if (v->token[i].type == VOCAB_USER)
            flags[i] &= ~(unsigned)VOCAB_SPECIAL;
        if (t->control[i])
            flags[i] |= VOCAB_SPECIAL;
    }
    return flags;
}

/* Also with U+2581 where the token has spaces: SentencePiece's vocabularies do not tell
 * which it was. */
static int add_escaped(struct tok_special *to, struct meta_str text, struct vocab_added added,
                       struct err *err)
{
    struct buf b = {0};

    for (size_t i = 0; i < text.n; i++)
        buf_put(&b, text.p[i] == ' ' ? TOK_SPACE : text.p + i, text.p[i] == ' ' ? 3 : 1);
    int rc = buf_check(&b, err);
    if (!rc)
        rc = tok_special_add(to, b.p ? b.p : "", b.n, added, err);
    buf_release(&b);
    return rc;
}

static bool all_spaces(struct meta_str s)
{
    size_t n = 0;

    while (n < s.n && s.p[n] == ' ')
        n++;
    return n == s.n;
}

static int add_special(struct tok *t, size_t i, unsigned flags, struct err *err)
{
    const struct vocab_added added = {(uint32_t)i, flags};
    const bool pieces = t->v->kind == VOCAB_SPM || t->v->kind == VOCAB_TEXT_BPE;
    const struct meta_str text = t->v->token[i].text;
    struct buf b = {0};
    int rc = 0;

    if (!(flags & VOCAB_NORMALIZED)) {
        if (pieces && flags & IS_ADDED && text.n && memchr(text.p, ' ', text.n))
            rc = add_escaped(&t->raw, text, added, err);
        /* spaces become U+2581 before such a token is found in them */
        if (!rc && pieces && flags & IS_ADDED && all_spaces(text))
            return add_escaped(&t->norm, text, added, err);
        return rc ? rc : tok_special_add(&t->raw, text.p, text.n, added, err);
    }
    rc = tok_model_normal(&b, &t->model, text.p, text.n, err);
    if (!rc)
        rc = tok_special_add(&t->norm, b.p ? b.p : "", b.n, added, err);
    buf_release(&b);
    return rc;
}

/* Of equal texts the first counts. */
static int collect_special(struct tok *t, struct err *err)
{
    unsigned *flags = added_flags(t);
    int rc = flags ? 0 : err_nomem(err);

    for (size_t i = t->v->n_tokens; i-- > 0 && !rc;)
        if (t->control[i] || t->v->token[i].type == VOCAB_USER || flags[i] & IS_ADDED)
            rc = add_special(t, i, flags[i], err);
    free(flags);
    return rc;
}

/* A tokenizer that no name tells of brings its definition along. */
static bool needs_json(const struct vocab *v)
{
    return v->hf_json &&
           (v->kind != VOCAB_BPE || !pretok_by_name(v->pre) || !strcmp(v->pre, "default"));
}

static int engine_of(struct tok *t, const json_val *json, struct err *err)
{
    json_val *doc = NULL;
    int rc = 0;

    if (!json) {
        rc = json_parse(&doc, t->v->hf_json, t->v->hf_json_bytes, err);
        json = doc;
    }
    if (!rc)
        rc = hf_new(&t->hf, json, err);
    json_free(doc);
    return rc ? err_wrap(err, "tokenizer.json") : 0;
}

/* v NULL: the engine's own. */
static int build(struct tok *t, const struct vocab *v, const json_val *json, struct err *err)
{
    int rc = 0;

    t->v = v;
    if (json || needs_json(v))
        rc = engine_of(t, json, err);
    if (!rc && !v)
        t->v = hf_vocab(t->hf);
    if (!rc)
        rc = mark(t, err);
    if (!rc && !t->hf)
        rc = tok_model_init(&t->model, t->v, err);
    if (!rc && !t->hf)
        rc = collect_special(t, err);
    if (!rc)
        set_ends(t);
    return rc;
}

static int new_tok(struct tok **out, const struct vocab *v, const json_val *json, struct err *err)
{
    struct tok *t = calloc(1, sizeof(*t));

    *out = NULL;
    if (!t)
        return err_nomem(err);
    const int rc = build(t, v, json, err);
    if (rc) {
        tok_free(t);
        return rc;
    }
    *out = t;
    return 0;
}

int tok_new(struct tok **out, const struct vocab *v, struct err *err)
{
    return new_tok(out, v, NULL, err);
}

int tok_new_json(struct tok **out, const struct vocab *v, const json_val *json, struct err *err)
{
    return new_tok(out, v, json, err);
}

void tok_free(struct tok *t)
{
    if (!t)
        return;
    tok_special_release(&t->raw);
    tok_special_release(&t->norm);
    tok_model_release(&t->model);
    hf_free(t->hf);
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

static int encode_normal(struct tok_run *r, const struct tok *t, bool parse, const struct buf *b,
                         struct err *err)
{
    struct tok_pieces pieces = {0};

    int rc = tok_special_split(&pieces, &t->norm, parse, b->p ? b->p : "", b->n, err);
    for (size_t i = 0; i < pieces.n && !rc; i++)
        rc = pieces.at[i].text ? tok_model_encode(r, pieces.at[i].text, pieces.at[i].n, err)
                               : tok_push(r->out, pieces.at[i].id, err);
    tok_pieces_release(&pieces);
    return rc;
}

/* In SentencePiece models every stretch of text begins with a space: it stands at the
 * beginning, or after a token that was cut out. */
static int encode_text(struct tok_run *r, const struct tok *t, bool parse, const char *text,
                       size_t n, struct err *err)
{
    struct tok_pieces pieces = {0};
    struct buf b = {0};

    int rc = tok_cache_room(r->cache, n, err);
    if (!rc)
        rc = tok_special_split(&pieces, &t->raw, parse, text, n, err);
    for (size_t i = 0; i < pieces.n && !rc; i++) {
        const struct tok_piece *p = &pieces.at[i];
        if (!p->text) {
            rc = tok_push(r->out, p->id, err);
            continue;
        }
        b.n = 0;
        rc = tok_model_normal(&b, &t->model, p->text, p->n, err);
        if (!rc)
            rc = encode_normal(r, t, parse, &b, err);
    }
    buf_release(&b);
    tok_pieces_release(&pieces);
    tok_match_free(r->match);
    return rc;
}

/* The definition that a GGUF brings along may be of another vocabulary than its tokens are. */
static int encode_hf(struct tok_ids *out, const struct tok *t, struct tok_cache *cache,
                     const char *text, size_t n, unsigned flags, struct err *err)
{
    const size_t begun = out->n;
    const int rc = hf_encode(out, t->hf, cache, text, n, flags, err);

    for (size_t i = begun; !rc && i < out->n; i++)
        if (out->id[i] < 0 || (size_t)out->id[i] >= t->v->n_tokens)
            return err_set(err, ERR_FORMAT, "tokenizer.json: token %d: the vocabulary has %zu",
                           (int)out->id[i], t->v->n_tokens);
    return rc;
}

static int encode(struct tok_ids *out, const struct tok *t, struct tok_cache *cache,
                  const char *text, size_t n, unsigned flags, struct err *err)
{
    struct tok_run r = {.model = &t->model, .out = out, .cache = cache};
    int rc = 0;

    if (n > INT32_MAX)
        return err_set(err, ERR_UNSUPPORTED, "a text of %zu bytes is too long to tokenize", n);
    if (t->hf && t->v->add_bos < 0 && t->v->add_eos < 0)
        return encode_hf(out, t, cache, text, n, flags, err); /* its own rules */
    if (flags & TOK_ADD_SPECIAL && t->bos >= 0)
        rc = tok_push(out, t->bos, err);
    if (!rc && t->hf)
        rc = encode_hf(out, t, cache, text, n, flags & ~(unsigned)TOK_ADD_SPECIAL, err);
    else if (!rc)
        rc = encode_text(&r, t, flags & TOK_PARSE_SPECIAL, text, n, err);
    if (!rc && flags & TOK_ADD_SPECIAL && t->eos >= 0)
        rc = tok_push(out, t->eos, err);
    return rc;
}

int tok_encode(struct tok_ids *out, const struct tok *t, const char *text, size_t n, unsigned flags,
               struct err *err)
{
    struct tok_cache cache = {0};
    const int rc = encode(out, t, &cache, text, n, flags, err);

    tok_cache_release(&cache);
    return rc;
}

struct tok_memory {
    const struct tok *t;
    struct tok_cache cache;
};

int tok_memory_new(struct tok_memory **out, const struct tok *t, struct err *err)
{
    struct tok_memory *m = calloc(1, sizeof(*m));

    *out = m;
    if (!m)
        return err_nomem(err);
    m->t = t;
    return 0;
}

void tok_memory_free(struct tok_memory *m)
{
    if (!m)
        return;
    tok_cache_release(&m->cache);
    free(m);
}

int tok_encode_more(struct tok_ids *out, struct tok_memory *m, const char *text, size_t n,
                    unsigned flags, struct err *err)
{
    return encode(out, m->t, &m->cache, text, n, flags, err);
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
    const int byte = tok_byte_of(s);
    const char c = (char)(byte < 0 ? 0 : byte);

    buf_put(out, &c, 1);
}

int tok_decode(struct buf *out, const struct tok *t, int32_t id, bool special, struct err *err)
{
    if (id < 0 || (size_t)id >= t->v->n_tokens)
        return err_set(err, ERR_ARG, "token %d: the vocabulary has %zu", (int)id, t->v->n_tokens);
    const struct vocab_token *token = &t->v->token[id];
    const struct meta_str s = token->text;
    const enum vocab_kind kind = t->v->kind;
    if (t->control[id] || token->type == VOCAB_UNUSED) {
        if (special)
            buf_put(out, s.p, s.n);
    } else if (token->type == VOCAB_USER) {
        buf_put(out, s.p, s.n);
    } else if (t->hf) {
        hf_decode(out, t->hf, s);
    } else if (token->type == VOCAB_BYTE || (kind == VOCAB_TEXT_BPE && tok_byte_of(s) >= 0)) {
        put_byte(out, s);
    } else if (kind == VOCAB_SPM || kind == VOCAB_UNIGRAM || kind == VOCAB_TEXT_BPE ||
               kind == VOCAB_WORDPIECE) {
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
