#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "quant/half.h"
#include "quant/rows.h"

#include <math.h>
#include <string.h>

static struct source_tensor tensor(const struct source_part *parts, size_t n_parts, enum dtype type,
                                   uint64_t len, uint64_t rows, enum arch_change change)
{
    return (struct source_tensor){
        .name = "t",
        .stored = "t",
        .layer = -1,
        .type = type,
        .n_dims = 2,
        .dims = {len, rows, 1, 1},
        .change = change,
        .n_parts = n_parts,
        .part = parts,
    };
}

static void check(const float *got, const float *want, size_t n)
{
    for (size_t i = 0; i < n; i++)
        assert_memory_equal(&got[i], &want[i], sizeof(float));
}

static void test_rows_plain_and_parts(void **state)
{
    (void)state;
    float a[6] = {1, 2, 3, 4, 5, 6}, b[6] = {7, 8, 9, 10, 11, 12}, got[12];
    const float want[9] = {4, 5, 6, 7, 8, 9, 10, 11, 12};
    const struct source_part part[2] = {
        {(const uint8_t *)a, sizeof(a), NULL},
        {(const uint8_t *)b, sizeof(b), NULL}
    };
    const struct source_tensor t = tensor(part, 2, DTYPE_F32, 3, 4, CHANGE_NONE);
    struct err err;

    assert_int_equal(rows_read(got, &t, 1, 3, &err), 0);
    check(got, want, 9);
    assert_true(rows_verbatim(&t, DTYPE_F32));
    assert_false(rows_verbatim(&t, DTYPE_F16));
}

/* One head: the two rotary halves become interleaved pairs. */
static void test_rows_permuted(void **state)
{
    (void)state;
    float a[8] = {0, 0, 1, 1, 2, 2, 3, 3}, got[8];
    const float want[8] = {0, 0, 2, 2, 1, 1, 3, 3};
    const struct source_part part = {(const uint8_t *)a, sizeof(a), NULL};
    const struct source_map pairs = {1,
                                     {{.n = 4, .n_digits = 2, .size = {2, 2}, .stride = {1, 2}}}};
    struct source_tensor t = tensor(&part, 1, DTYPE_F32, 2, 4, CHANGE_PERMUTE_Q);
    struct err err;

    t.rows = &pairs;

    assert_int_equal(rows_read(got, &t, 0, 4, &err), 0);
    check(got, want, 8);
    assert_true(rows_verbatim(&t, DTYPE_F32));
}

static void test_rows_transposed(void **state)
{
    (void)state;
    enum { LEN = 5, ROWS = 600 };
    static float a[LEN * ROWS], got[LEN * ROWS];
    const struct source_part part = {(const uint8_t *)a, sizeof(a), NULL};
    struct source_tensor t = tensor(&part, 1, DTYPE_F32, LEN, ROWS, CHANGE_NONE);
    t.transposed = true;
    t.stored_len = ROWS;
    struct err err;

    for (size_t i = 0; i < LEN * ROWS; i++)
        a[i] = (float)i;
    assert_int_equal(rows_read(got, &t, 7, ROWS - 7, &err), 0);
    for (size_t r = 7; r < ROWS; r++)
        for (size_t c = 0; c < LEN; c++)
            assert_memory_equal(&got[(r - 7) * LEN + c], &a[c * ROWS + r], sizeof(float));
    assert_false(rows_verbatim(&t, DTYPE_F32));
}

static void test_rows_arithmetic(void **state)
{
    (void)state;
    float a[4] = {0, -1, 0.1F, 1}, got[4];
    uint16_t h[4];
    const struct source_part part = {(const uint8_t *)a, sizeof(a), NULL};
    const struct source_part half = {(const uint8_t *)h, sizeof(h), NULL};
    struct source_tensor t = tensor(&part, 1, DTYPE_F32, 4, 1, CHANGE_ADD_ONE);
    struct err err;
    const float plus[4] = {1, 0, 0.1F + 1.0F, 2};

    assert_int_equal(rows_read(got, &t, 0, 1, &err), 0);
    check(got, plus, 4);
    assert_false(rows_verbatim(&t, DTYPE_F32));
    t.change = CHANGE_NEG_EXP;
    assert_int_equal(rows_read(got, &t, 0, 1, &err), 0);
    assert_true(got[0] <= -1 && got[0] >= -1);
    assert_true(fabs((double)got[3] + exp(1)) < 1e-6);
    /* the reference's bits, not the nearest: exp(0.1171875), exp(5.375) in torch 2 */
    const float log_a[4] = {0.1171875F, 5.375F, 0.9765625F, 0}, *bits = log_a;
    const struct source_part logs = {(const uint8_t *)bits, sizeof(log_a), NULL};
    t = tensor(&logs, 1, DTYPE_F32, 4, 1, CHANGE_NEG_EXP);
    assert_int_equal(rows_read(got, &t, 0, 1, &err), 0);
    assert_true(got[0] == nextafterf((float)-exp(0.1171875), -2));
    assert_true(got[1] == nextafterf((float)-exp(5.375), -1000));
    assert_true(got[2] == nextafterf((float)-exp(0.9765625), 0));
    /* what is written of F16 is rounded to F16; what is computed with is not */
    for (int i = 0; i < 4; i++)
        h[i] = f16_from_f32(a[i]);
    t = tensor(&half, 1, DTYPE_F16, 4, 1, CHANGE_ADD_ONE);
    assert_int_equal(rows_read(got, &t, 0, 1, &err), 0);
    const float exact = f32_from_f16(h[2]) + 1.0F;
    check(&got[2], &exact, 1);
    assert_int_equal(rows_read_to_write(got, &t, 0, 1, &err), 0);
    const float rounded = f32_from_f16(f16_from_f32(f32_from_f16(h[2]) + 1.0F));
    check(&got[2], &rounded, 1);
}

static void test_rows_unknown_type(void **state)
{
    (void)state;
    uint8_t a[256] = {0};
    float got[256];
    const struct source_part part = {a, sizeof(a), NULL};
    const struct source_tensor t = tensor(&part, 1, DTYPE_F8_E8M0, 256, 1, CHANGE_NONE);
    struct err err;

    assert_int_equal(rows_read(got, &t, 0, 1, &err), ERR_UNSUPPORTED);
    assert_non_null(strstr(err.msg, "F8_E8M0"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_plain_and_parts), cmocka_unit_test(test_rows_permuted),
        cmocka_unit_test(test_rows_transposed),      cmocka_unit_test(test_rows_arithmetic),
        cmocka_unit_test(test_rows_unknown_type),
    };

    return cmocka_run_group_tests_name("rows", tests, NULL, NULL);
}
