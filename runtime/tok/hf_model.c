/* The models, read into what runs them (tok_parts.h). */

#include "formats/vocab/vocab_parts.h"
#include "runtime/tok/hf_parts.h"

#include <float.h>
#include <stdlib.h>
#include <string.h>

/* ---- vocabularies ------------------------------------------------------------------------ */

/* Room for n tokens in all. */
static int grow(struct hf *h, size_t n, struct err *err)
{
    struct vocab *v = &h->own;

    if (n > VOCAB_MAX_TOKENS)
        return err_set(err, ERR_FORMAT, "a token's id is %zu: expected less than %d", n - 1,
                       VOCAB_MAX_TOKENS);
    if (n <= v->n_tokens)
        return 0;
    struct vocab_token *t = arena_array(&h->arena, n, sizeof(*t));
    if (!t)
        return err_nomem(err);
    for (size_t i = 0; i < n; i++)
        t[i] = i < v->n_tokens ? v->token[i]
                               : (struct vocab_token){
                                     {NULL, 0},
                                     0, VOCAB_UNUSED
        };
    v->token = t;
    v->n_tokens = n;
    return 0;
}

static int put_token(struct hf *h, size_t id, const char *text, double score, struct err *err)
{
    struct vocab_token *t = &h->own.token[id];

    if (t->text.p)
        return err_set(err, ERR_FORMAT, "token %zu is there twice, as \"%.60s\" and \"%.60s\"", id,
                       t->text.p, text);
    t->text.n = strlen(text);
    t->text.p = arena_strn(&h->arena, text, t->text.n);
    t->score = (float)score;
    t->type = VOCAB_NORMAL;
    return t->text.p ? 0 : err_nomem(err);
}

/* {"text": id, ...} */
static int read_vocab(struct hf *h, const json_val *vocab, struct err *err)
{
    int64_t id, most = -1;
    int rc = 0;

    if (!json_is_object(vocab))
        return err_set(err, ERR_FORMAT, "model.vocab: expected an object");
    for (const json_val *v = json_first(vocab); v; v = json_next(v)) {
        if (!json_int(v, &id) || id < 0 || id >= VOCAB_MAX_TOKENS)
            return err_set(err, ERR_FORMAT, "model.vocab: the id of \"%.60s\" is no id",
                           json_key(v));
        most = id > most ? id : most;
    }
    rc = grow(h, (size_t)(most + 1), err);
    for (const json_val *v = json_first(vocab); v && !rc; v = json_next(v)) {
        (void)json_int(v, &id);
        rc = put_token(h, (size_t)id, json_key(v), 0, err);
    }
    return rc;
}

static int32_t find_token(const struct hf *h, const char *text)
{
    for (size_t i = 0; text && i < h->own.n_tokens; i++)
        if (h->own.token[i].text.p && !strcmp(h->own.token[i].text.p, text))
            return (int32_t)i;
    return -1;
}

/* ---- BPE ----------------------------------------------------------------------------------- */

/* "left right", or ["left", "right"]. */
static int read_merge(struct tok_merge *out, struct hf *h, const json_val *m, size_t rank,
                      struct err *err)
{
    const json_val *left = json_first(m);
    const char *text = json_str(m);
    const char *gap = text ? strchr(text, ' ') : NULL;

    if (json_is_array(m) && json_len(m) == 2 && json_str(left) && json_str(json_next(left))) {
        const int rc = hf_string(&out->left, h, left, err);
        return rc ? rc : hf_string(&out->right, h, json_next(left), err);
    }
    if (!gap)
        return err_set(err, ERR_FORMAT, "model.merges: merge %zu is no pair", rank);
    struct meta_str both;
    const int rc = hf_string(&both, h, m, err);
    if (rc)
        return rc;
    out->left = (struct meta_str){both.p, (size_t)(gap - text)};
    out->right = (struct meta_str){both.p + (gap - text) + 1, strlen(gap + 1)};
    return 0;
}

