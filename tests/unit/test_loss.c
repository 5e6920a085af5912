#include "distill/loss.h"
#include "formats/base/cpu.h"
#include "runtime/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { N = 700 }; /* more than a block */

static struct kern kern_now(void)
{
    struct kern k;

    kern_init(&k, cpu_detect());
    return k;
}

static void noise(float *x, size_t n, uint64_t seed, double size)
{
    struct rng r = rng_init(seed);

    for (size_t i = 0; i < n; i++)
        x[i] = (float)(size * (rng_unit(&r) + rng_unit(&r) + rng_unit(&r) - 1.5));
}

static struct loss parse(const char *text, double temperature)
{
    struct loss l = {.n = 0};
    struct err err = {0};

    assert_int_equal(loss_parse(&l, text, &err), 0);
    l.temperature = temperature;
    return l;
}

static const char *const texts[] = {
    "forward_kl",           "reverse_kl", "jsd(0.3)", "skew_kl(0.2)",
    "skew_reverse_kl(0.4)", "tvd",        "ce",       "0.3*ce + 0.2*forward_kl + 0.5*jsd",
    "2*reverse_kl+0.5*tvd"};
enum { N_TEXTS = sizeof(texts) / sizeof(texts[0]) };

/* The derivative along a random direction against the difference of two values. */
static void slope(const struct loss *l, const struct loss_target *t)
{
    const struct kern k = kern_now();
    float z[N], dir[N], d[N], to[N], other[N];
    double want = 0, a, b;
    const double step = 0.01;

    noise(z, N, 1, 2);
    noise(dir, N, 2, 1);
    (void)loss_row(d, l, &k, z, t, N, 3);
    for (size_t i = 0; i < N; i++)
        want += (double)d[i] * (double)dir[i];
    for (size_t i = 0; i < N; i++)
        to[i] = z[i] + (float)step * dir[i];
    a = loss_row(other, l, &k, to, t, N, 3);
    for (size_t i = 0; i < N; i++)
        to[i] = z[i] - (float)step * dir[i];
    b = loss_row(other, l, &k, to, t, N, 3);
    /* TVD has corners */
    if (fabs(3 * (a - b) / (2 * step) - want) >
        (loss_has(l, LOSS_TVD) ? 3e-2 : 1e-3) * (fabs(want) + 0.03))
        fail_msg("difference %g, gradient %g", 3 * (a - b) / (2 * step), want);
}

static void test_loss_gradients(void **state)
{
    float teacher[N], logp[20];
    int32_t id[20];
    const struct loss_sparse sparse = {20, id, logp, logf(0.3F)};
    const struct loss_target dense = {teacher, NULL, 17, true};
    const struct loss_target top = {NULL, &sparse, 17, true};

    (void)state;
    noise(teacher, N, 3, 2);
    for (int i = 0; i < 20; i++) {
        id[i] = 7 * i + 3;
        logp[i] = logf(0.7F * (float)(20 - i) / 210);
    }
    for (size_t i = 0; i < N_TEXTS; i++)
        for (int temperature = 1; temperature < 4; temperature += 2) {
            const struct loss l = parse(texts[i], temperature);

            slope(&l, &dense);
            slope(&l, &top);
        }
}

static void near(const float *a, const float *b, size_t n, double share)
{
    double most = 0, off = 0;

    for (size_t i = 0; i < n; i++) {
        most = fmax(most, fabs((double)a[i]));
        off = fmax(off, fabs((double)a[i] - (double)b[i]));
    }
    if (!(off <= share * most))
        fail_msg("off by %g of %g", off, most);
}

/* A sparse target that has every token is the dense one. */
static void test_loss_sparse_of_all(void **state)
{
    const struct kern k = kern_now();
    float teacher[N], z[N], a[N], b[N], logp[N];
    int32_t id[N];
    const struct loss_sparse sparse = {N, id, logp, -INFINITY};
    const struct loss_target dense = {teacher, NULL, 5, true}, top = {NULL, &sparse, 5, true};
    double lse;

    (void)state;
    noise(teacher, N, 3, 4);
    noise(z, N, 4, 4);
    lse = k.log_sum_exp(teacher, N);
    for (int i = 0; i < N; i++) {
        id[i] = (i * 3) % N; /* 3 and 700 have no common divisor */
        logp[i] = (float)((double)teacher[id[i]] - lse);
    }
    for (size_t i = 0; i < N_TEXTS; i++) {
        const struct loss l = parse(texts[i], 1.7);
        const double x = loss_row(a, &l, &k, z, &dense, N, 1);
        const double y = loss_row(b, &l, &k, z, &top, N, 1);

        assert_true(fabs(x - y) <= 1e-5 * (1 + x));
        near(a, b, N, 1e-4);
    }
}

