#include "eval/compare.h"
#include "eval/compare_show.h"
#include "eval/report_read.h"
#include "eval/student_t.h"
#include "tests/reports.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void close_to(double got, double want, double eps)
{
    if (!(fabs(got - want) <= eps * (1e-3 + fabs(want))))
        fail_msg("got %.15g, want %.15g", got, want);
}

static const struct compare_row *row_of(const struct compare_pair *p, const char *name)
{
    for (size_t i = 0; i < p->n_rows; i++)
        if (!strcmp(p->row[i].name, name))
            return &p->row[i];
    fail_msg("no row %s", name);
    return NULL;
}

/* Two reports of the same text and original: other models of it. */
static struct reports_opts opts_of(uint32_t salt, double shift, size_t windows)
{
    return (struct reports_opts){.seed = 5,
                                 .salt = salt,
                                 .windows = windows,
                                 .each = 15,
                                 .n_models = 1,
                                 .shift = {shift},
                                 .together = 0.03,
                                 .apart = 0.1,
                                 .tasks = true};
}

static const struct compare_opts files = {.a_file = "a.json", .b_file = "b.json"};

/* ---- figures worked out by hand ------------------------------------------------------------- */

/* Three windows; nll of A 1, 2, 3 and of B 1.1, 2.3, 3.2: differences 0.1, 0.3, 0.2, of mean 0.2
 * and standard error 0.1 / sqrt(3); Student's t with two degrees of freedom is 4.302653. */
static void test_compare_by_hand(void **state)
{
    double a[] = {1, 2, 3}, b[] = {1.1, 2.3, 3.2};
    struct report_model m[] = {
        {.name = "x", .bytes = 200},
        {.name = "x", .bytes = 150}
    };
    struct report r[] = {
        {.n_ctx = 9, .kernels = "bf16", .model = &m[0], .n_models = 1},
        {.n_ctx = 9, .kernels = "bf16", .model = &m[1], .n_models = 1}
    };
    struct comparison c;
    struct err err = {0};

    (void)state;
    m[0].result = (struct eval_result){
        .n_windows = 3, .window_nll = a, .nll = {2, 0.5},
                .ppl = {7, 1  }
    };
    m[1].result = (struct eval_result){
        .n_windows = 3, .window_nll = b, .nll = {2.2, 0.5},
                .ppl = {9,   1  }
    };
    assert_int_equal(compare_reports(&c, &r[0], &r[1], &files, &err), 0);
    assert_int_equal(c.n_pairs, 1);
    const struct compare_row *nll = row_of(&c.pair[0], "nll"), *ppl = row_of(&c.pair[0], "ppl");
    const double error = 0.1 / sqrt(3), half = 4.302652729749 * error;
    close_to(nll->a, 2, 1e-12);
    close_to(nll->b, 2.2, 1e-12);
    close_to(nll->diff.value, 0.2, 1e-12);
    close_to(nll->diff.error, error, 1e-12);
    close_to(nll->low, 0.2 - half, 1e-9);
    close_to(nll->high, 0.2 + half, 1e-9);
    assert_int_equal(nll->verdict, COMPARE_SAME); /* with 1.96 it would be worse */
    assert_true(nll->n == 3);
    /* four windows: 3.182 * 0.1 / 2 is below 0.2 */
    assert_true(nll->needed == 4);
    close_to(ppl->a, exp(2), 1e-12);
    close_to(ppl->b, exp(2.2), 1e-12);
    close_to(ppl->low, exp(0.2 - half), 1e-9);
    close_to(ppl->high, exp(0.2 + half), 1e-9);
    const struct compare_row *bytes = row_of(&c.pair[0], "bytes");
    assert_true(bytes->diff.value == -50 && bytes->diff.error == 0 && bytes->n == 0);
    assert_int_equal(bytes->verdict, COMPARE_BETTER);
    /* where: by nll, as there is no original */
    assert_int_equal(c.pair[0].n_top, 3);
    assert_string_equal(c.pair[0].top_metric->name, "nll");
    assert_int_equal(c.pair[0].top[0].window, 1);
    assert_int_equal(c.pair[0].top[1].window, 2);
    comparison_release(&c);
}

