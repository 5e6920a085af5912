#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "formats/base/buf.h"

static void test_buf_appends(void **state)
{
    struct buf b = {0};
    struct err err;

    (void)state;
    buf_str(&b, "ab");
    buf_put(&b, "c\0d", 3);
    buf_fmt(&b, "%d-%s", 12, "x");
    assert_int_equal(buf_check(&b, &err), 0);
    assert_int_equal(b.n, 9);
    assert_memory_equal(b.p, "abc\0d12-x", 10);
    buf_release(&b);
    assert_null(b.p);
    assert_int_equal(b.n + b.cap, 0);
}

static void test_buf_numbers(void **state)
{
    struct buf b = {0};

    (void)state;
    buf_u32(&b, 0x04030201);
    buf_u64(&b, 0x0c0b0a0908070605);
    buf_f64(&b, 0x1.50f0e0d0c0b0ap+1); /* bits 0x40050f0e0d0c0b0a */
    assert_int_equal(b.n, 20);
    for (size_t i = 0; i < 12; i++)
        assert_int_equal(b.p[i], i + 1);
    assert_memory_equal(b.p + 12, "\x0a\x0b\x0c\x0d\x0e\x0f\x05\x40", 8);
    buf_release(&b);
}

static void test_buf_grows(void **state)
{
    struct buf b = {0};
    char big[1000];

    (void)state;
    memset(big, 'y', sizeof(big));
    for (int i = 0; i < 1000; i++)
        buf_put(&b, "x", 1);
    buf_put(&b, big, sizeof(big));
    buf_put(&b, NULL, 0);
    assert_int_equal(b.n, 2000);
    assert_int_equal(b.p[999], 'x');
    assert_int_equal(b.p[1000], 'y');
    assert_int_equal(b.p[2000], 0);
    buf_release(&b);
}

/* Doubling, so that n appends move O(n) bytes. */
static void test_buf_grows_by_doubling(void **state)
{
    struct buf b = {0};
    size_t times = 0, cap = 0;

    (void)state;
    for (int i = 0; i < 100000; i++) {
        buf_put(&b, "x", 1);
        times += b.cap != cap;
        cap = b.cap;
    }
    assert_true(times < 20);
    buf_release(&b);
}

/* A size nothing can hold: no crash, and every later append is ignored. */
static void test_buf_fails_for_good(void **state)
{
    struct buf b = {0};
    struct err err;

    (void)state;
    buf_str(&b, "ab");
    buf_put(&b, "x", SIZE_MAX - 1);
    buf_str(&b, "cd");
    assert_int_equal(buf_check(&b, &err), ERR_NOMEM);
    assert_int_equal(b.n, 2);
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_buf_appends),        cmocka_unit_test(test_buf_numbers),
        cmocka_unit_test(test_buf_grows),          cmocka_unit_test(test_buf_grows_by_doubling),
        cmocka_unit_test(test_buf_fails_for_good),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
