/* tokenizer.json's Unigram model, as SentencePiece would hold it. */

#include "formats/vocab/vocab_parts.h"

#include <string.h>

static bool is(const json_val *v, const char *what)
{
    const char *s = json_str(v);

    return s && !strcmp(s, what);
}

/* What the steps say; plain: nothing that a GGUF's keys cannot. */
struct steps {
    const char *map; /* base64 */
    bool prefix, no_extra, plain;
};

static void read_normalizer(struct steps *s, const json_val *n, int depth)
{
    const char *type = json_str(json_get(n, "type"));
    const char *map = json_str(json_get(n, "precompiled_charsmap"));

    if (json_is_null(n))
        return;
    if (depth > 8 || !type) {
        s->plain = false;
    } else if (!strcmp(type, "Sequence")) {
        for (const json_val *c = json_first(json_get(n, "normalizers")); c; c = json_next(c))
            read_normalizer(s, c, depth + 1);
    } else if (!strcmp(type, "Precompiled") && !s->map) {
        s->map = map;
    } else if (is(json_path(n, "pattern.Regex"), " {2,}")) {
        s->no_extra = true;
    } else if (!is(json_path(n, "pattern.String"), " ") && strcmp(type, "Strip") != 0) {
        s->plain = false;
    }
}

static void read_words(struct steps *s, const json_val *p, int depth)
{
    const char *type = json_str(json_get(p, "type"));
    bool prefix = true;

    if (json_is_null(p))
        return;
    if (depth > 8 || !type) {
        s->plain = false;
    } else if (!strcmp(type, "Sequence")) {
        for (const json_val *c = json_first(json_get(p, "pretokenizers")); c; c = json_next(c))
            read_words(s, c, depth + 1);
    } else if (!strcmp(type, "Metaspace")) {
        (void)json_bool(json_get(p, "add_prefix_space"), &prefix);
        s->prefix = prefix && !is(json_get(p, "prepend_scheme"), "never");
    } else if (!strcmp(type, "WhitespaceSplit")) {
        s->no_extra = true;
    } else {
        s->plain = false;
    }
}

static int read_steps(struct vocab *v, const struct vocab_files *f, struct err *err)
{
    struct steps s = {.plain = true};

    read_normalizer(&s, json_get(f->tokenizer, "normalizer"), 0);
    read_words(&s, json_get(f->tokenizer, "pre_tokenizer"), 0);
    v->space_prefix = s.prefix;
    v->remove_extra_spaces = s.no_extra;
    if (s.map && *s.map) {
        uint8_t *map = arena_alloc(&v->arena, strlen(s.map) / 4 * 3 + 3);
        if (!map)
            return err_nomem(err);
        if (!vocab_decode64(map, &v->charsmap_bytes, s.map))
            return err_set(err, ERR_FORMAT, "normalizer.precompiled_charsmap: no base64");
        v->charsmap = v->charsmap_bytes ? map : NULL;
    }
    return s.plain || !f->text ? 0 : vocab_keep_json(v, f, err);
}

/* [["text", score], ...]: the index is the id. */
static int read_pieces(struct vocab *v, const json_val *vocab, bool bytes, struct err *err)
{
    size_t id = 0;
    int rc = 0;

    for (const json_val *t = json_first(vocab); t && !rc; t = json_next(t), id++) {
        const json_val *text = json_is_array(t) ? json_first(t) : NULL;
        const char *s = json_str(text);
        double score = 0;
        if (!s || !json_num(json_next(text), &score))
            return err_set(err, ERR_FORMAT, "model.vocab[%zu]: expected [\"text\", score]", id);
        rc = vocab_put(v, id, s, strlen(s), (float)score,
                       bytes && vocab_is_byte(s, strlen(s)) ? VOCAB_BYTE : VOCAB_NORMAL, err);
    }
    return rc;
}

/* Added tokens keep their piece's score. */
static int put_added(struct vocab *v, const struct vocab_files *f, struct err *err)
{
    size_t id = 0;
    int rc = 0;

    for (const json_val *t = json_first(json_get(f->tokenizer, "added_tokens")); t && !rc;
         t = json_next(t)) {
        const char *text = json_str(json_get(t, "content"));
        bool special = false;
        if (!text)
            return err_set(err, ERR_FORMAT, "an added token without content");
        rc = vocab_read_id(&id, json_get(t, "id"), text, v->n_tokens, err);
        (void)json_bool(json_get(t, "special"), &special);
        if (!rc)
            rc = vocab_put(v, id, text, strlen(text),
                           v->token[id].text.p ? v->token[id].score : -1000.0F,
                           special ? VOCAB_CONTROL : VOCAB_USER, err);
    }
    return rc;
}

/* One more than the highest id. Added tokens follow the pieces without many holes. */
static int count_ids(size_t *n, const struct vocab_files *f, struct err *err)
{
    const json_val *added = json_get(f->tokenizer, "added_tokens");
    const size_t n_pieces = json_len(json_path(f->tokenizer, "model.vocab"));
    const size_t most = n_pieces + 2 * json_len(added) + 1024;
    size_t id = 0;
    int rc = 0;

    *n = n_pieces;
    for (const json_val *t = json_first(added); t && !rc; t = json_next(t)) {
        const char *text = json_str(json_get(t, "content"));
        rc = vocab_read_id(&id, json_get(t, "id"), text ? text : "?", most, err);
        *n = id + 1 > *n ? id + 1 : *n;
    }
    return rc;
}

int vocab_read_unigram(struct vocab *v, const struct vocab_files *f, struct err *err)
{
    const json_val *model = json_get(f->tokenizer, "model");
    const json_val *vocab = json_get(model, "vocab");
    bool bytes = false;
    int64_t unk;
    size_t n;

    v->kind = VOCAB_UNIGRAM;
    if (!json_is_array(vocab))
        return err_set(err, ERR_FORMAT, "model.vocab: expected an array");
    int rc = count_ids(&n, f, err);
    if (!rc)
        rc = vocab_fill(v, n > f->n_vocab ? n : f->n_vocab, -10000.0F, err);
    (void)json_bool(json_get(model, "byte_fallback"), &bytes);
    if (!rc)
        rc = read_pieces(v, vocab, bytes, err);
    if (!rc)
        rc = put_added(v, f, err);
    if (!rc && json_int(json_get(model, "unk_id"), &unk)) {
        if (unk < 0 || (size_t)unk >= v->n_tokens)
            return err_set(err, ERR_FORMAT, "model.unk_id is %lld, of %zu tokens", (long long)unk,
                           v->n_tokens);
        v->token[unk].type = VOCAB_UNKNOWN;
    }
    if (!rc)
        rc = read_steps(v, f, err);
    return rc ? rc : vocab_pad(v, err);
}
