/* runtime/tok: cutting a text into words by hand and by PCRE2. */

#include "formats/pretok.h"
#include "formats/pretok_patterns.h"
#include "runtime/tok/tok_parts.h"
#include "tests/vocabs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_tok_split_every_pretok_compiles(void **state)
{
    struct tok_regex *r;
    struct err err;

    (void)state;
    for (size_t i = 0; pretok_at(i); i++) {
        assert_ptr_equal(pretok_by_name(pretok_at(i)->name), pretok_at(i));
        if (tok_regex_new(&r, pretok_at(i)->pattern, &err))
            fail_msg("%s", err.msg);
        tok_regex_free(r);
    }
    assert_true(pretok_by_name("no such") == NULL);
}

struct words {
    size_t end[4096];
    size_t n;
    const char *text;
};

static int note(void *arg, const char *word, size_t n, struct err *err)
{
    struct words *w = arg;

    (void)err;
    w->end[w->n++] = (size_t)(word - w->text) + n;
    return 0;
}

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525 + 1013904223;
    return *state >> 8;
}

/* A text of bytes that patterns tell apart, a few of them wide. */
static size_t random_text(char *out, uint32_t *state)
{
    static const char *const parts[] = {
        "a",        "S",        "ll",           "'",        "'s",       "'LL",
        "'re",      " ",        "  ",           "\t",       "\n",       "\r\n",
        "1",        "23",       "456",          ".",        "!?",       "/",
        "_",        "\xc3\xa9", "\xe4\xb8\xad", "\xc2\xa0", "\xcc\x81", "\xd9\xa3",
        "\xc5\xbf", "\v",       "\x7f",         "\xff",     "x1",
    };
    const size_t count = next_random(state) % 24;
    size_t n = 0;

    for (size_t i = 0; i < count; i++) {
        const char *p = parts[next_random(state) % (sizeof(parts) / sizeof(*parts))];
        memcpy(out + n, p, strlen(p));
        n += strlen(p);
    }
    return n;
}

/* The pattern in a group is the same to PCRE2, and no matcher knows it. */
static void compare_split(const char *pattern, uint32_t seed)
{
    struct tok_regex *fast, *slow;
    struct tok_match *m;
    static struct words a, b;
    struct err err;
    char grouped[1024], text[128];

    assert_true(strlen(pattern) + 5 < sizeof(grouped));
    memcpy(grouped, "(?:", 4);
    memcpy(grouped + 3, pattern, strlen(pattern));
    memcpy(grouped + 3 + strlen(pattern), ")", 2);
    const char *const one[] = {pattern, NULL}, *const two[] = {grouped, NULL};
    assert_true(tok_scan_for(pattern) || !strcmp(pattern, RE_JAIS2));
    assert_int_equal(tok_match_new(&m, &err), 0);
    assert_int_equal(tok_regex_new(&fast, one, &err), 0);
    assert_int_equal(tok_regex_new(&slow, two, &err), 0);
    for (int i = 0; i < 20000; i++) {
        const size_t n = random_text(text, &seed);
        a.n = b.n = 0;
        a.text = b.text = text;
        assert_int_equal(tok_regex_split(fast, m, text, n, note, &a, &err), 0);
        assert_int_equal(tok_regex_split(slow, m, text, n, note, &b, &err), 0);
        assert_int_equal(a.n, b.n);
        assert_memory_equal(a.end, b.end, a.n * sizeof(*a.end));
    }
    tok_match_free(m);
    tok_regex_free(fast);
    tok_regex_free(slow);
}

static void test_tok_split_matchers_agree(void **state)
{
    static const char *const steps[] = {
        RE_DIGIT, RE_DIGITS3, RE_DIGITS, RE_LINE_END, RE_LETTERS,    RE_CASED_ONLY,   RE_MARKS,
        RE_TAIL,  RE_VISIBLE, RE_ASIAN,  RE_HAN_KANA, RE_HAN_HANGUL, RE_YOUTU_SCRIPTS};

    (void)state;
    compare_split(RE_GPT2, 1);
    compare_split(RE_LLAMA3, 2);
    compare_split(RE_QWEN2, 3);
    compare_split(RE_JAIS2, 4); /* executed as another pattern */
    for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++)
        compare_split(steps[i], 5 + (uint32_t)i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tok_split_every_pretok_compiles),
        cmocka_unit_test(test_tok_split_matchers_agree),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
