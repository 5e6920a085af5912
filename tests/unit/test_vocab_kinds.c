/* formats/vocab, formats/pretok: tokenizers beyond byte-level BPE, and which one it is. */

#include "formats/pretok.h"
#include "formats/vocab/vocab_parts.h"
#include "tests/vocabs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct vocab *read_kind(int (*reader)(struct vocab *, const struct vocab_files *,
                                             struct err *),
                               const struct vocab_files *f, struct err *err)
{
    struct vocab *v;

    assert_int_equal(vocab_new(&v, err), 0);
    if (reader(v, f, err)) {
        vocab_free(v);
        return NULL;
    }
    return v;
}

static void test_vocab_kinds_unigram(void **state)
{
    static const char text[] =
        "{\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Precompiled\","
        "\"precompiled_charsmap\":\"TWFw\"},{\"type\":\"Replace\",\"pattern\":{\"Regex\":\" {2,}\"}"
        ",\"content\":\" "
        "\"}]},\"pre_tokenizer\":{\"type\":\"Metaspace\",\"prepend_scheme\":\"always\"},"
        "\"added_tokens\":[{\"id\":1,\"content\":\"</s>\",\"special\":true},{\"id\":4,\"content\":"
        "\"<m>\",\"lstrip\":true}],\"model\":{\"type\":\"Unigram\",\"unk_id\":0,\"byte_fallback\":"
        "true,"
        "\"vocab\":[[\"<unk>\",0.0],[\"</s>\",-1],[\"<0x41>\",-2],[\"a\",-3.5]]}}";
    json_val *doc = made_json(text);
    const struct vocab_files f = {
        .tokenizer = doc, .text = text, .text_bytes = sizeof(text) - 1, .n_vocab = 6};
    struct err err = {0};

    (void)state;
    struct vocab *v = read_kind(vocab_read_unigram, &f, &err);
    assert_non_null(v);
    assert_int_equal(v->kind, VOCAB_UNIGRAM);
    assert_int_equal(v->n_tokens, 6);
    assert_true(made_token(v, 0, "<unk>", VOCAB_UNKNOWN));
    assert_true(made_token(v, 1, "</s>", VOCAB_CONTROL));
    assert_true(made_token(v, 2, "<0x41>", VOCAB_BYTE));
    assert_true(made_token(v, 3, "a", VOCAB_NORMAL));
    assert_true(made_token(v, 4, "<m>", VOCAB_USER));
    assert_true(made_token(v, 5, "[PAD5]", VOCAB_UNUSED));
    assert_true(v->token[1].score == -1.0F && v->token[3].score == -3.5F);
    assert_int_equal(v->space_prefix, 1);
    assert_int_equal(v->remove_extra_spaces, 1);
    assert_int_equal(v->charsmap_bytes, 3);
    assert_memory_equal(v->charsmap, "Map", 3);
    assert_null(v->hf_json);
    assert_int_equal(vocab_read_added(v, &f, &err), 0);
    assert_int_equal(v->n_added, 2);
    assert_int_equal(v->added[0].flags, VOCAB_SPECIAL);
    assert_int_equal(v->added[1].flags, VOCAB_LSTRIP | VOCAB_NORMALIZED);
    vocab_free(v);
    json_free(doc);
}

static void test_vocab_kinds_unigram_refuses(void **state)
{
    static const char *const bad[] = {
        "{\"model\":{\"vocab\":{}}}",
        "{\"model\":{\"vocab\":[[\"a\"]]}}",
        "{\"model\":{\"vocab\":[7]}}",
        "{\"model\":{\"vocab\":[[\"a\",0]],\"unk_id\":1}}",
        "{\"model\":{\"vocab\":[]},\"added_tokens\":[{\"id\":9999,\"content\":\"a\"}]}",
        "{\"model\":{\"vocab\":[]},\"added_tokens\":[{\"id\":0}]}",
        "{\"model\":{\"vocab\":[]},\"normalizer\":{\"type\":\"Precompiled\","
        "\"precompiled_charsmap\":\"?\"}}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        json_val *doc = made_json(bad[i]);
        const struct vocab_files f = {.tokenizer = doc};
        struct err err = {0};
        assert_null(read_kind(vocab_read_unigram, &f, &err));
        assert_int_equal(err.code, ERR_FORMAT);
        json_free(doc);
    }
}