/* Old files begin their merges with a line that is none. */
static int read_merges(struct tok_merge **out, size_t *n, struct hf *h, const json_val *merges,
                       struct err *err)
{
    int rc = 0;

    *n = 0;
    *out = calloc(json_len(merges) + 1, sizeof(**out));
    if (!*out)
        return err_nomem(err);
    for (const json_val *m = json_first(merges); m && !rc; m = json_next(m)) {
        if (json_str(m) && !strncmp(json_str(m), "#version", 8))
            continue;
        rc = read_merge(&(*out)[*n], h, m, *n, err);
        *n += !rc;
    }
    return rc;
}

/* Is every byte a token? Then words need not go through the byte alphabet. */
static int all_bytes(bool *all, const struct hf *h, struct err *err)
{
    bool seen[VOCAB_BYTES] = {false};
    struct buf b = {0};
    int count = 0;

    for (size_t i = 0; i < h->own.n_tokens; i++) {
        const struct meta_str t = h->own.token[i].text;
        b.n = 0;
        if (!t.p || t.n > 2 || !tok_bytes(&b, t.p, t.n) || b.n != 1)
            continue;
        count += !seen[(unsigned char)b.p[0]];
        seen[(unsigned char)b.p[0]] = true;
    }
    const int rc = buf_check(&b, err);
    buf_release(&b);
    *all = count == VOCAB_BYTES;
    return rc;
}

static bool ends_in_bytes(const struct hf *h)
{
    return h->pre.n && h->pre.step[h->pre.n - 1].flags & HF_RAW;
}

static int read_bpe(struct hf *h, const json_val *v, struct err *err)
{
    struct tok_bpe_opts o = {.last_merge = true, .strict = true};
    struct tok_merge *merge = NULL;
    double dropout = 0;
    bool all = false;
    size_t n;

    if (json_num(json_get(v, "dropout"), &dropout) && dropout > 0)
        return err_set(err, ERR_UNSUPPORTED, "a BPE with dropout gives other ids every time");
    int rc = read_vocab(h, json_get(v, "vocab"), err);
    if (!rc)
        rc = read_merges(&merge, &n, h, json_get(v, "merges"), err);
    if (!rc)
        rc = hf_string(&o.prefix, h, json_get(v, "continuing_subword_prefix"), err);
    if (!rc)
        rc = hf_string(&o.suffix, h, json_get(v, "end_of_word_suffix"), err);
    if (!rc)
        rc = all_bytes(&all, h, err);
    if (!rc) {
        o.whole_words = hf_on(v, "ignore_merges", false);
        o.byte_fallback = hf_on(v, "byte_fallback", false);
        o.fuse_unk = hf_on(v, "fuse_unk", false);
        o.unk = find_token(h, json_str(json_get(v, "unk_token")));
        o.bytes = ends_in_bytes(h) && !o.prefix.n && !o.suffix.n && all;
        if (!o.bytes && ends_in_bytes(h))
            h->pre.step[h->pre.n - 1].flags &= ~(unsigned)HF_RAW;
        rc = tok_bpe_init(&h->bpe, h->own.token, h->own.n_tokens, merge, n, &o, err);
    }
    free(merge);
    h->model = HF_BPE;
    return rc;
}

/* ---- the others ------------------------------------------------------------------------------ */

/* [["text", score], ...] */
static int read_scores(struct hf *h, double *score, const json_val *vocab, struct err *err)
{
    struct tok_unigram *u = &h->unigram;
    size_t id = 0;
    int rc = 0;

    for (const json_val *v = json_first(vocab); v && !rc; v = json_next(v), id++) {
        const char *text = json_str(json_first(v));
        if (json_len(v) != 2 || !text || !json_num(json_next(json_first(v)), &score[id]))
            return err_set(err, ERR_FORMAT, "model.vocab: token %zu is no text with a score", id);
        rc = put_token(h, id, text, score[id], err);
        if (!rc && *text)
            rc = tok_trie_add(&u->trie, h->own.token[id].text.p, strlen(text), (int32_t)id, err);
        u->unk_score = score[id] < u->unk_score ? score[id] : u->unk_score;
        const int byte = rc ? -1 : tok_byte_of(h->own.token[id].text);
        if (byte >= 0)
            u->byte[byte] = (int32_t)id;
    }
    return rc;
}

