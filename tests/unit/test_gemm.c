/* Products of training: every kernel this processor has, every orientation and odd shapes, against sums
 * in double; the same bits at any number of threads. */

#include "distill/gemm.h"
#include "formats/base/cpu.h"
#include "runtime/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SHAPES = 7 };

static const size_t shapes[SHAPES][3] = {
    {1,    1,    1   },
    {33,   17,   5   },
    {32,   64,   96  },
    {70,   3,    1100},
    {12,   2100, 31  },
    {2080, 40,   33  },
    {64,   64,   64  },
};

struct operands {
    float *a, *b, *c;
    size_t mnk[3];
};

static void fill(float *x, size_t n, struct rng *r)
{
    for (size_t i = 0; i < n; i++)
        x[i] = (float)rng_unit(r) - 0.5f;
}

static struct operands operands_new(const size_t mnk[3])
{
    struct operands o = {
        .mnk = {mnk[0], mnk[1], mnk[2]}
    };
    struct rng r = rng_init(mnk[0] * 7 + mnk[1]);

    o.a = malloc(mnk[0] * mnk[2] * sizeof(float));
    o.b = malloc(mnk[1] * mnk[2] * sizeof(float));
    o.c = malloc(mnk[0] * mnk[1] * sizeof(float));
    assert_true(o.a && o.b && o.c);
    fill(o.a, mnk[0] * mnk[2], &r);
    fill(o.b, mnk[1] * mnk[2], &r);
    fill(o.c, mnk[0] * mnk[1], &r);
    return o;
}

static void operands_free(struct operands *o)
{
    free(o->a);
    free(o->b);
    free(o->c);
}

static struct gemm_side side(const float *x, size_t rows, size_t cols, bool transposed)
{
    return (struct gemm_side){x, transposed ? rows : cols, transposed};
}

/* Largest difference of a product from `before` + sums in double. Every 7th row is looked at. */
static double worst(const struct operands *o, const float *before, bool ta, bool tb)
{
    const size_t m = o->mnk[0], n = o->mnk[1], k = o->mnk[2];
    double most = 0;

    for (size_t i = 0; i<m; i += m> 7 ? 7 : 1)
        for (size_t j = 0; j < n; j++) {
            double v = before ? (double)before[i * n + j] : 0;

            for (size_t x = 0; x < k; x++)
                v += (double)o->a[ta ? x * m + i : i * k + x] *
                     (double)o->b[tb ? j * k + x : x * n + j];
            most = fmax(most, fabs(v - (double)o->c[i * n + j]));
        }
    return most;
}

/* BF16 rounds an operand by 2^-9 of it, F32 a product by 2^-24: errors of k products below 1/4. */
static double bound(enum gemm_math math, size_t k)
{
    return math == GEMM_BF16 ? 0.25 * ldexp(2.0, -9) * (double)k + 1e-6
                             : 1e-6 * (1 + sqrt((double)k));
}

static void check(unsigned cpu, enum gemm_math math, const size_t mnk[3], unsigned form)
{
    const bool ta = form & 1, tb = form & 2, add = form & 4;
    const struct par par = par_init(2);
    struct operands o = operands_new(mnk);
    const size_t n = mnk[0] * mnk[1];
    float *before = malloc(n * sizeof(float));
    struct err err = {0};
    struct gemm *g;

    assert_non_null(before);
    memcpy(before, o.c, n * sizeof(float));
    if (gemm_new(&g, math, cpu, &par, &err)) {
        assert_int_equal(err.code, ERR_UNSUPPORTED);
        assert_int_equal(math, GEMM_BF16);
    } else {
        const struct gemm_side a = side(o.a, mnk[0], mnk[2], ta), b = side(o.b, mnk[2], mnk[1], tb);

        gemm(g, o.c, mnk[1], &a, &b, mnk, add);
        const double most = worst(&o, add ? before : NULL, ta, tb);
        if (!(most < bound(math, mnk[2])))
            fail_msg("cpu %x math %d form %u of %zu, %zu, %zu: %g, at most %g", cpu, (int)math,
                     form, mnk[0], mnk[1], mnk[2], most, bound(math, mnk[2]));
        gemm_free(g);
    }
    free(before);
    operands_free(&o);
}

static void test_gemm_shapes(void **state)
{
    const unsigned have = cpu_detect();
    const unsigned masks[] = {have, have & ~(unsigned)CPU_AMX, have & CPU_AVX2};

    (void)state;
    for (size_t l = 0; l < sizeof(masks) / sizeof(masks[0]); l++)
        for (int math = 0; math < GEMM_MATH_COUNT; math++)
            for (size_t s = 0; s < SHAPES; s++)
                for (unsigned form = 0; form < 8; form++)
                    check(masks[l], (enum gemm_math)math, shapes[s], form);
}

/* Columns of a wider matrix are left alone around the product. */
static void test_gemm_wide(void **state)
{
    const struct par par = par_init(1);
    float a[2] = {2, 3}, b[2] = {5, 7}, c[8] = {1, 1, 1, 1, 1, 1, 1, 1};
    struct err err = {0};
    struct gemm *g;

    (void)state;
    assert_int_equal(gemm_new(&g, GEMM_F32, cpu_detect(), &par, &err), 0);
    gemm(g, c, 4, &(struct gemm_side){a, 1, false}, &(struct gemm_side){b, 2, false},
         (size_t[]){2, 2, 1}, false);
    gemm_free(g);
    const float want[8] = {10, 14, 1, 1, 15, 21, 1, 1};
    assert_memory_equal(c, want, sizeof(c));
}

static void test_gemm_threads(void **state)
{
    const size_t mnk[3] = {130, 500, 1500};
    float *first = NULL;

    (void)state;
    for (int math = 0; math < GEMM_MATH_COUNT; math++)
        for (int threads = 1; threads < 4; threads++) {
            const struct par par = par_init(threads);
            struct operands o = operands_new(mnk);
            const struct gemm_side a = side(o.a, mnk[0], mnk[2], false);
            const struct gemm_side b = side(o.b, mnk[2], mnk[1], true);
            struct err err = {0};
            struct gemm *g;

            if (gemm_new(&g, (enum gemm_math)math, cpu_detect(), &par, &err)) {
                operands_free(&o);
                continue;
            }
            gemm(g, o.c, mnk[1], &a, &b, mnk, false);
            gemm_free(g);
            if (threads > 1)
                assert_memory_equal(o.c, first, mnk[0] * mnk[1] * sizeof(float));
            free(first);
            first = o.c;
            o.c = NULL;
            operands_free(&o);
        }
    free(first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gemm_shapes),
        cmocka_unit_test(test_gemm_wide),
        cmocka_unit_test(test_gemm_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