static void test_vocab_kinds_wordpiece(void **state)
{
    static const char text[] =
        "{\"normalizer\":{\"type\":\"BertNormalizer\",\"lowercase\":true},\"pre_tokenizer\":"
        "{\"type\":\"BertPreTokenizer\"},\"added_tokens\":[{\"id\":0,\"content\":\"[CLS]\","
        "\"special\""
        ":true}],\"model\":{\"type\":\"WordPiece\",\"continuing_subword_prefix\":\"##\",\"vocab\":"
        "{\"[CLS]\":0,\"a\":1,\"##b\":2}}}";
    json_val *doc = made_json(text);
    struct vocab_files f = {.tokenizer = doc, .text = text, .text_bytes = sizeof(text) - 1};
    struct err err = {0};

    (void)state;
    struct vocab *v = read_kind(vocab_read_wordpiece, &f, &err);
    assert_non_null(v);
    assert_true(made_token(v, 0, "[CLS]", VOCAB_CONTROL));
    assert_true(made_token(v, 1,
                           "\xe2\x96\x81"
                           "a",
                           VOCAB_NORMAL));
    assert_true(made_token(v, 2, "b", VOCAB_NORMAL));
    assert_null(v->hf_json);
    vocab_free(v);
    json_free(doc);
}

/* A definition without a name: the file goes along, whole. */
static void test_vocab_kinds_unnamed(void **state)
{
    static const char text[] =
        "{\"pre_tokenizer\":{\"type\":\"Whitespace\"}," MADE_MODEL("\"a\":0", "") "}";
    json_val *doc = made_json(text);
    struct vocab_files f = {.tokenizer = doc, .text = text, .text_bytes = sizeof(text) - 1};
    struct meta m = {0};
    struct vocab *w;
    struct err err = {0};

    (void)state;
    struct vocab *v = read_kind(vocab_read_bpe, &f, &err);
    assert_non_null(v);
    assert_string_equal(v->pre, "default");
    assert_int_equal(v->hf_json_bytes, sizeof(text) - 1);
    assert_int_equal(vocab_to_meta(&m, v, &err), 0);
    assert_int_equal(vocab_from_meta(&w, &m, &err), 0);
    assert_int_equal(w->hf_json_bytes, sizeof(text) - 1);
    assert_memory_equal(w->hf_json, text, sizeof(text) - 1);
    vocab_free(w);
    vocab_free(v);
    f.pre = "gpt-2"; /* a name that was asked for stands */
    v = read_kind(vocab_read_bpe, &f, &err);
    assert_non_null(v);
    assert_string_equal(v->pre, "gpt-2");
    assert_null(v->hf_json);
    vocab_free(v);
    meta_release(&m);
    json_free(doc);
}

static void test_vocab_kinds_slow(void **state)
{
    static const char merges[] = "#version: 0.2\na b\n\n ab  \r\nab c";
    json_val *slow = made_json("{\"a\":0,\"b\":1,\"ab\":2}");
    json_val *config =
        made_json("{\"tokenizer_class\":\"Qwen2TokenizerFast\",\"eos_token\":\"<e>\"}");
    json_val *added = made_json("{\"<e>\":3}");
    struct vocab_files f = {.slow = slow,
                            .tokenizer_config = config,
                            .added_tokens = added,
                            .merges = merges,
                            .merges_bytes = sizeof(merges) - 1};
    struct err err = {0};

    (void)state;
    assert_null(read_kind(vocab_read_slow, &f, &err));
    assert_non_null(strstr(err.msg, "line 4"));
    f.merges_bytes = 18;
    struct vocab *v = read_kind(vocab_read_slow, &f, &err);
    assert_non_null(v);
    assert_string_equal(v->pre, "qwen2");
    assert_int_equal(v->n_merges, 1);
    assert_memory_equal(v->merge[0].p, "a b", 3);
    assert_true(made_token(v, 3, "<e>", VOCAB_CONTROL));
    vocab_free(v);
    f.tokenizer_config = NULL;
    assert_null(read_kind(vocab_read_slow, &f, &err));
    assert_int_equal(err.code, ERR_UNSUPPORTED);
    json_free(slow);
    json_free(config);
    json_free(added);
}

