/* runtime/tokenizer: Unigram, WordPiece, and tokenizer.json executed. */

#include "runtime/tokenizer.h"
#include "tests/vocabs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_tok_kinds_unigram(void **state)
{
    struct made_vocab *s = made_kind(VOCAB_UNIGRAM);

    (void)state;
    made_add(s, "\xe2\x96\x81", -5, VOCAB_NORMAL); /* 1 */
    made_add(s, "a", -4, VOCAB_NORMAL);            /* 2 */
    made_add(s, "ab", -6, VOCAB_NORMAL);           /* 3 */
    made_add(s, "b", -3, VOCAB_NORMAL);            /* 4 */
    made_add(s,
             "\xe2\x96\x81"
             "a",
             -6, VOCAB_NORMAL); /* 5 */
    s->v.add_space_prefix = true;
    s->v.remove_extra_spaces = 1;
    struct tok *t = made_tok(s);
    assert_true(made_ids(t, "ab", 0, 2, 5, 4));              /* -9 beats -11 and -12 */
    assert_true(made_ids(t, "  ab   b ", 0, 4, 5, 4, 1, 4)); /* one space between words */
    assert_true(made_ids(t, "bxyb", 0, 4, 1, 4, 0, 4));      /* unknown neighbours are one */
    assert_true(made_ids(t, "", 0, 0));
    tok_free(t);
    free(s);
}

static void test_tok_kinds_wordpiece(void **state)
{
    struct made_vocab *s = made_kind(VOCAB_WORDPIECE);

    (void)state;
    made_add(s,
             "\xe2\x96\x81"
             "un",
             0, VOCAB_NORMAL);            /* 1 */
    made_add(s, "able", 0, VOCAB_NORMAL); /* 2 */
    made_add(s,
             "\xe2\x96\x81"
             "able",
             0, VOCAB_NORMAL); /* 3 */
    made_add(s,
             "\xe2\x96\x81"
             "!",
             0, VOCAB_NORMAL); /* 4 */
    struct tok *t = made_tok(s);
    assert_true(made_ids(t, "Unable able!", 0, 4, 1, 2, 3, 4));
    assert_true(made_ids(t,
                         "\xc3\x9c"
                         "nable",
                         0, 2, 1, 2));                  /* without its accent */
    assert_true(made_ids(t, "unabl able", 0, 2, 0, 3)); /* a word is said whole or not at all */
    tok_free(t);
    free(s);
}

/* Added tokens as the file has them found. */
static void test_tok_kinds_added_flags(void **state)
{
    struct made_vocab *s = made_bpe("gpt-2");
    struct vocab_added added[] = {
        {256, VOCAB_LSTRIP | VOCAB_RSTRIP},
        {257, VOCAB_SINGLE_WORD          },
        {258, VOCAB_NORMALIZED           },
    };

    (void)state;
    made_add(s, "<m>", 0, VOCAB_USER);       /* 256 */
    made_add(s, "zq", 0, VOCAB_USER);        /* 257 */
    made_add(s, "e\xcc\x81", 0, VOCAB_USER); /* 258 */
    s->v.added = added;
    s->v.n_added = 3;
    s->v.normalizer = ""; /* of a file that names none */
    tok_free(made_tok(s));
    s->v.normalizer = "NFC";
    struct tok *t = made_tok(s);
    assert_true(made_ids(t, "a \t<m> \n b", 0, 3, 'a', 256, 'b'));
    assert_true(made_ids(t, "azq zq zq.", 0, 8, 'a', 'z', 'q', ' ', 257, ' ', 257, '.'));
    assert_true(made_ids(t,
                         "a\xc3\xa9"
                         "e\xcc\x81",
                         0, 3, 'a', 258, 258));
    tok_free(t);
    free(s);
}

/* ---- tokenizer.json ------------------------------------------------------------------------- */

static struct tok *tok_json(const char *text)
{
    struct tok *t = NULL;
    json_val *doc = made_json(text);
    struct err err;

    if (tok_new_json(&t, NULL, doc, &err))
        fail_msg("%s", err.msg);
    json_free(doc);
    return t;
}