/* A mix is the sum of its parts, and T^2 is as asked. */
static void test_loss_mixes(void **state)
{
    const struct kern k = kern_now();
    float teacher[N], z[N], sum[N] = {0}, d[N];
    const struct loss_target t = {teacher, NULL, 9, true};
    struct loss l = parse("0.25*ce + 2*forward_kl + 0.5*skew_kl(0.1)", 2);
    double value, parts = 0;

    (void)state;
    noise(teacher, N, 5, 3);
    noise(z, N, 6, 3);
    for (size_t i = 0; i < l.n; i++) {
        struct loss one = {.n = 1, .temperature = 2, .no_t2 = true};
        const double t2 = l.term[i].kind == LOSS_CE ? 1 : 4;

        one.term[0] = l.term[i];
        parts += t2 * loss_row(d, &one, &k, z, &t, N, 1);
        for (size_t j = 0; j < N; j++)
            sum[j] += (float)t2 * d[j];
    }
    value = loss_row(d, &l, &k, z, &t, N, 1);
    assert_true(fabs(value - parts) <= 1e-6 * value);
    near(sum, d, N, 1e-5);
}

/* Neither masks nor rows without a target give a NaN; a NaN is not hidden. */
static void test_loss_masks(void **state)
{
    const struct kern k = kern_now();
    float teacher[N], z[N], d[N];
    struct loss_target t = {teacher, NULL, -1, false};
    const struct loss l = parse("ce + forward_kl + jsd(0.3)", 1);

    (void)state;
    noise(teacher, N, 5, 3);
    noise(z, N, 6, 3);
    assert_true(loss_row(d, &l, &k, z, &t, N, 1) == 0);
    for (int i = 0; i < N; i++)
        assert_true(d[i] == 0);
    t.counted = true;
    for (int i = 0; i < N; i += 3)
        teacher[i] = z[i] = -INFINITY;
    assert_true(isfinite(loss_row(d, &l, &k, z, &t, N, 1)));
    for (int i = 0; i < N; i++)
        assert_true(isfinite(d[i]) && (i % 3 || d[i] == 0));
    for (int i = 0; i < N; i++)
        teacher[i] = -INFINITY;
    assert_true(loss_row(d, &l, &k, z, &t, N, 1) == 0);
    z[40] = NAN;
    teacher[3] = 1;
    assert_true(isnan(loss_row(d, &l, &k, z, &t, N, 1)));
    for (int i = 0; i < N; i++)
        z[i] = NAN;
    assert_true(isnan(loss_row(d, &l, &k, z, &t, N, 1)));
}

/* Tokens that the student has and the teacher lacks: padding of the vocabulary, or a rest that is none. Training's
 * losses are finite there, and push the student away. */
static void test_loss_ruled_out(void **state)
{
    static const char *const more[] = {
        "jsd(0)", "jsd(1)", "skew_kl(0)", "skew_reverse_kl(0)", "skew_kl(1)", "skew_reverse_kl(1)"};
    enum { LACKS = 40 };
    const struct kern k = kern_now();
    float teacher[N], z[N], d[N], logp[N];
    int32_t id[N];
    const struct loss_sparse sparse = {N - LACKS, id, logp, -INFINITY};
    const struct loss_target targets[] = {
        {teacher, NULL,    17, true},
        {NULL,    &sparse, 17, true}
    };
    double lse;

    (void)state;
    noise(teacher, N, 3, 2);
    noise(z, N, 1, 2);
    for (int i = 0; i < LACKS; i++)
        teacher[N - 1 - i] = -INFINITY;
    lse = k.log_sum_exp(teacher, N);
    for (int i = 0; i < N - LACKS; i++) {
        id[i] = i;
        logp[i] = (float)((double)teacher[i] - lse);
    }
    for (size_t i = 0; i < N_TEXTS + sizeof(more) / sizeof(more[0]); i++)
        for (int how = 0; how < 6; how++) {
            const double temperatures[] = {0.3, 1, 3};
            const char *text = i < N_TEXTS ? texts[i] : more[i - N_TEXTS];
            struct loss l = parse(text, temperatures[how / 2]);
            const struct loss_target *t = &targets[how % 2];
            double away = 0;

            l.finite = true;
            if (!isfinite(loss_row(d, &l, &k, z, t, N, 1)))
                fail_msg("%s, T %g: the value is not finite", text, l.temperature);
            for (int j = 0; j < N; j++)
                if (!isfinite(d[j]))
                    fail_msg("%s, T %g: the gradient is not finite", text, l.temperature);
            for (int j = N - LACKS; j < N; j++)
                away += (double)d[j];
            if (!(away > 0) && strcmp(text, "skew_kl(1)") != 0 &&
                strcmp(text, "skew_reverse_kl(1)") != 0)
                fail_msg("%s, T %g: to where the teacher has nothing: %g", text, l.temperature,
                         away);
            if (how / 2)
                slope(&l, t);
        }
    struct loss l = parse("reverse_kl", 1); /* as defined */
    assert_true(isinf(loss_row(d, &l, &k, z, &targets[0], N, 1)));
}