static void test_vocab_kinds_tekken(void **state)
{
    json_val *doc =
        made_json("{\"config\":{\"default_vocab_size\":7,\"default_num_special_tokens\":3},"
                  "\"vocab\":[{\"token_bytes\":\"YQ==\"},{\"token_bytes\":\"AA==\"},"
                  "{\"token_bytes\":\"YQA=\"},{\"token_bytes\":\"YQBh\"},{}]}");
    struct vocab_files f = {.tekken = doc};
    struct err err = {0};

    (void)state;
    struct vocab *v = read_kind(vocab_read_tekken, &f, &err);
    assert_non_null(v);
    assert_int_equal(v->n_tokens, 7);
    assert_true(made_token(v, 1, "<s>", VOCAB_CONTROL));
    assert_true(made_token(v, 4, "\xc4\x80", VOCAB_NORMAL));
    assert_true(made_token(v, 5, "a\xc4\x80", VOCAB_NORMAL));
    assert_int_equal(v->n_merges, 2);
    assert_memory_equal(v->merge[1].p, "a\xc4\x80 a", 5);
    assert_int_equal(v->bos, 1);
    assert_int_equal(v->pad, v->eos);
    vocab_free(v);
    json_free(doc);
    doc = made_json(
        "{\"config\":{\"default_vocab_size\":7,\"default_num_special_tokens\":0},\"vocab\":[]}");
    f.tekken = doc;
    assert_null(read_kind(vocab_read_tekken, &f, &err));
    assert_int_equal(err.code, ERR_FORMAT);
    json_free(doc);
}

static void test_vocab_kinds_rules(void **state)
{
    json_val *t = made_json("{\"added_tokens\":[{\"id\":4,\"content\":\"<|user|>\"}]}");
    json_val *config = made_json("{\"add_prefix_space\":false}");
    struct vocab_files f = {
        .tokenizer = t, .tokenizer_config = config, .n_vocab = 32016, .rules = &vocab_rules_llama};
    struct vocab *v;
    struct err err;

    (void)state;
    assert_int_equal(vocab_new(&v, &err), 0);
    vocab_apply_rules(v, &f);
    assert_int_equal(v->space_prefix, 0);
    assert_int_equal(v->eot, 32010);
    assert_int_equal(v->add_bos, -1);
    f.n_vocab = 49152;
    vocab_apply_rules(v, &f);
    assert_int_equal(v->add_bos, 0);
    f.rules = &vocab_rules_glm;
    vocab_apply_rules(v, &f);
    assert_int_equal(v->eot, 32010); /* known already */
    assert_int_equal(v->eos, -1);    /* no such token */
    v->eot = -1;
    vocab_apply_rules(v, &f);
    assert_int_equal(v->eot, 4);
    v->pad = 9;
    f.rules = &vocab_rules_nemotron;
    vocab_apply_rules(v, &f);
    assert_int_equal(v->pad, 0);
    vocab_free(v);
    json_free(t);
    json_free(config);
}

static void recognise(const char *text, const char *family, const char *want)
{
    json_val *doc = made_json(text);
    const char *name, *normalizer;
    struct err err;

    const int rc = pretok_recognise(&name, &normalizer, doc, family, &err);
    if (want) {
        assert_int_equal(rc, 0);
        assert_string_equal(name, want);
        assert_non_null(pretok_by_name(name));
    } else {
        assert_int_equal(rc, ERR_UNSUPPORTED);
    }
    json_free(doc);
}

#define SPLIT_OF(re, behavior)                                                                     \
    "{\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\","            \
    "\"pattern\":{\"Regex\":\"" re "\"}," behavior "},{\"type\":\"ByteLevel\","                    \
    "\"add_prefix_space\":false,\"use_regex\":false}]}}"
