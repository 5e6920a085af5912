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

/* A sum of 12 uniform numbers: nearly normal, mean 0, variance 1. */
static double normal(uint64_t *seed)
{
    double sum = -6;

    for (int i = 0; i < 12; i++) {
        *seed = *seed * 6364136223846793005U + 1442695040888963407U;
        sum += (double)(*seed >> 40) / 0x1p24;
    }
    return sum;
}

enum { CLUSTERS = 200, EACH = 50 };

/* Tokens that share half their variance with their window, and windows a part of theirs with
 * the next: a text has topics. */
static void correlated(double *x, double between, uint64_t *seed)
{
    double topic = normal(seed);

    for (size_t c = 0; c < CLUSTERS; c++) {
        topic = between * topic + sqrt(1 - between * between) * normal(seed);
        for (size_t i = 0; i < EACH; i++)
            x[c * EACH + i] = 3 + topic + normal(seed);
    }
}

static double naive(const double *x)
{
    return stats_clustered(x, (size_t)CLUSTERS * EACH, 1).error;
}

static double bootstrap(const double *x, size_t block)
{
    const struct stats_boot how = {.block = block, .n_draws = 2000, .seed = 7};
    struct err err = {0};
    double a, b;

    assert_int_equal(stats_bootstrap(&a, x, CLUSTERS, EACH, &how, &err), 0);
    assert_int_equal(stats_bootstrap(&b, x, CLUSTERS, EACH, &how, &err), 0);
    assert_true(a == b);
    return a;
}

/* How far the means of many such texts really spread. */
static double spread(double between)
{
    enum { TEXTS = 400 };
    static double x[(size_t)CLUSTERS * EACH];
    double means[TEXTS];
    uint64_t seed = 99;

    for (size_t t = 0; t < TEXTS; t++) {
        correlated(x, between, &seed);
        means[t] = stats_clustered(x, CLUSTERS, EACH).value;
    }
    return stats_clustered(means, TEXTS, 1).error * sqrt(TEXTS);
}

/* Of independent windows: what takes tokens for independent is off by sqrt(1 + 49 / 2), the
 * clustered error and the bootstrap are right. */
static void test_stats_correlated_tokens(void **state)
{
    static double x[(size_t)CLUSTERS * EACH];
    uint64_t seed = 1;

    (void)state;
    correlated(x, 0, &seed);
    const double truth = spread(0), clustered = stats_clustered(x, CLUSTERS, EACH).error;
    assert_true(truth / naive(x) > 4.5 && truth / naive(x) < 5.6);
    assert_true(fabs(clustered / truth - 1) < 0.15);
    assert_true(fabs(bootstrap(x, 1) / clustered - 1) < 0.05);
}

/* Where windows resemble their neighbours too, blocks of several are needed. */
static void test_stats_correlated_windows(void **state)
{
    static double x[(size_t)CLUSTERS * EACH];
    uint64_t seed = 3;

    (void)state;
    correlated(x, 0.6, &seed);
    const double truth = spread(0.6), clustered = stats_clustered(x, CLUSTERS, EACH).error;
    assert_true(clustered < 0.7 * truth);
    assert_true(fabs(bootstrap(x, 1) / clustered - 1) < 0.05);
    assert_true(fabs(bootstrap(x, 10) / truth - 1) < 0.25);
}

static void test_stats_bootstrap_unknown(void **state)
{
    const struct stats_boot how = {.n_draws = 10}, once = {.n_draws = 1};
    const double x[] = {1, 2};
    struct err err = {0};
    double e;

    (void)state;
    assert_int_equal(stats_bootstrap(&e, x, 1, 2, &how, &err), 0);
    assert_true(isnan(e));
    assert_int_equal(stats_bootstrap(&e, x, 0, 2, &how, &err), 0);
    assert_true(isnan(e));
    assert_int_equal(stats_bootstrap(&e, x, 2, 1, &once, &err), 0);
    assert_true(isnan(e));
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
        cmocka_unit_test(test_stats_correlated_tokens),
        cmocka_unit_test(test_stats_correlated_windows),
        cmocka_unit_test(test_stats_bootstrap_unknown),
        cmocka_unit_test(test_stats_exp),
        cmocka_unit_test(test_stats_correlation),
        cmocka_unit_test(test_stats_quantile),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
