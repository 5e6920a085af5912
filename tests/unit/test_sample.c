#include "runtime/rng.h"
#include "runtime/sample.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct sampler *make(double temperature, size_t top_k, double top_p, uint64_t seed, size_t n)
{
    const struct sample_opts o = {temperature, top_k, top_p, seed};
    struct sampler *s = NULL;
    struct err err = {0};

    assert_int_equal(sampler_new(&s, &o, n, &err), 0);
    return s;
}

static int32_t next(struct sampler *s, const float *logits)
{
    struct err err = {0};
    int32_t id = -1;

    assert_int_equal(sampler_next(&id, s, logits, &err), 0);
    return id;
}

/* The published first outputs for the state 1, 2, 3, 4. */
static void test_rng_published(void **state)
{
    static const uint64_t want[] = {41943041U, 58720359U, 3588806011781223U, 3591011842654386U,
                                    9228616714210784205U};
    struct rng r = {
        {1, 2, 3, 4}
    };

    (void)state;
    for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
        assert_true(rng_u64(&r) == want[i]);
    r = rng_init(7);
    for (int i = 0; i < 1000; i++) {
        const double u = rng_unit(&r);
        assert_true(u >= 0 && u < 1);
    }
}

static void test_sample_greedy(void **state)
{
    const float logits[] = {0.5f, 2.0f, -1.0f, 2.0f};
    struct sampler *s = make(0, 0, 1, 0, 4);
    struct sampler *k1 = make(5, 1, 1, 3, 4);

    (void)state;
    assert_int_equal(next(s, logits), 1); /* of equals the lower id */
    for (int i = 0; i < 50; i++)
        assert_int_equal(next(k1, logits), 1);
    sampler_free(s);
    sampler_free(k1);
}

/* Shares of many draws against softmax; 5 standard deviations of a binomial. */
static void test_sample_shares(void **state)
{
    enum { N = 40000, V = 4 };
    const float logits[V] = {0.0f, 1.0f, -0.5f, 0.3f};
    const double temperature = 0.7;
    double p[V], sum = 0;
    int count[V] = {0};
    struct sampler *s = make(temperature, 0, 1, 11, V);

    (void)state;
    for (int i = 0; i < V; i++)
        sum += p[i] = exp((double)logits[i] / temperature);
    for (int i = 0; i < N; i++)
        count[next(s, logits)]++;
    for (int i = 0; i < V; i++) {
        p[i] /= sum;
        assert_true(fabs(count[i] - N * p[i]) < 5 * sqrt(N * p[i] * (1 - p[i])));
    }
    sampler_free(s);
}

/* Probabilities 0.5, 0.3, 0.15, 0.05: what each cut leaves. */
static void test_sample_cuts(void **state)
{
    static const double p[] = {0.15, 0.5, 0.05, 0.3};
    static const struct {
        size_t top_k;
        double top_p;
        bool may[4];
    } cases[] = {
        {0, 1.0,  {true, true, true, true}   },
        {3, 1.0,  {true, true, false, true}  },
        {2, 1.0,  {false, true, false, true} },
        {0, 0.9,  {true, true, false, true}  },
        {0, 0.79, {false, true, false, true} },
        {0, 0.4,  {false, true, false, false}},
        {2, 0.5,  {false, true, false, false}}, /* 0.5 / 0.8 holds it alone */
    };
    float logits[4];

    (void)state;
    for (int i = 0; i < 4; i++)
        logits[i] = (float)log(p[i]);
    for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
        struct sampler *s = make(1, cases[c].top_k, cases[c].top_p, c, 4);
        bool seen[4] = {false};
        for (int i = 0; i < 2000; i++)
            seen[next(s, logits)] = true;
        for (int i = 0; i < 4; i++)
            assert_int_equal(seen[i], cases[c].may[i]);
        sampler_free(s);
    }
}

/* A long tail: top_k by heap equals top_k by sorting. */
static void test_sample_top_k_large(void **state)
{
    enum { V = 1000, K = 37 };
    float logits[V];
    struct rng r = rng_init(5);
    struct sampler *s = make(100, K, 1, 1, V);

    (void)state;
    for (int i = 0; i < V; i++)
        logits[i] = (float)rng_unit(&r);
    for (int i = 0; i < 3000; i++) {
        const int32_t id = next(s, logits);
        int better = 0;
        for (int j = 0; j < V; j++)
            better += logits[j] > logits[id];
        assert_true(better < K);
    }
    sampler_free(s);
}

static void test_sample_reproducible(void **state)
{
    const float logits[] = {0, 0, 0, 0, 0, 0, 0, 0};
    struct sampler *a = make(1, 0, 0.95, 42, 8), *b = make(1, 0, 0.95, 42, 8);
    struct sampler *c = make(1, 0, 0.95, 43, 8);
    int differ = 0;

    (void)state;
    for (int i = 0; i < 100; i++) {
        const int32_t id = next(a, logits);
        assert_int_equal(id, next(b, logits));
        differ += id != next(c, logits);
    }
    assert_true(differ > 0);
    sampler_free(a);
    sampler_free(b);
    sampler_free(c);
}

static void test_sample_not_numbers(void **state)
{
    const float some[] = {NAN, -INFINITY, 1.0f, INFINITY};
    const float none[] = {NAN, NAN, INFINITY, -INFINITY};
    struct sampler *s = make(1, 2, 0.9, 0, 4);
    struct err err = {0};
    int32_t id;

    (void)state;
    assert_int_equal(next(s, some), 2);
    assert_int_equal(sampler_next(&id, s, none, &err), ERR_FORMAT);
    sampler_free(s);
}

static void test_sample_bad_options(void **state)
{
    static const struct sample_opts bad[] = {
        {-1,          0, 1,   0},
        {(double)NAN, 0, 1,   0},
        {1,           0, 0,   0},
        {1,           0, 1.5, 0}
    };
    struct sampler *s;
    struct err err = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(sampler_new(&s, &bad[i], 4, &err), ERR_ARG);
        assert_null(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rng_published),      cmocka_unit_test(test_sample_greedy),
        cmocka_unit_test(test_sample_shares),      cmocka_unit_test(test_sample_cuts),
        cmocka_unit_test(test_sample_top_k_large), cmocka_unit_test(test_sample_reproducible),
        cmocka_unit_test(test_sample_not_numbers), cmocka_unit_test(test_sample_bad_options),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
