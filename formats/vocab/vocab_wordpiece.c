/* tokenizer.json's WordPiece model. A GGUF marks where a word begins, tokenizer.json
 * where it goes on: "##ing" is "ing", and "run" is U+2581 "run". */

#include "formats/base/buf.h"
#include "formats/vocab/vocab_parts.h"

#include <string.h>

#define GOES_ON "##"
#define BEGINS  "\xe2\x96\x81"

static bool is(const json_val *v, const char *what)
{
    const char *s = json_str(v);

    return s && !strcmp(s, what);
}

static bool off(const json_val *v, const char *key)
{
    bool on = true;

    return json_bool(json_get(v, key), &on) && !on;
}

/* Nothing that a GGUF's keys cannot say: BERT's own steps, or their parts. */
static bool is_plain(const json_val *n, int depth)
{
    static const char *const parts[] = {"NFD", "Lowercase", "StripAccents"};
    const char *type = json_str(json_get(n, "type"));

    if (!type || depth > 8)
        return json_is_null(n);
    if (!strcmp(type, "BertNormalizer"))
        return !off(n, "clean_text") && !off(n, "handle_chinese_chars");
    for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
        if (!strcmp(type, parts[i]))
            return true;
    if (strcmp(type, "Sequence") != 0)
        return false;
    for (const json_val *c = json_first(json_get(n, "normalizers")); c; c = json_next(c))
        if (!is_plain(c, depth + 1))
            return false;
    return true;
}

static int respell(struct vocab *v, struct err *err)
{
    struct buf b = {0};
    int rc = 0;

    for (size_t i = 0; i < v->n_tokens && !rc; i++) {
        struct vocab_token *t = &v->token[i];
        if (t->type == VOCAB_CONTROL)
            continue;
        if (t->text.n >= 2 && !memcmp(t->text.p, GOES_ON, 2)) {
            t->text = (struct meta_str){t->text.p + 2, t->text.n - 2};
            continue;
        }
        b.n = 0;
        buf_str(&b, BEGINS);
        buf_put(&b, t->text.p, t->text.n);
        rc = buf_check(&b, err);
        if (!rc)
            rc = vocab_put(v, i, b.p, b.n, 0, t->type, err);
    }
    buf_release(&b);
    return rc;
}

int vocab_read_wordpiece(struct vocab *v, const struct vocab_files *f, struct err *err)
{
    const char *prefix = json_str(json_path(f->tokenizer, "model.continuing_subword_prefix"));

    v->kind = VOCAB_WORDPIECE;
    if (prefix && strcmp(prefix, GOES_ON) != 0)
        return err_set(err, ERR_UNSUPPORTED,
                       "a WordPiece with the prefix \"%.20s\": only \"##\" is supported", prefix);
    int rc = vocab_read_tokens(v, f, 0, 0, err);
    if (!rc)
        rc = vocab_pad(v, err);
    if (!rc)
        rc = respell(v, err);
    if (rc || !f->text)
        return rc;
    if (is_plain(json_get(f->tokenizer, "normalizer"), 0) &&
        is(json_path(f->tokenizer, "pre_tokenizer.type"), "BertPreTokenizer"))
        return 0;
    return vocab_keep_json(v, f, err);
}
