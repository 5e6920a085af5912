#include "eval/figure.h"
#include "eval/html.h"
#include "eval/report.h"
#include "eval/score.h"
#include "eval/svg.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct score scores[] = {
    {.nll = 1.0, .kld = 0.1, .dp = 0.2, .top = 1},
    {.nll = 2.5, .kld = 0.2, .dp = 0.1, .top = 2},
    {.nll = 1.5, .kld = 0.3, .dp = 0.3, .top = 1},
    {.nll = 2.0, .kld = 0.4, .dp = 0.4, .top = 3},
};

static struct report_model make(const char *name, const struct score *ref)
{
    struct report_model m = {.name = name, .file = "dir/a<b>.gguf", .type = "Q8_0"};
    struct err err = {0};

    m.bytes = 3 << 20;
    m.tensor_bytes = 1000;
    m.params = 2000;
    assert_int_equal(score_summary(&m.result, scores, ref, 2, 2, &err), 0);
    return m;
}

static void test_report_round_trip(void **state)
{
    struct report_model m = make("x", scores), back;
    struct buf a = {0}, b = {0};
    struct json_out ja = json_out_init(&a, false), jb = json_out_init(&b, false);
    struct arena arena = {0};
    struct err err = {0};
    json_val *v;

    (void)state;
    report_model_put(&ja, NULL, &m);
    assert_int_equal(json_parse(&v, a.p, a.n, &err), 0);
    assert_int_equal(report_model_get(&back, &arena, v, &err), 0);
    json_free(v);
    report_model_put(&jb, NULL, &back);
    assert_string_equal(a.p, b.p);
    assert_true(back.result.kld_max == 0.4 && back.result.dp_p1 == m.result.dp_p1);
    assert_true(report_bpw(&back) == 4);
    report_model_release(&m);
    report_model_release(&back);
    arena_release(&arena);
    buf_release(&a);
    buf_release(&b);
}

static void test_report_broken(void **state)
{
    static const char *const texts[] = {
        "{}",
        "[]",
        "{\"bytes\":1,\"tensor_bytes\":1,\"params\":1,\"tokens\":1,\"windows\":2,\"window_nll\":[1]"
        "}",
        "{\"bytes\":-1,\"tensor_bytes\":1,\"params\":1,\"tokens\":1,\"windows\":0,\"window_nll\":[]"
        "}",
        "{\"bytes\":1,\"tensor_bytes\":1,\"params\":1,\"tokens\":1,\"windows\":1,\"window_nll\":[1]"
        ","
        "\"against\":{}}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct report_model m;
        struct arena arena = {0};
        struct err err = {0};
        json_val *v;
        assert_int_equal(json_parse(&v, texts[i], strlen(texts[i]), &err), 0);
        assert_int_equal(report_model_get(&m, &arena, v, &err), ERR_FORMAT);
        json_free(v);
        arena_release(&arena);
    }
}

static void test_report_kernels(void **state)
{
    enum kern_math m = KERN_F32;

    (void)state;
    assert_string_equal(report_kernels(KERN_INT8), "fast");
    assert_null(report_kernels(KERN_MATH_COUNT));
    assert_true(report_math(&m, "bf16") && m == KERN_BF16);
    assert_false(report_math(&m, "int8"));
}

/* Tags open and close in order; the page fetches nothing and runs nothing. */
static void check_page(const char *page)
{
    assert_non_null(strstr(page, "<!doctype html>"));
    assert_non_null(strstr(page, "</html>"));
    assert_null(strstr(page, "<script"));
    assert_null(strstr(page, "http"));
    assert_null(strstr(page, "url("));
    assert_null(strstr(page, "nan"));
    assert_null(strstr(page, "inf"));
}

