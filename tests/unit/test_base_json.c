#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "formats/base/json.h"
#include "formats/base/json_where.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static json_val *parsed(const char *text)
{
    json_val *v;
    struct err err;

    if (json_parse(&v, text, strlen(text), &err))
        fail_msg("%s: %s", text, err.msg);
    return v;
}

static void refuse(const char *text, size_t n, const char *part)
{
    json_val *v;
    struct err err = {0};

    assert_int_equal(json_parse(&v, text, n, &err), ERR_FORMAT);
    assert_null(v);
    if (!strstr(err.msg, part))
        fail_msg("\"%s\" does not say \"%s\"", err.msg, part);
}

static void test_json_infinity(void **state)
{
    json_val *v = parsed("{\"a\": [0.0, Infinity, -Infinity], \"b\": \"\\\"Infinity\"}");
    double d = 0;

    (void)state;
    assert_true(json_num(json_path(v, "a.1"), &d) && isinf(d) && d > 0);
    assert_true(json_num(json_path(v, "a.2"), &d) && isinf(d) && d < 0);
    assert_null(json_path(v, "a.3"));
    assert_null(json_path(v, "a.x"));
    assert_string_equal(json_str(json_get(v, "b")), "\"Infinity");
    json_free(v);
    refuse("{\"a\": Infinite}", 15, "not valid JSON");
}

static void test_json_reads(void **state)
{
    json_val *v = parsed("\xef\xbb\xbf{\"a\": [1, 2.5, -3], \"b\": {\"c\": \"x\\u00e9\"}, "
                         "\"t\": true, \"n\": null, \"A\": 9} \n");
    int64_t i = 0;
    double d = 0;
    bool t = false;

    (void)state;
    const json_val *a = json_get(v, "a");
    assert_true(json_is_array(a) && json_len(a) == 3);
    assert_true(json_int(json_first(a), &i) && i == 1);
    assert_false(json_int(json_next(json_first(a)), &i));
    assert_true(json_num(json_next(json_first(a)), &d) && d == 2.5);
    assert_true(json_int(json_next(json_next(json_first(a))), &i) && i == -3);
    assert_string_equal(json_str(json_path(v, "b.c")), "x\xc3\xa9");
    assert_null(json_path(v, "b.d.e"));
    assert_true(json_bool(json_get(v, "t"), &t) && t);
    assert_true(json_is_null(json_get(v, "n")) && json_is_null(json_get(v, "absent")));
    assert_true(json_int(json_get(v, "A"), &i) && i == 9);
    assert_true(json_is_bool(json_get(v, "t")) && !json_is_bool(a) && !json_is_bool(NULL));
    assert_true(json_is_number(json_get(v, "A")) && !json_is_number(a) && !json_is_number(NULL));
    assert_string_equal(json_key(json_first(v)), "a");
    assert_null(json_str(a));
    assert_null(json_get(a, "a"));
    json_free(v);
    json_free(NULL);
}

/* The parser's own int would saturate at 2^31. */
static void test_json_whole_numbers(void **state)
{
    json_val *v = parsed("[4831838208, 9007199254740991, 9007199254740992, 1e300, -0.5]");
    const json_val *item = json_first(v);
    int64_t i = 0;

    (void)state;
    assert_true(json_int(item, &i) && i == 4831838208);
    item = json_next(item);
    assert_true(json_int(item, &i) && i == 9007199254740991);
    for (item = json_next(item); item; item = json_next(item))
        assert_false(json_int(item, &i));
    json_free(v);
}

static void test_json_refuses(void **state)
{
    char deep[200];

    (void)state;
    refuse("", 0, "line 1, column 1");
    refuse("{} x", 4, "line 1, column 4: more text after the end");
    refuse("{\n \"a\": }", 9, "line 2");
    refuse("{\"a\":1,\"a\":2}", 13, "duplicate key \"a\"");
    refuse("[{\"b\":{\"a\":1,\"a\":2}}]", 21, "duplicate key \"a\"");
    refuse("{\"a\0b\":1}", 9, "NUL");
    refuse("\"a\\u0000\"", 9, "\\u0000");
    memset(deep, '[', 100);
    memset(deep + 100, ']', 100);
    refuse(deep, 200, "nested more than 64");
}

/* More keys than are compared pairwise. */
static void test_json_duplicate_among_many(void **state)
{
    struct buf b = {0};
    json_val *v;
    struct err err;

    (void)state;
    buf_str(&b, "{");
    for (int i = 0; i < 100; i++)
        buf_fmt(&b, "\"k%d\":%d,", i, i);
    const size_t n = b.n;
    buf_str(&b, "\"k100\":0}");
    assert_int_equal(json_parse(&v, b.p, b.n, &err), 0);
    assert_int_equal(json_len(v), 101);
    json_free(v);
    b.n = n;
    buf_str(&b, "\"k42\":0}");
    assert_int_equal(json_parse(&v, b.p, b.n, &err), ERR_FORMAT);
    assert_non_null(strstr(err.msg, "\"k42\""));
    buf_release(&b);
}

