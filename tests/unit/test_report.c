#include "eval/figure.h"
#include "eval/report.h"
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

static struct report_model make(const char *name, const struct score *ref)
{
    struct report_model m = {.name = name, .file = "dir/a<b>.gguf", .type = "Q8_0"};
    struct err err = {0};

    m.bytes = 3 << 20;
    m.tensor_bytes = 1000;
    m.params = 2000;
    assert_int_equal(score_summary(&m.result, scores, ref, 2, 2, &err), 0);
    if (m.result.n_worst)
        m.result.worst[0].token[1] = "caf\xc3\xa9 \"\n";
    return m;
}

/* A result of fast kernels beside it. */
static void add_fast(struct report_model *m)
{
    struct report_model other = make("", scores);

    m->result.fast = calloc(1, sizeof(*m->result.fast));
    assert_non_null(m->result.fast);
    *m->result.fast = other.result;
    m->result.fast->kld.value = 0.75;
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
    add_fast(&m);
    report_model_put(&ja, NULL, &m);
    assert_int_equal(json_parse(&v, a.p, a.n, &err), 0);
    assert_int_equal(report_model_get(&back, &arena, v, &err), 0);
    json_free(v);
    report_model_put(&jb, NULL, &back);
    assert_string_equal(a.p, b.p);
    assert_true(back.result.kld_max == 0.4 && back.result.dp_p1 == m.result.dp_p1);
    assert_true(report_bpw(&back) == 4);
    assert_true(back.result.window_top1[1] == 1 &&
                back.result.position_kld[1] == m.result.position_kld[1]);
    assert_int_equal(back.result.n_worst, 2);
    assert_int_equal(back.result.worst[0].window, 1);
    assert_string_equal(back.result.worst[0].token[1], "caf\xc3\xa9 \"\n");
    assert_true(back.result.fast->kld.value == 0.75 && !back.result.fast->fast);
    report_model_release(&m);
    report_model_release(&back);
    arena_release(&arena);
    buf_release(&a);
    buf_release(&b);
}

/* What is changed in a good model's text, and words of the error. */
static const struct {
    const char *from, *to, *words;
} edits[] = {
    {"\"bytes\":3145728",        "\"bytes\":-1",                "whole numbers bytes"          },
    {"\"tokens\":4",             "\"tokens\":\"4\"",            "whole numbers tokens"         },
    {"\"tokens\":4",             "\"tokens\":5",                "5 tokens are no multiple of 2"},
    {"\"windows\":2",            "\"windows\":0",               "4 tokens are no multiple of 0"},
    {"\"windows\":2",            "\"windows\":4",               "window_nll: expected 4"       },
    {"\"window_nll\":[",         "\"window_nll\":[1,",          "window_nll: expected 2"       },
    {"\"position_nll\":[",       "\"position_nll\":[1,",        "position_nll: expected 2"     },
    {"\"window_kld\":[",         "\"window_kld\":[1,",          "window_kld: expected 2"       },
    {"\"position_kld\":[",       "\"position_kld\":[],\"x\":[", "position_kld: expected 2"     },
    {"\"worst\":[",              "\"worst\":1,\"x\":[",         "worst: expected at most 3"    },
    {"\"worst\":[{\"window\":1", "\"worst\":[{\"window\":2",    "window: expected a number"    },
    {"\"token\":[\"\"",          "\"token\":[1",                "token: item 0"                },
    {"\"token\":[",              "\"token\":[\"\",",            "token: expected 2 texts"      },
    {"\"token_kld\":[",          "\"token_kld\":[1,",           "token_kld: expected 2"        },
    {"\"token_nll\":[",          "\"token_nll\":[1,",           "token_nll: expected 2"        },
    {"\"fast\":{",               "\"fast\":{\"y\":1},\"x\":{",  "fast: expected whole numbers" },
};

static void check_broken(const char *text, const char *words)
{
    struct report_model m;
    struct arena arena = {0};
    struct err err = {0};
    json_val *v;

    assert_int_equal(json_parse(&v, text, strlen(text), &err), 0);
    assert_int_equal(report_model_get(&m, &arena, v, &err), ERR_FORMAT);
    if (!strstr(err.msg, words))
        fail_msg("\"%s\" where \"%s\" was expected", err.msg, words);
    json_free(v);
    arena_release(&arena);
}

static void test_report_broken(void **state)
{
    struct report_model m = make("x", scores);
    struct buf good = {0};
    struct json_out j = json_out_init(&good, true);

    (void)state;
    add_fast(&m);
    report_model_put(&j, NULL, &m);
    for (size_t i = 0; i < sizeof(edits) / sizeof(edits[0]); i++) {
        const char *at = strstr(good.p, edits[i].from);
        struct buf b = {0};
        assert_non_null(at);
        buf_put(&b, good.p, (size_t)(at - good.p));
        buf_str(&b, edits[i].to);
        buf_str(&b, at + strlen(edits[i].from));
        check_broken(b.p, edits[i].words);
        buf_release(&b);
    }
    check_broken("{}", "whole numbers bytes");
    check_broken("[]", "whole numbers bytes");
    report_model_release(&m);
    buf_release(&good);
}

static void test_report_about(void **state)
{
    static const char *texts[] = {"a \"b\"", "\xe2\x82\xac"};
    struct eval_about a = {.window = texts, .n_windows = 2}, back;
    struct buf b = {0};
    struct json_out j = json_out_init(&b, true);
    struct err err = {0};
    json_val *v;

    (void)state;
    memset(a.tokenizer, 'f', sizeof(a.tokenizer) - 1);
    json_open(&j, NULL, '{');
    eval_about_put(&j, &a);
    json_close(&j, '}');
    assert_int_equal(json_parse(&v, b.p, b.n, &err), 0);
    assert_int_equal(eval_about_get(&back, v, &err), 0);
    assert_string_equal(back.tokenizer, a.tokenizer);
    assert_int_equal(back.n_windows, 2);
    assert_string_equal(back.window[0], texts[0]);
    assert_string_equal(back.window[1], texts[1]);
    eval_about_release(&back);
    json_free(v);
    buf_release(&b);
}

static void test_report_about_broken(void **state)
{
    static const char *const text[] = {"{}", "{\"tokenizer\":\"ab\",\"windows\":[]}",
                                       "{\"windows\":[{\"text\":1}]}"};

    (void)state;
    for (size_t i = 0; i < sizeof(text) / sizeof(text[0]); i++) {
        struct eval_about back;
        struct err err = {0};
        json_val *v;
        assert_int_equal(json_parse(&v, text[i], strlen(text[i]), &err), 0);
        assert_int_equal(eval_about_get(&back, v, &err), ERR_FORMAT);
        eval_about_release(&back);
        json_free(v);
    }
}

static void test_report_kernels(void **state)
{
    enum kern_math m = KERN_F32;

    (void)state;
    assert_string_equal(report_kernels(KERN_INT16), "fast");
    assert_null(report_kernels(KERN_MATH_COUNT));
    assert_true(report_math(&m, "bf16") && m == KERN_BF16);
    assert_false(report_math(&m, "int8"));
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
    figure_percent(s, (struct stats_mean){0.98431, 1e-16});
    assert_string_equal(s, "98.43");
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
        cmocka_unit_test(test_report_round_trip), cmocka_unit_test(test_report_broken),
        cmocka_unit_test(test_report_about),      cmocka_unit_test(test_report_about_broken),
        cmocka_unit_test(test_report_kernels),    cmocka_unit_test(test_report_figures),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
