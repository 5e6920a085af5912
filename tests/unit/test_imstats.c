#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "eval/imstats.h"

#include <math.h>
#include <string.h>

static struct imatrix *make(void)
{
    const struct imatrix_entry shapes[] = {
        {"blk.1.ffn_up_exps.weight", 4, 3, NULL, NULL},
        {"blk.2.ffn_up_exps.weight", 4, 3, NULL, NULL},
        {"output.weight",            1, 1, NULL, NULL},
    };
    static const float sums[12] = {2, 4, 0, 2, 0, 0, 0, 0, 9, 9, 9, 9};
    struct imatrix *im;
    struct err err;

    assert_int_equal(imatrix_new(&im, shapes, 3, &err), 0);
    for (size_t i = 0; i < 2; i++) {
        memcpy(im->entry[i].sum2, sums, sizeof(sums));
        im->entry[i].count[0] = 2;
        im->entry[i].count[2] = 3;
    }
    im->entry[1].sum2[1] = 0; /* means 1 0 0 1 3 3 3 3 */
    return im;
}

static void is(double got, double want)
{
    assert_true(fabs(got - want) < 1e-12);
}

/* Means 1 2 0 1 of expert 0, 3 3 3 3 of expert 2; expert 1 has no data. */
static void test_imstats_numbers(void **state)
{
    struct imatrix *im = make();
    struct imstats s;
    struct err err;

    (void)state;
    assert_int_equal(imstats_of(&s, im, &im->entry[0], &err), 0);
    assert_int_equal(s.n_unused, 1);
    is(s.tokens, 3);
    is(s.least, 0);
    is(s.sum, 16);
    is(s.mean, 2);
    is(s.min, 0);
    is(s.max, 3);
    is(s.stddev, sqrt(10.0 / 8));
    is(s.active, 7.0 / 8);
    is(s.strong, 0);
    is(s.top_share, 3.0 / 16);
    is(s.entropy, (2 * 4 + 2 * 3) / 16.0 - 12 * log2(3.0 / 16) / 16);
    is(s.evenness, s.entropy / 3);
    assert_true(s.cosine < 0);
    assert_int_equal(imstats_of(&s, im, &im->entry[1], &err), 0);
    is(s.cosine, (2 * 2 + 2 * 2 + 4 * 81) / sqrt((24.0 + 4 * 81) * (8.0 + 4 * 81)));
    assert_int_equal(imstats_of(&s, im, &im->entry[2], &err), 0); /* nothing at all */
    is(s.sum, 0);
    imatrix_free(im);
}

static void test_imstats_output(void **state)
{
    struct imatrix *im = make();
    struct buf b = {0};
    struct err err;

    (void)state;
    assert_int_equal(imstats_text(&b, im, &err), 0);
    assert_non_null(strstr(b.p, "blk.1.ffn_up_exps.weight       4     3      1        0        3"));
    b.n = 0;
    assert_int_equal(imstats_json(&b, im, &err), 0);
    assert_non_null(strstr(b.p, "\"schema\": \"pare.imatrix\""));
    assert_non_null(strstr(b.p, "\"cosine\": null"));
    buf_release(&b);
    imatrix_free(im);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_imstats_numbers),
        cmocka_unit_test(test_imstats_output),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