static void test_json_writes(void **state)
{
    struct buf b = {0};
    struct json_out j = json_out_init(&b, true);

    (void)state;
    json_open(&j, NULL, '{');
    json_put_str(&j, "s", "a\"b\\c\n\x01");
    json_put_str(&j, "none", NULL);
    json_open(&j, "list", '[');
    json_put_int(&j, NULL, INT64_MIN);
    json_put_uint(&j, NULL, UINT64_MAX);
    json_put_num(&j, NULL, 0.1);
    json_put_num(&j, NULL, (double)0.1F);
    json_put_num(&j, NULL, NAN);
    json_put_bool(&j, NULL, false);
    json_close(&j, ']');
    json_open(&j, "empty", '{');
    json_close(&j, '}');
    json_close(&j, '}');
    assert_string_equal(b.p, "{\"s\":\"a\\\"b\\\\c\\n\\u0001\",\"none\":null,\"list\":["
                             "-9223372036854775808,18446744073709551615,0.1,0.10000000149011612,"
                             "null,false],\"empty\":{}}");
    buf_release(&b);
}

/* What is no UTF-8 must not end up in a JSON text. */
static void test_json_writes_valid_utf8(void **state)
{
    struct buf b = {0};
    struct json_out j = json_out_init(&b, true);

    (void)state;
    json_put_strn(&j, NULL, "\xc3\xa9\xff\xe2\x96", 5);
    assert_string_equal(b.p, "\"\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd\"");
    buf_release(&b);
}

static void test_json_writes_indented(void **state)
{
    struct buf b = {0};
    struct json_out j = json_out_init(&b, false);
    json_val *v;
    struct err err;

    (void)state;
    json_open(&j, NULL, '{');
    json_open(&j, "a", '[');
    json_put_int(&j, NULL, 1);
    json_put_int(&j, NULL, 2);
    json_close(&j, ']');
    json_close(&j, '}');
    assert_string_equal(b.p, "{\n  \"a\": [\n    1,\n    2\n  ]\n}");
    assert_int_equal(json_parse(&v, b.p, b.n, &err), 0);
    b.n = 0;
    assert_int_equal(json_print(&b, v, &err), 0);
    assert_string_equal(b.p, "{\"a\":[1,2]}");
    json_free(v);
    buf_release(&b);
}

static const char nested[] =
    "\xef\xbb\xbf{\n  \"a\": [10, {\"b\": \"x,]}\\\"\"}, true],\n  \"c\" : null\n}";

static void expect_where(const char *path, size_t line, size_t column)
{
    size_t l, c;

    json_line_column(&l, &c, nested, json_where(nested, sizeof(nested) - 1, path));
    assert_int_equal(l, line);
    assert_int_equal(c, column);
}

static void test_json_where(void **state)
{
    (void)state;
    expect_where(NULL, 1, 4);
    expect_where("a", 2, 8);
    expect_where("a.0", 2, 9);
    expect_where("a.1.b", 2, 19);
    expect_where("a.2", 2, 30);
    expect_where("c", 3, 9);
    expect_where("a.3", 2, 8); /* is not there: the list */
    expect_where("d", 1, 4);
    /* cut short anywhere, it looks at nothing past the end */
    for (size_t n = 0; n < sizeof(nested); n++) {
        char *copy = malloc(n + 1);
        memcpy(copy, nested, n);
        assert_true(json_where(copy, n, "a.1.b") <= n);
        assert_true(json_where(copy, n, "c") <= n);
        free(copy);
    }
}

static void test_json_line_of_many(void **state)
{
    json_val *v;
    struct err err;

    (void)state;
    assert_int_equal(json_parse_line(&v, "{\"a\": nul}", 10, 17, &err), ERR_FORMAT);
    assert_non_null(strstr(err.msg, "line 17, column 7"));
    assert_int_equal(json_parse_line(&v, "{\"a\": 1}", 8, 17, &err), 0);
    json_free(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_infinity),
        cmocka_unit_test(test_json_reads),
        cmocka_unit_test(test_json_whole_numbers),
        cmocka_unit_test(test_json_refuses),
        cmocka_unit_test(test_json_duplicate_among_many),
        cmocka_unit_test(test_json_writes),
        cmocka_unit_test(test_json_writes_valid_utf8),
        cmocka_unit_test(test_json_writes_indented),
        cmocka_unit_test(test_json_where),
        cmocka_unit_test(test_json_line_of_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