/* Of 4 items B gets one that A did not, and loses none: differences 1, 0, 0, 0. */
static void test_compare_items(void **state)
{
    double x[] = {0, 1, 0, 1}, y[] = {1, 1, 0, 1};
    struct task_result t[] = {
        {.name = "q", .n_items = 4, .acc = {0.5, 0.29},  .item_correct = x},
        {.name = "q", .n_items = 4, .acc = {0.75, 0.25}, .item_correct = y},
    };
    const struct report_model m[] = {
        {.name = "x", .tasks = {.at = &t[0], .n = 1}},
        {.name = "x", .tasks = {.at = &t[1], .n = 1}}
    };
    const struct report r[] = {
        {.model = &m[0], .n_models = 1},
        {.model = &m[1], .n_models = 1}
    };
    struct comparison c;
    struct err err = {0};

    (void)state;
    assert_int_equal(compare_reports(&c, &r[0], &r[1], &files, &err), 0);
    const struct compare_row *row = row_of(&c.pair[0], "task:q.acc");
    close_to(row->diff.value, 0.25, 1e-12);
    close_to(row->diff.error, 0.25, 1e-12); /* sd 1/2, of 4 */
    assert_int_equal(row->verdict, COMPARE_SAME);
    assert_true(row->n == 4 && row->needed > 4);
    comparison_release(&c);
    t[1].sha256 = "b";
    t[0].sha256 = "a";
    assert_int_equal(compare_reports(&c, &r[0], &r[1], &files, &err), ERR_UNSUPPORTED);
    assert_non_null(strstr(err.msg, "task q was read from different files"));
    comparison_release(&c);
}

/* ---- drawn reports ------------------------------------------------------------------------------ */

static void test_compare_with_itself(void **state)
{
    const struct reports_opts o = opts_of(1, 0.1, 12);
    struct made_report m;
    struct comparison c;
    struct err err = {0};

    (void)state;
    reports_make(&m, &o);
    assert_int_equal(compare_reports(&c, &m.report, &m.report, &files, &err), 0);
    assert_int_equal(c.n_pairs, 1);
    assert_int_equal(c.n_unpaired, 0);
    assert_true(c.pair[0].n_rows > 9);
    for (size_t i = 0; i < c.pair[0].n_rows; i++) {
        const struct compare_row *row = &c.pair[0].row[i];
        assert_int_equal(row->verdict, COMPARE_SAME);
        assert_true(row->diff.value == 0 && row->diff.error == 0 && row->needed == 0);
    }
    assert_int_equal(c.pair[0].n_top, 0);
    comparison_release(&c);
    reports_release(&m);
}

static void test_compare_worse(void **state)
{
    const struct reports_opts o[] = {opts_of(1, 0.02, 20), opts_of(2, 0.3, 30)};
    struct made_report a, b;
    struct comparison c;
    struct err err = {0};

    (void)state;
    reports_make(&a, &o[0]);
    reports_make(&b, &o[1]);
    assert_int_equal(compare_reports(&c, &a.report, &b.report, &files, &err), 0);
    const struct compare_pair *p = &c.pair[0];
    assert_true(p->n_windows == 20); /* those that both have */
    assert_int_equal(row_of(p, "kld")->verdict, COMPARE_WORSE);
    assert_int_equal(row_of(p, "ppl")->verdict, COMPARE_WORSE);
    assert_int_equal(row_of(p, "dp")->verdict, COMPARE_WORSE);
    assert_true(row_of(p, "kld")->n == 20 && row_of(p, "kld")->needed == 0);
    assert_int_equal(p->n_top, COMPARE_TOP);
    for (size_t i = 0; i < p->n_top; i++) {
        const struct compare_window *w = &p->top[i];
        assert_true(w->a == a.model[0].result.window_kld[w->window]);
        assert_true(w->b == b.model[0].result.window_kld[w->window]);
        assert_non_null(strstr(w->text, "window "));
        assert_true(i == 0 || fabs(w->b - w->a) <= fabs(w[-1].b - w[-1].a));
    }
    /* no other window differs more */
    for (size_t i = 0; i < 20; i++) {
        const double d = fabs(b.model[0].result.window_kld[i] - a.model[0].result.window_kld[i]);
        size_t in = 0;
        for (size_t k = 0; k < p->n_top; k++)
            in += p->top[k].window == i;
        assert_true(in || d <= fabs(p->top[COMPARE_TOP - 1].b - p->top[COMPARE_TOP - 1].a));
    }
    comparison_release(&c);
    /* the other way round it is better */
    assert_int_equal(compare_reports(&c, &b.report, &a.report, &files, &err), 0);
    assert_int_equal(row_of(&c.pair[0], "kld")->verdict, COMPARE_BETTER);
    comparison_release(&c);
    reports_release(&a);
    reports_release(&b);
}

/* Two models equally far from the original, whose tokens go together within windows: the
 * interval must hold 0 in about 95 % of texts. Counting tokens as independent would be wrong in
 * most of them. */
