#include "eval/stats.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* F64 sums of a handful of numbers around 1 */
static const double eps = 1e-14;

static void close_to(double got, double want)
{
    if (!(fabs(got - want) <= eps * (1 + fabs(want))))
        fail_msg("got %a, want %a", got, want);
}

static void test_stats_clustered(void **state)
{
    /* windows {1, 2}, {3, 6}, {2, 4}: mean 3; sums of deviations -3, 3, 0:
     * sqrt(3/2 * 18) / 6 */
    const double x[] = {1, 2, 3, 6, 2, 4};
    const struct stats_mean m = stats_clustered(x, 3, 2);

    (void)state;
    close_to(m.value, 3);
    close_to(m.error, sqrt(27.0) / 6);
}

static void test_stats_clustered_singles(void **state)
{
    /* clusters of one: the ordinary standard error s / sqrt(n) */
    const double x[] = {1, 2, 3, 4};
    const struct stats_mean m = stats_clustered(x, 4, 1);

    (void)state;
    close_to(m.value, 2.5);
    close_to(m.error, sqrt(5.0 / 3) / 2);
}

static void test_stats_clustered_counts_windows(void **state)
{
    /* the same value all through a window is one observation, however long it is */
    double x[200];

    (void)state;
    for (size_t i = 0; i < 200; i++)
        x[i] = i < 100 ? 1 : 3;
    close_to(stats_clustered(x, 2, 100).error, 1);
}

static void test_stats_clustered_unknown(void **state)
{
    const double x[] = {1, 2};
    const struct stats_mean one = stats_clustered(x, 1, 2);
    const struct stats_mean none = stats_clustered(x, 0, 2);

    (void)state;
    close_to(one.value, 1.5);
    assert_true(isnan(one.error));
    assert_true(isnan(none.value) && isnan(none.error));
}

static void test_stats_exp(void **state)
{
    const struct stats_mean m = stats_exp((struct stats_mean){2, 0.1});

    (void)state;
    close_to(m.value, exp(2));
    close_to(m.error, 0.1 * exp(2));
}

static void test_stats_correlation(void **state)
{
    const double x[] = {1, 2, 3, 4}, y[] = {2, 4, 6, 8}, z[] = {1, -1, -1, 1}, k[] = {5, 5, 5, 5};
    const double w[] = {1, 3, 2, 4};

    (void)state;
    close_to(stats_correlation(x, y, 4), 1);
    close_to(stats_correlation(x, z, 4), 0);
    close_to(stats_correlation(x, w, 4), 0.8);
    assert_true(isnan(stats_correlation(x, k, 4)));
}

static void test_stats_quantile(void **state)
{
    double x[] = {4, 1, 3, 2};

    (void)state;
    stats_sort(x, 4);
    close_to(stats_quantile(x, 4, 0), 1);
    close_to(stats_quantile(x, 4, 1), 4);
    close_to(stats_quantile(x, 4, 0.5), 2.5);
    close_to(stats_quantile(x, 4, 0.9), 3.7);
    close_to(stats_quantile(x, 1, 0.9), 1);
    close_to(stats_rms(x, 4), sqrt(7.5));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stats_clustered),
        cmocka_unit_test(test_stats_clustered_singles),
        cmocka_unit_test(test_stats_clustered_counts_windows),
        cmocka_unit_test(test_stats_clustered_unknown),
        cmocka_unit_test(test_stats_exp),
        cmocka_unit_test(test_stats_correlation),
        cmocka_unit_test(test_stats_quantile),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
