/* Scoring on made-up logits: everything of eval/ that needs no model. */
#include "eval/eval.h"
#include "eval/score.h"
#include "formats/base/cpu.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* the scalar kernel's definition, so that these tests need no kernel */
static double plain_log_sum_exp(const float *x, size_t n)
{
    double max = (double)-INFINITY, sum = 0;

    for (size_t i = 0; i < n; i++)
        max = (double)x[i] > max ? (double)x[i] : max;
    for (size_t i = 0; i < n; i++)
        sum += exp((double)x[i] - max);
    return max + log(sum);
}

static const struct kern kern = {.log_sum_exp = plain_log_sum_exp};

/* logits near 1 in F32: their F64 functions are good to a few F64 ulps */
static void close_to(double got, double want)
{
    if (!(fabs(got - want) <= 1e-12 * (1 + fabs(want))))
        fail_msg("got %a, want %a", got, want);
}

static void test_eval_position(void **state)
{
    /* p = 1/4, 1/2, 1/8, 1/8, up to logits' rounding to F32 */
    const float logits[] = {3.0F, 3.0F + (float)M_LN2, 3.0F - (float)M_LN2, 3.0F - (float)M_LN2};
    struct score s;

    (void)state;
    score_position(&s, logits, 4, 2, NULL, NULL, &kern);
    assert_true(fabs(s.nll - log(8)) < 1e-6);
    assert_int_equal(s.top, 1);
    close_to(s.kld, 0);
}

static void test_eval_position_ties(void **state)
{
    const float logits[] = {1, 7, 7, 2};
    struct score s;

    (void)state;
    score_position(&s, logits, 4, 0, NULL, NULL, &kern);
    assert_int_equal(s.top, 1);
}

static void test_eval_position_against(void **state)
{
    const float own[] = {0, 0}, logits[] = {(float)1.5, 0};
    struct score ref, s;

    (void)state;
    score_position(&ref, own, 2, 0, NULL, NULL, &kern);
    score_position(&s, logits, 2, 0, &ref, own, &kern);
    const double p0 = exp(1.5) / (exp(1.5) + 1), p1 = 1 - p0;
    close_to(ref.nll, log(2));
    close_to(s.nll, -log(p0));
    /* KL(original || model), not the other way round */
    close_to(s.kld, 0.5 * log(0.5 / p0) + 0.5 * log(0.5 / p1));
    close_to(s.dp, p0 - 0.5);
}

static void test_eval_position_same(void **state)
{
    /* the same distribution: shifted logits */
    float own[1000], logits[1000];
    struct score ref, s;

    (void)state;
    for (size_t i = 0; i < 1000; i++) {
        own[i] = (float)(i % 37) * 0.25F;
        logits[i] = own[i] + 8;
    }
    score_position(&ref, own, 1000, 5, NULL, NULL, &kern);
    score_position(&s, logits, 1000, 5, &ref, own, &kern);
    assert_true(s.kld >= 0 && s.kld < 1e-14);
    close_to(s.dp, 0);
    assert_int_equal(s.top, ref.top);
}

static void test_eval_position_not_finite(void **state)
{
    const float nan[] = {0, NAN, 1}, inf[] = {0, INFINITY, 1};
    struct score s;

    (void)state;
    score_position(&s, nan, 3, 0, NULL, NULL, &kern);
    assert_true(!isfinite(s.lse));
    score_position(&s, inf, 3, 0, NULL, NULL, &kern);
    assert_true(!isfinite(s.lse));
}

static void test_eval_five(void **state)
{
    const float logits[] = {1, 7, NAN, 7, 2, 9, 0, 3, 3}, few[] = {1, 2};
    const int32_t want[SCORE_TOP] = {5, 1, 3, 7, 8}, all[SCORE_TOP] = {1, 0, -1, -1, -1};
    int32_t got[SCORE_TOP];

    (void)state;
    score_five(got, logits + 3, 0);
    assert_int_equal(got[0], -1);
    score_five(got, few, 2);
    assert_memory_equal(got, all, sizeof(all));
    const float finite[] = {1, 7, -9, 7, 2, 9, 0, 3, 3};
    score_five(got, finite, 9);
    assert_memory_equal(got, want, sizeof(want));
    score_five(got, logits, 9); /* anything, but no more than that */
}

static void test_eval_shared(void **state)
{
    /* the original's five: 0 1 2 3 4; the model's: 9 8 2 1 7 */
    const float own[] = {9, 8, 7, 6, 5, 0, 0, 0, 0, 0}, logits[] = {0, 6, 7, 1, 0, 0, 0, 5, 8, 9};
    struct score ref, s;

    (void)state;
    score_position(&ref, own, 10, 0, NULL, NULL, &kern);
    score_position(&s, logits, 10, 0, &ref, own, &kern);
    assert_int_equal(s.shared, 2);
    score_position(&s, own, 10, 0, &ref, own, &kern);
    assert_int_equal(s.shared, 5);
}