static void test_compare_coverage(void **state)
{
    enum { TEXTS = 400 };
    size_t wrong = 0, naive_wrong = 0;

    (void)state;
    for (uint32_t i = 0; i < TEXTS; i++) {
        struct reports_opts o = opts_of(1, 0.1, 8);
        struct made_report a, b;
        struct compare_row row;
        struct err err = {0};
        o.seed = 100 + i;
        o.together = 0.2;
        o.tasks = false;
        reports_make(&a, &o);
        o.salt = 2;
        reports_make(&b, &o);
        const struct compare_sides sides = {&a.report, &b.report, &a.model[0], &b.model[0]};
        const struct metric_ref nll = {.metric = metric_at(0)};
        assert_int_equal(compare_metric(&row, &nll, &sides, 0.95, &err), 0);
        wrong += row.verdict != COMPARE_SAME;
        /* tokens: the error of both samples, each token for itself: 2 * 0.1^2 of their own */
        const double token = sqrt(2 * (0.01 + 0.04) / (8.0 * 15));
        naive_wrong += fabs(row.diff.value) > 1.96 * token;
        reports_release(&a);
        reports_release(&b);
    }
    /* binomial: 20 +- 4.4 expected */
    if (wrong < 7 || wrong > 36 || naive_wrong < TEXTS / 4)
        fail_msg("%zu of %d intervals miss, %zu naive ones", wrong, TEXTS, naive_wrong);
}

/* The windows said to be needed are about those that show the difference. */
static void test_compare_needed(void **state)
{
    struct reports_opts o[] = {opts_of(1, 0.1, 10), opts_of(2, 0.108, 10)};
    struct made_report a, b;
    struct comparison c;
    struct err err = {0};

    (void)state;
    reports_make(&a, &o[0]);
    reports_make(&b, &o[1]);
    assert_int_equal(compare_reports(&c, &a.report, &b.report, &files, &err), 0);
    const struct compare_row *row = row_of(&c.pair[0], "nll");
    assert_int_equal(row->verdict, COMPARE_SAME);
    assert_true(row->needed > 10);
    /* the same mean and deviation at that many windows, and at one less */
    const double n = row->needed, sd = row->diff.error * sqrt(10);
    assert_true(student_t_quantile(0.975, n - 1) * sd / sqrt(n) < fabs(row->diff.value));
    assert_true(student_t_quantile(0.975, n - 2) * sd / sqrt(n - 1) >= fabs(row->diff.value));
    comparison_release(&c);
    reports_release(&a);
    reports_release(&b);
}

/* ---- what is refused ------------------------------------------------------------------------------- */

static void refuse(const struct report *a, const struct report *b, const char *says)
{
    struct comparison c;
    struct err err = {0};

    if (compare_reports(&c, a, b, &files, &err) != ERR_UNSUPPORTED || !strstr(err.msg, says))
        fail_msg("\"%s\" does not say \"%s\"", err.msg, says);
    assert_non_null(strstr(err.msg, "a.json and b.json can't be compared: "));
    comparison_release(&c);
}

static void test_compare_refuses(void **state)
{
    const struct reports_opts o = opts_of(1, 0.1, 4);
    struct made_report m;
    struct eval_about about;
    struct report_model other;

    (void)state;
    reports_make(&m, &o);
    struct report r = m.report;
    r.text_sha256 = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeefe";
    refuse(&m.report, &r, "measured on different texts: text.txt (sha256 001122334455");
    r = m.report;
    r.text_sha256 = NULL;
    refuse(&m.report, &r, "the second report does not say which text it is of");
    r = m.report;
    r.n_ctx = 64;
    refuse(&m.report, &r, "different contexts: 32 and 64 tokens a window");
    r = m.report;
    r.kernels = "fast";
    refuse(&m.report, &r, "different kernels: bf16 and fast");
    r = m.report;
    about = m.about;
    about.tokenizer[0] = 'f';
    r.about = &about;
    refuse(&m.report, &r, "different tokenizers");
    r = m.report;
    r.original = NULL;
    refuse(&m.report, &r, "the first report was measured against an original (original)");
    r = m.report;
    other = m.model[REPORTS_MODELS];
    other.sha256 = "ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    r.original = &other;
    refuse(&m.report, &r, "different originals: original (sha256 001122334455");
    other = m.model[REPORTS_MODELS];
    other.params++;
    refuse(&m.report, &r, "different originals: original of 1048576 parameters");
    reports_release(&m);
}

/* ---- which models ------------------------------------------------------------------------------------ */

