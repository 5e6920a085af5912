#include "eval/compare_page.h"
#include "eval/formats.h"
#include "eval/html.h"
#include "eval/markdown.h"
#include "eval/page.h"
#include "eval/score.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct score scores[] = {
    {.nll = 1.0, .kld = 0.1, .dp = 0.2, .top = 1},
    {.nll = 2.5, .kld = 0.2, .dp = 0.1, .top = 2},
    {.nll = 1.5, .kld = 0.3, .dp = 0.3, .top = 1},
    {.nll = 2.0, .kld = 0.4, .dp = 0.4, .top = 3},
};

/* What a page must not let through. */
static const char evil[] = "</b><script>alert(1)</script>\"'&`|\n\x01";

static struct report_model make(const char *name, uint64_t bytes, const struct score *ref)
{
    struct report_model m = {.name = name, .file = "dir/a<b>.gguf", .type = "Q8_0"};
    struct err err = {0};

    m.bytes = bytes;
    m.tensor_bytes = 1000;
    m.params = 2000;
    assert_int_equal(score_summary(&m.result, scores, ref, 2, 2, &err), 0);
    for (size_t i = 0; i < m.result.n_worst; i++)
        for (size_t k = 0; k < m.result.n_positions; k++)
            m.result.worst[i].token[k] = k ? evil : "one";
    return m;
}

static void add_tensors(struct report_model *m)
{
    static const char *const names[] = {
        "token_embd.weight",     "blk.0.attn_q.weight", "blk.1.attn_q.weight",
        "v.blk.1.ffn_up.weight", "blk.x.odd",           "blk.99999999999999999999.a",
        "blk.1.ffn_<b>.weight",  "output_norm.weight"};
    const size_t n = sizeof(names) / sizeof(names[0]);

    m->tensors.at = arena_array(&m->tensors.arena, n, sizeof(*m->tensors.at));
    assert_non_null(m->tensors.at);
    for (size_t i = 0; i < n; i++)
        m->tensors.at[i] =
            (struct tensor_error){names[i], "Q4_K", i + 1 < n ? 1e-3 * (double)(i + 1) : 0, 100};
    m->tensors.n = n;
}

/* Fast kernels add a quarter to the file's KLD of 0.25. */
static void add_fast(struct report_model *m)
{
    struct report_model other = make("", 1, scores);

    m->result.fast = calloc(1, sizeof(*m->result.fast));
    assert_non_null(m->result.fast);
    *m->result.fast = other.result;
    m->result.fast->kld = (struct stats_mean){1.25 * m->result.kld.value, 0.01};
}

static struct report report_of(const struct report_model *m, size_t n)
{
    return (struct report){.name = "a<script>b",
                           .text = "t & u",
                           .kernels = "f32",
                           .n_ctx = 5,
                           .original = m,
                           .model = m + 1,
                           .n_models = n - 1};
}

static void release(struct report_model *m, size_t n)
{
    for (size_t i = 0; i < n; i++)
        report_model_release(&m[i]);
}

static size_t count(const char *text, const char *what)
{
    size_t n = 0;

    for (; (text = strstr(text, what)); text += strlen(what))
        n++;
    return n;
}

/* Every element that is opened is closed, in order; void ones have no end. */
static void check_nesting(const char *page)
{
    static const char *const empty[] = {"meta", "line", "wbr", "!doctype"};
    char open[64][16];
    size_t depth = 0;

    for (const char *p = page; (p = strchr(p, '<')); p++) {
        if (p[1] == '/' || (p[1] >= 'a' && p[1] <= 'z') || p[1] == '!') {
            const char *name = p + 1 + (p[1] == '/');
            const size_t n = strcspn(name, " >/");
            const char *end = strchr(name, '>');
            bool leaf = end && end[-1] == '/';
            assert_true(n && n < sizeof(open[0]));
            for (size_t i = 0; i < sizeof(empty) / sizeof(empty[0]); i++)
                leaf = leaf || (n == strlen(empty[i]) && !memcmp(name, empty[i], n));
            if (p[1] == '/') {
                assert_true(depth > 0);
                depth--;
                assert_memory_equal(open[depth], name, n);
                assert_int_equal(open[depth][n], 0);
            } else if (!leaf) {
                assert_true(depth < 64);
                memcpy(open[depth], name, n);
                open[depth++][n] = 0;
            }
            if (n == 6 && !memcmp(name, "script", n) && p[1] != '/')
                p = strstr(p, "</script>") - 1;
        }
    }
    assert_int_equal(depth, 0);
}