/* A skew of all teacher is the teacher's divergence from itself, also where one of the two outweighs the other by more
 * than a double's digits. */
static void test_loss_skew_ends(void **state)
{
    static const char *const names[] = {"skew_kl(1)", "skew_reverse_kl(1)"};
    struct kern k;
    float z[40] = {0}, teacher[40] = {0}, d[40];
    const struct loss_target t = {.logits = teacher, .label = -1, .counted = true};

    (void)state;
    kern_init(&k, 0); /* the C library's log, of which 0 is -inf */
    z[3] = teacher[7] = 70;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const struct loss l = parse(names[i], 1);

        assert_true(fabs(loss_row(d, &l, &k, z, &t, 40, 1)) < 1e-12);
        for (size_t j = 0; j < 40; j++)
            assert_true(fabs((double)d[j]) < 1e-12);
    }
}

static void test_loss_hidden(void **state)
{
    const struct loss l = parse("2*hidden_mse + 0.5*hidden_cos", 1);
    float h[50], t[50], d[50] = {0}, waste[50], moved[50];
    double want, got = 0, a, b;

    (void)state;
    noise(h, 50, 1, 1);
    noise(t, 50, 2, 1);
    (void)loss_hidden_row(d, &l, h, t, 50, 1);
    memcpy(moved, h, sizeof(h));
    for (int i = 0; i < 50; i++)
        moved[i] += 0.01F * t[i] + 0.01F * (float)(i % 3);
    a = loss_hidden_row(waste, &l, moved, t, 50, 1);
    for (int i = 0; i < 50; i++)
        moved[i] = 2 * h[i] - moved[i];
    b = loss_hidden_row(waste, &l, moved, t, 50, 1);
    want = a - b;
    for (int i = 0; i < 50; i++)
        got += (double)d[i] * 2 * (double)(h[i] - moved[i]);
    assert_true(fabs(want - got) <= 1e-3 * fabs(want));
    assert_true(loss_hidden_row(d, &l, t, t, 50, 1) < 1e-6);
    memset(t, 0, sizeof(t));
    assert_true(isfinite(loss_hidden_row(d, &l, h, t, 50, 1)));
}

static void test_loss_parse(void **state)
{
    static const char *const bad[] = {
        "",           "kl",          "0.5 ce",   "ce +",
        "jsd(2)",     "ce(1)",       "jsd(0.5",  "-1*ce",
        "ce + + tvd", "nan*ce",      "1e999*ce", "ce tvd",
        "jsd()",      "forward_kl,", "0x",       "ce+ce+ce+ce+ce+ce+ce+ce+ce"};
    struct err err = {0};
    struct loss l = parse(" 0.5 * ce+jsd( 0.3 ) ", 1);
    struct buf text = {0};

    (void)state;
    assert_int_equal(l.n, 2);
    assert_true(l.term[0].kind == LOSS_CE && l.term[0].weight == 0.5);
    assert_true(l.term[1].kind == LOSS_JSD && l.term[1].param == 0.3 && l.term[1].weight == 1);
    loss_text(&text, &l);
    assert_string_equal(text.p, "0.5*ce + jsd(0.3)");
    buf_release(&text);
    assert_true(loss_needs_logits(&l) && loss_has(&l, LOSS_CE) && !loss_has(&l, LOSS_TVD));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(loss_parse(&l, bad[i], &err), ERR_ARG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loss_gradients), cmocka_unit_test(test_loss_sparse_of_all),
        cmocka_unit_test(test_loss_mixes),     cmocka_unit_test(test_loss_masks),
        cmocka_unit_test(test_loss_ruled_out), cmocka_unit_test(test_loss_skew_ends),
        cmocka_unit_test(test_loss_hidden),    cmocka_unit_test(test_loss_parse),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
