#include "eval/pareto.h"
#include "eval/svg.h"
#include "eval/svg_lines.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const double huge[] = {0, 1e-300, 1e-3, 1, 1e300, (double)NAN, (double)INFINITY, -1};
static const struct svg_head head = {
    .id = "x", .css_class = "c", .title = "t <", .desc = "d", .width = 400, .height = 300};

static void check(struct buf *b)
{
    assert_null(strstr(b->p, "nan"));
    assert_null(strstr(b->p, "inf"));
    assert_non_null(strstr(b->p, "<title id=\"x-t\">t &lt;</title><desc id=\"x-d\">d</desc>"));
    assert_true(b->n < 100000); /* a bounded number of ticks */
    buf_release(b);
}

static void test_svg_extremes(void **state)
{
    const size_t n = sizeof(huge) / sizeof(huge[0]);
    struct err err = {0};

    (void)state;
    for (size_t i = 0; i < n * n; i++) {
        const struct svg_point p[] = {
            {"a", "a", huge[i / n], huge[i % n], huge[i % n], i % 3 == 0},
            {"b", "b", 2,           3,           0.1,         false     }
        };
        const struct svg_plot plot = {.head = head,
                                      .x_label = "x",
                                      .y_label = "y",
                                      .point = p,
                                      .n = 2,
                                      .front = i % 5 != 0,
                                      .log_y = i % 2,
                                      .y_floor = 1e-6};
        struct buf b = {0};
        assert_int_equal(svg_plot(&b, &plot, &err), 0);
        check(&b);
    }
}

/* The stair goes down from point to point on the front, past those behind it. */
static void test_svg_front(void **state)
{
    const struct svg_point p[] = {
        {"a", "a", 3, 1, 0, false},
        {"b", "b", 1, 3, 0, false},
        {"c", "c", 2, 4, 0, true },
    };
    const struct svg_plot plot = {
        .head = head, .x_label = "x", .y_label = "y", .point = p, .n = 3, .front = true};
    struct buf b = {0};
    struct err err = {0};
    double x0, y0, x1, y1, x2;

    (void)state;
    assert_int_equal(svg_plot(&b, &plot, &err), 0);
    const char *path = strstr(b.p, "class=\"front\" d=\"");
    assert_non_null(path);
    assert_int_equal(
        sscanf(path, "class=\"front\" d=\"M%lf 14V%lfH%lfV%lfH%lf\"", &x0, &y0, &x1, &y1, &x2), 5);
    assert_true(x0 < x1 && x1 < x2 && y0 < y1);
    buf_release(&b);
}

static void test_svg_lines(void **state)
{
    const size_t n = sizeof(huge) / sizeof(huge[0]);
    const double x[] = {0, 1, 2, 3, 4, 5, 6, 7};
    const struct svg_line line[] = {
        {"one", huge},
        {"two", x   }
    };
    struct err err = {0};

    (void)state;
    for (int i = 0; i < 8; i++) {
        const struct svg_lines p = {.head = head,
                                    .x_label = "x",
                                    .y_label = "y",
                                    .x = x,
                                    .n = i & 4 ? n : 1,
                                    .line = line,
                                    .n_lines = 2,
                                    .log_y = i & 1,
                                    .names = i & 2};
        struct buf b = {0};
        assert_int_equal(svg_lines(&b, &p, &err), 0);
        check(&b);
    }
}

/* Names stand apart, within the drawing, and as near to their lines' ends as that allows. */
static void test_svg_names(void **state)
{
    static const double x[] = {0, 1}, near[] = {5, 5.001}, far[] = {1, 1}, high[] = {9, 9};
    const struct svg_line line[] = {
        {"a", near},
        {"b", near},
        {"c", far },
        {"d", near},
        {"e", high},
        {"f", far },
        {"g", far }
    };
    const struct svg_lines p = {.head = head,
                                .x_label = "x",
                                .y_label = "y",
                                .x = x,
                                .n = 2,
                                .line = line,
                                .n_lines = 7,
                                .names = true};
    struct buf b = {0};
    struct err err = {0};
    double last = 0, y = 0;
    size_t n = 0;

    (void)state;
    assert_int_equal(svg_lines(&b, &p, &err), 0);
    for (const char *s = b.p; (s = strstr(s, "<text class=\"label\"")); s++, n++, last = y) {
        assert_int_equal(sscanf(s, "<text class=\"label\" x=\"%*f\" y=\"%lf\"", &y), 1);
        assert_true(y >= last + SVG_LINE - 0.11 && y < head.height - SVG_BOTTOM + 10);
    }
    assert_int_equal(n, 7);
    buf_release(&b);
}

/* A value without neighbours is a point, named at its height; things are counted in whole. */
static void test_svg_points(void **state)
{
    static const double x[] = {7, 8, 9}, alone[] = {5, (double)NAN, 4},
                        early[] = {3, 2, (double)NAN};
    const struct svg_line line[] = {
        {"a", alone},
        {"b", early}
    };
    const struct svg_lines p = {.head = head,
                                .x_label = "x",
                                .y_label = "y",
                                .x = x,
                                .n = 3,
                                .line = line,
                                .n_lines = 2,
                                .whole_x = true,
                                .names = true};
    struct buf b = {0};
    struct err err = {0};
    size_t points = 0, names = 0;

    (void)state;
    assert_int_equal(svg_lines(&b, &p, &err), 0);
    for (const char *s = b.p; (s = strstr(s, "<path class=\"dot s0\"")); s++)
        points++;
    for (const char *s = b.p; (s = strstr(s, "<text class=\"label\"")); s++)
        names++;
    assert_int_equal(points, 2);
    assert_int_equal(names, 2);
    assert_null(strstr(b.p, "dot s1"));
    assert_null(strstr(b.p, ">7.5</text>"));
    assert_non_null(strstr(b.p, ">8</text>"));
    buf_release(&b);
}

/* No two of the first lines look the same. */
static void test_svg_classes(void **state)
{
    struct buf a = {0}, b = {0};

    (void)state;
    for (size_t i = 0; i < SVG_COLOURS * SVG_DASHES; i++)
        for (size_t k = 0; k < i; k++) {
            a.n = b.n = 0;
            svg_line_class(&a, i);
            svg_line_class(&b, k);
            assert_string_not_equal(a.p, b.p);
        }
    buf_release(&a);
    buf_release(&b);
}

static void test_svg_pareto(void **state)
{
    /*                     0  1  2    3     4           5       6 */
    const double x[] = {1, 2, 3, 2.5, (double)NAN, 1.0005, 3}, y[] = {9, 5, 1, 6, 0, 8, 1};
    size_t by[7];

    (void)state;
    pareto_find(by, x, y, 7);
    assert_int_equal(by[0], 5); /* sizes as good as equal */
    assert_int_equal(by[1], PARETO_FRONT);
    assert_int_equal(by[2], PARETO_FRONT); /* equals are not before each other */
    assert_int_equal(by[6], PARETO_FRONT);
    assert_int_equal(by[3], 1);
    assert_int_equal(by[4], PARETO_NONE);
    assert_int_equal(by[5], PARETO_FRONT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_svg_extremes), cmocka_unit_test(test_svg_front),
        cmocka_unit_test(test_svg_lines),    cmocka_unit_test(test_svg_names),
        cmocka_unit_test(test_svg_points),   cmocka_unit_test(test_svg_classes),
        cmocka_unit_test(test_svg_pareto),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
