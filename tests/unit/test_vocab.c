/* formats/vocab, formats/pretok: the readers on small files made here. */

#include "formats/pretok.h"
#include "formats/vocab/vocab_parts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define BYTES "\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false},"
#define MODEL(vocab, merges)                                                                       \
    "\"model\":{\"type\":\"BPE\",\"vocab\":{" vocab "},\"merges\":[" merges "]}"

static json_val *parse(const char *text)
{
    json_val *doc;
    struct err err;

    assert_int_equal(json_parse(&doc, text, strlen(text), &err), 0);
    return doc;
}

/* vocab_read_bpe on a tokenizer.json; NULL with *err when it fails. */
static struct vocab *read_bpe(const char *text, size_t n_vocab, struct err *err)
{
    json_val *doc = parse(text);
    const struct vocab_files f = {.tokenizer = doc, .n_vocab = n_vocab};
    struct vocab *v;

    assert_int_equal(vocab_new(&v, err), 0);
    if (vocab_read_bpe(v, &f, err)) {
        vocab_free(v);
        v = NULL;
    }
    json_free(doc);
    return v;
}

static void assert_token(const struct vocab *v, size_t id, const char *text, enum vocab_type type)
{
    assert_true(id < v->n_tokens);
    assert_int_equal(v->token[id].text.n, strlen(text));
    assert_memory_equal(v->token[id].text.p, text, strlen(text));
    assert_int_equal(v->token[id].type, type);
}

static void test_vocab_bpe(void **state)
{
    struct err err;

    (void)state;
    struct vocab *v =
        read_bpe("{" BYTES "\"added_tokens\":[{\"id\":3,\"content\":\"<e>\",\"special\":true},"
                 "{\"id\":4,\"content\":\"a\xe2\x96\x81z\",\"special\":false},"
                 "{\"id\":5,\"content\":\"<|x|>\",\"special\":false}]," MODEL(
                     "\"a\":0,\"b\":1,\"ab\":2", "\"a b\",[\"a\",\"b c\"]") "}",
                 8, &err);

    assert_non_null(v);
    assert_int_equal(v->kind, VOCAB_BPE);
    assert_string_equal(v->pre, "gpt-2");
    assert_int_equal(v->n_tokens, 8);
    assert_token(v, 2, "ab", VOCAB_NORMAL);
    assert_token(v, 3, "<e>", VOCAB_CONTROL);
    assert_token(v, 4, "a z", VOCAB_USER);
    assert_token(v, 5, "<|x|>", VOCAB_CONTROL);
    assert_token(v, 7, "[PAD7]", VOCAB_UNUSED);
    assert_int_equal(v->n_merges, 2);
    assert_memory_equal(v->merge[0].p, "a b", 3);
    assert_int_equal(v->merge[1].n, 6);
    assert_memory_equal(v->merge[1].p,
                        "a b\xc4\xa0"
                        "c",
                        6);
    vocab_free(v);
}

static void assert_refused(const char *text, size_t n_vocab, int code, const char *what)
{
    struct err err = {0};

    assert_null(read_bpe(text, n_vocab, &err));
    assert_int_equal(err.code, code);
    if (!strstr(err.msg, what))
        fail_msg("\"%s\" says nothing of \"%s\"", err.msg, what);
}

