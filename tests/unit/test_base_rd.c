#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "formats/base/rd.h"

#include <math.h>

static void test_rd_numbers(void **state)
{
    const uint8_t data[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 255};
    struct rd r = rd_init(data, sizeof(data));

    (void)state;
    assert_int_equal(rd_u8(&r), 1);
    assert_int_equal(rd_u16(&r), 0x0302);
    assert_int_equal(rd_u32(&r), 0x07060504);
    assert_int_equal(rd_left(&r), 9);
    assert_true(rd_u64(&r) == 0x0f0e0d0c0b0a0908);
    assert_int_equal(rd_u8(&r), 255);
    assert_false(r.bad);
    assert_int_equal(rd_left(&r), 0);
}

/* The bits of a number, the sign of nothing too. */
static void test_rd_doubles(void **state)
{
    const uint8_t data[] = {0, 0, 0, 0, 0, 0, 4, 192, 0, 0, 0, 0, 0, 0, 0, 128, 1};
    struct rd r = rd_init(data, sizeof(data));

    (void)state;
    assert_true(rd_f64(&r) == -2.5);
    assert_true(signbit(rd_f64(&r)));
    assert_false(r.bad);
    assert_true(rd_f64(&r) == 0);
    assert_true(r.bad);
}

/* The first read past the end stops all further ones. */
static void test_rd_is_sticky(void **state)
{
    const uint8_t data[] = {1, 2, 3};
    struct rd r = rd_init(data, sizeof(data));

    (void)state;
    assert_int_equal(rd_u32(&r), 0);
    assert_true(r.bad);
    assert_int_equal(rd_u8(&r), 0);
    assert_null(rd_bytes(&r, 0));
}

static void test_rd_bytes(void **state)
{
    const uint8_t data[] = {1, 2, 3};
    struct rd r = rd_init(data, sizeof(data));

    (void)state;
    assert_ptr_equal(rd_bytes(&r, 2), data);
    assert_ptr_equal(rd_bytes(&r, 0), data + 2);
    assert_ptr_equal(rd_bytes(&r, 1), data + 2);
    assert_ptr_equal(rd_bytes(&r, 0), data + 3);
    assert_false(r.bad);
    assert_null(rd_bytes(&r, UINT64_MAX));
    assert_true(r.bad);
}

static void test_rd_products_and_sums(void **state)
{
    size_t n = 7;

    (void)state;
    assert_false(mul_ok(&n, SIZE_MAX, 2));
    assert_false(add_ok(&n, SIZE_MAX, 1));
    assert_int_equal(n, 7);
    assert_true(mul_ok(&n, SIZE_MAX / 2, 2) && n == SIZE_MAX - 1);
    assert_true(add_ok(&n, n, 1) && n == SIZE_MAX);
    assert_true(mul_ok(&n, 0, SIZE_MAX) && n == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rd_numbers),           cmocka_unit_test(test_rd_doubles),
        cmocka_unit_test(test_rd_is_sticky),         cmocka_unit_test(test_rd_bytes),
        cmocka_unit_test(test_rd_products_and_sums),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
