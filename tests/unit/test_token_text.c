/* eval/token_text: tokens shown, with characters spread over several of them. */
#include "eval/token_text.h"
#include "tests/vocabs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ODD "\xef\xbf\xbd"

enum { LONG = 256, WIDE = 257, MOST = 8 };

/* A token for every byte, one of 200 letters, one of a letter and the first byte of e-acute. */
static struct tok *open_bytes(struct made_vocab **s)
{
    static char letters[201];

    memset(letters, 'x', 200);
    *s = made_bpe("gpt-2");
    made_add(*s, letters, 0, VOCAB_NORMAL);
    made_add(*s, "a\xc3\x83", 0, VOCAB_NORMAL); /* 0xC3 as GPT-2 spells it */
    return made_tok(*s);
}

struct shown {
    size_t before, n;
    int32_t id[MOST];
    const char *text[MOST];
};

static const struct shown cases[] = {
    {0, 3, {'a', 'b', '\n'},               {"a", "b", "\n"}                },
    {0, 4, {0xc3, 0xa9, 'b', 0xc3},        {"", "\xc3\xa9", "b", ODD}      },
    {0, 3, {WIDE, 0xa9, 'b'},              {"a", "\xc3\xa9", "b"}          },
    {0, 4, {0xf0, 0x9f, 0x98, 0x80},       {"", "", "", "\xf0\x9f\x98\x80"}},
    {0, 3, {0xf0, 0x9f, 'a'},              {"", ODD, "a"}                  },
    {0, 3, {0xc3, WIDE, 0xa9},             {ODD, "a", "\xc3\xa9"}          },
    {0, 3, {0x80, 0, 0xff},                {ODD, ODD, ODD}                 },
    {3, 2, {'a', 0xe2, 0x82, 0xac, 'b'},   {"\xe2\x82\xac", "b"}           },
    {3, 2, {0x82, 0xac, 0xe2, 0x82, 0xac}, {"", "\xe2\x82\xac"}            },
    {1, 2, {0x9f, 0x98, 'a'},              {ODD, "a"}                      },
};

static void test_token_text_each(void **state)
{
    struct made_vocab *s;
    struct tok *t = open_bytes(&s);

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct shown *c = &cases[i];
        const char *out[MOST];
        struct arena arena = {0};
        struct err err;
        assert_int_equal(token_texts(out, &arena, t, c->id, c->before, c->n, &err), 0);
        for (size_t k = 0; k < c->n; k++)
            assert_string_equal(out[k], c->text[k]);
        arena_release(&arena);
    }
    tok_free(t);
    free(s);
}

/* At most TOKEN_TEXT_BYTES of one, whole characters; what comes after is not lost. */
static void test_token_text_long(void **state)
{
    static const int32_t ids[] = {LONG, 'a'};
    int32_t wide[2 * TOKEN_TEXT_BYTES + 1] = {'a'};
    struct made_vocab *s;
    struct tok *t = open_bytes(&s);
    struct arena arena = {0};
    const char *out[2];
    struct err err;

    (void)state;
    assert_int_equal(token_texts(out, &arena, t, ids, 0, 2, &err), 0);
    assert_int_equal(strlen(out[0]), TOKEN_TEXT_BYTES);
    assert_string_equal(out[1], "a");
    for (size_t i = 0; i < TOKEN_TEXT_BYTES; i++) {
        wide[1 + 2 * i] = 0xc3;
        wide[2 + 2 * i] = 0xa9;
    }
    assert_int_equal(token_text(&out[0], &arena, t, wide, 2 * TOKEN_TEXT_BYTES + 1, &err), 0);
    assert_int_equal(strlen(out[0]), TOKEN_TEXT_BYTES - 1);
    assert_string_equal(out[0] + TOKEN_TEXT_BYTES - 3, "\xc3\xa9");
    assert_int_equal(token_text(&out[0], &arena, t, wide, 0, &err), 0);
    assert_string_equal(out[0], "");
    arena_release(&arena);
    tok_free(t);
    free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_token_text_each),
        cmocka_unit_test(test_token_text_long),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
