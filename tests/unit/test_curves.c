#include "recipes/curves.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char head[] = "step,tokens,loss,norm,lr,seconds,kl,ppl,top1\n";

static int page(struct buf *out, const char *log, struct err *err)
{
    static const struct curves_fact fact = {"teacher", "a <b> & c"};
    const struct curves c = {"x<y>", &fact, 1, log, strlen(log)};

    return curves_page(out, &c, err);
}

static void test_curves_page(void **state)
{
    struct buf log = {0}, out = {0};
    struct err err = {0};

    (void)state;
    buf_str(&log, head);
    buf_str(&log, "0,0,,,,0.1,2.5,30,0.2\n");
    for (int i = 1; i <= 1000; i++)
        buf_fmt(&log, "%d,%d,%g,1.5,0.001,%d,,,\n", i, 64 * i, 2.0 / i, i);
    buf_str(&log, "1000,64000,,,,1000.5,0.5,12,0.75\n1001,64");
    assert_int_equal(page(&out, log.p, &err), 0);
    assert_non_null(strstr(out.p, "x&lt;y&gt;"));
    assert_non_null(strstr(out.p, "a &lt;b&gt; &amp; c"));
    assert_null(strstr(out.p, "<b> &"));
    assert_non_null(strstr(out.p, "id=\"kl-w"));
    assert_non_null(strstr(out.p, "id=\"loss-n"));
    assert_non_null(strstr(out.p, "<td>75.0</td>"));
    assert_true(out.n < 400000);
    buf_release(&log);
    buf_release(&out);
}

/* Without a teacher, without evaluations, with nothing at all. */
static void test_curves_little(void **state)
{
    static const char *const rows[] = {"", "1,64,2,1,0.1,1,,,\n",
                                       "0,0,,,,1,,9.5,\n1,64,2,1,0.1,1,,,\n"};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf log = {0}, out = {0};
        struct err err = {0};

        buf_str(&log, head);
        buf_str(&log, rows[i]);
        assert_int_equal(page(&out, log.p, &err), 0);
        assert_null(strstr(out.p, "nan"));
        buf_release(&log);
        buf_release(&out);
    }
}

static void test_curves_bad(void **state)
{
    static const char *const rows[] = {"x,1,,,,,,,\n", "1,2,3\n", ",1,,,,,,,\n",
                                       "1,2,3,4,5,6,7,8,9,10\n", "1,2,3,4,5,6,7,8,9x\n"};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf log = {0}, out = {0};
        struct err err = {0};

        buf_str(&log, head);
        buf_str(&log, rows[i]);
        assert_int_equal(page(&out, log.p, &err), ERR_FORMAT);
        assert_non_null(strstr(err.msg, "line 2"));
        buf_release(&log);
        buf_release(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_curves_page),
        cmocka_unit_test(test_curves_little),
        cmocka_unit_test(test_curves_bad),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
