/* tokenizer.json: the tokenizers library's own file. Byte-level BPE as it is, and
 * BPE with byte fallback as SentencePiece would hold it.
 * Members are walked in order, never looked up by name: a file has 150,000 tokens. */

#include "formats/base/buf.h"
#include "formats/base/strmap.h"
#include "formats/pretok.h"
#include "formats/vocab/vocab_parts.h"

#include <stdlib.h>
#include <string.h>

static bool is(const json_val *v, const char *what)
{
    const char *s = json_str(v);

    return s && !strcmp(s, what);
}

bool vocab_is_fallback(const json_val *tokenizer)
{
    const json_val *model = json_get(tokenizer, "model");
    bool fallback = false;

    (void)json_bool(json_get(model, "byte_fallback"), &fallback);
    return fallback && is(json_get(model, "type"), "BPE") &&
           is(json_path(tokenizer, "decoder.type"), "Sequence");
}

/* An id from the file; `id` must be below `limit` when there is one. */
int vocab_read_id(size_t *out, const json_val *v, const char *text, size_t limit, struct err *err)
{
    int64_t id;

    if (!json_int(v, &id) || id < 0 || id >= VOCAB_MAX_TOKENS)
        return err_set(err, ERR_FORMAT, "token \"%.60s\": its id is no number from 0 to %d", text,
                       VOCAB_MAX_TOKENS - 1);
    if (limit && (uint64_t)id >= limit)
        return err_set(err, ERR_FORMAT,
                       "token \"%.60s\" has id %lld, but config.json's vocab_size is %zu", text,
                       (long long)id, limit);
    *out = (size_t)id;
    return 0;
}

/* *n: one more than the highest id of model.vocab and added_tokens. Without a
 * vocab_size to hold them to, ids may leave some out, but not most. */
static int count_ids(size_t *n, const json_val *vocab, const json_val *added, size_t limit,
                     struct err *err)
{
    const size_t most = 2 * (json_len(vocab) + json_len(added)) + 1024;
    size_t id = 0;
    int rc = 0;

    *n = 0;
    for (const json_val *t = json_first(vocab); t && !rc; t = json_next(t)) {
        rc = vocab_read_id(&id, t, json_key(t), limit, err);
        *n = id + 1 > *n ? id + 1 : *n;
    }
    for (const json_val *t = json_first(added); t && !rc; t = json_next(t)) {
        const char *text = json_str(json_get(t, "content"));
        if (!text)
            return err_set(err, ERR_FORMAT, "an added token without content");
        rc = vocab_read_id(&id, json_get(t, "id"), text, limit, err);
        *n = id + 1 > *n ? id + 1 : *n;
    }
    if (!rc && !limit && *n > most)
        rc = err_set(err, ERR_FORMAT, "an id of %zu: expected fewer than %zu", *n - 1, most);
    return rc;
}

/* Both kinds: fill and place the base vocabulary and the added tokens. */
int vocab_read_tokens(struct vocab *v, const struct vocab_files *f, float base, float added_score,
                      struct err *err)
{
    const json_val *vocab = json_path(f->tokenizer, "model.vocab");
    const json_val *added = json_get(f->tokenizer, "added_tokens");
    size_t n, id = 0;

    if (!json_is_object(vocab))
        return err_set(err, ERR_FORMAT, "model.vocab: expected an object");
    if (!json_is_array(added))
        added = NULL;
    int rc = count_ids(&n, vocab, added, f->n_vocab, err);
    if (!rc)
        rc = vocab_fill(v, f->n_vocab ? f->n_vocab : n, v->kind == VOCAB_SPM ? -10000.0F : 0, err);
    for (const json_val *t = json_first(vocab); t && !rc; t = json_next(t)) {
        const char *text = json_key(t);
        rc = vocab_read_id(&id, t, text, v->n_tokens, err);
        if (!rc && v->token[id].text.p)
            rc = err_set(err, ERR_FORMAT, "tokens \"%.60s\" and \"%.60s\" have the same id, %zu",
                         v->token[id].text.p, text, id);
        if (!rc)
            rc = vocab_put(v, id, text, strlen(text), base, VOCAB_NORMAL, err);
    }
    for (const json_val *t = json_first(added); t && !rc; t = json_next(t)) {
        const char *text = json_str(json_get(t, "content"));
        bool special = false;
        (void)json_bool(json_get(t, "special"), &special);
        rc = vocab_read_id(&id, json_get(t, "id"), text, v->n_tokens, err);
        if (!rc)
            rc = vocab_put_added(v, id, text, special, added_score, err);
    }
    return rc;
}

