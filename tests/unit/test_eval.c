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

static struct kern kern;

/* All of a position, in stretches of `step` tokens. */
struct said {
    struct score score;
    struct score_part all;
};

static void say_in(struct said *out, const float *x, size_t n, int32_t next, const struct said *ref,
                   const float *own, size_t step)
{
    struct score_part own_all = {.lse = (double)-INFINITY};
    struct score_best best, unused;

    *out = (struct said){.all = {.lse = (double)-INFINITY}};
    score_best_clear(&best);
    score_best_clear(&unused);
    for (size_t i = 0; i < n; i += step) {
        const size_t k = n - i < step ? n - i : step;
        struct score_part part, own_part = {0};
        score_stretch(&part, &best, x + i, own ? own + i : NULL, i, k, &kern);
        if (own)
            score_stretch(&own_part, &unused, own + i, NULL, i, k, &kern);
        score_join(&out->all, &part, own ? &own_all : NULL, own ? &own_part : NULL);
        if (own)
            score_join(&own_all, &own_part, NULL, NULL);
    }
    score_finish(&out->score, &best, (double)x[next], out->all.lse);
    if (own)
        score_against(&out->score, &out->all, &ref->score, &own_all);
}

static void say(struct said *out, const float *x, size_t n, int32_t next, const struct said *ref,
                const float *own)
{
    say_in(out, x, n, next, ref, own, n);
}

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
    struct said s;

    (void)state;
    say(&s, logits, 4, 2, NULL, NULL);
    assert_true(fabs(s.score.nll - log(8)) < 1e-6);
    assert_int_equal(s.score.top, 1);
    close_to(s.score.kld, 0);
}

static void test_eval_position_against(void **state)
{
    const float own[] = {0, 0}, logits[] = {(float)1.5, 0};
    struct said ref, s;

    (void)state;
    say(&ref, own, 2, 0, NULL, NULL);
    say(&s, logits, 2, 0, &ref, own);
    const double p0 = exp(1.5) / (exp(1.5) + 1), p1 = 1 - p0;
    close_to(ref.score.nll, log(2));
    close_to(s.score.nll, -log(p0));
    /* KL(original || model), not the other way round */
    close_to(s.score.kld, 0.5 * log(0.5 / p0) + 0.5 * log(0.5 / p1));
    close_to(s.score.dp, p0 - 0.5);
}

static void test_eval_position_same(void **state)
{
    /* the same distribution: shifted logits */
    float own[1000], logits[1000];
    struct said ref, s;

    (void)state;
    for (size_t i = 0; i < 1000; i++) {
        own[i] = (float)(i % 37) * 0.25F;
        logits[i] = own[i] + 8;
    }
    say(&ref, own, 1000, 5, NULL, NULL);
    say(&s, logits, 1000, 5, &ref, own);
    assert_true(s.score.kld >= 0 && s.score.kld < 1e-13);
    close_to(s.score.dp, 0);
    assert_int_equal(s.score.top, ref.score.top);
    assert_int_equal(s.score.shared, SCORE_TOP);
}

static void test_eval_position_not_finite(void **state)
{
    const float nan[] = {0, NAN, 1}, inf[] = {0, INFINITY, 1};
    struct said s;

    (void)state;
    say(&s, nan, 3, 0, NULL, NULL);
    assert_true(!isfinite(s.score.lse));
    say(&s, inf, 3, 0, NULL, NULL);
    assert_true(!isfinite(s.score.lse));
}

/* Logits of a vocabulary as models give them: a few likely tokens, a long tail. */
static void make_logits(float *x, size_t n, uint64_t seed, float spread)
{
    for (size_t i = 0; i < n; i++) {
        seed = seed * 6364136223846793005U + 1442695040888963407U;
        x[i] = spread * (float)((double)(seed >> 40) / 0x1p24 - 0.5) + (i % 97 ? 0 : 9);
    }
}

/* In F64, all of it. */
static double plain_kld(const float *p, const float *q, size_t n)
{
    double zp = 0, zq = 0, sum = 0;

    for (size_t i = 0; i < n; i++) {
        zp += exp((double)p[i]);
        zq += exp((double)q[i]);
    }
    for (size_t i = 0; i < n; i++)
        sum += exp((double)p[i]) / zp * (((double)p[i] - log(zp)) - ((double)q[i] - log(zq)));
    return sum;
}

enum { WORDS = 5000 };

