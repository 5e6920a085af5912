#include "eval/report_read.h"
#include "tests/reports.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct reports_opts usual = {
    .seed = 1,
    .windows = 5,
    .each = 7,
    .n_models = 2,
    .shift = {0.02, 0.1},
    .together = 0.02,
    .apart = 0.05,
    .tasks = true
};

static char *written(const struct reports_opts *o)
{
    struct made_report m;
    struct buf b = {0};
    struct err err = {0};

    reports_make(&m, o);
    if (report_json(&b, &m.report, &err))
        fail_msg("%s", err.msg);
    reports_release(&m);
    return b.p;
}

static void check_same(const struct reports_opts *o)
{
    char *text = written(o);
    struct report_file f;
    struct buf b = {0};
    struct err err = {0};

    if (report_parse(&f, text, strlen(text), &err))
        fail_msg("%s", err.msg);
    assert_int_equal(report_json(&b, &f.report, &err), 0);
    assert_string_equal(b.p, text);
    buf_release(&b);
    report_file_release(&f);
    free(text);
}

static void test_report_read_same(void **state)
{
    struct reports_opts o = usual;

    (void)state;
    check_same(&o);
    o.tasks = false;
    o.alone = true;
    check_same(&o);
    o.windows = 1; /* no error is known */
    check_same(&o);
    o.n_models = 0;
    check_same(&o);
    o = usual;
    o.windows = 300;
    o.each = 31;
    o.seed = 9;
    check_same(&o);
}

/* The first `from` of the text after `after` becomes `to`. */
static char *edited(const char *text, const char *after, const char *from, const char *to)
{
    const char *at = strstr(text, after);
    const char *hit = at ? strstr(at, from) : NULL;
    struct buf b = {0};

    if (!hit)
        fail_msg("no \"%s\" after \"%s\"", from, after);
    buf_put(&b, text, (size_t)(hit - text));
    buf_str(&b, to);
    buf_str(&b, hit + strlen(from));
    return b.p;
}

static void refuse(const char *text, const char *says, enum err_code code)
{
    struct report_file f;
    struct err err = {0};

    if (report_parse(&f, text, strlen(text), &err) != (int)code || !strstr(err.msg, says))
        fail_msg("\"%s\" (%d) does not say \"%s\"", err.msg, err.code, says);
    report_file_release(&f);
}