/* Tokens that only tokenizer_config.json knows fill ids nobody has. */
static int fill_holes(struct vocab *v, const struct vocab_files *f, struct err *err)
{
    const json_val *decoder = json_get(f->tokenizer_config, "added_tokens_decoder");
    int rc = 0;

    for (const json_val *t = json_is_object(decoder) ? json_first(decoder) : NULL; t && !rc;
         t = json_next(t)) {
        char *end;
        const unsigned long long id = strtoull(json_key(t), &end, 10);
        const char *text = json_str(json_get(t, "content"));
        bool special = false;
        if (!text || *end || end == json_key(t) || id >= v->n_tokens || v->token[id].text.p)
            continue;
        (void)json_bool(json_get(t, "special"), &special);
        rc =
            vocab_put_added(v, (size_t)id, text, special, v->kind == VOCAB_SPM ? -1000.0F : 0, err);
    }
    return rc;
}

/* Half of a merge; a space inside stands as U+0120, for the two halves are joined
 * by one. */
static void put_half(struct buf *b, const char *s)
{
    for (; *s; s++)
        buf_put(b, *s == ' ' ? "\xc4\xa0" : s, *s == ' ' ? 2 : 1);
}

/* A merge is "left right", or since 2024 ["left", "right"]. */
static int read_merge(struct buf *b, const json_val *m, size_t i, struct err *err)
{
    const json_val *left = json_is_array(m) ? json_first(m) : NULL;
    const json_val *right = left ? json_next(left) : NULL;

    b->n = 0;
    if (json_is_string(m)) {
        buf_str(b, json_str(m));
    } else if (json_is_string(left) && json_is_string(right) && !json_next(right)) {
        put_half(b, json_str(left));
        buf_str(b, " ");
        put_half(b, json_str(right));
    } else {
        return err_set(err, ERR_FORMAT, "merge %zu: expected \"left right\" or a pair of texts", i);
    }
    return buf_check(b, err);
}

static int read_merges(struct vocab *v, const json_val *merges, struct err *err)
{
    struct buf b = {0};
    size_t i = 0;
    int rc = 0;

    if (!json_is_array(merges))
        return err_set(err, ERR_FORMAT, "model.merges: expected an array");
    const size_t n = json_len(merges);
    v->merge = arena_array(&v->arena, n, sizeof(*v->merge));
    if (!v->merge)
        return err_nomem(err);
    for (const json_val *m = json_first(merges); m && !rc; m = json_next(m), i++) {
        rc = read_merge(&b, m, i, err);
        const char *text = rc ? NULL : arena_strn(&v->arena, b.p ? b.p : "", b.n);
        if (!rc && !text)
            rc = err_nomem(err);
        if (!rc)
            v->merge[i] = (struct meta_str){text, b.n};
    }
    v->n_merges = rc ? 0 : n;
    buf_release(&b);
    return rc;
}

/* A checkpoint may call its tokenizer what it is not; only these two are BPE. */
static int check_model(const json_val *tokenizer, struct err *err)
{
    const char *type = json_str(json_path(tokenizer, "model.type"));
    const char *suffix = json_str(json_path(tokenizer, "model.end_of_word_suffix"));

    /* old files leave the type out; a BPE model has merges */
    if (type ? strcmp(type, "BPE") : !json_path(tokenizer, "model.merges"))
        return err_set(err, ERR_UNSUPPORTED,
                       "a tokenizer model of type %.40s: expected BPE, Unigram or WordPiece",
                       type ? type : "unknown");
    if (suffix && *suffix)
        return err_set(err, ERR_UNSUPPORTED, "a BPE with the end-of-word suffix \"%.20s\"", suffix);
    return 0;
}

int vocab_keep_json(struct vocab *v, const struct vocab_files *f, struct err *err)
{
    v->normalizer = NULL; /* the file says it */
    v->hf_json = arena_strn(&v->arena, f->text, f->text_bytes);
    v->hf_json_bytes = f->text_bytes;
    return v->hf_json ? 0 : err_nomem(err);
}

/* v->pre and v->normalizer. A definition without a name: the file itself is kept, to be
 * executed. */