/* Any instruction set, however the vocabulary is cut: the figures of F64 sums. */
static void test_eval_stretches(void **state)
{
    static const unsigned level[] = {0, CPU_AVX2, CPU_ALL};
    static const size_t step[] = {WORDS, 256, 999, 7};
    float own[WORDS], logits[WORDS], noise[WORDS];

    (void)state;
    make_logits(own, WORDS, 1, 12);
    make_logits(noise, WORDS, 2, 1);
    for (size_t i = 0; i < WORDS; i++)
        logits[i] = own[i] + noise[i];
    for (size_t l = 0; l < sizeof(level) / sizeof(level[0]); l++) {
        kern_init(&kern, level[l] & cpu_detect());
        for (size_t k = 0; k < sizeof(step) / sizeof(step[0]); k++) {
            struct said ref, s;
            say_in(&ref, own, WORDS, 3, NULL, NULL, step[k]);
            say_in(&s, logits, WORDS, 3, &ref, own, step[k]);
            assert_true(fabs(s.score.kld - plain_kld(own, logits, WORDS)) < 1e-6);
            assert_int_equal(s.score.top, score_top(logits, WORDS));
        }
    }
    kern_init(&kern, 0);
}

/* Tokens that cannot be: of the original, they do not count; of the model, nothing is lost
 * where the original says the same. */
static void test_eval_impossible(void **state)
{
    float own[64], logits[64];
    struct said ref, s;

    (void)state;
    for (size_t i = 0; i < 64; i++) {
        own[i] = i < 32 ? -INFINITY : (float)(i % 5);
        logits[i] = i < 40 ? 0 : (float)(i % 3);
    }
    for (size_t step = 16; step <= 64; step *= 2) {
        say_in(&ref, own, 64, 40, NULL, NULL, step);
        say_in(&s, logits, 64, 40, &ref, own, step);
        assert_true(isfinite(s.score.kld) && s.score.kld > 0);
        say_in(&s, own, 64, 40, &ref, own, step);
        close_to(s.score.nll, ref.score.nll);
    }
}

static const struct {
    float logit[10];
    int32_t five[SCORE_TOP];
} tops[] = {
    {{1, 7, -9, 7, 2, 9, 0, 3, 3, 1}, {5, 1, 3, 7, 8}},
    {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0},  {0, 1, 2, 3, 4}},
    {{0, 0, 0, 0, 0, 1, 1, 1, 1, 1},  {5, 6, 7, 8, 9}},
    {{9, 8, 7, 6, 5, 4, 3, 2, 1, 0},  {0, 1, 2, 3, 4}},
};

/* In whichever order stretches are met, and joined from two threads. */
static void test_eval_five(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(tops) / sizeof(tops[0]); i++)
        for (size_t cut = 1; cut < 10; cut++) {
            struct score_best a, b;
            struct score_part unused;
            score_best_clear(&a);
            score_best_clear(&b);
            score_stretch(&unused, &a, tops[i].logit + cut, NULL, cut, 10 - cut, &kern);
            score_stretch(&unused, cut % 2 ? &a : &b, tops[i].logit, NULL, 0, cut, &kern);
            score_best_add(&b, &a);
            assert_memory_equal(b.id, tops[i].five, sizeof(b.id));
        }
}

static void test_eval_few(void **state)
{
    const float few[] = {1, 2};
    const int32_t want[SCORE_TOP] = {1, 0, -1, -1, -1};
    struct said s;

    (void)state;
    say(&s, few, 2, 0, NULL, NULL);
    assert_memory_equal(s.score.five, want, sizeof(want));
}

static void test_eval_shared(void **state)
{
    /* the original's five: 0 1 2 3 4; the model's: 9 8 2 1 7 */
    const float own[] = {9, 8, 7, 6, 5, 0, 0, 0, 0, 0}, logits[] = {0, 6, 7, 1, 0, 0, 0, 5, 8, 9};
    struct said ref, s;

    (void)state;
    say(&ref, own, 10, 0, NULL, NULL);
    say(&s, logits, 10, 0, &ref, own);
    assert_int_equal(s.score.shared, 2);
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
        cmocka_unit_test(test_eval_position_against),
        cmocka_unit_test(test_eval_position_same),
        cmocka_unit_test(test_eval_position_not_finite),
        cmocka_unit_test(test_eval_stretches),
        cmocka_unit_test(test_eval_impossible),
        cmocka_unit_test(test_eval_five),
        cmocka_unit_test(test_eval_few),
        cmocka_unit_test(test_eval_shared),
        cmocka_unit_test(test_eval_summary),
        cmocka_unit_test(test_eval_summary_against),
        cmocka_unit_test(test_eval_summary_worst),
        cmocka_unit_test(test_eval_summary_empty),
    };

    kern_init(&kern, 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