static void test_vocab_bpe_refuses(void **state)
{
    (void)state;
    assert_refused("{" BYTES MODEL("\"a\":9", "") "}", 8, ERR_FORMAT, "has id 9");
    assert_refused("{" BYTES MODEL("\"a\":99999", "") "}", 0, ERR_FORMAT, "fewer than");
    assert_refused("{" BYTES MODEL("\"a\":-1", "") "}", 8, ERR_FORMAT, "its id");
    assert_refused("{" BYTES MODEL("\"a\":0.5", "") "}", 8, ERR_FORMAT, "its id");
    assert_refused("{" BYTES MODEL("", "[\"a\"]") "}", 8, ERR_FORMAT, "merge 0");
    assert_refused("{" BYTES MODEL("", "7") "}", 8, ERR_FORMAT, "merge 0");
    assert_refused("{" BYTES "\"model\":{\"type\":\"BPE\",\"vocab\":[]}}", 8, ERR_FORMAT, "vocab");
    assert_refused("{" BYTES "\"model\":{\"type\":\"Unigram\"}}", 8, ERR_UNSUPPORTED, "Unigram");
    assert_refused("{" BYTES "\"model\":{}}", 8, ERR_UNSUPPORTED, "unknown");
    assert_refused("{" BYTES "\"added_tokens\":[{}]," MODEL("", "") "}", 8, ERR_FORMAT, "content");
    assert_refused("{\"pre_tokenizer\":{\"type\":\"Whitespace\"}," MODEL("", "") "}", 8,
                   ERR_UNSUPPORTED, "Whitespace");
}

static void assert_disagrees(const char *text, const char *what)
{
    json_val *doc = parse(text);
    struct err err = {0};

    assert_int_equal(vocab_check_json(doc, &err), ERR_FORMAT);
    if (!strstr(err.msg, what))
        fail_msg("\"%s\" says nothing of \"%s\"", err.msg, what);
    json_free(doc);
}

/* tokenizer.json against itself: every kind of contradiction is named. */
static void test_vocab_check(void **state)
{
    json_val *doc = parse("{\"added_tokens\":[{\"id\":0,\"content\":\"a\"}]," MODEL(
        "\"a\":0,\"b\":1,\"ab\":2,\"c d\":3,\"ac d\":4", "\"a b\",[\"a\",\"c d\"],7") "}");
    struct err err = {0};

    (void)state;
    assert_int_equal(vocab_check_json(doc, &err), 0);
    json_free(doc);
    assert_int_equal(vocab_check_json(NULL, &err), 0);
    assert_disagrees("{" MODEL("\"a\":0,\"ab\":1", "\"a b\"") "}", "merge 0: \"b\"");
    assert_disagrees("{" MODEL("\"b\":0,\"ab\":1", "[\"a\",\"b\"]") "}", "merge 0: \"a\"");
    assert_disagrees("{" MODEL("\"a\":0,\"b\":1,\"aa\":2", "\"a a\",\"a b\"") "}",
                     "result, \"ab\"");
    assert_disagrees("{\"added_tokens\":[{\"id\":7,\"content\":\"a\"}]," MODEL("\"a\":0", "") "}",
                     "\"a\" is there twice: as 0 and as 7");
    assert_disagrees("{\"added_tokens\":[{\"id\":7,\"content\":\"x\"},{\"id\":8,\"content\":"
                     "\"x\"}]," MODEL("", "") "}",
                     "as 7 and as 8");
    assert_refused("{" BYTES MODEL("\"a\":3,\"b\":3", "") "}", 8, ERR_FORMAT,
                   "\"a\" and \"b\" have the same id, 3");
}

/* ---- other kinds ------------------------------------------------------------------- */

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

static void test_vocab_unigram(void **state)
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
    json_val *doc = parse(text);
    const struct vocab_files f = {
        .tokenizer = doc, .text = text, .text_bytes = sizeof(text) - 1, .n_vocab = 6};
    struct err err = {0};

    (void)state;
    struct vocab *v = read_kind(vocab_read_unigram, &f, &err);
    assert_non_null(v);
    assert_int_equal(v->kind, VOCAB_UNIGRAM);
    assert_int_equal(v->n_tokens, 6);
    assert_token(v, 0, "<unk>", VOCAB_UNKNOWN);
    assert_token(v, 1, "</s>", VOCAB_CONTROL);
    assert_token(v, 2, "<0x41>", VOCAB_BYTE);
    assert_token(v, 3, "a", VOCAB_NORMAL);
    assert_token(v, 4, "<m>", VOCAB_USER);
    assert_token(v, 5, "[PAD5]", VOCAB_UNUSED);
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