#define TEKKEN_JSON                                                                                \
    "[^\\\\r\\n\\\\p{L}\\\\p{N}]?[\\\\p{Lu}\\\\p{Lt}\\\\p{Lm}\\\\p{Lo}\\\\p{M}]*"                  \
    "[\\\\p{Ll}\\\\p{Lm}\\\\p{Lo}\\\\p{M}]+|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?"                        \
    "[\\\\p{Lu}\\\\p{Lt}\\\\p{Lm}\\\\p{Lo}\\\\p{M}]+[\\\\p{Ll}\\\\p{Lm}\\\\p{Lo}\\\\p{M}]*|"       \
    "\\\\p{N}| "                                                                                   \
    "?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n/]*|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+"

static void test_vocab_kinds_recognise(void **state)
{
    (void)state;
    recognise("{" MADE_BYTES "\"x\":1}", NULL, "gpt-2");
    recognise("{" MADE_BYTES "\"x\":1}", "phi", "phi-2");
    recognise("{\"normalizer\":{\"type\":\"NFC\"}," MADE_BYTES "\"x\":1}", "gpt_neox", "gpt-2");
    recognise("{\"normalizer\":{\"type\":\"Lowercase\"}," MADE_BYTES "\"x\":1}", NULL, NULL);
    recognise("{\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":true}}", NULL, NULL);
    recognise("{\"pre_tokenizer\":null}", NULL, NULL);
    recognise("{}", NULL, NULL);
    /* a literal line end in a pattern is the same as an escaped one; keeping what matches
     * is the same as cutting there */
    recognise(SPLIT_OF(TEKKEN_JSON, "\"behavior\":\"Isolated\",\"invert\":false"), "mistral",
              "tekken");
    recognise(SPLIT_OF(TEKKEN_JSON, "\"behavior\":\"Removed\",\"invert\":true"), NULL, "tekken");
    recognise(SPLIT_OF(TEKKEN_JSON, "\"behavior\":\"Removed\",\"invert\":false"), NULL, NULL);
    recognise(SPLIT_OF(TEKKEN_JSON "|x", "\"behavior\":\"Isolated\""), NULL, NULL);
}

/* Three normal pieces and a byte, as tokenizer.json ranks them. */
static void test_vocab_kinds_fallback_scores(void **state)
{
    json_val *doc =
        made_json("{\"decoder\":{\"type\":\"Sequence\"},\"model\":{\"type\":\"BPE\","
                  "\"byte_fallback\":true,\"unk_token\":\"<unk>\",\"vocab\":{\"<unk>\":0,"
                  "\"<0x0A>\":1,\"a\":2,\"b\":3,\"aa\":4,\"ab\":5},"
                  "\"merges\":[\"a b\",[\"a\",\"a\"]]}}");
    const struct vocab_files f = {.tokenizer = doc, .n_vocab = 7};
    struct vocab *v;
    struct err err;

    (void)state;
    assert_true(vocab_is_fallback(doc));
    assert_int_equal(vocab_new(&v, &err), 0);
    assert_int_equal(vocab_read_fallback(v, &f, &err), 0);
    assert_true(made_token(v, 0, "<unk>", VOCAB_UNKNOWN));
    assert_true(made_token(v, 1, "<0x0A>", VOCAB_BYTE));
    assert_true(made_token(v, 6, "[PAD6]", VOCAB_UNUSED));
    assert_true(v->token[5].score > v->token[4].score);
    assert_true(v->token[4].score > v->token[2].score);
    assert_int_equal(v->n_merges, 0);
    vocab_free(v);
    json_free(doc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vocab_kinds_unigram),
        cmocka_unit_test(test_vocab_kinds_unigram_refuses),
        cmocka_unit_test(test_vocab_kinds_wordpiece),
        cmocka_unit_test(test_vocab_kinds_unnamed),
        cmocka_unit_test(test_vocab_kinds_slow),
        cmocka_unit_test(test_vocab_kinds_tekken),
        cmocka_unit_test(test_vocab_kinds_rules),
        cmocka_unit_test(test_vocab_kinds_recognise),
        cmocka_unit_test(test_vocab_kinds_fallback_scores),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