static int read_pre(struct vocab *v, const struct vocab_files *f, struct err *err)
{
    const char *family = json_str(json_get(f->config, "model_type"));
    const struct pretok *asked = f->pre ? pretok_by_name(f->pre) : NULL;
    const char *name;

    if (f->pre && !asked)
        return err_set(err, ERR_ARG, "pre-tokenizer \"%.60s\": not one of the known names", f->pre);
    int rc = pretok_recognise(&name, &v->normalizer, f->tokenizer, family, err);
    if (asked)
        name = asked->name;
    if (name)
        v->pre = name;
    if (rc && rc != ERR_UNSUPPORTED)
        return rc;
    if (name || !f->text)
        return name ? 0 : rc;
    log_warn(f->log,
             "tokenizer.json: %s: it is kept whole, and programs that cannot execute it cut words "
             "as \"default\" does; --pre-tokenizer names another",
             err->msg);
    return vocab_keep_json(v, f, err);
}

int vocab_read_bpe(struct vocab *v, const struct vocab_files *f, struct err *err)
{
    v->kind = VOCAB_BPE;
    int rc = check_model(f->tokenizer, err);
    if (!rc)
        rc = read_pre(v, f, err);
    if (!rc)
        rc = vocab_read_tokens(v, f, 0, 0, err);
    if (!rc)
        rc = fill_holes(v, f, err);
    if (!rc)
        rc = vocab_pad(v, err);
    if (!rc)
        rc = read_merges(v, json_path(f->tokenizer, "model.merges"), err);
    return rc;
}

/* SentencePiece merges the pair whose result scores highest; tokenizer.json ranks the
 * pairs. A piece gets minus the rank of its first merge, so that both merge alike.
 * (The reference writes -1000 for every token, which loses the order.) */
static int score_by_rank(struct vocab *v, struct err *err)
{
    struct strmap ids = {0};
    struct buf b = {0};
    bool added;

    int rc = strmap_reserve(&ids, v->n_tokens, err);
    for (size_t i = 0; i < v->n_tokens && !rc; i++)
        rc = strmap_add(&added, &ids, v->token[i].text.p, v->token[i].text.n, i, err);
    for (size_t i = v->n_merges; i-- > 0 && !rc;) {
        const struct meta_str m = v->merge[i];
        const char *gap = m.n > 1 ? memchr(m.p + 1, ' ', m.n - 1) : NULL;
        size_t id;
        if (!gap)
            continue;
        b.n = 0;
        buf_put(&b, m.p, (size_t)(gap - m.p));
        buf_put(&b, gap + 1, m.n - (size_t)(gap - m.p) - 1);
        rc = buf_check(&b, err);
        if (!rc && strmap_get(&id, &ids, b.p, b.n) && v->token[id].type == VOCAB_NORMAL)
            v->token[id].score = -(float)i;
    }
    strmap_release(&ids);
    buf_release(&b);
    return rc;
}

/* Does a step put a space before the text? */
static bool has_prefix(const json_val *step, int depth)
{
    const json_val *list = json_get(step, "normalizers");
    bool on = false;

    if (is(json_get(step, "type"), "Prepend"))
        return true;
    if (is(json_get(step, "type"), "Metaspace"))
        return !is(json_get(step, "prepend_scheme"), "never") &&
               (!json_bool(json_get(step, "add_prefix_space"), &on) || on);
    list = list ? list : json_get(step, "pretokenizers");
    for (const json_val *s = depth < 8 ? json_first(list) : NULL; s; s = json_next(s))
        if (has_prefix(s, depth + 1))
            return true;
    return false;
}

int vocab_read_fallback(struct vocab *v, const struct vocab_files *f, struct err *err)
{
    const char *unk = json_str(json_path(f->tokenizer, "model.unk_token"));

    v->kind = VOCAB_SPM;
    /* a reader of the GGUF takes it for granted that there is one */
    if (!has_prefix(json_get(f->tokenizer, "normalizer"), 0) &&
        !has_prefix(json_get(f->tokenizer, "pre_tokenizer"), 0))
        v->space_prefix = 0;
    int rc = vocab_read_tokens(v, f, -1000.0F, -1000.0F, err);
    if (!rc)
        rc = fill_holes(v, f, err);
    if (!rc)
        rc = vocab_pad(v, err);
    if (!rc)
        rc = read_merges(v, json_path(f->tokenizer, "model.merges"), err);
    if (!rc)
        rc = score_by_rank(v, err);
    for (size_t i = 0; i < v->n_tokens && !rc; i++) {
        struct vocab_token *t = &v->token[i];
        if (vocab_is_byte(t->text.p, t->text.n)) {
            t->type = VOCAB_BYTE;
            t->score = 0;
        } else if (t->type == VOCAB_NORMAL && unk && !strcmp(t->text.p, unk)) {
            t->type = VOCAB_UNKNOWN;
        }
    }
    v->n_merges = 0;
    return rc;
}

