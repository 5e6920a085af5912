/* runtime/tokenizer: BPE and SPM on small vocabularies made here. */

#include "runtime/tokenizer.h"
#include "tests/vocabs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* decode(encode(text)) == text */
static void assert_round(const struct tok *t, const char *text, size_t n)
{
    struct tok_ids ids = {0};
    struct buf b = {0};
    struct err err;

    assert_int_equal(tok_encode(&ids, t, text, n, 0, &err), 0);
    for (size_t i = 0; i < ids.n; i++)
        assert_int_equal(tok_decode(&b, t, ids.id[i], true, &err), 0);
    assert_int_equal(b.n, n);
    if (n)
        assert_memory_equal(b.p, text, n);
    buf_release(&b);
    tok_ids_release(&ids);
}

static void test_tokenizer_bpe_ranks(void **state)
{
    struct made_vocab *s = made_bpe("gpt-2");

    (void)state;
    made_add(s, "bc", 0, VOCAB_NORMAL);  /* 256 */
    made_add(s, "ab", 0, VOCAB_NORMAL);  /* 257 */
    made_add(s, "abc", 0, VOCAB_NORMAL); /* 258 */
    made_merge(s, "b c");
    made_merge(s, "a b");
    made_merge(s, "a bc");
    struct tok *t = made_tok(s);
    assert_true(made_ids(t, "abc", 0, 1, 258));
    assert_true(made_ids(t, "ab", 0, 1, 257));
    assert_true(made_ids(t, "aab bc", 0, 4, 'a', 257, ' ', 256)); /* a word ends at the space */
    assert_true(made_ids(t, "", 0, 0));
    tok_free(t);
    free(s);
}

/* A merge whose result is no token still merges; it comes out as bytes. */
static void test_tokenizer_bpe_odd_merges(void **state)
{
    struct made_vocab *s = made_bpe("gpt-2");

    (void)state;
    made_add(s, "xyz", 0, VOCAB_NORMAL); /* 256 */
    made_merge(s, "x y");
    made_merge(s, "xy z");
    made_merge(s, "nospace");
    made_merge(s, "");
    made_merge(s, " ");
    made_merge(s, "\xe4\xb8\xad a"); /* no byte-level text */
    made_merge(s, "x y");            /* again */
    struct tok *t = made_tok(s);
    assert_true(made_ids(t, "xyz", 0, 1, 256));
    assert_true(made_ids(t, "xyw", 0, 3, 'x', 'y', 'w'));
    tok_free(t);
    free(s);
}

static void test_tokenizer_bpe_missing_byte(void **state)
{
    struct made_vocab *s = made_bpe("gpt-2");

    (void)state;
    s->token['q'].text = (struct meta_str){"<unk>", 5};
    s->token['q'].type = VOCAB_UNKNOWN;
    struct tok *t = made_tok(s);
    assert_true(made_ids(t, "aq", 0, 1, 'a')); /* nothing stands for it */
    tok_free(t);
    s->v.unk = 'q';
    t = made_tok(s);
    assert_true(made_ids(t, "aq", 0, 2, 'a', 'q'));
    tok_free(t);
    free(s);
}

static void test_tokenizer_whole_words(void **state)
{
    struct made_vocab *s = made_bpe("llama-bpe");

    (void)state;
    made_add(s, "hello", 0, VOCAB_NORMAL); /* 256: reached by no merge */
    struct tok *t = made_tok(s);
    assert_true(made_ids(t, "hello", 0, 1, 256));
    tok_free(t);
    s->v.pre = "dbrx";
    t = made_tok(s);
    assert_true(made_ids(t, "hello", 0, 5, 'h', 'e', 'l', 'l', 'o'));
    tok_free(t);
    free(s);
}

/* The heap for long words gives what looking through all pairs gives: a long run cut
 * into words by the pattern, and the same run as one word. */
static void test_tokenizer_long_words(void **state)
{
    struct made_vocab *s = made_bpe("gpt-2");
    struct tok_ids ids = {0};
    struct err err;
    char *text = malloc(100000);

    (void)state;
    made_add(s, "aa", 0, VOCAB_NORMAL);   /* 256 */
    made_add(s, "aaaa", 0, VOCAB_NORMAL); /* 257 */
    made_add(s, "aab", 0, VOCAB_NORMAL);  /* 258 */
    made_merge(s, "a a");
    made_merge(s, "aa aa");
    made_merge(s, "aa b");
    struct tok *t = made_tok(s);
    assert_non_null(text);
    memset(text, 'a', 100000);
    text[99999] = 'b';
    text[99996] = 'b';
    assert_int_equal(tok_encode(&ids, t, text, 100000, 0, &err), 0);
    /* 99996 a = 24999 x 4, b, aab */
    assert_int_equal(ids.n, 24999 + 2);
    assert_int_equal(ids.id[24998], 257);
    assert_int_equal(ids.id[24999], 'b');
    assert_int_equal(ids.id[25000], 258);
    tok_ids_release(&ids);
    for (size_t n = 40; n < 60; n++) { /* around the length where the way changes */
        assert_int_equal(tok_encode(&ids, t, text, n, 0, &err), 0);
        assert_int_equal(ids.n, n / 4 + (n % 4 + 1) / 2);
        tok_ids_release(&ids);
    }
    tok_free(t);
    free(text);
    free(s);
}

