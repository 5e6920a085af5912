#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "formats/meta.h"
#include "formats/meta_wire.h"

static void test_meta_set_get(void **state)
{
    struct meta m = {0};
    struct err err;
    struct meta_str s;
    uint64_t u;
    double f;
    bool b;

    (void)state;
    assert_int_equal(meta_set_u32(&m, "u32", 7, &err), 0);
    assert_int_equal(meta_set_i32(&m, "i32", -7, &err), 0);
    assert_int_equal(meta_set_f32(&m, "f32", 0.1F, &err), 0);
    assert_int_equal(meta_set_bool(&m, "bool", true, &err), 0);
    assert_int_equal(meta_set_str(&m, "str", "text", &err), 0);
    assert_int_equal(meta_set_strn(&m, "strn", "a\0bc", 3, &err), 0);
    assert_int_equal(meta_set_u64(&m, "u64", UINT64_MAX, &err), 0);
    assert_int_equal(m.n, 7);
    assert_true(meta_str(&m, "strn", &s) && s.n == 3 && !memcmp(s.p, "a\0b", 3));
    assert_true(meta_u64(&m, "u64", &u) && u == UINT64_MAX);
    assert_true(meta_u64(&m, "u32", &u) && u == 7);
    assert_false(meta_u64(&m, "i32", &u));
    assert_true(meta_f64(&m, "i32", &f) && f == -7);
    assert_true(meta_f64(&m, "f32", &f) && f == (double)0.1F);
    assert_true(meta_bool(&m, "bool", &b) && b);
    assert_false(meta_bool(&m, "u32", &b));
    assert_true(meta_str(&m, "str", &s) && s.n == 4 && !memcmp(s.p, "text", 4));
    assert_false(meta_str(&m, "absent", &s));
    assert_null(meta_get(&m, "absent"));
    meta_release(&m);
}

/* A key keeps its place when its value, even its type, changes. */
static void test_meta_replace_and_remove(void **state)
{
    struct meta m = {0};
    struct err err;
    uint64_t u = 0;

    (void)state;
    assert_int_equal(meta_set_u32(&m, "a", 1, &err), 0);
    assert_int_equal(meta_set_u32(&m, "b", 2, &err), 0);
    assert_int_equal(meta_set_u32(&m, "c", 3, &err), 0);
    assert_int_equal(meta_set_str(&m, "a", "one", &err), 0);
    assert_int_equal(m.n, 3);
    assert_int_equal(m.kv[0].type, META_STR);
    assert_string_equal(m.kv[0].key, "a");
    meta_remove(&m, "b");
    meta_remove(&m, "nothing");
    assert_int_equal(m.n, 2);
    assert_string_equal(m.kv[1].key, "c");
    assert_true(meta_u64(&m, "c", &u) && u == 3);
    meta_release(&m);
}

static void test_meta_many_keys(void **state)
{
    struct meta m = {0};
    struct err err;
    uint64_t u;

    (void)state;
    for (uint32_t i = 0; i < 200; i++) {
        char key[16];
        (void)snprintf(key, sizeof(key), "key.%u", i);
        assert_int_equal(meta_set_u32(&m, key, i, &err), 0);
    }
    assert_true(meta_u64(&m, "key.199", &u) && u == 199);
    meta_release(&m);
}

/* Three strings as they lie in a file: "a", "", "bc". */
static const uint8_t strings[] = {1, 0, 0, 0, 0, 0, 0, 0, 'a', 0, 0, 0,   0,  0,
                                  0, 0, 0, 2, 0, 0, 0, 0, 0,   0, 0, 'b', 'c'};