/* Is it one of tokenizer_config.json's named tokens? */
bool vocab_named_special(const json_val *config, const char *text)
{
    static const char *const keys[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                       "pad_token", "cls_token", "mask_token"};
    static const char *const lists[] = {"additional_special_tokens", "extra_special_tokens"};

    for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
        const json_val *t = json_get(config, keys[i]);
        if (is(t, text) || is(json_get(t, "content"), text))
            return true;
    }
    for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++)
        for (const json_val *t = json_first(json_get(config, lists[i])); t; t = json_next(t))
            if (is(t, text) || is(json_get(t, "content"), text))
                return true;
    return false;
}

/* Tokens that mark the parts of an answer: the text of a chat keeps them. */
static bool is_visible(const char *text)
{
    static const char *const all[] = {"<|channel>",   "<channel|>",       "<|tool_call>",
                                      "<tool_call|>", "<|tool_response>", "<tool_response|>",
                                      "<|\"|>"};

    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
        if (!strcmp(all[i], text))
            return true;
    return false;
}

/* Every token scores -1000; one of the base vocabulary is control only when
 * tokenizer_config.json names it. The size is the tokenizer's own. */
int vocab_read_text_bpe(struct vocab *v, const struct vocab_files *f, struct err *err)
{
    struct vocab_files own = *f;
    const size_t n_base = json_len(json_path(f->tokenizer, "model.vocab"));

    v->kind = VOCAB_TEXT_BPE;
    own.n_vocab = 0;
    int rc = vocab_read_tokens(v, &own, -1000.0F, -1000.0F, err);
    for (const json_val *t = json_first(json_get(f->tokenizer, "added_tokens")); t && !rc;
         t = json_next(t)) {
        const char *text = json_str(json_get(t, "content"));
        size_t id = 0;
        rc = vocab_read_id(&id, json_get(t, "id"), text, v->n_tokens, err);
        if (!rc)
            rc = vocab_put(v, id, text, strlen(text), -1000.0F,
                           id < n_base ? VOCAB_NORMAL : VOCAB_USER, err);
    }
    if (!rc)
        rc = vocab_pad(v, err);
    for (size_t i = 0; i < v->n_tokens && !rc; i++) {
        struct vocab_token *t = &v->token[i];
        if (vocab_is_byte(t->text.p, t->text.n))
            t->type = VOCAB_BYTE;
        else if (vocab_named_special(f->tokenizer_config, t->text.p))
            t->type = VOCAB_CONTROL;
        if (is_visible(t->text.p))
            t->type = VOCAB_USER;
    }
    return rc ? rc : read_merges(v, json_path(f->tokenizer, "model.merges"), err);
}

static unsigned added_flags(const json_val *t)
{
    static const struct {
        const char *key;
        unsigned flag;
    } keys[] = {
        {"lstrip",      VOCAB_LSTRIP     },
        {"rstrip",      VOCAB_RSTRIP     },
        {"single_word", VOCAB_SINGLE_WORD},
        {"normalized",  VOCAB_NORMALIZED },
        {"special",     VOCAB_SPECIAL    },
    };
    unsigned flags = 0;
    bool on;

    for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
        if (json_bool(json_get(t, keys[i].key), &on) && on)
            flags |= keys[i].flag;
    if (!json_get(t, "normalized") && !(flags & VOCAB_SPECIAL))
        flags |= VOCAB_NORMALIZED;
    return flags;
}

int vocab_read_added(struct vocab *v, const struct vocab_files *f, struct err *err)
{
    const json_val *added = json_get(f->tokenizer, "added_tokens");

    if (!json_is_array(added))
        return 0;
    v->added = arena_array(&v->arena, json_len(added) + 1, sizeof(*v->added));
    if (!v->added)
        return err_nomem(err);
    for (const json_val *t = json_first(added); t; t = json_next(t)) {
        int64_t id;
        if (json_int(json_get(t, "id"), &id) && id >= 0 && (uint64_t)id < v->n_tokens)
            v->added[v->n_added++] = (struct vocab_added){(uint32_t)id, added_flags(t)};
    }
    return 0;
}
