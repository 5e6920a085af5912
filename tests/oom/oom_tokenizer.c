/* Every allocation of reading a tokenizer and of using it. */

#include "formats/vocab/vocab_parts.h"
#include "runtime/tokenizer.h"
#include "tests/oom/alloc.h"

#include <string.h>

static int use(const struct vocab *v, struct err *err)
{
    static const char text[] =
        "ab abab <s> aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        "aaaaaaaaaaaaaaaaaaaaaaa u-u \xff";
    struct tok_ids ids = {0};
    struct tok *t;
    struct buf b = {0};

    int rc = tok_new(&t, v, err);
    if (rc)
        return rc;
    rc = tok_encode(&ids, t, text, strlen(text), TOK_ADD_SPECIAL | TOK_PARSE_SPECIAL, err);
    for (size_t i = 0; i < ids.n && !rc; i++)
        rc = tok_decode(&b, t, ids.id[i], true, err);
    buf_release(&b);
    tok_ids_release(&ids);
    tok_free(t);
    return rc;
}

/* There and back through metadata, and used. */
static int use_both(struct vocab *v, struct err *err)
{
    struct meta m = {0};
    struct vocab *again = NULL;

    int rc = vocab_to_meta(&m, v, err);
    if (!rc)
        rc = vocab_from_meta(&again, &m, err);
    if (!rc)
        rc = use(again, err);
    vocab_free(again);
    meta_release(&m);
    return rc ? rc : use(v, err);
}

static int use_json(void *arg, struct err *err)
{
    const char *const *text = arg;
    json_val *tokenizer = NULL, *config = NULL;
    struct vocab *v = NULL;

    int rc = json_parse(&tokenizer, text[0], strlen(text[0]), err);
    if (!rc)
        rc = json_parse(&config, text[1], strlen(text[1]), err);
    const struct vocab_files f = {
        .tokenizer = tokenizer, .tokenizer_config = config, .config = config, .n_vocab = 12};
    if (!rc)
        rc = vocab_new(&v, err);
    if (!rc)
        rc = vocab_is_fallback(tokenizer) ? vocab_read_fallback(v, &f, err)
                                          : vocab_read_bpe(v, &f, err);
    if (!rc)
        rc = vocab_read_special(v, &f, true, err);
    if (!rc)
        rc = use_both(v, err);
    vocab_free(v);
    json_free(tokenizer);
    json_free(config);
    return rc;
}

static int use_spm(void *arg, struct err *err)
{
    static const char model[] = "\x0a\x0a\x0a\x01"
                                "a\x15\0\0\x80\xbf\x18\x01"
                                "\x0a\x0a\x0a\x01"
                                "b\x15\0\0\x80\xbf\x18\x01"
                                "\x0a\x0b\x0a\x02"
                                "ab\x15\0\0\x80\xbf\x18\x01";
    const struct vocab_files f = {0};
    struct vocab *v = NULL;

    (void)arg;
    int rc = vocab_new(&v, err);
    if (!rc)
        rc = vocab_read_spm(v, model, sizeof(model) - 1, &f, err);
    if (!rc)
        rc = use_both(v, err);
    vocab_free(v);
    return rc;
}

int main(void)
{
    static const char *bpe[] = {
        "{\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false},\"added_tokens\":"
        "[{\"id\":5,\"content\":\"<s>\",\"special\":true},{\"id\":6,\"content\":\"u-u\"}],"
        "\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2},"
        "\"merges\":[\"a b\",[\"a\",\"a\"],\"aa aa\"]}}",
        "{\"bos_token\":\"<s>\",\"add_bos_token\":true,\"chat_template\":[{\"name\":\"x\","
        "\"template\":\"y\"},{\"name\":\"default\",\"template\":\"z\"}]}",
    };
    static const char *fallback[] = {
        "{\"decoder\":{\"type\":\"Sequence\"},\"model\":{\"type\":\"BPE\",\"byte_fallback\":true,"
        "\"vocab\":{\"<unk>\":0,\"a\":1,\"b\":2,\"ab\":3},\"merges\":[\"a b\"]}}",
        "{\"chat_template\":\"t\",\"added_tokens_decoder\":{\"7\":{\"content\":\"u u\"}}}",
    };
    struct tap t = {0};

    alloc_each(&t, "byte-level tokenizer", use_json, bpe);
    alloc_each(&t, "byte-fallback tokenizer", use_json, fallback);
    alloc_each(&t, "SentencePiece tokenizer", use_spm, NULL);
    return tap_done(&t);
}