/* Two windows of two positions. */
static const struct score original[] = {
    {.nll = 1.0, .top = 1},
    {.nll = 2.0, .top = 2},
    {.nll = 3.0, .top = 3},
    {.nll = 5.0, .top = 4},
};
static const struct score model[] = {
    {.nll = 1.5,  .kld = 0.1, .dp = 0.2,   .top = 1, .shared = 5},
    {.nll = 2.5,  .kld = 0.2, .dp = -0.2,  .top = 2},
    {.nll = 3.0, .kld = 0.4,  .dp = 0.1,    .top = 3        },
    {.nll = 5.0, .kld = 0.3,   .dp = -0.1, .top = 9,         .shared = 1           },
};

static void test_eval_summary(void **state)
{
    struct eval_result r;
    struct err err = {0};

    (void)state;
    assert_int_equal(score_summary(&r, original, NULL, 2, 2, &err), 0);
    assert_int_equal(r.n_tokens, 4);
    assert_int_equal(r.n_windows, 2);
    assert_false(r.have_original);
    close_to(r.nll.value, 2.75);
    /* window sums of deviations: -2.5 and 2.5 */
    close_to(r.nll.error, sqrt(2 * 12.5) / 4);
    close_to(r.ppl.value, exp(2.75));
    close_to(r.ppl.error, exp(2.75) * sqrt(25) / 4);
    close_to(r.window_nll[0], 1.5);
    close_to(r.window_nll[1], 4);
    assert_null(r.window_kld);
    eval_result_release(&r);
}

static void test_eval_summary_against(void **state)
{
    struct eval_result r;
    struct err err = {0};

    (void)state;
    assert_int_equal(score_summary(&r, model, original, 2, 2, &err), 0);
    assert_true(r.have_original);
    close_to(r.ln_ratio.value, 0.25);
    close_to(r.ln_ratio.error, sqrt(2 * 0.5) / 4);
    close_to(r.ppl_ratio.value, exp(0.25));
    close_to(r.kld.value, 0.25);
    close_to(r.kld_max, 0.4);
    close_to(r.kld_median, 0.25);
    close_to(r.window_kld[0], 0.15);
    close_to(r.window_kld[1], 0.35);
    close_to(r.top1.value, 0.75);
    close_to(r.top5.value, 0.3);
    close_to(r.window_top1[0], 1);
    close_to(r.window_top1[1], 0.5);
    close_to(r.dp.value, 0);
    close_to(r.dp_rms, sqrt(0.025));
    close_to(r.window_dp[0], 0);
    close_to(r.dp_max, 0.2);
    close_to(r.dp_min, -0.2);
    close_to(r.kld_min, 0.1);
    close_to(r.kld_p10, 0.1 + 0.3 * 0.1);
    close_to(r.position_nll[0], 2.25);
    close_to(r.position_kld[1], 0.25);
    assert_true(r.ln_correlation > 0.99 && r.ln_correlation < 1);
    eval_result_release(&r);
}

static void test_eval_summary_worst(void **state)
{
    enum { WINDOWS = 5 };
    static const double kld[WINDOWS] = {0.2, 0.5, 0.1, 0.5, 0.3};
    static const size_t want[EVAL_WORST] = {1, 3, 4};
    struct score s[WINDOWS * 2] = {0};
    struct eval_result r;
    struct err err = {0};

    (void)state;
    for (size_t i = 0; i < WINDOWS * 2; i++)
        s[i] = (struct score){.nll = (double)i, .kld = kld[i / 2] + (i % 2 ? 0.01 : -0.01)};
    assert_int_equal(score_summary(&r, s, s, WINDOWS, 2, &err), 0);
    assert_int_equal(r.n_worst, EVAL_WORST);
    for (size_t i = 0; i < EVAL_WORST; i++) {
        assert_int_equal(r.worst[i].window, want[i]);
        close_to(r.worst[i].kld, kld[want[i]]);
        close_to(r.worst[i].token_kld[1], kld[want[i]] + 0.01);
        close_to(r.worst[i].token_nll[0], 2 * (double)want[i]);
        assert_string_equal(r.worst[i].token[1], "");
    }
    eval_result_release(&r);
}

static void test_eval_summary_empty(void **state)
{
    struct eval_result r;
    struct err err = {0};

    (void)state;
    assert_int_equal(score_summary(&r, model, NULL, 0, 2, &err), ERR_ARG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_eval_position),
        cmocka_unit_test(test_eval_position_ties),
        cmocka_unit_test(test_eval_position_against),
        cmocka_unit_test(test_eval_position_same),
        cmocka_unit_test(test_eval_position_not_finite),
        cmocka_unit_test(test_eval_five),
        cmocka_unit_test(test_eval_shared),
        cmocka_unit_test(test_eval_summary),
        cmocka_unit_test(test_eval_summary_against),
        cmocka_unit_test(test_eval_summary_worst),
        cmocka_unit_test(test_eval_summary_empty),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