/* The page is whole, fetches nothing, and runs only the script it was made with. */
static void check_page(const char *page)
{
    static const char *const bad[] = {"nan ", "nan<", "nan\"", "inf ", "inf<", "inf\"", "NaN"};

    assert_int_equal(count(page, "<!doctype html>"), 1);
    assert_int_equal(count(page, "</html>"), 1);
    assert_int_equal(count(page, "<script"), 1);
    assert_null(strstr(page, "http:"));
    assert_null(strstr(page, "https:"));
    assert_null(strstr(page, "url("));
    assert_null(strstr(page, " src="));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_null(strstr(page, bad[i]));
    check_nesting(page);
}

static void test_page_report(void **state)
{
    struct report_model m[] = {
        make("original", 4 << 20, NULL), make("<Q8_0 & \"b\">", 3 << 20, scores),
        make("exact.gguf", 2 << 20, scores), make("behind", 4 << 20, scores)};
    struct report r = report_of(m, 4);
    struct buf b = {0}, again = {0};
    struct err err = {0};

    (void)state;
    m[2].result.kld = (struct stats_mean){0, 0};
    add_tensors(&m[1]);
    add_fast(&m[1]);
    assert_int_equal(html_report(&b, &r, NULL, &err), 0);
    check_page(b.p);
    assert_non_null(strstr(b.p, "&lt;Q8_0 &amp; &quot;b&quot;&gt;"));
    assert_non_null(strstr(b.p, "a&lt;script&gt;b"));
    assert_non_null(strstr(b.p, "t &amp; u"));
    assert_non_null(strstr(b.p, "behind exact</td>"));
    assert_non_null(strstr(b.p, "&lt;/b&gt;&lt;script&gt;alert(1)&lt;/script&gt;&quot;"));
    assert_non_null(strstr(b.p, "Fast KLD</th>"));
    assert_non_null(strstr(b.p, "<td data-v=\"0.25\">25.0</td>"));
    assert_non_null(strstr(b.p, "v.<wbr>ffn_<wbr>up"));
    assert_int_equal(html_report(&again, &r, NULL, &err), 0);
    assert_string_equal(b.p, again.p);
    release(m, 4);
    buf_release(&b);
    buf_release(&again);
}

/* Perplexities only, one window: errors are unknown. No models: still a page. */
static void test_page_little(void **state)
{
    struct report_model m[] = {make("a", 1 << 20, NULL), make("b", 1 << 10, NULL)};
    struct report r = report_of(m, 2);
    struct buf b = {0};
    struct err err = {0};

    (void)state;
    r.original = NULL;
    m[1].result.ppl.error = (double)NAN;
    assert_int_equal(html_report(&b, &r, NULL, &err), 0);
    check_page(b.p);
    b.n = 0;
    r.n_models = 0;
    assert_int_equal(html_report(&b, &r, NULL, &err), 0);
    check_page(b.p);
    release(m, 2);
    buf_release(&b);
}

/* A token that only begins a character. */
static void test_page_parts(void **state)
{
    struct report_model m[] = {make("o", 1 << 20, NULL), make("b", 1 << 10, scores)};
    const struct report r = report_of(m, 2);
    struct buf b = {0};
    struct err err = {0};

    (void)state;
    for (size_t i = 0; i < m[1].result.n_worst; i++) {
        m[1].result.worst[i].token[0] = "";
        m[1].result.worst[i].token[1] = "\xc3\xa9";
    }
    assert_int_equal(html_report(&b, &r, NULL, &err), 0);
    check_page(b.p);
    assert_non_null(strstr(b.p, "\"><i>\xc2\xb7</i></b><b"));
    assert_non_null(strstr(b.p, "<span class=\"soft\">part of</span> \xc3\xa9</th>"));
    assert_non_null(strstr(b.p, "class=\"l\">\xc3\xa9</th>"));
    release(m, 2);
    buf_release(&b);
}

