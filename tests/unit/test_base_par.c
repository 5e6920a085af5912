#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "formats/base/par.h"

enum { N = 1000 };

struct work {
    int times[N];
    int bad_thread;
    int n_threads;
};

static void count(void *arg, size_t i, int thread)
{
    struct work *w = arg;

    w->times[i]++;
    if (thread < 0 || thread >= w->n_threads)
        w->bad_thread = 1;
}

/* Every piece once, at any number of threads. */
static void test_par_covers(void **state)
{
    (void)state;
    for (int t = 1; t <= 8; t *= 2) {
        const struct par par = par_init(t);
        struct work w = {.n_threads = t};
        par_for(&par, N, count, &w);
        for (size_t i = 0; i < N; i++)
            assert_int_equal(w.times[i], 1);
        assert_int_equal(w.bad_thread, 0);
        par_for(&par, 0, count, &w);
        par_for(&par, 1, count, &w);
        assert_int_equal(w.times[0], 2);
    }
}

static void test_par_default(void **state)
{
    (void)state;
    assert_true(par_init(0).n_threads >= 1);
    assert_int_equal(par_init(3).n_threads, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_par_covers),
        cmocka_unit_test(test_par_default),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