static void test_vocab_unigram_refuses(void **state)
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
        json_val *doc = parse(bad[i]);
        const struct vocab_files f = {.tokenizer = doc};
        struct err err = {0};
        assert_null(read_kind(vocab_read_unigram, &f, &err));
        assert_int_equal(err.code, ERR_FORMAT);
        json_free(doc);
    }
}

static void test_vocab_wordpiece(void **state)
{
    static const char text[] =
        "{\"normalizer\":{\"type\":\"BertNormalizer\",\"lowercase\":true},\"pre_tokenizer\":"
        "{\"type\":\"BertPreTokenizer\"},\"added_tokens\":[{\"id\":0,\"content\":\"[CLS]\","
        "\"special\""
        ":true}],\"model\":{\"type\":\"WordPiece\",\"continuing_subword_prefix\":\"##\",\"vocab\":"
        "{\"[CLS]\":0,\"a\":1,\"##b\":2}}}";
    json_val *doc = parse(text);
    struct vocab_files f = {.tokenizer = doc, .text = text, .text_bytes = sizeof(text) - 1};
    struct err err = {0};

    (void)state;
    struct vocab *v = read_kind(vocab_read_wordpiece, &f, &err);
    assert_non_null(v);
    assert_token(v, 0, "[CLS]", VOCAB_CONTROL);
    assert_token(v, 1,
                 "\xe2\x96\x81"
                 "a",
                 VOCAB_NORMAL);
    assert_token(v, 2, "b", VOCAB_NORMAL);
    assert_null(v->hf_json);
    vocab_free(v);
    json_free(doc);
}