static void test_tokenizer_broken_utf8(void **state)
{
    static const char odd[] = "a\xff\xfe\xc3(\xe2\x82 \xf0\x9f\x98\x80\xed\xa0\x80\xc3\xa9\0z\x80";
    struct made_vocab *s = made_bpe("llama-bpe");
    char all[512];

    (void)state;
    made_merge(s, "\xc3\x83 \xc2\xa9"); /* bytes c3 a9, spelled */
    struct tok *t = made_tok(s);
    assert_round(t, odd, sizeof(odd) - 1);
    for (int i = 0; i < 512; i++)
        all[i] = (char)(i * 7);
    assert_round(t, all, sizeof(all));
    tok_free(t);
    s->v.pre = "deepseek-v3";
    t = made_tok(s);
    assert_round(t, all, sizeof(all));
    tok_free(t);
    free(s);
}

/* User-defined tokens are cut out always, the longest first; control ones when asked. */
static void test_tokenizer_special(void **state)
{
    struct made_vocab *s = made_bpe("gpt-2");

    (void)state;
    made_add(s, "<e>", 0, VOCAB_CONTROL);     /* 256 */
    made_add(s, "ab", 0, VOCAB_USER);         /* 257 */
    made_add(s, "bcd", 0, VOCAB_USER);        /* 258 */
    made_add(s, "<|im_end|>", 0, VOCAB_USER); /* 259: ends a turn, so it is control */
    s->v.bos = s->v.eos = 256;
    s->v.add_bos = 1;
    struct tok *t = made_tok(s);
    assert_true(made_ids(t, "abcd", 0, 3, 257, 'c', 'd')); /* what begins first */
    assert_true(made_ids(t, "abab", 0, 2, 257, 257));
    assert_true(made_ids(t, "x<e>y", 0, 5, 'x', '<', 'e', '>', 'y'));
    assert_true(made_ids(t, "x<e>y", TOK_PARSE_SPECIAL, 3, 'x', 256, 'y'));
    assert_true(made_ids(t, "<|im_end|>", TOK_PARSE_SPECIAL, 1, 259));
    assert_true(made_ids(t, "", TOK_ADD_SPECIAL, 1, 256));
    assert_true(tok_is_end(t, 256) && tok_is_end(t, 259) && !tok_is_end(t, 257));
    assert_false(tok_is_end(t, -1) || tok_is_end(t, 260));
    s->v.add_eos = 1;
    s->v.ends = (uint32_t[]){256, 257}; /* as a checkpoint lists them */
    s->v.n_ends = 2;
    tok_free(t);
    t = made_tok(s);
    assert_true(tok_is_end(t, 257) && !tok_is_end(t, 258));
    assert_true(made_ids(t, "x", TOK_ADD_SPECIAL, 3, 256, 'x', 256));
    tok_free(t);
    free(s);
}

static void test_tokenizer_decode(void **state)
{
    struct made_vocab *s = made_bpe("gpt-2");
    struct buf b = {0};
    struct err err;

    (void)state;
    made_add(s, "<e>", 0, VOCAB_CONTROL);
    made_add(s, "a b", 0, VOCAB_USER);
    struct tok *t = made_tok(s);
    assert_int_equal(tok_decode(&b, t, 256, false, &err), 0);
    assert_int_equal(b.n, 0);
    assert_int_equal(tok_decode(&b, t, 256, true, &err), 0);
    assert_int_equal(tok_decode(&b, t, 257, false, &err), 0);
    assert_int_equal(tok_decode(&b, t, ' ', false, &err), 0);
    assert_string_equal(b.p, "<e>a b ");
    assert_int_equal(tok_decode(&b, t, 258, true, &err), ERR_ARG);
    assert_int_equal(tok_decode(&b, t, -1, true, &err), ERR_ARG);
    buf_release(&b);
    tok_free(t);
    free(s);
}

#define SP "\xe2\x96\x81"

static void test_tokenizer_spm(void **state)
{
    struct made_vocab *s = made_spm();

    (void)state;
    made_add(s, SP, -9, VOCAB_NORMAL);     /* 259 */
    made_add(s, "a", -9, VOCAB_NORMAL);    /* 260 */
    made_add(s, "b", -9, VOCAB_NORMAL);    /* 261 */
    made_add(s, "ab", -2, VOCAB_NORMAL);   /* 262 */
    made_add(s, SP "a", -1, VOCAB_NORMAL); /* 263 */
    struct tok *t = made_tok(s);
    assert_true(made_ids(t, "ab", 0, 2, 263, 261)); /* the prefix makes the better piece */
    assert_true(made_ids(t, "ab ab", TOK_ADD_SPECIAL, 5, 1, 263, 261, 263, 261));
    assert_true(made_ids(t, "\xc3\xa9", 0, 3, 259, 3 + 0xc3, 3 + 0xa9)); /* no piece: its bytes */
    assert_true(made_ids(t, "\xff", 0, 2, 259, 3 + 0xff));
    assert_true(made_ids(t, "a<s>b", TOK_PARSE_SPECIAL, 4, 263, 1, 259, 261));
    assert_true(made_ids(t, "", 0, 0));
    tok_free(t);
    s->v.add_space_prefix = false;
    s->v.add_bos = 0;
    t = made_tok(s);
    assert_true(made_ids(t, "ab", TOK_ADD_SPECIAL, 1, 262));
    assert_round(t, "ab \xc3\xa9 b\xff", 8);
    tok_free(t);
    free(s);
}