static void test_tok_kinds_json(void **state)
{
    (void)state;
    struct tok *t = tok_json(
        "{\"normalizer\":{\"type\":\"Lowercase\"},"
        "\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"[^a-c\\\\s&&\\\\w]\"},"
        "\"behavior\":\"MergedWithPrevious\",\"invert\":false},"
        "\"post_processor\":{\"type\":\"BertProcessing\",\"sep\":[\"</s>\",4],\"cls\":[\"<s>\",3]},"
        "\"added_tokens\":[{\"id\":3,\"content\":\"<s>\",\"special\":true},"
        "{\"id\":4,\"content\":\"</s>\",\"special\":true}],"
        "\"model\":{\"type\":\"WordLevel\",\"unk_token\":\"?\","
        "\"vocab\":{\"?\":0,\"ab-\":1,\"c\":2}}}");
    assert_true(made_ids(t, "AB-c", 0, 2, 1, 2));
    assert_true(made_ids(t, "AB-c", TOK_ADD_SPECIAL, 4, 3, 1, 2, 4));
    assert_true(made_ids(t, "c<s>c", TOK_PARSE_SPECIAL, 3, 2, 3, 2));
    assert_true(made_ids(t, "c<s>c", 0, 4, 0, 0, 0, 2)); /* "c<", "s", ">", "c" */
    tok_free(t);
}

/* Of a GGUF whose definition has more tokens than its list: none is looked for beyond it. */
static void test_tok_kinds_json_beyond(void **state)
{
    const char text[] = "{\"model\":{\"type\":\"WordLevel\",\"unk_token\":\"?\","
                        "\"vocab\":{\"?\":0,\"a\":100000}}}";
    struct vocab_token token[1] = {
        {.text = {"?", 1}, .type = VOCAB_NORMAL}
    };
    const struct vocab v = {.kind = VOCAB_WORDPIECE,
                            .pre = "",
                            .token = token,
                            .n_tokens = 1,
                            .bos = -1,
                            .eos = -1,
                            .add_bos = -1,
                            .add_eos = -1,
                            .hf_json = text,
                            .hf_json_bytes = sizeof(text) - 1};
    struct tok_ids ids = {0};
    struct tok *t;
    struct err err;

    (void)state;
    assert_int_equal(tok_new(&t, &v, &err), 0);
    assert_int_equal(tok_encode(&ids, t, "b", 1, 0, &err), 0);
    assert_int_equal(tok_encode(&ids, t, "a", 1, 0, &err), ERR_FORMAT);
    assert_non_null(strstr(err.msg, "token 100000: the vocabulary has 1"));
    tok_ids_release(&ids);
    tok_free(t);
}

static void refuse_json(const char *text, enum err_code code, const char *what)
{
    json_val *doc = made_json(text);
    struct tok *t;
    struct err err;

    assert_int_equal(tok_new_json(&t, NULL, doc, &err), code);
    assert_null(t);
    if (!strstr(err.msg, what))
        fail_msg("%s", err.msg);
    json_free(doc);
}

static void test_tok_kinds_json_refuses(void **state)
{
    (void)state;
    refuse_json("{\"model\":{\"type\":\"Other\"}}", ERR_UNSUPPORTED, "Other");
    refuse_json("{\"normalizer\":{\"type\":\"Turn\"}}", ERR_UNSUPPORTED, "Turn");
    refuse_json("{\"pre_tokenizer\":{\"type\":\"Turn\"}}", ERR_UNSUPPORTED, "Turn");
    refuse_json("{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"[a\"}}}",
                ERR_UNSUPPORTED, "without end");
    refuse_json("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[\"a b\"]}}",
                ERR_FORMAT, "not of tokens");
    refuse_json("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[],\"dropout\":0.1}}",
                ERR_UNSUPPORTED, "dropout");
    refuse_json("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":-1},\"merges\":[]}}", ERR_FORMAT,
                "no id");
    refuse_json("{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\",0]],\"unk_id\":7}}", ERR_FORMAT,
                "unk_id");
    refuse_json("{}", ERR_FORMAT, "model");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tok_kinds_unigram),     cmocka_unit_test(test_tok_kinds_wordpiece),
        cmocka_unit_test(test_tok_kinds_added_flags), cmocka_unit_test(test_tok_kinds_json),
        cmocka_unit_test(test_tok_kinds_json_beyond), cmocka_unit_test(test_tok_kinds_json_refuses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