/* A definition without a name: the file goes along, whole. */
static void test_vocab_unnamed(void **state)
{
    static const char text[] =
        "{\"pre_tokenizer\":{\"type\":\"Whitespace\"}," MODEL("\"a\":0", "") "}";
    json_val *doc = parse(text);
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

static void test_vocab_slow(void **state)
{
    static const char merges[] = "#version: 0.2\na b\n\n ab  \r\nab c";
    json_val *slow = parse("{\"a\":0,\"b\":1,\"ab\":2}");
    json_val *config = parse("{\"tokenizer_class\":\"Qwen2TokenizerFast\",\"eos_token\":\"<e>\"}");
    json_val *added = parse("{\"<e>\":3}");
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
    assert_token(v, 3, "<e>", VOCAB_CONTROL);
    vocab_free(v);
    f.tokenizer_config = NULL;
    assert_null(read_kind(vocab_read_slow, &f, &err));
    assert_int_equal(err.code, ERR_UNSUPPORTED);
    json_free(slow);
    json_free(config);
    json_free(added);
}

static void test_vocab_tekken(void **state)
{
    json_val *doc = parse("{\"config\":{\"default_vocab_size\":7,\"default_num_special_tokens\":3},"
                          "\"vocab\":[{\"token_bytes\":\"YQ==\"},{\"token_bytes\":\"AA==\"},"
                          "{\"token_bytes\":\"YQA=\"},{\"token_bytes\":\"YQBh\"},{}]}");
    struct vocab_files f = {.tekken = doc};
    struct err err = {0};

    (void)state;
    struct vocab *v = read_kind(vocab_read_tekken, &f, &err);
    assert_non_null(v);
    assert_int_equal(v->n_tokens, 7);
    assert_token(v, 1, "<s>", VOCAB_CONTROL);
    assert_token(v, 4, "\xc4\x80", VOCAB_NORMAL);
    assert_token(v, 5, "a\xc4\x80", VOCAB_NORMAL);
    assert_int_equal(v->n_merges, 2);
    assert_memory_equal(v->merge[1].p, "a\xc4\x80 a", 5);
    assert_int_equal(v->bos, 1);
    assert_int_equal(v->pad, v->eos);
    vocab_free(v);
    json_free(doc);
    doc = parse(
        "{\"config\":{\"default_vocab_size\":7,\"default_num_special_tokens\":0},\"vocab\":[]}");
    f.tekken = doc;
    assert_null(read_kind(vocab_read_tekken, &f, &err));
    assert_int_equal(err.code, ERR_FORMAT);
    json_free(doc);
}

static void test_vocab_rules(void **state)
{
    json_val *t = parse("{\"added_tokens\":[{\"id\":4,\"content\":\"<|user|>\"}]}");
    json_val *config = parse("{\"add_prefix_space\":false}");
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
    json_val *doc = parse(text);
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

static void test_vocab_recognise(void **state)
{
    (void)state;
    recognise("{" BYTES "\"x\":1}", NULL, "gpt-2");
    recognise("{" BYTES "\"x\":1}", "phi", "phi-2");
    recognise("{\"normalizer\":{\"type\":\"NFC\"}," BYTES "\"x\":1}", "gpt_neox", "gpt-2");
    recognise("{\"normalizer\":{\"type\":\"Lowercase\"}," BYTES "\"x\":1}", NULL, NULL);
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
static void test_vocab_fallback_scores(void **state)
{
    json_val *doc = parse("{\"decoder\":{\"type\":\"Sequence\"},\"model\":{\"type\":\"BPE\","
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
    assert_token(v, 0, "<unk>", VOCAB_UNKNOWN);
    assert_token(v, 1, "<0x0A>", VOCAB_BYTE);
    assert_token(v, 6, "[PAD6]", VOCAB_UNUSED);
    assert_true(v->token[5].score > v->token[4].score);
    assert_true(v->token[4].score > v->token[2].score);
    assert_int_equal(v->n_merges, 0);
    vocab_free(v);
    json_free(doc);
}

/* ---- tokenizer.model ------------------------------------------------------------- */

static void put_piece(struct buf *b, const char *text, float score, int type)
{
    struct buf p = {0};
    uint32_t bits;

    memcpy(&bits, &score, sizeof(bits));
    buf_fmt(&p, "\x0a%c%s\x15", (int)strlen(text), text);
    buf_u32(&p, bits);
    if (type)
        buf_fmt(&p, "\x18%c", type);
    buf_fmt(b, "\x0a%c", (int)p.n);
    buf_put(b, p.p, p.n);
    buf_release(&p);
}

static void make_model(struct buf *b)
{
    put_piece(b, "<unk>", 0, VOCAB_UNKNOWN);
    put_piece(b, "<s>", 0, VOCAB_CONTROL);
    put_piece(b, "<0x41>", 0, VOCAB_BYTE);
    put_piece(b, "u", -1.5F, VOCAB_USER);
    put_piece(b, "x", -2.5F, 0);
    buf_put(b, "\x12\x02\x18\x02", 4); /* trainer_spec.model_type = BPE */
}

static void test_vocab_spm(void **state)
{
    json_val *config = parse("{\"added_tokens_decoder\":{\"1\":{\"content\":\"<s>\",\"special\":"
                             "true},\"6\":{\"content\":\"new\xe2\x96\x81\"},\"99\":{\"content\":"
                             "\"far\"}}}");
    json_val *added = parse("{\"old\":5,\"over\":40}");
    const struct vocab_files f = {.tokenizer_config = config, .added_tokens = added, .n_vocab = 8};
    struct buf b = {0};
    struct vocab *v;
    struct err err;

    (void)state;
    make_model(&b);
    assert_int_equal(vocab_new(&v, &err), 0);
    assert_int_equal(vocab_read_spm(v, b.p, b.n, &f, &err), 0);
    assert_int_equal(v->n_tokens, 8);
    assert_token(v, 0, "<unk>", VOCAB_UNKNOWN);
    assert_token(v, 1, "<s>", VOCAB_CONTROL);
    assert_true(v->token[1].score == -1000.0F && v->token[4].score == -2.5F);
    assert_token(v, 2, "<0x41>", VOCAB_BYTE);
    assert_token(v, 3, "u", VOCAB_NORMAL);
    assert_token(v, 5, "old", VOCAB_USER);
    assert_token(v, 6, "new ", VOCAB_USER);
    assert_token(v, 7, "[PAD7]", VOCAB_UNUSED);
    assert_true(v->token[7].score == -10000.0F);
    vocab_free(v);
    buf_release(&b);
    json_free(config);
    json_free(added);
}

/* A Unigram model keeps how it prepares a text. */
static void test_vocab_spm_unigram(void **state)
{
    static const char norm[] = "\x1a\x08\x12\x02MP\x18\x00\x20\x01"; /* normalizer_spec */
    const struct vocab_files f = {0};
    struct meta m = {0};
    struct buf b = {0};
    struct vocab *v, *w;
    struct err err;

    (void)state;
    make_model(&b);
    b.p[b.n - 1] = 1;
    buf_put(&b, norm, sizeof(norm) - 1);
    assert_int_equal(vocab_new(&v, &err), 0);
    assert_int_equal(vocab_read_spm(v, b.p, b.n, &f, &err), 0);
    assert_int_equal(v->kind, VOCAB_UNIGRAM);
    assert_int_equal(v->space_prefix, 0);
    assert_int_equal(v->remove_extra_spaces, 1);
    assert_int_equal(v->charsmap_bytes, 2);
    assert_memory_equal(v->charsmap, "MP", 2);
    assert_int_equal(vocab_to_meta(&m, v, &err), 0);
    assert_int_equal(vocab_from_meta(&w, &m, &err), 0);
    assert_int_equal(w->kind, VOCAB_UNIGRAM);
    assert_int_equal(w->remove_extra_spaces, 1);
    assert_int_equal(w->charsmap_bytes, 2);
    assert_true(w->token[4].score == -2.5F);
    vocab_free(v);
    vocab_free(w);
    meta_release(&m);
    buf_release(&b);
}

/* Every cut of a model is refused or read, never a crash; one of words is refused. */
static void test_vocab_spm_refuses(void **state)
{
    const struct vocab_files f = {0};
    struct buf b = {0};
    struct vocab *v;
    struct err err;

    (void)state;
    make_model(&b);
    for (size_t n = 0; n < b.n; n++) {
        assert_int_equal(vocab_new(&v, &err), 0);
        const int rc = vocab_read_spm(v, b.p, n, &f, &err);
        assert_true(!rc || rc == ERR_FORMAT);
        assert_true(n || rc);
        vocab_free(v);
    }
    b.p[b.n - 1] = 3;
    assert_int_equal(vocab_new(&v, &err), 0);
    assert_int_equal(vocab_read_spm(v, b.p, b.n, &f, &err), ERR_UNSUPPORTED);
    assert_non_null(strstr(err.msg, "word"));
    vocab_free(v);
    buf_release(&b);
}

/* ---- special tokens ---------------------------------------------------------------- */

static struct vocab *special(const char *tokenizer, const char *tokenizer_config,
                             const char *config, bool limit)
{
    json_val *t = tokenizer ? parse(tokenizer) : NULL;
    json_val *tc = tokenizer_config ? parse(tokenizer_config) : NULL;
    json_val *c = parse(config);
    const struct vocab_files f = {.tokenizer = t, .tokenizer_config = tc, .config = c};
    struct vocab *v;
    struct err err;

    assert_int_equal(vocab_new(&v, &err), 0);
    assert_int_equal(vocab_fill(v, 10, 0, &err), 0);
    assert_int_equal(vocab_read_special(v, &f, limit, &err), 0);
    json_free(t);
    json_free(tc);
    json_free(c);
    return v;
}

#define ADDED                                                                                      \
    "\"added_tokens\":[{\"id\":1,\"content\":\"<s>\"},{\"id\":2,\"content\":\"</s>\"},"            \
    "{\"id\":3,\"content\":\"<t>\"}],"
#define ITEM(t) "{\"SpecialToken\":{\"id\":\"" t "\"}}"
#define SEQ(t)  "{\"Sequence\":{\"id\":\"" t "\"}}"

static void test_vocab_special_template(void **state)
{
    (void)state;
    struct vocab *v = special(
        "{" ADDED
        "\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[" ITEM("<s>") "," SEQ(
            "A") "],\"pair\":[" ITEM("<s>") "," SEQ("A") "," ITEM("<s>") "," SEQ("B") "]}}",
        "{\"bos_token\":{\"content\":\"<s>\"},\"eos_token\":\"</s>\",\"add_bos_token\":false,"
        "\"add_eos_token\":true,\"pad_token\":null}",
        "{\"pad_token_id\":4,\"unk_token_id\":-1,\"eos_token_id\":[7]}", false);

    assert_int_equal(v->bos, 1);
    assert_int_equal(v->eos, 2);
    assert_int_equal(v->pad, 4);
    assert_int_equal(v->unk, -1);
    assert_int_equal(v->add_bos, 1); /* the template's word, not the config's */
    assert_int_equal(v->add_eos, 1);
    assert_int_equal(v->add_sep, 0);
    vocab_free(v);
}

/* A template that ends with another token makes the old eos the end of a turn. */
static void test_vocab_special_displaced(void **state)
{
    (void)state;
    struct vocab *v =
        special("{" ADDED "\"post_processor\":{\"type\":\"Sequence\",\"processors\":["
                "{\"type\":\"ByteLevel\"},{\"type\":\"TemplateProcessing\",\"single\":[" SEQ(
                    "A") "," ITEM("<t>") "]}]}}",
                "{\"eos_token\":\"</s>\"}", "{}", false);

    assert_int_equal(v->eos, 3);
    assert_int_equal(v->eot, 2);
    assert_int_equal(v->add_bos, 0);
    assert_int_equal(v->add_eos, 1);
    vocab_free(v);
}

static void test_vocab_special_config_only(void **state)
{
    (void)state;
    struct vocab *v = special(NULL, NULL, "{\"bos_token_id\":11,\"eos_token_id\":2}", true);

    assert_int_equal(v->bos, -1); /* beyond the vocabulary */
    assert_int_equal(v->eos, 2);
    assert_int_equal(v->add_bos, -1);
    vocab_free(v);
}

static void test_vocab_chat_templates(void **state)
{
    (void)state;
    struct vocab *v = special(NULL,
                              "{\"chat_template\":[{\"name\":\"default\",\"template\":\"D\"},"
                              "{\"name\":\"tool use\",\"template\":\"T\"},{\"name\":\"x\"}]}",
                              "{}", false);

    assert_string_equal(v->chat_template, "D");
    assert_int_equal(v->n_templates, 1);
    assert_string_equal(v->templates[0].name, "tool_use");
    assert_string_equal(v->templates[0].text, "T");
    vocab_free(v);
}

static void test_vocab_chat_files(void **state)
{
    static const struct vocab_template extra[] = {
        {"rag",      "R\r\n"},
        {"tool-use", "T"    },
    };
    json_val *none = parse("{}");
    const struct vocab_files f = {.tokenizer_config = none,
                                  .chat_jinja = "D\r\nd",
                                  .chat_jinja_bytes = 4,
                                  .extra = extra,
                                  .n_extra = 2};
    struct vocab *v;
    struct err err;

    (void)state;
    assert_int_equal(vocab_new(&v, &err), 0);
    assert_int_equal(vocab_read_special(v, &f, false, &err), 0);
    assert_string_equal(v->chat_template, "D\nd");
    assert_int_equal(v->n_templates, 2);
    assert_string_equal(v->templates[0].name, "rag");
    assert_string_equal(v->templates[0].text, "R\n");
    assert_string_equal(v->templates[1].name, "tool_use");
    vocab_free(v);
    json_free(none);
}

/* ---- metadata ------------------------------------------------------------------------ */

static void test_vocab_meta_round(void **state)
{
    struct meta m = {0}, again = {0};
    struct vocab *v, *w;
    struct err err;

    (void)state;
    v = read_bpe("{" BYTES MODEL("\"a\":0,\"b\":1,\"ab\":2", "\"a b\"") "}", 4, &err);
    assert_non_null(v);
    v->bos = 1;
    v->add_eos = 0;
    v->chat_template = "C";
    assert_int_equal(vocab_to_meta(&m, v, &err), 0);
    assert_int_equal(vocab_from_meta(&w, &m, &err), 0);
    assert_int_equal(w->n_tokens, 4);
    assert_token(w, 2, "ab", VOCAB_NORMAL);
    assert_token(w, 3, "[PAD3]", VOCAB_UNUSED);
    assert_int_equal(w->n_merges, 1);
    assert_int_equal(w->bos, 1);
    assert_int_equal(w->eos, -1);
    assert_int_equal(w->add_eos, 0);
    assert_int_equal(w->add_bos, -1);
    assert_string_equal(w->chat_template, "C");
    assert_int_equal(vocab_to_meta(&again, w, &err), 0);
    assert_int_equal(again.n, m.n);
    vocab_free(v);
    vocab_free(w);
    meta_release(&m);
    meta_release(&again);
}

static void test_vocab_meta_refuses(void **state)
{
    struct meta m = {0};
    struct vocab *v;
    struct err err;
    const uint32_t one = 1;

    (void)state;
    assert_int_equal(vocab_from_meta(&v, &m, &err), ERR_UNSUPPORTED);
    assert_int_equal(meta_set_str(&m, "tokenizer.ggml.model", "rwkv", &err), 0);
    assert_int_equal(vocab_from_meta(&v, &m, &err), ERR_UNSUPPORTED);
    assert_non_null(strstr(err.msg, "rwkv"));
    assert_int_equal(meta_set_str(&m, "tokenizer.ggml.model", "llama", &err), 0);
    assert_int_equal(vocab_from_meta(&v, &m, &err), ERR_FORMAT);
    assert_int_equal(meta_set_array(&m, "tokenizer.ggml.tokens", META_STR, 0, "", 0, &err), 0);
    assert_int_equal(vocab_from_meta(&v, &m, &err), 0);
    vocab_free(v);
    assert_int_equal(meta_set_array(&m, "tokenizer.ggml.scores", META_F32, 1, &one, 4, &err), 0);
    assert_int_equal(vocab_from_meta(&v, &m, &err), ERR_FORMAT);
    assert_null(v);
    meta_release(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vocab_bpe),
        cmocka_unit_test(test_vocab_bpe_refuses),
        cmocka_unit_test(test_vocab_check),
        cmocka_unit_test(test_vocab_unigram),
        cmocka_unit_test(test_vocab_unigram_refuses),
        cmocka_unit_test(test_vocab_wordpiece),
        cmocka_unit_test(test_vocab_unnamed),
        cmocka_unit_test(test_vocab_slow),
        cmocka_unit_test(test_vocab_tekken),
        cmocka_unit_test(test_vocab_rules),
        cmocka_unit_test(test_vocab_recognise),
        cmocka_unit_test(test_vocab_fallback_scores),
        cmocka_unit_test(test_vocab_spm),
        cmocka_unit_test(test_vocab_spm_unigram),
        cmocka_unit_test(test_vocab_spm_refuses),
        cmocka_unit_test(test_vocab_special_template),
        cmocka_unit_test(test_vocab_special_displaced),
        cmocka_unit_test(test_vocab_special_config_only),
        cmocka_unit_test(test_vocab_chat_templates),
        cmocka_unit_test(test_vocab_chat_files),
        cmocka_unit_test(test_vocab_meta_round),
        cmocka_unit_test(test_vocab_meta_refuses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
