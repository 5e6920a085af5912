#include "eval/overlap.h"

#include "formats/base/buf.h"
#include "formats/base/json.h"
#include "formats/source.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ids 0 .. n-1 of a sequence without repeats */
static struct tok_ids numbers(size_t n, int32_t first)
{
    struct tok_ids ids = {.id = calloc(n + 1, sizeof(int32_t)), .n = n};

    assert_non_null(ids.id);
    for (size_t i = 0; i < n; i++)
        ids.id[i] = first + (int32_t)i;
    return ids;
}

static bool find(size_t *at_a, size_t *at_b, const struct tok_ids *a, const struct tok_ids *b)
{
    struct err err = {0};
    bool found;

    assert_int_equal(overlap_find(&found, at_a, at_b, a, b, &err), 0);
    return found;
}

/* A run of 64 is found wherever it stands, one of 63 is not. */
static void test_overlap_exact(void **state)
{
    static const size_t at[][2] = {
        {0,   0  },
        {0,   936},
        {936, 0  },
        {17,  400},
        {500, 499}
    };
    size_t x = 0, y = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
        struct tok_ids a = numbers(1000, 0), b = numbers(1000, 5000);
        memcpy(b.id + at[i][1], a.id + at[i][0], 63 * sizeof(int32_t));
        assert_false(find(&x, &y, &a, &b));
        b.id[at[i][1] + 63] = a.id[at[i][0] + 63];
        assert_true(find(&x, &y, &a, &b));
        assert_int_equal(x, at[i][0]);
        assert_int_equal(y, at[i][1]);
        free(a.id);
        free(b.id);
    }
}

static void test_overlap_short(void **state)
{
    struct tok_ids a = numbers(63, 0), b = numbers(63, 0), none = {0};
    size_t x, y;

    (void)state;
    assert_false(find(&x, &y, &a, &b));
    assert_false(find(&x, &y, &a, &none));
    free(a.id);
    free(b.id);
    a = numbers(64, 0);
    b = numbers(64, 0);
    assert_true(find(&x, &y, &a, &b));
    free(a.id);
    free(b.id);
}

/* More runs than one pass holds, and a text that repeats one token: both in linear time. */
static void test_overlap_long(void **state)
{
    const size_t n = 3000000;
    struct tok_ids a = numbers(n, 0), b = numbers(n, (int32_t)n);
    size_t x, y;

    (void)state;
    assert_false(find(&x, &y, &a, &b));
    memcpy(b.id + 2999000, a.id + 12345, 64 * sizeof(int32_t));
    assert_true(find(&x, &y, &a, &b));
    assert_int_equal(x, 12345);
    assert_int_equal(y, 2999000);
    memset(a.id, 0, n * sizeof(int32_t));
    memset(b.id, 0, n * sizeof(int32_t));
    for (size_t i = 0; i < n; i += 63)
        b.id[i] = 1;
    assert_false(find(&x, &y, &a, &b));
    free(a.id);
    free(b.id);
}

/* What is said: both files, the lines, the words. */
static void test_overlap_says(void **state)
{
    const struct source_opts so = {0};
    struct source *s;
    struct tok *tok;
    struct err err = {0};
    char a[4096] = "", b[4096] = "one\ntwo\n";

    (void)state;
    assert_int_equal(source_open(&s, "recipes/demo", &so, &err), 0);
    assert_int_equal(tok_new(&tok, source_vocab(s), &err), 0);
    for (int i = 0; i < 80; i++) {
        (void)snprintf(a + strlen(a), sizeof(a) - strlen(a), "said the %d. cat\n", i);
        if (i > 40)
            (void)snprintf(b + strlen(b), sizeof(b) - strlen(b), "said the %d. cat\n", i);
    }
    const struct overlap_text ta = {"a.txt", a, strlen(a)}, tb = {"b.txt", b, strlen(b)};
    const struct overlap_text other = {"c.txt", b, 20};
    assert_int_equal(overlap_check(tok, &ta, &other, &err), 0);
    assert_int_equal(overlap_check(tok, &ta, &tb, &err), ERR_FORMAT);
    assert_non_null(strstr(err.msg, "a.txt (line 42) and b.txt (line 3) share a run of 64 tokens"));
    assert_non_null(strstr(err.msg, "begins \"said the 41. cat said the"));
    struct buf lines = {0};
    struct json_out j = json_out_init(&lines, true);
    buf_str(&lines, "{broken\n\n");
    json_open(&j, NULL, '{');
    json_put_str(&j, "text", a);
    json_close(&j, '}');
    assert_false(lines.bad);
    const struct overlap_text tl = {"a.jsonl", lines.p, lines.n}, raw = {"a", lines.p, lines.n};
    assert_int_equal(overlap_check(tok, &raw, &tb, &err), 0); /* its escapes part the run */
    assert_int_equal(overlap_check(tok, &tl, &tb, &err), ERR_FORMAT);
    assert_non_null(strstr(err.msg, "a.jsonl, its texts (line 42) and b.txt (line 3) share"));
    assert_int_equal(overlap_check(tok, &tb, &tl, &err), ERR_FORMAT);
    assert_non_null(strstr(err.msg, "b.txt (line 3) and a.jsonl, its texts (line 42) share"));
    buf_release(&lines);
    tok_free(tok);
    source_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_overlap_exact),
        cmocka_unit_test(test_overlap_short),
        cmocka_unit_test(test_overlap_long),
        cmocka_unit_test(test_overlap_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
