#include "eval/csv.h"
#include "eval/markdown.h"
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

static void test_csv_field(void **state)
{
    static const char *const pairs[][2] = {
        {"plain",       "plain"      },
        {"",            ""           },
        {"a,b",         "\"a,b\""    },
        {"a\"b",        "\"a\"\"b\"" },
        {"a\r\nb",      "\"a\r\nb\"" },
        {"\"",          "\"\"\"\""   },
        {"caf\xC3\xA9", "caf\xC3\xA9"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        struct buf b = {0};
        csv_field(&b, pairs[i][0]);
        assert_string_equal(b.p ? b.p : "", pairs[i][1]);
        buf_release(&b);
    }
}

/* The fields of one record, quotes undone; the reader is told where it ends. */
static size_t read_record(const char **text, char field[][64], size_t most)
{
    const char *s = *text;
    size_t n = 0, k = 0;
    bool quoted = false;

    for (; *s; s++) {
        assert_true(n < most && k < 63);
        if (quoted && s[0] == '"' && s[1] == '"')
            field[n][k++] = *s++;
        else if (*s == '"')
            quoted = !quoted;
        else if (!quoted && (*s == ',' || *s == '\r')) {
            field[n++][k] = 0;
            k = 0;
            if (*s == '\r')
                break;
        } else
            field[n][k++] = *s;
    }
    assert_memory_equal(s, "\r\n", 2);
    *text = s + 2;
    return n;
}

static size_t column(char field[][64], size_t n, const char *name)
{
    size_t i = 0;

    while (i < n && strcmp(field[i], name) != 0)
        i++;
    assert_true(i < n);
    return i;
}

static struct report_model make(const char *name, const struct score *ref)
{
    struct report_model m = {
        .name = name, .file = "a,\"b\"", .bytes = 3, .tensor_bytes = 8, .params = 16};
    struct err err = {0};

    assert_int_equal(score_summary(&m.result, scores, ref, 2, 2, &err), 0);
    return m;
}

static void add_task(struct report_model *m, const char *name, double acc)
{
    m->tasks.at = arena_array(&m->tasks.arena, 1, sizeof(*m->tasks.at));
    assert_non_null(m->tasks.at);
    m->tasks.n = 1;
    m->tasks.at[0] = (struct task_result){
        .name = name, .n_items = 4, .acc = {acc, 0.25}
    };
}

static void test_csv_report(void **state)
{
    enum { MOST = 256 };
    static char head[MOST][64], row[MOST][64];
    struct report_model m[] = {make("original", NULL), make("x", scores), make("y", scores)};
    const struct report r = {.name = "n",
                             .text = "t",
                             .kernels = "f32",
                             .n_ctx = 5,
                             .original = m,
                             .model = m + 1,
                             .n_models = 2};
    struct buf b = {0}, again = {0};
    struct err err = {0};

    (void)state;
    add_task(&m[1], "quiz", 0.5);
    add_task(&m[2], "quiz", 0.75);
    assert_int_equal(csv_report(&b, &r, NULL, &err), 0);
    const char *text = b.p;
    const size_t n = read_record(&text, head, MOST);
    assert_int_equal(read_record(&text, row, MOST), n);
    assert_string_equal(row[0], "original");
    assert_string_equal(row[column(head, n, "kld")], "");
    assert_int_equal(read_record(&text, row, MOST), n);
    assert_string_equal(row[column(head, n, "name")], "x");
    assert_string_equal(row[column(head, n, "file")], "a,\"b\"");
    assert_true(strtod(row[column(head, n, "kld")], NULL) == m[1].result.kld.value);
    assert_true(strtod(row[column(head, n, "kld.error")], NULL) == m[1].result.kld.error);
    assert_string_equal(row[column(head, n, "bpw")], "4");
    assert_string_equal(row[column(head, n, "task:quiz.acc")], "0.5");
    assert_string_equal(row[column(head, n, "task:quiz.acc_norm")], "");
    assert_int_equal(read_record(&text, row, MOST), n);
    assert_string_equal(row[column(head, n, "task:quiz.acc")], "0.75");
    assert_int_equal(*text, 0);
    for (size_t i = 0; i < n; i++) /* a name stands once */
        assert_int_equal(column(head, n, head[i]), i);
    assert_int_equal(csv_report(&again, &r, NULL, &err), 0);
    assert_string_equal(b.p, again.p);
    for (size_t i = 0; i < 3; i++)
        report_model_release(&m[i]);
    buf_release(&b);
    buf_release(&again);
}

static void test_csv_markdown_text(void **state)
{
    struct buf b = {0};

    (void)state;
    markdown_text(&b, "a|b_c*<img>@x #1 [l](u) `k`\n&");
    assert_string_equal(b.p, "a\\|b\\_c\\*&lt;img&gt;\\@x \\#1 \\[l\\]\\(u\\) \\`k\\` &amp;");
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_csv_field),
        cmocka_unit_test(test_csv_report),
        cmocka_unit_test(test_csv_markdown_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
