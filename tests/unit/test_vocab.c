/* formats/vocab: byte-level BPE of a tokenizer.json, and metadata. */

#include "formats/vocab/vocab_parts.h"
#include "tests/vocabs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* vocab_read_bpe on a tokenizer.json; NULL with *err when it fails. */
static struct vocab *read_bpe(const char *text, size_t n_vocab, struct err *err)
{
    json_val *doc = made_json(text);
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

static void test_vocab_bpe(void **state)
{
    struct err err;

    (void)state;
    struct vocab *v =
        read_bpe("{" MADE_BYTES "\"added_tokens\":[{\"id\":3,\"content\":\"<e>\",\"special\":true},"
                 "{\"id\":4,\"content\":\"a\xe2\x96\x81z\",\"special\":false},"
                 "{\"id\":5,\"content\":\"<|x|>\",\"special\":false}]," MADE_MODEL(
                     "\"a\":0,\"b\":1,\"ab\":2", "\"a b\",[\"a\",\"b c\"]") "}",
                 8, &err);

    assert_non_null(v);
    assert_int_equal(v->kind, VOCAB_BPE);
    assert_string_equal(v->pre, "gpt-2");
    assert_int_equal(v->n_tokens, 8);
    assert_true(made_token(v, 2, "ab", VOCAB_NORMAL));
    assert_true(made_token(v, 3, "<e>", VOCAB_CONTROL));
    assert_true(made_token(v, 4, "a z", VOCAB_USER));
    assert_true(made_token(v, 5, "<|x|>", VOCAB_CONTROL));
    assert_true(made_token(v, 7, "[PAD7]", VOCAB_UNUSED));
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
    assert_refused("{" MADE_BYTES MADE_MODEL("\"a\":9", "") "}", 8, ERR_FORMAT, "has id 9");
    assert_refused("{" MADE_BYTES MADE_MODEL("\"a\":99999", "") "}", 0, ERR_FORMAT, "fewer than");
    assert_refused("{" MADE_BYTES MADE_MODEL("\"a\":-1", "") "}", 8, ERR_FORMAT, "its id");
    assert_refused("{" MADE_BYTES MADE_MODEL("\"a\":0.5", "") "}", 8, ERR_FORMAT, "its id");
    assert_refused("{" MADE_BYTES MADE_MODEL("", "[\"a\"]") "}", 8, ERR_FORMAT, "merge 0");
    assert_refused("{" MADE_BYTES MADE_MODEL("", "7") "}", 8, ERR_FORMAT, "merge 0");
    assert_refused("{" MADE_BYTES "\"model\":{\"type\":\"BPE\",\"vocab\":[]}}", 8, ERR_FORMAT,
                   "vocab");
    assert_refused("{" MADE_BYTES "\"model\":{\"type\":\"Unigram\"}}", 8, ERR_UNSUPPORTED,
                   "Unigram");
    assert_refused("{" MADE_BYTES "\"model\":{}}", 8, ERR_UNSUPPORTED, "unknown");
    assert_refused("{" MADE_BYTES "\"added_tokens\":[{}]," MADE_MODEL("", "") "}", 8, ERR_FORMAT,
                   "content");
    assert_refused("{\"pre_tokenizer\":{\"type\":\"Whitespace\"}," MADE_MODEL("", "") "}", 8,
                   ERR_UNSUPPORTED, "Whitespace");
}

static void assert_disagrees(const char *text, const char *what)
{
    json_val *doc = made_json(text);
    struct err err = {0};

    assert_int_equal(vocab_check_json(doc, &err), ERR_FORMAT);
    if (!strstr(err.msg, what))
        fail_msg("\"%s\" says nothing of \"%s\"", err.msg, what);
    json_free(doc);
}

/* tokenizer.json against itself: every kind of contradiction is named. */
static void test_vocab_check(void **state)
{
    json_val *doc = made_json("{\"added_tokens\":[{\"id\":0,\"content\":\"a\"}]," MADE_MODEL(
        "\"a\":0,\"b\":1,\"ab\":2,\"c d\":3,\"ac d\":4", "\"a b\",[\"a\",\"c d\"],7") "}");
    struct err err = {0};

    (void)state;
    assert_int_equal(vocab_check_json(doc, &err), 0);
    json_free(doc);
    assert_int_equal(vocab_check_json(NULL, &err), 0);
    assert_disagrees("{" MADE_MODEL("\"a\":0,\"ab\":1", "\"a b\"") "}", "merge 0: \"b\"");
    assert_disagrees("{" MADE_MODEL("\"b\":0,\"ab\":1", "[\"a\",\"b\"]") "}", "merge 0: \"a\"");
    assert_disagrees("{" MADE_MODEL("\"a\":0,\"b\":1,\"aa\":2", "\"a a\",\"a b\"") "}",
                     "result, \"ab\"");
    assert_disagrees(
        "{\"added_tokens\":[{\"id\":7,\"content\":\"a\"}]," MADE_MODEL("\"a\":0", "") "}",
        "\"a\" is there twice: as 0 and as 7");
    assert_disagrees("{\"added_tokens\":[{\"id\":7,\"content\":\"x\"},{\"id\":8,\"content\":"
                     "\"x\"}]," MADE_MODEL("", "") "}",
                     "as 7 and as 8");
    assert_refused("{" MADE_BYTES MADE_MODEL("\"a\":3,\"b\":3", "") "}", 8, ERR_FORMAT,
                   "\"a\" and \"b\" have the same id, 3");
}

/* ---- metadata ------------------------------------------------------------------------ */

static void test_vocab_meta_round(void **state)
{
    struct meta m = {0}, again = {0};
    struct vocab *v, *w;
    struct err err;

    (void)state;
    v = read_bpe("{" MADE_BYTES MADE_MODEL("\"a\":0,\"b\":1,\"ab\":2", "\"a b\"") "}", 4, &err);
    assert_non_null(v);
    v->bos = 1;
    v->add_eos = 0;
    v->chat_template = "C";
    assert_int_equal(vocab_to_meta(&m, v, &err), 0);
    assert_int_equal(vocab_from_meta(&w, &m, &err), 0);
    assert_int_equal(w->n_tokens, 4);
    assert_true(made_token(w, 2, "ab", VOCAB_NORMAL));
    assert_true(made_token(w, 3, "[PAD3]", VOCAB_UNUSED));
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
        cmocka_unit_test(test_vocab_bpe),          cmocka_unit_test(test_vocab_bpe_refuses),
        cmocka_unit_test(test_vocab_check),        cmocka_unit_test(test_vocab_meta_round),
        cmocka_unit_test(test_vocab_meta_refuses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