/* What a hand may do to a report, and what is said of it. */
static const struct {
    const char *after, *from, *to, *says;
} edits[] = {
    {"{",                "pare.report",                                  "pare.note",
     "line 2, column 13: schema: expected \"pare.report\", found \"pare.note\""                                                                                                               },
    {"{",                "\"version\": 2",                               "\"version\": \"2\"",
     "line 3, column 14: version: expected a whole number, found \"2\""                                                                                                                       },
    {"{",                "\"name\": \"made\"",                           "\"name\": 3",                                       "name: expected a text, found 3"                                },
    {"{",                "\"ctx\": 16",                                  "\"ctx\": 16.5",                                     "evaluation.ctx: expected a whole number, found 16.5"           },
    {"{",                "\"ctx\": 16",                                  "\"ctx\": 18",                                       "original.tokens: expected 40: 8 in each window; found 35"      },
    {"{",                "\"bf16\"",                                     "\"int3\"",                                          "evaluation.kernels: expected f32, bf16 or fast, found \"int3\""},
    {"text_sha256",      "00112233",                                     "0011223",
     "evaluation.text_sha256: expected 64 hexadecimal digits or null"                                                                                                                         },
    {"tokenizer",        "00112233",                                     "x0112233",                                          "evaluation.tokenizer: expected 64 hexadecimal digits"          },
    {"{",                "{\"text\":\"window 4 begins \\\"so\\\"\\n\"}", "{\"text\":4}",
     "evaluation: windows: window 4"                                                                                                                                                          },
    {"{",                "\"models\"",                                   "\"model\"",                                         "models: expected a list of models, found nothing"              },
    {"models",           "\"bytes\": ",                                  "\"bytes\": -",                                      "models.0.bytes: expected a whole number, found -"              },
    {"models",           "\"bytes\"",                                    "\"byte\"",                                          "models.0.bytes: expected a whole number, found nothing"        },
    {"models",           "\"bpw\": 4.6",                                 "\"bpw\": 3.6",
     "models.0.bpw: expected 4.6875, 8 · tensor_bytes / params; found 3.6"                                                                                                                   },
    {"models",           "\"nll\": {",                                   "\"nll\": 3, \"was\": {",
     "models.0.nll: expected an object {\"value\", \"error\"}, found 3"                                                                                                                       },
    {"models",           "\"value\": ",                                  "\"value\": 1",                                      "models.0.nll.value: expected"                                  },
    {"models",           "\"value\": ",                                  "\"value\": 1e999, \"was\": ",
     "models.0.nll.value: expected a number of at least 0, found inf"                                                                                                                         },
    {"models",           "\"value\": ",                                  "\"value\": null, \"was\": ",
     "models.0.nll.value: expected a number of at least 0, found null"                                                                                                                        },
    {"models",           "\"error\": ",                                  "\"error\": 1",
     "the standard error of the mean of window_nll; found 1"                                                                                                                                  },
    {"\"ppl\": ",        "\"value\": ",                                  "\"value\": 1",                                      "ppl.value: expected"                                           },
    {"window_nll",       "[",                                            "[1,",                                               "window_nll: expected a list of 5 numbers, found a list of 6"   },
    {"window_nll",       "[",                                            "[null,",                                            "window_nll: expected a list of 5 numbers, found a list of 6"   },
    {"\"models\"",       "\"window_nll\": [",                            "\"window_nll\": [1,2,\"x\",4,5], \"was\": [",
     "models.0.window_nll.2: expected a number of at least 0, found \"x\""                                                                                                                    },
    {"\"models\"",       "\"windows\": 5",                               "\"windows\": 6",
     "models.0.windows: expected a number that divides the tokens, found 6"                                                                                                                   },
    {"\"models\"",       "\"windows\": 5",                               "\"windows\": 7",
     "models.0.window_nll: expected a list of 7 numbers, found a list of 5"                                                                                                                   },
    {"\"position_nll\"", "[",                                            "[1",                                                "position_nll: expected"                                        },
    {"\"against\"",      "\"top1\": {",                                  "\"top1\": {\"value\": 1.5}, \"was\": {",
     "models.0.against.top1.value: expected a number from 0 to 1, found 1.5"                                                                                                                  },
    {"\"kld\"",          "\"value\": 0.0",                               "\"value\": 0.01",
     "models.0.against.kld.mean.value: expected 0.0"                                                                                                                                          },
    {"\"kld\"",          "\"error\": 0.0",                               "\"error\": 0.01",
     "models.0.against.kld.mean.error: expected 0.0"                                                                                                                                          },
    {"\"kld\"",          "\"p99\": ",                                    "\"p99\": 9",                                        "models.0.against.kld.p999: expected at least 9"                },
    {"\"ln_ppl_ratio\"", "\"value\": 0",                                 "\"value\": 1",                                      "of ln_ppl_ratio; found"                                        },
    {"\"window_kld\"",   "[0",                                           "[1",                                                "models.0.against.kld.mean.value: expected"                     },
    {"\"window_dp\"",    "[",                                            "[-1.5, 0,0,0,0], \"was\": [",
     "models.0.against.window_dp.0: expected a number from -1 to 1, found -1.5"                                                                                                               },
    {"\"worst\"",        "\"kld\": 0",                                   "\"kld\": 1",                                        "models.0.against.worst.0.kld: expected"                        },
    {"\"worst\"",        "\"token_kld\": [0",                            "\"token_kld\": [1",
     "models.0.against.worst.0.token_kld: expected"                                                                                                                                           },
    {"\"worst\"",        "\"window\": ",                                 "\"window\": 5",
     "models.0: worst: item 0: window: expected a number below 5"                                                                                                                             },
    {"\"tasks\"",        "\"acc\": {",                                   "\"acc\": {\"value\": 1, \"error\": 0}, \"was\": {",
     "tasks.0.acc.value: expected"                                                                                                                                                            },
    {"\"item_correct\"", "[",                                            "[2, 0,",                                            "tasks: 0: item_correct: expected 40 numbers"                   },
};

static void test_report_read_edited(void **state)
{
    char *text = written(&usual);

    (void)state;
    for (size_t i = 0; i < sizeof(edits) / sizeof(edits[0]); i++) {
        char *broken = edited(text, edits[i].after, edits[i].from, edits[i].to);
        refuse(broken, edits[i].says, ERR_FORMAT);
        free(broken);
    }
    char *later = edited(text, "{", "\"version\": 2", "\"version\": 3");
    refuse(later, "line 3, column 14: version: a report of version 3; this pare reads version 2",
           ERR_UNSUPPORTED);
    free(later);
    free(text);
}

static void test_report_read_not_json(void **state)
{
    struct report_file f;
    struct err err = {0};

    (void)state;
    refuse("", "line 1, column 1", ERR_FORMAT);
    refuse("[1]", "line 1, column 1: expected an object: a report, found a list of 1", ERR_FORMAT);
    refuse("{\"schema\": \"pare.report\",\n\"version\" 2}", "line 2, column 11", ERR_FORMAT);
    assert_int_equal(report_load(&f, "no/such.json", &err), ERR_IO);
    assert_non_null(strstr(err.msg, "no/such.json"));
    report_file_release(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_report_read_same),
        cmocka_unit_test(test_report_read_edited),
        cmocka_unit_test(test_report_read_not_json),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