static void test_compare_pairs(void **state)
{
    struct reports_opts o = opts_of(1, 0.1, 4);
    struct made_report a, b;
    struct comparison c;
    struct err err = {0};

    (void)state;
    o.n_models = 3;
    reports_make(&a, &o);
    o.n_models = 2;
    reports_make(&b, &o);
    assert_int_equal(compare_reports(&c, &a.report, &b.report, &files, &err), 0);
    assert_int_equal(c.n_pairs, 2);
    assert_true(c.pair[1].a == &a.model[1] && c.pair[1].b == &b.model[1]);
    assert_int_equal(c.n_unpaired, 1);
    assert_string_equal(c.unpaired[0], "m2");
    comparison_release(&c);

    struct compare_opts named = {"a.json", "b.json", "m2", "m0"};
    assert_int_equal(compare_reports(&c, &a.report, &b.report, &named, &err), 0);
    assert_true(c.n_pairs == 1 && c.pair[0].a == &a.model[2] && c.pair[0].b == &b.model[0]);
    comparison_release(&c);
    named.model_b = NULL;
    assert_int_equal(compare_reports(&c, &a.report, &b.report, &named, &err), ERR_ARG);
    comparison_release(&c);
    named.model_a = "m9";
    assert_int_equal(compare_reports(&c, &a.report, &b.report, &named, &err), ERR_ARG);
    assert_non_null(strstr(err.msg, "a.json holds no model \"m9\""));
    comparison_release(&c);

    /* one with one, whatever their names */
    b.report.n_models = 1;
    a.report.n_models = 1;
    b.model[0].name = "other";
    assert_int_equal(compare_reports(&c, &a.report, &b.report, &files, &err), 0);
    assert_int_equal(c.n_pairs, 1);
    comparison_release(&c);
    a.report.n_models = 2;
    assert_int_equal(compare_reports(&c, &a.report, &b.report, &files, &err), ERR_UNSUPPORTED);
    assert_non_null(strstr(err.msg, "no models of the same name"));
    comparison_release(&c);
    /* two of one name can't be told apart */
    b.report.n_models = 2;
    b.model[0].name = "m1";
    assert_int_equal(compare_reports(&c, &a.report, &b.report, &files, &err), ERR_UNSUPPORTED);
    assert_non_null(strstr(err.msg, "two models named \"m1\""));
    comparison_release(&c);
    reports_release(&a);
    reports_release(&b);
}

/* ---- shown and written ----------------------------------------------------------------------------------- */

static void test_compare_show(void **state)
{
    const struct metric_ref kld = {.metric = metric_at(5)};
    struct compare_row row = {
        .ref = kld,
        .a = 0.02,
        .b = 0.0234,
        .diff = {0.0034, 0.00051},
        .low = 0.0023,
        .high = 0.0045,
        .verdict = COMPARE_WORSE,
        .n = 12
    };
    struct compare_cells c;

    (void)state;
    assert_string_equal(kld.metric->name, "kld");
    compare_show(&c, &row);
    assert_string_equal(c.title, "mean KLD");
    assert_string_equal(c.a, "0.02000");
    assert_string_equal(c.b, "0.02340");
    assert_string_equal(c.diff, "+0.00340");
    assert_string_equal(c.interval, "+0.00230 … +0.00450");
    assert_string_equal(c.verdict, "worse");
    row.verdict = COMPARE_SAME;
    row.needed = 345;
    compare_show(&c, &row);
    assert_string_equal(c.verdict,
                        "no difference; about 340 more windows would show one like this");
    row.needed = (double)INFINITY;
    compare_show(&c, &row);
    assert_string_equal(c.verdict, "no difference");
}

static void test_compare_json(void **state)
{
    const struct reports_opts o[] = {opts_of(1, 0.02, 6), opts_of(2, 0.3, 6)};
    struct made_report a, b;
    struct comparison c;
    struct buf text = {0};
    struct err err = {0};
    json_val *v;
    double x = 0;

    (void)state;
    reports_make(&a, &o[0]);
    reports_make(&b, &o[1]);
    assert_int_equal(compare_reports(&c, &a.report, &b.report, &files, &err), 0);
    assert_int_equal(compare_json(&text, &c, &err), 0);
    assert_int_equal(json_parse(&v, text.p, text.n, &err), 0);
    assert_string_equal(json_str(json_path(v, "schema")), "pare.comparison");
    assert_string_equal(json_str(json_path(v, "a.file")), "a.json");
    assert_string_equal(json_str(json_path(v, "pairs.0.b")), "m0");
    assert_string_equal(json_str(json_path(v, "pairs.0.metrics.0.name")), "nll");
    assert_true(json_num(json_path(v, "pairs.0.metrics.0.difference.value"), &x));
    assert_true(x == c.pair[0].row[0].diff.value);
    assert_true(json_len(json_path(v, "pairs.0.most_different")) == 5);
    json_free(v);
    buf_release(&text);
    comparison_release(&c);
    reports_release(&a);
    reports_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_compare_by_hand),     cmocka_unit_test(test_compare_items),
        cmocka_unit_test(test_compare_with_itself), cmocka_unit_test(test_compare_worse),
        cmocka_unit_test(test_compare_coverage),    cmocka_unit_test(test_compare_needed),
        cmocka_unit_test(test_compare_refuses),     cmocka_unit_test(test_compare_pairs),
        cmocka_unit_test(test_compare_show),        cmocka_unit_test(test_compare_json),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
