#include "eval/student_t.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void close_to(double got, double want, double eps)
{
    if (!(fabs(got - want) <= eps * fabs(want)))
        fail_msg("got %.17g, want %.17g", got, want);
}

/* computed with 30 digits (mpmath: quadrature of the density, Newton) */
static const struct {
    double p, df, t;
} known[] = {
    {0.9,    1,      3.0776835371752541},
    {0.9,    7,      1.4149239276505086},
    {0.9,    30,     1.3104150253913957},
    {0.9,    99,     1.2901614420344853},
    {0.9,    641,    1.2828736810227825},
    {0.95,   1,      6.3137515146750374},
    {0.95,   2,      2.9199855803537242},
    {0.95,   3,      2.3533634348018229},
    {0.95,   7,      1.8945786050900068},
    {0.95,   11,     1.7958848187040436},
    {0.95,   30,     1.6972608865939574},
    {0.95,   63,     1.6694022217068127},
    {0.95,   99,     1.6603911560169905},
    {0.95,   100,    1.6602343260853391},
    {0.95,   149,    1.6551445337979561},
    {0.95,   641,    1.6472342621260796},
    {0.95,   5000,   1.6451584375969711},
    {0.95,   100000, 1.6448688647849693},
    {0.975,  1,      12.706204736174693},
    {0.975,  2,      4.3026527297494618},
    {0.975,  3,      3.1824463052837084},
    {0.975,  7,      2.3646242515927847},
    {0.975,  11,     2.2009851600916394},
    {0.975,  30,     2.0422724563012379},
    {0.975,  63,     1.9983405425207412},
    {0.975,  99,     1.9842169515864171},
    {0.975,  100,    1.9839715185235519},
    {0.975,  149,    1.9760131776891921},
    {0.975,  641,    1.9636717547907919},
    {0.975,  5000,   1.9604385517065075},
    {0.975,  100000, 1.9599877075346093},
    {0.99,   1,      31.82051595377393 },
    {0.99,   7,      2.9979515668685278},
    {0.99,   30,     2.457261542400591 },
    {0.99,   99,     2.364605861786943 },
    {0.99,   641,    2.3321794087960876},
    {0.995,  1,      63.656741162871524},
    {0.995,  7,      3.4994832973504933},
    {0.995,  30,     2.749995653567225 },
    {0.995,  99,     2.6264054572808272},
    {0.995,  641,    2.5835209727865078},
    {0.9999, 1,      3183.0987571185015},
    {0.9999, 7,      7.0634328281576388},
    {0.9999, 30,     4.2339859572720608},
    {0.9999, 99,     3.8630891071273095},
    {0.9999, 641,    3.7406403586542284},
};

static void test_student_t_quantile(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        close_to(student_t_quantile(known[i].p, known[i].df), known[i].t, 2e-12);
        close_to(student_t_quantile(1 - known[i].p, known[i].df), -known[i].t, 2e-11);
        close_to(student_t_cdf(known[i].t, known[i].df), known[i].p, 1e-13);
    }
    assert_true(student_t_quantile(0.5, 3) == 0);
}

static void test_student_t_exact(void **state)
{
    (void)state;
    /* one degree of freedom is Cauchy's distribution, two have a closed form */
    for (double t = -30; t < 30; t += 0.37) {
        close_to(student_t_cdf(t, 1), 0.5 + atan(t) / acos(-1), 1e-12);
        close_to(student_t_cdf(t, 2), 0.5 + t / (2 * sqrt(2 + t * t)), 1e-11);
    }
    /* very many: the normal distribution */
    close_to(student_t_cdf(1.96, 1e9), 0.5 * erfc(-1.96 / sqrt(2)), 1e-9);
    assert_true(student_t_cdf(0, 7) == 0.5);
}

static void test_student_t_needed(void **state)
{
    (void)state;
    for (double distance = 0.05; distance < 3; distance *= 1.7) {
        const double n = student_t_needed(distance, 1, 0.975);
        assert_true(n >= 2 && n == floor(n));
        assert_true(student_t_quantile(0.975, n - 1) / sqrt(n) < distance);
        assert_true(n == 2 || student_t_quantile(0.975, n - 2) / sqrt(n - 1) >= distance);
    }
    assert_true(student_t_needed(1, 0, 0.975) == 2);
    assert_true(student_t_needed(5, 1, 0.975) == 3); /* 12.7 / sqrt(2), 4.30 / sqrt(3) */
    assert_true(isinf(student_t_needed(0, 1, 0.975)));
    assert_true(isinf(student_t_needed((double)NAN, 1, 0.975)));
    assert_true(isinf(student_t_needed(1e-9, 1, 0.975)));
    assert_true(isinf(student_t_needed(1, (double)NAN, 0.975)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_student_t_quantile),
        cmocka_unit_test(test_student_t_exact),
        cmocka_unit_test(test_student_t_needed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