static void test_meta_arrays(void **state)
{
    struct meta m = {0};
    struct err err;
    struct meta_str s;
    const float scores[] = {-1.5F, 2.0F};

    (void)state;
    assert_int_equal(meta_set_array(&m, "s", META_STR, 3, strings, sizeof(strings), &err), 0);
    assert_int_equal(meta_set_array(&m, "f", META_F32, 2, scores, sizeof(scores), &err), 0);
    assert_null(meta_array(&m, "s", META_F32));
    struct meta_strs it = meta_strs(meta_array(&m, "s", META_STR));
    assert_true(meta_strs_next(&it, &s) && s.n == 1 && s.p[0] == 'a');
    assert_true(meta_strs_next(&it, &s) && s.n == 0);
    assert_true(meta_strs_next(&it, &s) && s.n == 2 && s.p[1] == 'c');
    assert_false(meta_strs_next(&it, &s));
    const struct meta_kv last = meta_element(meta_array(&m, "s", META_STR), 2);
    assert_int_equal(last.v.str.n, 2);
    assert_true(meta_element(meta_array(&m, "f", META_F32), 0).v.f == -1.5);
    assert_int_equal(meta_set_array(&m, "x", META_F32, 3, scores, sizeof(scores), &err), ERR_ARG);
    assert_int_equal(meta_set_array(&m, "x", META_ARRAY, 0, scores, 0, &err), ERR_ARG);
    meta_release(&m);
}

/* Every type survives the way to bytes and back. */
static void test_meta_wire_round_trip(void **state)
{
    struct meta m = {0}, back = {0};
    struct meta_kv all[META_TYPE_COUNT] = {
        [META_U8] = {.v.u = 255},         [META_I8] = {.v.i = -128},
        [META_U16] = {.v.u = 65535},      [META_I16] = {.v.i = -32768},
        [META_U32] = {.v.u = 0xfffffffe}, [META_I32] = {.v.i = INT32_MIN},
        [META_F32] = {.v.f = -0.5},       [META_BOOL] = {.v.u = 1},
        [META_U64] = {.v.u = UINT64_MAX}, [META_I64] = {.v.i = INT64_MIN},
        [META_F64] = {.v.f = 1e300},
    };
    struct buf b = {0};
    struct err err;

    (void)state;
    all[META_STR].v.str = (struct meta_str){.p = "a\0b", .n = 3};
    all[META_ARRAY].v.array =
        (struct meta_array){.elem = META_STR, .n = 3, .raw = strings, .raw_bytes = sizeof(strings)};
    for (int t = 0; t < META_TYPE_COUNT; t++) {
        all[t].type = (enum meta_type)t;
        all[t].key = meta_type_name((enum meta_type)t);
        assert_int_equal(meta_set_kv(&m, &all[t], &err), 0);
        meta_write(&b, &m.kv[t]);
    }
    struct rd r = rd_init(b.p, b.n);
    assert_int_equal(meta_read(&back, &r, META_TYPE_COUNT, &err), 0);
    assert_int_equal(rd_left(&r), 0);
    struct buf again = {0};
    for (size_t i = 0; i < back.n; i++)
        meta_write(&again, &back.kv[i]);
    assert_int_equal(again.n, b.n);
    assert_memory_equal(again.p, b.p, b.n);
    assert_true(back.kv[META_I8].v.i == -128 && back.kv[META_I16].v.i == -32768);
    assert_true(back.kv[META_F32].v.f == -0.5 && back.kv[META_F64].v.f == 1e300);
    buf_release(&b);
    buf_release(&again);
    meta_release(&m);
    meta_release(&back);
}

/* Cut anywhere, the same bytes are an error, never a crash. */
static void test_meta_wire_truncated(void **state)
{
    struct meta m = {0};
    struct buf b = {0};
    struct err err;

    (void)state;
    assert_int_equal(meta_set_u32(&m, "number", 7, &err), 0);
    assert_int_equal(meta_set_str(&m, "text", "abc", &err), 0);
    assert_int_equal(meta_set_array(&m, "list", META_STR, 3, strings, sizeof(strings), &err), 0);
    for (size_t i = 0; i < m.n; i++)
        meta_write(&b, &m.kv[i]);
    for (size_t n = 0; n < b.n; n++) {
        struct meta back = {0};
        struct rd r = rd_init(b.p, n);
        assert_int_equal(meta_read(&back, &r, 3, &err), ERR_FORMAT);
        meta_release(&back);
    }
    buf_release(&b);
    meta_release(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_meta_set_get),         cmocka_unit_test(test_meta_replace_and_remove),
        cmocka_unit_test(test_meta_many_keys),       cmocka_unit_test(test_meta_arrays),
        cmocka_unit_test(test_meta_wire_round_trip), cmocka_unit_test(test_meta_wire_truncated),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