static void test_report_html(void **state)
{
    struct report_model m[] = {make("original", NULL), make("<Q8_0 & \"b\">", scores),
                               make("exact", scores)};
    struct report r = {.name = "a<script>b",
                       .text = "t & u",
                       .kernels = "f32",
                       .n_ctx = 5,
                       .original = m,
                       .model = m + 1,
                       .n_models = 2};
    struct buf b = {0};
    struct err err = {0};

    (void)state;
    m[2].result.kld = (struct stats_mean){0, 0};
    m[2].bytes = 1 << 20;
    assert_int_equal(html_report(&b, &r, &err), 0);
    check_page(b.p);
    assert_non_null(strstr(b.p, "&lt;Q8_0 &amp; &quot;b&quot;&gt;"));
    assert_non_null(strstr(b.p, "a&lt;script&gt;b"));
    assert_non_null(strstr(b.p, "t &amp; u"));
    b.n = 0;

    /* perplexities only, one window: errors are unknown */
    r.original = NULL;
    r.n_models = 1;
    m[1].result.ppl.error = (double)NAN;
    assert_int_equal(html_report(&b, &r, &err), 0);
    check_page(b.p);
    b.n = 0;
    r.n_models = 0;
    assert_int_equal(html_report(&b, &r, &err), 0);
    for (size_t i = 0; i < 3; i++)
        report_model_release(&m[i]);
    buf_release(&b);
}

static void test_report_svg_extremes(void **state)
{
    static const double huge[] = {0, 1e-300, 1e-3, 1, 1e300, (double)NAN, (double)INFINITY};
    const size_t n = sizeof(huge) / sizeof(huge[0]);
    struct err err = {0};

    (void)state;
    for (size_t i = 0; i < n * n; i++) {
        const struct svg_point p[] = {
            {"a", "a", huge[i / n], huge[i % n], huge[i % n]},
            {"b", "b", 2,           3,           0.1        }
        };
        const struct svg_plot plot = {.title = "t",
                                      .x_label = "x",
                                      .y_label = "y",
                                      .point = p,
                                      .n = 2,
                                      .width = 400,
                                      .height = 300,
                                      .log_y = i % 2,
                                      .y_floor = 1e-6,
                                      .css_class = "c"};
        struct buf b = {0};
        assert_int_equal(svg_plot(&b, &plot, &err), 0);
        assert_null(strstr(b.p, "nan"));
        assert_null(strstr(b.p, "inf"));
        assert_true(b.n < 100000); /* a bounded number of ticks */
        buf_release(&b);
    }
}

static void test_report_figures(void **state)
{
    char s[FIGURE_BYTES];

    (void)state;
    figure_mean(s, (struct stats_mean){4.81237, 0.0412}, 0);
    assert_string_equal(s, "4.812 ± 0.041");
    figure_mean(s, (struct stats_mean){4.81237, 0.0412}, 4);
    assert_string_equal(s, "4.8124 ± 0.0412");
    figure_mean(s, (struct stats_mean){123456, 4321}, 0);
    assert_string_equal(s, "123456 ± 4321");
    figure_mean(s, (struct stats_mean){4.81237, (double)NAN}, 4);
    assert_string_equal(s, "4.8124");
    figure_mean(s, (struct stats_mean){0.00134123, (double)NAN}, 0);
    assert_string_equal(s, "0.001341");
    figure_mean(s, (struct stats_mean){(double)NAN, (double)NAN}, 4);
    assert_string_equal(s, "-");
    figure_mean(s, (struct stats_mean){1e300, 1e300}, 4);
    assert_string_equal(s, "1e+300");
    figure_percent(s, (struct stats_mean){0.98765, 0.0012});
    assert_string_equal(s, "98.77 ± 0.12");
    figure_size(s, 1023);
    assert_string_equal(s, "1023 B");
    figure_size(s, 90 << 20);
    assert_string_equal(s, "90.00 MiB");
    figure_size(s, (uint64_t)270 << 20);
    assert_string_equal(s, "270.0 MiB");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_report_round_trip),   cmocka_unit_test(test_report_broken),
        cmocka_unit_test(test_report_kernels),      cmocka_unit_test(test_report_html),
        cmocka_unit_test(test_report_svg_extremes), cmocka_unit_test(test_report_figures),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
