/* tokenizer.json, then (after a NUL byte each) tokenizer_config.json and config.json:
 * what is read must survive the way through metadata, and tokenize. */
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_val *tokenizer = take(&data, &size), *config = take(&data, &size);
    json_val *model = take(&data, &size);
    struct vocab_files f = {.tokenizer = tokenizer, .tokenizer_config = config, .config = model};
    struct vocab *v = NULL, *again = NULL;
    struct meta meta = {0};
    struct err err = {0};
    int64_t n = 0;

    if (json_int(json_get(model, "vocab_size"), &n) && n > 0 && n < 4096)
        f.n_vocab = (size_t)n;
    int rc = vocab_new(&v, &err);
    if (!rc)
        rc = vocab_is_fallback(tokenizer) ? vocab_read_fallback(v, &f, &err)
                                          : vocab_read_bpe(v, &f, &err);
    if (!rc)
        rc = vocab_read_special(v, &f, v->kind == VOCAB_SPM, &err);
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
    return 0;
}