static int read_unigram(struct hf *h, const json_val *v, struct err *err)
{
    const json_val *vocab = json_get(v, "vocab");
    struct tok_unigram *u = &h->unigram;
    int64_t unk = -1;

    if (!json_is_array(vocab))
        return err_set(err, ERR_FORMAT, "model.vocab: expected an array");
    const size_t n = json_len(vocab);
    double *score = arena_array(&h->arena, n, sizeof(*score));
    if (!score)
        return err_nomem(err);
    for (int c = 0; c < VOCAB_BYTES; c++)
        u->byte[c] = -1;
    u->unk_score = DBL_MAX;
    int rc = grow(h, n, err);
    if (!rc)
        rc = read_scores(h, score, vocab, err);
    if (json_int(json_get(v, "unk_id"), &unk) && (unk < 0 || (uint64_t)unk >= n))
        rc = rc ? rc : err_set(err, ERR_FORMAT, "model.unk_id: there are %zu tokens", n);
    u->score = score;
    u->unk_score -= 10; /* SentencePiece's penalty */
    u->unk = (int32_t)unk;
    u->byte_fallback = hf_on(v, "byte_fallback", false);
    u->fuse_unk = true;
    h->model = HF_UNIGRAM;
    return rc;
}

static uint32_t walk(bool *has, const struct tok_trie *t, const char *prefix)
{
    uint32_t node = TOK_TRIE_ROOT;

    *has = true;
    for (; *prefix && *has; prefix++) {
        node = tok_trie_step(t, node, (unsigned char)*prefix);
        *has = node != TOK_TRIE_ROOT;
    }
    return node;
}

static int read_wordpiece(struct hf *h, const json_val *v, struct err *err)
{
    const char *prefix = json_str(json_get(v, "continuing_subword_prefix"));
    struct tok_wordpiece *w = &h->wordpiece;
    int64_t most = 100;

    int rc = read_vocab(h, json_get(v, "vocab"), err);
    for (size_t i = 0; i < h->own.n_tokens && !rc; i++) {
        const struct meta_str t = h->own.token[i].text;
        rc = t.n ? tok_trie_add(&w->trie, t.p, t.n, (int32_t)i, err) : 0;
    }
    w->first = walk(&w->has_first, &w->trie, "");
    w->rest = walk(&w->has_rest, &w->trie, prefix ? prefix : "##");
    (void)json_int(json_get(v, "max_input_chars_per_word"), &most);
    w->max_chars = most > 0 ? (size_t)most : 0;
    w->unk = find_token(h, json_str(json_get(v, "unk_token")));
    h->model = HF_WORDPIECE;
    return rc;
}

static int read_wordlevel(struct hf *h, const json_val *v, struct err *err)
{
    bool added;

    int rc = read_vocab(h, json_get(v, "vocab"), err);
    if (!rc)
        rc = strmap_reserve(&h->word, h->own.n_tokens, err);
    for (size_t i = 0; i < h->own.n_tokens && !rc; i++) {
        const struct meta_str t = h->own.token[i].text;
        rc = t.p ? strmap_add(&added, &h->word, t.p, t.n, i, err) : 0;
    }
    h->unk = find_token(h, json_str(json_get(v, "unk_token")));
    h->model = HF_WORDLEVEL;
    return rc;
}

