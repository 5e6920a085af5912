#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "formats/base/utf8.h"

static void step(const char *p, size_t n, size_t want, bool want_good)
{
    bool good;

    assert_int_equal(utf8_step(&good, p, n), want);
    assert_int_equal(good, want_good);
}

static void test_utf8_valid(void **state)
{
    (void)state;
    step("a", 1, 1, true);
    step("\0", 1, 1, true);
    step("\xc3\xa9z", 3, 2, true);
    step("\xe2\x96\x81", 3, 3, true);
    step("\xed\x9f\xbf", 3, 3, true);
    step("\xf0\x9f\x98\x80", 4, 4, true);
    step("\xf4\x8f\xbf\xbf", 4, 4, true);
}

/* Python's "replace" handler: one U+FFFD for each maximal part of a sequence. */
static void test_utf8_invalid(void **state)
{
    (void)state;
    step("\x80", 1, 1, false);
    step("\xc0\xaf", 2, 1, false);     /* too long */
    step("\xe0\x9f\x80", 3, 1, false); /* too long */
    step("\xed\xa0\x80", 3, 1, false); /* a surrogate */
    step("\xf4\x90\x80\x80", 4, 1, false);
    step("\xf5", 1, 1, false);
    step("\xe2\x96", 2, 2, false); /* cut */
    step("\xf0\x9f\x98z", 4, 3, false);
    step("\xc3", 1, 1, false);
}

static void test_utf8_bad(void **state)
{
    (void)state;
    assert_int_equal(utf8_bad("", 0), 0);
    assert_int_equal(utf8_bad("ab\0\xc3\xa9", 5), 5);
    assert_int_equal(utf8_bad("a\xc3\xa9\xff-", 5), 3);
    assert_int_equal(utf8_bad("a\xe2\x96", 3), 1); /* where a cut one begins */
    assert_int_equal(utf8_bad("\x80", 1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_utf8_valid),
        cmocka_unit_test(test_utf8_invalid),
        cmocka_unit_test(test_utf8_bad),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
