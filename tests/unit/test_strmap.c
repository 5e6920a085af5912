#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "formats/base/strmap.h"

static void test_strmap_empty(void **state)
{
    struct strmap m = {0};
    size_t v = 7;

    (void)state;
    assert_false(strmap_get(&v, &m, "a", 1));
    assert_int_equal(v, 7);
    strmap_release(&m);
}

static void test_strmap_many(void **state)
{
    enum { N = 5000 };
    static char key[N][8];
    struct strmap m = {0};
    struct err err;
    bool added;
    size_t v;

    (void)state;
    for (size_t i = 0; i < N; i++) {
        (void)snprintf(key[i], sizeof(key[i]), "%zu", i);
        assert_int_equal(strmap_add(&added, &m, key[i], strlen(key[i]), i, &err), 0);
        assert_true(added);
    }
    for (size_t i = 0; i < N; i++) {
        assert_true(strmap_get(&v, &m, key[i], strlen(key[i])));
        assert_int_equal(v, i);
    }
    assert_int_equal(m.n, N);
    assert_false(strmap_get(&v, &m, "5000", 4));
    strmap_release(&m);
}

/* NUL and the empty string are keys like any other; the first value stays. */
static void test_strmap_keys_are_bytes(void **state)
{
    struct strmap m = {0};
    struct err err;
    bool added;
    size_t v;

    (void)state;
    assert_int_equal(strmap_add(&added, &m, "a\0b", 3, 1, &err), 0);
    assert_int_equal(strmap_add(&added, &m, "a\0c", 3, 2, &err), 0);
    assert_true(added);
    assert_int_equal(strmap_add(&added, &m, "", 0, 3, &err), 0);
    assert_true(added);
    assert_int_equal(strmap_add(&added, &m, "a\0b", 3, 9, &err), 0);
    assert_false(added);
    assert_true(strmap_get(&v, &m, "a\0b", 3));
    assert_int_equal(v, 1);
    assert_true(strmap_get(&v, &m, "", 0));
    assert_int_equal(v, 3);
    assert_false(strmap_get(&v, &m, "a", 1));
    strmap_release(&m);
}

static void test_strmap_reserve_keeps(void **state)
{
    struct strmap m = {0};
    struct err err;
    bool added;
    size_t v;

    (void)state;
    assert_int_equal(strmap_add(&added, &m, "x", 1, 5, &err), 0);
    assert_int_equal(strmap_reserve(&m, 1000, &err), 0);
    assert_true(m.cap >= 1500);
    assert_true(strmap_get(&v, &m, "x", 1));
    assert_int_equal(v, 5);
    assert_int_equal(strmap_reserve(&m, SIZE_MAX, &err), ERR_NOMEM);
    assert_true(strmap_get(&v, &m, "x", 1));
    strmap_release(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strmap_empty),
        cmocka_unit_test(test_strmap_many),
        cmocka_unit_test(test_strmap_keys_are_bytes),
        cmocka_unit_test(test_strmap_reserve_keeps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