int hf_read_model(struct hf *h, const json_val *v, struct err *err)
{
    static const struct {
        const char *type;
        int (*read)(struct hf *h, const json_val *v, struct err *err);
    } kinds[] = {
        {"BPE",       read_bpe      },
        {"Unigram",   read_unigram  },
        {"WordPiece", read_wordpiece},
        {"WordLevel", read_wordlevel},
    };
    const char *type = json_str(json_get(v, "type"));

    if (!json_is_object(v))
        return err_set(err, ERR_FORMAT, "model: expected an object");
    if (!type) /* old files leave it out */
        type = json_get(v, "merges")                     ? "BPE"
               : json_is_array(json_get(v, "vocab"))     ? "Unigram"
               : json_get(v, "max_input_chars_per_word") ? "WordPiece"
                                                         : "WordLevel";
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
        if (!strcmp(type, kinds[i].type))
            return kinds[i].read(h, v, err);
    return err_set(err, ERR_UNSUPPORTED,
                   "model.type is \"%.60s\": expected BPE, Unigram, WordPiece or WordLevel", type);
}

/* ---- added tokens -------------------------------------------------------------------------- */

static unsigned flags_of(const json_val *v)
{
    const bool special = hf_on(v, "special", false);

    return (hf_on(v, "lstrip", false) ? VOCAB_LSTRIP : 0U) |
           (hf_on(v, "rstrip", false) ? VOCAB_RSTRIP : 0U) |
           (hf_on(v, "single_word", false) ? VOCAB_SINGLE_WORD : 0U) |
           (hf_on(v, "normalized", !special) ? VOCAB_NORMALIZED : 0U) |
           (special ? VOCAB_SPECIAL : 0U);
}

/* What it looks like in normalized text. */
static int add_normal(struct hf *h, const char *text, struct vocab_added a, struct err *err)
{
    struct hf_run *r = calloc(1, sizeof(*r));
    struct hf_piece p = {text, strlen(text), true};
    const char *to;
    size_t n;

    if (!r)
        return err_nomem(err);
    r->h = h;
    int rc = tok_match_new(&r->match, err);
    if (!rc)
        rc = hf_normalize(&to, &n, r, &p, err);
    if (!rc)
        rc = tok_special_add(&h->normal, to, n, a, err);
    hf_run_release(r);
    free(r);
    return rc;
}

static int add_token(struct hf *h, struct strmap *known, const json_val *v, struct err *err)
{
    const char *text = json_str(json_get(v, "content"));
    size_t model_id;
    int64_t id = -1;

    if (!text || !json_int(json_get(v, "id"), &id) || id < 0 || id >= VOCAB_MAX_TOKENS)
        return err_set(err, ERR_FORMAT, "added_tokens: expected \"content\" and \"id\"");
    if (!*text)
        return 0;
    if (strmap_get(&model_id, known, text, strlen(text)))
        id = (int64_t)model_id; /* the model's own counts */
    int rc = grow(h, (size_t)id + 1, err);
    struct vocab_token *t = rc ? NULL : &h->own.token[id];
    if (t && (!t->text.p || strcmp(t->text.p, text) != 0))
        rc = hf_string(&t->text, h, json_get(v, "content"), err);
    if (rc)
        return rc;
    const struct vocab_added a = {(uint32_t)id, flags_of(v)};
    t->type = a.flags & VOCAB_SPECIAL ? VOCAB_CONTROL : VOCAB_USER;
    return a.flags & VOCAB_NORMALIZED ? add_normal(h, text, a, err)
                                      : tok_special_add(&h->raw, text, strlen(text), a, err);
}

/* Model tokens that are added ones, too, keep the model's ids: by text. */
int hf_read_added(struct hf *h, const json_val *v, struct err *err)
{
    struct strmap known = {0};
    const size_t n = h->own.n_tokens;
    const struct vocab_token *token = h->own.token;
    bool added;

    int rc = strmap_reserve(&known, n, err);
    for (size_t i = 0; i < n && !rc; i++)
        if (token[i].text.p)
            rc = strmap_add(&added, &known, token[i].text.p, token[i].text.n, i, err);
    for (const json_val *t = json_first(v); t && !rc; t = json_next(t))
        rc = add_token(h, &known, t, err);
    strmap_release(&known);
    return rc;
}
