#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "formats/base/clock.h"

#include <time.h>

/* It counts seconds, as much of them as was slept. */
static void test_clock_goes_forward(void **state)
{
    const struct timespec nap = {.tv_nsec = 20000000};
    const double begin = clock_seconds();

    (void)state;
    assert_int_equal(nanosleep(&nap, NULL), 0);
    const double took = clock_seconds() - begin;
    assert_true(took >= 0.02 && took < 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clock_goes_forward),
    };

    return cmocka_run_group_tests_name("base_clock", tests, NULL, NULL);
}
