/* tokenizer.json, then (after a NUL byte each) tokenizer_config.json, config.json,
 * added_tokens.json, and merges.txt: what is read must survive the way through metadata,
 * and tokenize. The first document may be a vocab.json (when there are merges), or a
 * tekken.json (when it has a "config"). */
#include "formats/vocab/vocab_parts.h"
#include "runtime/tokenizer.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The text up to the next NUL byte, parsed; NULL when it is no JSON. */
static json_val *take(const uint8_t **p, size_t *left)
{
    const uint8_t *nul = *left ? memchr(*p, 0, *left) : NULL;
    const size_t n = nul ? (size_t)(nul - *p) : *left;
    json_val *doc = NULL;
    struct err err;

    if (json_parse(&doc, n ? (const char *)*p : "", n, &err))
        doc = NULL;
    *p += n + (nul != NULL);
    *left -= n + (nul != NULL);
    return doc;
}

static void use(const struct vocab *v)
{
    static const char text[] = "Hello, <s> \xe2\x96\x81 123\xff w\xc3\xb6rld</s>\n\n  ";
    struct tok_ids ids = {0};
    struct tok *t = NULL;
    struct buf b = {0};
    struct err err;

    if (!tok_new(&t, v, &err) &&
        !tok_encode(&ids, t, text, sizeof(text) - 1, TOK_ADD_SPECIAL | TOK_PARSE_SPECIAL, &err))
        for (size_t i = 0; i < ids.n; i++)
            if (tok_decode(&b, t, ids.id[i], true, &err))
                abort();
    buf_release(&b);
    tok_ids_release(&ids);
    tok_free(t);
}

static int read_any(struct vocab *v, struct vocab_files *f, struct err *err)
{
    const char *type = json_str(json_path(f->tokenizer, "model.type"));

    if (f->merges_bytes) {
        f->slow = f->tokenizer;
        f->tokenizer = NULL;
        return vocab_read_slow(v, f, err);
    }
    if (json_get(f->tokenizer, "config")) {
        f->tekken = f->tokenizer;
        f->tokenizer = NULL;
        return vocab_read_tekken(v, f, err);
    }
    int rc = vocab_check_json(f->tokenizer, err);
    if (rc)
        return rc;
    if (type && !strcmp(type, "Unigram"))
        return vocab_read_unigram(v, f, err);
    if (type && !strcmp(type, "WordPiece"))
        return vocab_read_wordpiece(v, f, err);
    if (!vocab_is_fallback(f->tokenizer))
        return vocab_read_bpe(v, f, err);
    return f->rules->text_bpe ? vocab_read_text_bpe(v, f, err) : vocab_read_fallback(v, f, err);
}

static const struct vocab_rules *const rules[] = {&vocab_rules_llama, &vocab_rules_gemma4,
                                                  &vocab_rules_glm, &vocab_rules_hunyuan};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *whole = data;
    const uint8_t *nul = size ? memchr(data, 0, size) : NULL;
    const size_t n_whole = nul ? (size_t)(nul - data) : size;
    json_val *tokenizer = take(&data, &size), *config = take(&data, &size);
    json_val *model = take(&data, &size), *added = take(&data, &size);
    struct vocab_files f = {.tokenizer = tokenizer,
                            .tokenizer_config = config,
                            .config = model,
                            .generation = model,
                            .added_tokens = added,
                            .text = (const char *)whole,
                            .text_bytes = n_whole,
                            .merges = (const char *)data,
                            .merges_bytes = size,
                            .rules = rules[n_whole % 4]};
    struct vocab *v = NULL, *again = NULL;
    struct meta meta = {0};
    struct err err = {0};
    int64_t n = 0;

    if (json_int(json_get(model, "vocab_size"), &n) && n > 0 && n < 4096)
        f.n_vocab = (size_t)n;
    int rc = vocab_new(&v, &err);
    if (!rc)
        rc = read_any(v, &f, &err);
    if (!rc)
        rc = vocab_read_special(v, &f, v->kind == VOCAB_SPM, &err);
    if (!rc)
        rc = vocab_read_added(v, &f, &err);
    if (!rc)
        vocab_apply_rules(v, &f);
    if (!rc)
        use(v);
    if (!rc && !vocab_to_meta(&meta, v, &err)) {
        if (vocab_from_meta(&again, &meta, &err))
            abort();
        use(again);
    }
    vocab_free(again);
    meta_release(&meta);
    vocab_free(v);
    json_free(tokenizer);
    json_free(config);
    json_free(model);
    json_free(added);
    return 0;
}
