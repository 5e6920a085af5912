/* Training's inner loops at every level of processor, for rows of every length. */

#include "distill/wide/wide.h"
#include "formats/base/cpu.h"
#include "runtime/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { LEVELS = 3, MOST = 83 };

static const struct wide *level(size_t i)
{
    const unsigned cpus[LEVELS] = {0, CPU_AVX2, CPU_ALL};

    return wide_for(cpus[i] & cpu_detect());
}

static void fill(float *x, size_t n, double size, uint64_t seed)
{
    struct rng r = rng_init(seed);

    for (size_t i = 0; i < n; i++)
        x[i] = (float)(size * (rng_unit(&r) - 0.5));
}

/* Whole numbers, so that every order of sums gives the same. What stands beside a row stays. */
static void test_wide_mul(void **state)
{
    enum { K = 19, M = 19, N = 80 };
    float a[K * M], b[K * N], c[M * N];

    (void)state;
    for (size_t i = 0; i < sizeof(a) / sizeof(a[0]); i++)
        a[i] = (float)(i % 7) - 3;
    for (size_t i = 0; i < sizeof(b) / sizeof(b[0]); i++)
        b[i] = (float)(i % 5) - 2;
    for (size_t l = 0; l < LEVELS; l++)
        for (size_t m = 1; m < M; m += 3)
            for (size_t n = 1; n < N; n++) {
                const struct wide_mul t = {c, N, a, 1, M, b, N, m, n, K, n % 2};
                for (size_t i = 0; i < M * N; i++)
                    c[i] = 99;
                level(l)->mul(&t);
                for (size_t i = 0; i < M * N; i++) {
                    const bool in = i / N < m && i % N < n;
                    float sum = in && !t.add ? 0 : 99;
                    for (size_t k = 0; in && k < K; k++)
                        sum += a[k * M + i / N] * b[k * N + i % N];
                    assert_true(c[i] == sum);
                }
            }
}

static void test_wide_turn(void **state)
{
    float a[20 * 33], b[33 * 21];

    (void)state;
    fill(a, 20 * 33, 1, 1);
    for (size_t l = 0; l < LEVELS; l++) {
        level(l)->turn(b, 21, a, 33, 20, 33);
        for (size_t i = 0; i < 20 * 33; i++)
            assert_true(b[i % 33 * 21 + i / 33] == a[i]);
    }
}

static double score(double s, const struct wide_score *how, size_t j, size_t query)
{
    s *= (double)how->scale;
    if (how->cap > 0)
        s = (double)how->cap * tanh(s / (double)how->cap);
    return s + (double)how->slope * ((double)j - (double)query);
}

/* Probabilities, and their gradient by raw products, of every length. */
static void test_wide_soft(void **state)
{
    const struct wide_score hows[] = {
        {0.3F, 0,    0   },
        {0.3F, 2.0F, 0   },
        {0.3F, 0,    0.2F},
        {9.0F, 0,    0   }
    };

    (void)state;
    for (size_t l = 0; l < LEVELS; l++)
        for (size_t h = 0; h < sizeof(hows) / sizeof(hows[0]); h++)
            for (size_t n = 1; n < MOST; n++) {
                float raw[MOST], s[MOST], d[MOST], up[MOST], inv;
                double sum = 0, mean = 0;
                fill(raw, n, 20, n);
                fill(up, n, 2, n + 1);
                for (size_t i = 0; i < n; i++) {
                    s[i] = raw[i];
                    d[i] = up[i];
                    sum += exp(score((double)raw[i], &hows[h], i, n - 1));
                }
                const float lse = level(l)->soft(s, &inv, &hows[h], n, n - 1);
                assert_true(fabs((double)lse - log(sum)) < 1e-5 * (1 + fabs(log(sum))));
                for (size_t i = 0; i < n; i++) {
                    const double p = exp(score((double)raw[i], &hows[h], i, n - 1)) / sum;
                    assert_true(fabs((double)(s[i] * inv) - p) < 1e-5);
                    mean += p * (double)up[i];
                    s[i] = raw[i];
                }
                level(l)->soft_back(s, d, &hows[h], n, n - 1, (float[]){lse, (float)mean});
                for (size_t i = 0; i < n; i++) {
                    const double p = exp(score((double)raw[i], &hows[h], i, n - 1)) / sum;
                    const double t = score((double)raw[i], &hows[h], 0, 0) / (double)hows[h].cap;
                    const double slope = hows[h].cap > 0 ? 1 - t * t : 1;
                    const double want = p * ((double)up[i] - mean) * (double)hows[h].scale * slope;
                    assert_true(fabs((double)s[i] - p) < 2e-5);
                    assert_true(fabs((double)d[i] - want) < 5e-5);
                }
            }
}

/* Back and forth is where it was; pairs and halves, heads of every kind. */
static void test_wide_rotate(void **state)
{
    const size_t widths[][2] = {
        {4,  4 },
        {8,  8 },
        {16, 16},
        {80, 40},
        {64, 64},
        {10, 6 },
        {12, 12}
    };

    (void)state;
    for (size_t l = 0; l < LEVELS; l++)
        for (size_t w = 0; w < 2 * sizeof(widths) / sizeof(widths[0]); w++) {
            const size_t width = widths[w / 2][0], n_rot = widths[w / 2][1], half = n_rot / 2;
            const bool halves = w % 2;
            float x[3 * 80], y[3 * 80], cos_sin[2 * 80];
            struct wide_turns t = {cos_sin, cos_sin + n_rot, 3, width, n_rot, halves, false};
            fill(x, 3 * width, 1, w);
            for (size_t i = 0; i < 3 * width; i++)
                y[i] = x[i];
            for (size_t i = 0; i < n_rot; i++) {
                const size_t angle = halves ? i % half : i / 2;
                cos_sin[i] = cosf((float)angle + 1);
                cos_sin[n_rot + i] = sinf((float)angle + 1) * (halves || i % 2 ? 1 : -1);
            }
            level(l)->rotate(y, &t);
            for (size_t i = 0; i < 3 * width; i++) {
                const size_t c = i % width, at = i - c;
                if (c >= half)
                    continue;
                const float cs = cosf((float)c + 1), sn = sinf((float)c + 1);
                const size_t p = at + (halves ? c : 2 * c),
                             q = at + (halves ? c + half : 2 * c + 1);
                assert_true(fabsf(y[p] - (x[p] * cs - x[q] * sn)) < 1e-6F);
                assert_true(fabsf(y[q] - (x[q] * cs + x[p] * sn)) < 1e-6F);
            }
            t.back = true;
            level(l)->rotate(y, &t);
            for (size_t i = 0; i < 3 * width; i++)
                assert_true(fabsf(y[i] - x[i]) < 1e-6F);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wide_mul),
        cmocka_unit_test(test_wide_turn),
        cmocka_unit_test(test_wide_soft),
        cmocka_unit_test(test_wide_rotate),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