/* A word of the vocabulary that reads like an end of text is found by its merges only. */
static void test_tokenizer_end_as_word(void **state)
{
    struct made_vocab *s = made_bpe("gpt-2");

    (void)state;
    made_add(s, "</s>", 0, VOCAB_NORMAL);
    struct tok *t = made_tok(s);
    assert_true(made_ids(t, "</s>", TOK_PARSE_SPECIAL, 4, '<', '/', 's', '>'));
    assert_true(tok_is_end(t, 256));
    tok_free(t);
    s->token[256].type = VOCAB_USER;
    t = made_tok(s);
    assert_true(made_ids(t, "</s>", TOK_PARSE_SPECIAL, 1, 256));
    tok_free(t);
    free(s);
}

static void test_tokenizer_refuses(void **state)
{
    struct made_vocab *s = made_bpe("no such");
    struct tok *t;
    struct err err;

    (void)state;
    assert_int_equal(tok_new(&t, &s->v, &err), ERR_UNSUPPORTED);
    assert_null(t);
    assert_non_null(strstr(err.msg, "no such"));
    s->v.kind = VOCAB_NONE;
    assert_int_equal(tok_new(&t, &s->v, &err), ERR_UNSUPPORTED);
    tok_free(NULL);
    free(s);
}

/* Nothing to go by: an empty vocabulary makes no token of anything. */
static void test_tokenizer_empty(void **state)
{
    struct made_vocab *s = calloc(1, sizeof(*s));

    (void)state;
    assert_non_null(s);
    s->v = (struct vocab){.kind = VOCAB_SPM, .pre = "default", .token = s->token};
    s->v.bos = s->v.eos = s->v.unk = s->v.eot = s->v.eom = s->v.add_bos = -1;
    struct tok *t = made_tok(s);
    assert_true(made_ids(t, "abc", TOK_ADD_SPECIAL, 0));
    tok_free(t);
    s->v.kind = VOCAB_BPE;
    t = made_tok(s);
    assert_true(made_ids(t, "abc", TOK_ADD_SPECIAL | TOK_PARSE_SPECIAL, 0));
    tok_free(t);
    free(s);
}

/* Words known from other texts give the same ids, also when the memory has grown. */
static void test_tokenizer_memory(void **state)
{
    static const char *const words[] = {"hello", " hell", "o", " ", "lll", "\xff", "hello hello"};
    struct made_vocab *s = made_bpe("gpt-2");
    struct tok_memory *m = NULL;
    struct tok *t = NULL;
    struct err err = {0};
    char text[64];

    (void)state;
    made_add(s, "he", 0, VOCAB_NORMAL);
    made_add(s, "ll", 0, VOCAB_NORMAL);
    made_add(s, "hell", 0, VOCAB_NORMAL);
    made_merge(s, "h e");
    made_merge(s, "l l");
    made_merge(s, "he ll");
    assert_int_equal(tok_new(&t, &s->v, &err), 0);
    assert_int_equal(tok_memory_new(&m, t, &err), 0);
    for (size_t i = 0; i < 2000; i++) {
        struct tok_ids a = {0}, b = {0};
        const size_t n = (size_t)snprintf(text, sizeof(text), "%s%s %zu", words[i % 7],
                                          words[i / 7 % 7], i % 50);
        assert_int_equal(tok_encode(&a, t, text, n, 0, &err), 0);
        assert_int_equal(tok_encode_more(&b, m, text, n, 0, &err), 0);
        assert_int_equal(a.n, b.n);
        assert_memory_equal(a.id, b.id, a.n * sizeof(*a.id));
        tok_ids_release(&a);
        tok_ids_release(&b);
    }
    tok_memory_free(m);
    tok_free(t);
    free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tokenizer_bpe_ranks),
        cmocka_unit_test(test_tokenizer_bpe_odd_merges),
        cmocka_unit_test(test_tokenizer_bpe_missing_byte),
        cmocka_unit_test(test_tokenizer_whole_words),
        cmocka_unit_test(test_tokenizer_long_words),
        cmocka_unit_test(test_tokenizer_broken_utf8),
        cmocka_unit_test(test_tokenizer_special),
        cmocka_unit_test(test_tokenizer_decode),
        cmocka_unit_test(test_tokenizer_spm),
        cmocka_unit_test(test_tokenizer_end_as_word),
        cmocka_unit_test(test_tokenizer_refuses),
        cmocka_unit_test(test_tokenizer_empty),
        cmocka_unit_test(test_tokenizer_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