static void test_page_gates(void **state)
{
    struct report_model m[] = {make("o", 1 << 20, NULL), make("b", 1 << 10, scores)};
    const struct report r = report_of(m, 2);
    const struct gate gate = {.text = "kld <= 0.03"};
    struct gate_result at[] = {
        {.gate = &gate, .model = "b", .status = GATE_MET,       .why = "0.02"       },
        {.gate = &gate, .model = "b", .status = GATE_FAILED,    .why = "0.04 nats"  },
        {.gate = &gate, .model = "b", .status = GATE_UNDECIDED, .why = "can't | say"}
    };
    const struct gate_results g = {.at = at, .n = 3, .n_failed = 2};
    struct buf b = {0};
    struct err err = {0};

    (void)state;
    assert_int_equal(html_report(&b, &r, &g, &err), 0);
    check_page(b.p);
    assert_non_null(strstr(b.p, "1 of 3 met"));
    assert_non_null(strstr(b.p, "kld &lt;= 0.03"));
    b.n = 0;
    assert_int_equal(markdown_report(&b, &r, &g, &err), 0);
    assert_non_null(strstr(b.p, "**2 of 3 gates failed.**"));
    assert_non_null(strstr(b.p, "can't \\| say |\n"));
    release(m, 2);
    buf_release(&b);
}

static void test_page_compared(void **state)
{
    struct report_model m[] = {make("o", 1 << 20, NULL), make("<a>", 1 << 10, scores),
                               make("b|", 1 << 11, scores)};
    struct report r = report_of(m, 3);
    struct eval_about about = {.tokenizer = "12"};
    const struct compare_opts opts = {
        .a_file = "x<y>.json", .b_file = "x<y>.json", .model_a = "<a>", .model_b = "b|"};
    struct comparison c;
    struct buf b = {0};
    struct err err = {0};

    (void)state;
    m[0].sha256 = r.text_sha256 = "ab";
    r.about = &about;
    const int rc = compare_reports(&c, &r, &r, &opts, &err);
    assert_string_equal(err.msg, "");
    assert_int_equal(rc, 0);
    assert_int_equal(compare_html(&b, &c, &err), 0);
    check_page(b.p);
    assert_non_null(strstr(b.p, "&lt;a&gt; \xE2\x86\x92 b|"));
    assert_non_null(strstr(b.p, "x&lt;y&gt;.json"));
    b.n = 0;
    assert_int_equal(compare_markdown(&b, &c, &err), 0);
    assert_non_null(strstr(b.p, "**&lt;a&gt; \xE2\x86\x92 b\\|**: "));
    assert_non_null(strstr(b.p, "| bits per weight | 4.00 | 4.00 |"));
    comparison_release(&c);
    release(m, 3);
    buf_release(&b);
}

static void test_page_levels(void **state)
{
    (void)state;
    assert_int_equal(page_level(0, 1), 0);
    assert_int_equal(page_level(1e-9, 1), 1);
    assert_int_equal(page_level(1, 1), PAGE_LEVELS);
    assert_int_equal(page_level(2, 1), PAGE_LEVELS);
    assert_int_equal(page_level((double)NAN, 1), 0);
    assert_int_equal(page_level(1, 0), 0);
    for (int i = 1; i <= PAGE_LEVELS; i++) {
        assert_int_equal(page_level(page_level_from(i, 3) + 1e-6, 3), i);
        if (i > 1)
            assert_int_equal(page_level(page_level_from(i, 3) - 1e-6, 3), i - 1);
    }
}

static void test_page_formats(void **state)
{
    (void)state;
    for (size_t i = 0; report_format_at(i); i++)
        assert_ptr_equal(report_format_find(report_format_at(i)->name), report_format_at(i));
    assert_non_null(report_format_find("html"));
    assert_null(report_format_find("pdf"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_page_report),  cmocka_unit_test(test_page_little),
        cmocka_unit_test(test_page_parts),   cmocka_unit_test(test_page_gates),
        cmocka_unit_test(test_page_levels),  cmocka_unit_test(test_page_compared),
        cmocka_unit_test(test_page_formats),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
