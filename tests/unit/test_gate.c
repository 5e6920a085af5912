#include "eval/gate.h"
#include "eval/junit.h"
#include "tests/reports.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "formats/base/out.h"

/* ---- the language --------------------------------------------------------------------------- */

static const struct {
    const char *text, *model, *metric, *task;
    enum gate_op op;
    double limit, level;
    const char *baseline;
} good[] = {
    {"kld <= 0.03",                                       NULL,        "kld",        NULL,    GATE_LE,        0.03,           0,     NULL           },
    {"kld<=3e-2",                                         NULL,        "kld",        NULL,    GATE_LE,        0.03,           0,     NULL           },
    {"  kld.mean  <  .03  ",                              NULL,        "kld",        NULL,    GATE_LT,        0.03,           0,     NULL           },
    {"kld <= 0.03 nats at 95%",                           NULL,        "kld",        NULL,    GATE_LE,        0.03,           0.95,  NULL           },
    {"ppl_ratio <= 1.02 at 95%",                          NULL,        "ppl_ratio",  NULL,    GATE_LE,        1.02,           0.95,  NULL           },
    {"ppl_ratio <= 102% at 99.5 %",                       NULL,        "ppl_ratio",  NULL,    GATE_LE,        1.02,           0.995, NULL           },
    {"kld.p99 < 0.5",                                     NULL,        "kld.p99",    NULL,    GATE_LT,        0.5,            0,     NULL           },
    {"top1 >= 0.9 at 99%",                                NULL,        "top1",       NULL,    GATE_GE,        0.9,            0.99,  NULL           },
    {"top1 > 90%",                                        NULL,        "top1",       NULL,    GATE_GT,        0.9,            0,     NULL           },
    {"dp >= -1%",                                         NULL,        "dp",         NULL,    GATE_GE,        -0.01,          0,     NULL           },
    {"size_ratio <= 0.35",                                NULL,        "size_ratio", NULL,    GATE_LE,        0.35,           0,     NULL           },
    {"bytes <= 90MiB",                                    NULL,        "bytes",      NULL,    GATE_LE,        90 * 1048576.0, 0,     NULL           },
    {"bytes <= 90 MB at 95%",                             NULL,        "bytes",      NULL,    GATE_LE,        9e7,            0.95,  NULL           },
    {"params < 135M",                                     NULL,        "params",     NULL,    GATE_LT,        135e6,          0,     NULL           },
    {"bpw < 5",                                           NULL,        "bpw",        NULL,    GATE_LT,        5,              0,     NULL           },
    {"windows >= 20",                                     NULL,        "windows",    NULL,    GATE_GE,        20,             0,     NULL           },
    {"fast.kld <= 0.05",                                  NULL,        "kld",        NULL,    GATE_LE,        0.05,           0,     NULL           },
    {"task:quiz.acc >= 0.5",                              NULL,        "acc",        "quiz",  GATE_GE,        0.5,            0,     NULL           },
    {"task:a.b c.acc_norm >= 50% at 90%",                 NULL,        "acc_norm",   "a.b c", GATE_GE,        0.5,            0.9,   NULL           },
    {"m-Q4.gguf: kld <= 1",                               "m-Q4.gguf", "kld",        NULL,    GATE_LE,        1,              0,     NULL           },
    {"Q4_K_M: task:x.acc >= 1",                           "Q4_K_M",    "acc",        "x",     GATE_GE,        1,              0,     NULL           },
    {"not worse than baseline.json",                      NULL,        NULL,         NULL,    GATE_NOT_WORSE, 0,              0,     "baseline.json"},
    {"m: not worse than a b.json at 90%",                 "m",         NULL,         NULL,    GATE_NOT_WORSE, 0,              0.9,   "a b.json"     },
    {"kld not worse than baseline.json",                  NULL,        "kld",        NULL,    GATE_NOT_WORSE, 0,              0,     "baseline.json"},
    {"kld not worse than \"at by.json\" by 0.002 at 95%", NULL,        "kld",        NULL,    GATE_NOT_WORSE, 0.002,
     0.95,                                                                                                                           "at by.json"   },
    {"ppl not worse than look at by me.json by 1%",       NULL,        "ppl",        NULL,    GATE_NOT_WORSE, 0.01,           0,
     "look at by me.json"                                                                                                                           },
    {"kld not worse than \"5 at 3 by 2.json\" by 1",      NULL,        "kld",        NULL,    GATE_NOT_WORSE, 1,              0,
     "5 at 3 by 2.json"                                                                                                                             },
    {"bytes not worse than x.json by 1 MiB",              NULL,        "bytes",      NULL,    GATE_NOT_WORSE, 1048576,        0,
     "x.json"                                                                                                                                       },
};

static void test_gate_parse(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct arena arena = {0};
        struct gate g;
        struct err err = {0};
        if (gate_parse(&g, &arena, good[i].text, &err))
            fail_msg("%s", err.msg);
        const bool same =
            !g.model == !good[i].model && (!g.model || !strcmp(g.model, good[i].model)) &&
            !g.ref.metric == !good[i].metric &&
            (!g.ref.metric || !strcmp(g.ref.metric->name, good[i].metric)) &&
            !g.ref.task == !good[i].task && (!g.ref.task || !strcmp(g.ref.task, good[i].task)) &&
            g.op == good[i].op && fabs(g.limit - good[i].limit) <= 1e-12 * fabs(g.limit) &&
            fabs(g.level - good[i].level) < 1e-12 && !g.baseline == !good[i].baseline &&
            (!g.baseline || !strcmp(g.baseline, good[i].baseline));
        if (!same)
            fail_msg("%s: read as something else: limit %g, level %g, %s", good[i].text, g.limit,
                     g.level, g.baseline ? g.baseline : "-");
        assert_true(g.ref.fast == !strncmp(good[i].text, "fast.", 5));
        assert_null(strstr(g.text, "m-Q4"));
        arena_release(&arena);
    }
}

static const struct {
    const char *text, *says;
} wrong[] = {
    {"",                                     "gate \"\", column 1: expected a metric"                       },
    {"kdl <= 0.03",
     "gate \"kdl <= 0.03\", column 1: there is no metric \"kdl\"; did you mean \"kld\"?"                    },
    {"m: topl >= 1",                         "column 4: there is no metric \"topl\"; did you mean \"top1\"?"},
    {"fast.bytes <= 1",                      "there is no metric \"fast.bytes\""                            },
    {"task:x.ac >= 1",                       "a task has no metric \"ac\"; did you mean \"acc\"?"           },
    {"task:x >= 1",                          "expected task:NAME.acc"                                       },
    {"acc >= 1",                             "there is no metric \"acc\""                                   },
    {"kld",                                  "column 4: expected <=, <, >=, > or \"not worse than FILE\""   },
    {"kld == 3",                             "column 5: expected <="                                        },
    {"<= 3",                                 "column 1: expected a metric"                                  },
    {": kld <= 3",                           "column 1: expected a model's name before the colon"           },
    {"kld <= ",                              "column 8: expected a number"                                  },
    {"kld <= nan",                           "column 8: expected a number"                                  },
    {"kld <= inf",                           "column 8: expected a number"                                  },
    {"kld <= 0x1",                           "column 9: this is no unit of that metric"                     },
    {"kld <= 1e999",                         "column 8: expected a number"                                  },
    {"kld <= 3%",                            "column 9: this is no unit of that metric"                     },
    {"kld <= 3 MiB",                         "column 10: this is no unit of that metric"                    },
    {"bpw <= 3 MiB",                         "no unit of that metric"                                       },
    {"kld <= 3 at",                          "column 12: expected a number"                                 },
    {"kld <= 3 at 95",                       "column 15: expected %"                                        },
    {"kld <= 3 at 100%",                     "column 13: expected a confidence from 50% to below 100%"      },
    {"kld <= 3 at 5%",                       "column 13: expected a confidence"                             },
    {"kld <= 3 at 95% more",                 "column 17: expected the end"                                  },
    {"kld <= 3 ats",                         "column 10: this is no unit"                                   },
    {"kld.p99 <= 3 at 95%",                  "column 9: \"at\" needs a metric whose error is known"         },
    {"not worse than",                       "column 15: expected a report's file"                          },
    {"not worse than ",                      "expected a report's file"                                     },
    {"not worse x.json",                     "column 1: there is no metric"                                 },
    {"not worse than x.json by 3",           "\"by\" needs a metric before"                                 },
    {"kld not worse than x.json by 3MiB",    "no unit of that metric"                                       },
    {"kld not worse than x.json by -3",      "expected a margin of 0 or more"                               },
    {"kld.max not worse than x.json at 95%", "\"at\" needs a metric whose error is known"                   },
    {"windows not worse than x.json",        "neither more nor less of this metric is worse"                },
};

static void test_gate_parse_wrong(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct arena arena = {0};
        struct gate g;
        struct err err = {0};
        const int rc = gate_parse(&g, &arena, wrong[i].text, &err);
        if (rc != ERR_ARG || !strstr(err.msg, wrong[i].says))
            fail_msg("%s: \"%s\" does not say \"%s\"", wrong[i].text, err.msg, wrong[i].says);
        arena_release(&arena);
    }
}

static void test_gate_parse_key(void **state)
{
    struct arena arena = {0};
    struct gate g;
    struct err err = {0};

    (void)state;
    assert_int_equal(gate_parse_key(&g, &arena, "Q4_K_M", "kld", "<= 0.03 at 95%", &err), 0);
    assert_string_equal(g.model, "Q4_K_M");
    assert_string_equal(g.text, "kld <= 0.03 at 95%");
    assert_true(g.op == GATE_LE && g.limit == 0.03 && g.level == 0.95);
    assert_int_equal(gate_parse_key(&g, &arena, NULL, "kld", "not worse than b.json", &err), 0);
    assert_null(g.model);
    assert_string_equal(g.baseline, "b.json");
    assert_int_equal(gate_parse_key(&g, &arena, "a: b", NULL, "bytes < 1GiB", &err), 0);
    assert_string_equal(g.model, "a: b");
    assert_true(g.limit == 1073741824.0);
    assert_int_equal(gate_parse_key(&g, &arena, "Q4", "kld", "<= x", &err), ERR_ARG);
    assert_string_equal(err.msg, "gate Q4: kld \"<= x\", column 4: expected a number");
    assert_int_equal(gate_parse_key(&g, &arena, "Q4", "kdl", "<= x", &err), ERR_ARG);
    assert_non_null(strstr(err.msg, "gate Q4: there is no metric \"kdl\""));
    arena_release(&arena);
}

static void test_gate_models(void **state)
{
    static const char *const names[] = {"Q4_K_M", "Q8_0"};
    const struct gate g[] = {
        {.text = "kld < 1"},
        { .text = "kld < 1",  .model = "Q8_0"},
        { .text = "kld < 1",  .model = "q8_0"}
    };
    struct err err = {0};

    (void)state;
    assert_int_equal(gates_models(g, 2, names, 2, &err), 0);
    assert_int_equal(gates_models(g, 3, names, 2, &err), ERR_ARG);
    assert_non_null(strstr(err.msg, "there is no model \"q8_0\"; did you mean \"Q8_0\"?"));
}

/* ---- decisions on a value ---------------------------------------------------------------------------- */

/* KLD 0.029 +- 0.004 of 12 windows; t(0.975, 11) = 2.200985: from 0.020196 to 0.037804. */
static const struct report_model measured = {
    .name = "m",
    .bytes = 90 << 20,
    .tensor_bytes = 80 << 20,
    .params = 100 << 20,
    .result = {.n_windows = 12,
               .have_original = true,
               .nll = {2, 0.1},
               .ppl = {7.389, 0.7389},
               .ppl_ratio = {1.02, 0.00102},
               .top1 = {0.91, 0},
               .kld = {0.029, 0.004},
               .kld_p99 = 0.4,
               .dp_rms = (double)NAN}
};
static const struct report_model base = {.name = "original", .bytes = 300 << 20};

static const struct {
    const char *text;
    enum gate_status status;
    const char *says;
} decisions[] = {
    {"kld <= 0.03",                 GATE_MET,       "0.0290 ± 0.0040"                                      },
    {"kld < 0.029",                 GATE_FAILED,    "0.0290 ± 0.0040"                                      },
    {"kld <= 0.029",                GATE_MET,       "0.0290 ± 0.0040"                                      },
    {"kld >= 0.03",                 GATE_FAILED,    "0.0290"                                                },
    {"kld > 0.0289",                GATE_MET,       "0.0290"                                                },
    {"kld <= 0.03781 at 95%",       GATE_MET,       "0.0290 ± 0.0040, at most 0.03780 with 95 % confidence"},
    {"kld <= 0.0378 at 95%",        GATE_UNDECIDED,
     "can't be decided with 12 windows: 0.0290 ± 0.0040; about"                                            },
    {"kld <= 0.0202 at 95%",        GATE_UNDECIDED, "can't be decided with 12 windows"                      },
    {"kld <= 0.0201 at 95%",        GATE_FAILED,    "at most"                                               },
    {"kld >= 0.0201 at 95%",        GATE_MET,       "at least 0.02020 with 95 % confidence"                 },
    {"kld <= 0.029 at 95%",         GATE_UNDECIDED, "no number of windows would"                            },
 /* t(0.995, 11) = 3.105807: up to 0.041423 */
    {"kld <= 0.04142 at 99%",       GATE_UNDECIDED, "can't be decided"                                      },
    {"kld <= 0.04143 at 99%",       GATE_MET,       "99 %"                                                  },
 /* the logarithm's error is 0.001: exp(2.200985 * 0.001) = 1.0022034 */
    {"ppl_ratio <= 1.02225 at 95%", GATE_MET,       "at most 1.022"                                         },
    {"ppl_ratio <= 1.02224 at 95%", GATE_UNDECIDED,
     "can't be decided with 12 windows: 1.0200 ± 0.0010"                                                   },
    {"ppl_ratio <= 1.01776 at 95%", GATE_UNDECIDED, ""                                                      },
    {"ppl_ratio <= 1.01775 at 95%", GATE_FAILED,    ""                                                      },
    {"top1 >= 0.91 at 99%",         GATE_MET,       "91.00 %"                                               },
    {"kld.p99 < 0.5",               GATE_MET,       "0.4000"                                                },
    {"dp.rms < 0.5",                GATE_UNDECIDED, "can't be decided: the report has no dp.rms"            },
    {"fast.kld < 0.5",              GATE_UNDECIDED, "the report has no fast.kld (--kernels both gives it)"  },
    {"task:q.acc > 0",              GATE_UNDECIDED, "the report has no task:q.acc (no such task was run)"   },
    {"bytes <= 90MiB",              GATE_MET,       "90.00 MiB"                                             },
    {"bytes < 90MiB at 95%",        GATE_FAILED,    "90.00 MiB"                                             },
    {"size_ratio <= 0.3",           GATE_MET,       "0.300"                                                 },
    {"bpw < 6.4",                   GATE_FAILED,    "6.400"                                                 },
};

static struct gate_results checked(const struct report *r, const char *text, struct arena *arena)
{
    struct gate_results results;
    struct gate *g = arena_alloc(arena, sizeof(*g));
    struct err err = {0};

    assert_non_null(g);
    if (gate_parse(g, arena, text, &err) || gates_check(&results, g, 1, r, &err))
        fail_msg("%s: %s", text, err.msg);
    return results;
}

static void expect(const struct report *r, const char *text, enum gate_status status,
                   const char *says)
{
    struct arena arena = {0};
    struct gate_results results = checked(r, text, &arena);

    assert_int_equal(results.n, 1);
    if (results.at[0].status != status || !strstr(results.at[0].why, says))
        fail_msg("%s (status %d, not %d) does not say \"%s\"", results.at[0].line,
                 results.at[0].status, status, says);
    assert_int_equal(results.n_failed, status != GATE_MET);
    gate_results_release(&results);
    arena_release(&arena);
}

static void test_gate_decides(void **state)
{
    const struct report r = {.original = &base, .model = &measured, .n_models = 1};

    (void)state;
    for (size_t i = 0; i < sizeof(decisions) / sizeof(decisions[0]); i++)
        expect(&r, decisions[i].text, decisions[i].status, decisions[i].says);
}

/* The windows it asks for: t(0.975, M - 1) * 0.004 * sqrt(12) / sqrt(M) < 0.001 first at 740. */
static void test_gate_needed(void **state)
{
    struct report_model one = measured;
    const struct report r = {.original = &base, .model = &one, .n_models = 1};

    (void)state;
    expect(&r, "kld <= 0.03 at 95%", GATE_UNDECIDED, "about 740 windows would");
    one.result.n_windows = 1;
    one.result.kld.error = (double)NAN;
    expect(&r, "kld <= 0.03 at 95%", GATE_UNDECIDED,
           "can't be decided with 1 window: 0.02900, of unknown error");
    expect(&r, "kld <= 0.03", GATE_MET, "0.02900");
    one.result.have_original = false;
    const struct report alone = {.model = &one, .n_models = 1};
    expect(&alone, "kld <= 0.03", GATE_UNDECIDED,
           "the report has no kld (measured against no original)");
    expect(&alone, "size_ratio <= 0.03", GATE_UNDECIDED, "the report has no size_ratio");
}

/* ---- "not worse than" ------------------------------------------------------------------------------------ */

static const struct reports_opts usual = {
    .seed = 3,
    .windows = 12,
    .each = 15,
    .n_models = 2,
    .shift = {0.05, 0.2},
    .together = 0.03,
    .apart = 0.1,
    .tasks = true
};

struct baseline {
    char path[64];
    struct made_report now;
};

/* A report on disk, and one of the same text by other models. */
static void begin(struct baseline *b, const struct reports_opts *was,
                  const struct reports_opts *now)
{
    struct made_report old;
    struct buf text = {0};
    struct err err = {0};

    (void)snprintf(b->path, sizeof(b->path), "/tmp/pare-gate-%ld.json", (long)getpid());
    reports_make(&old, was);
    assert_int_equal(report_json(&text, &old.report, &err), 0);
    assert_int_equal(out_file(b->path, text.p, text.n, &err), 0);
    buf_release(&text);
    reports_release(&old);
    reports_make(&b->now, now);
}

static void end(struct baseline *b)
{
    (void)unlink(b->path);
    reports_release(&b->now);
}

static void expect_worse(struct baseline *b, const char *before, const char *after,
                         enum gate_status status, const char *says)
{
    char text[160];

    (void)snprintf(text, sizeof(text), "%snot worse than %s%s", before, b->path, after);
    expect(&b->now.report, text, status, says);
}

static void test_gate_not_worse_same(void **state)
{
    struct baseline b;

    (void)state;
    begin(&b, &usual, &usual);
    expect_worse(&b, "m0: ", "", GATE_MET, "no sign of worse in 5 figures");
    expect_worse(&b, "m0: kld ", "", GATE_MET, "against");
    expect_worse(&b, "m1: bytes ", "", GATE_MET, "701.0 KiB against 701.0 KiB");
    expect_worse(&b, "m1: kld.p99 ", "", GATE_MET, "against");
    expect_worse(&b, "m1: task:quiz.acc ", "", GATE_MET, "against");
    expect_worse(&b, "m0: kld ", " by 0 at 99%", GATE_MET, "against");
    end(&b);
}

static void test_gate_not_worse_worse(void **state)
{
    struct reports_opts now = usual;
    struct baseline b;

    (void)state;
    now.salt = 1;
    now.shift[0] = 0.3;
    now.shift[1] = 0.05;
    now.tasks = false;
    begin(&b, &usual, &now);
    expect_worse(&b, "m0: kld ", "", GATE_FAILED, " against ");
    expect_worse(&b, "m0: ppl ", "", GATE_FAILED, ", times 1.3");
    expect_worse(&b, "m0: ", "", GATE_FAILED, "; kld: ");
    expect_worse(&b, "m0: dp ", "", GATE_FAILED, "%");
    expect_worse(&b, "m0: kld.p99 ", "", GATE_FAILED, "against");
    /* m1 got better; only the task, which was not run again, stands in the way */
    expect_worse(&b, "m1: kld ", "", GATE_MET, ": -0.0");
    expect_worse(&b, "m1: ppl ", " by 1%", GATE_MET, ", times 0.8");
    expect_worse(&b, "m1: ", "", GATE_UNDECIDED,
                 "can't be decided: the report has no task:quiz.acc");
    expect_worse(&b, "m1: task:quiz.acc ", "", GATE_UNDECIDED, "the report has no task:quiz.acc");
    expect_worse(&b, "m1: task:none.acc ", "", GATE_UNDECIDED, "the baseline has no task:none.acc");
    end(&b);
}

/* A margin has to be shown to be kept: that needs enough windows. */
static void test_gate_not_worse_margin(void **state)
{
    struct reports_opts now = usual;
    struct baseline b;

    (void)state;
    now.salt = 1;
    begin(&b, &usual, &now);
    expect_worse(&b, "m0: nll ", "", GATE_MET, "against");
    expect_worse(&b, "m0: nll ", " by 0.2", GATE_MET, "against");
    expect_worse(&b, "m0: nll ", " by 0.02", GATE_UNDECIDED, "can't be decided with 12 windows");
    expect_worse(&b, "m0: ppl ", " by 20%", GATE_MET, "times");
    expect_worse(&b, "m0: ppl ", " by 2%", GATE_UNDECIDED, "windows would");
    expect_worse(&b, "m0: top1 ", " by 10% at 90%", GATE_MET, "against");
    expect_worse(&b, "m0: top1 ", " by 0.1%", GATE_UNDECIDED, "can't be decided");
    end(&b);
}

static void test_gate_not_worse_other(void **state)
{
    struct reports_opts now = usual;
    struct baseline b;
    struct arena arena = {0};
    struct gate_results results;
    struct gate g;
    struct err err = {0};

    (void)state;
    now.n_models = 3;
    begin(&b, &usual, &now);
    expect_worse(&b, "m2: ", "", GATE_UNDECIDED, "the baseline holds no model \"m2\"");
    b.now.report.n_ctx = 99;
    expect_worse(&b, "m0: ", "", GATE_UNDECIDED,
                 "can't be decided: measured with different contexts: 32 and 99");
    assert_int_equal(gate_parse(&g, &arena, "not worse than /no/such.json", &err), 0);
    assert_int_equal(gates_check(&results, &g, 1, &b.now.report, &err), ERR_IO);
    gate_results_release(&results);
    assert_int_equal(gate_parse(&g, &arena, "m7: kld < 1", &err), 0);
    assert_int_equal(gates_check(&results, &g, 1, &b.now.report, &err), ERR_ARG);
    gate_results_release(&results);
    arena_release(&arena);
    end(&b);
}

/* ---- all of them ------------------------------------------------------------------------------------------- */

static void test_gates_results(void **state)
{
    static const char *const texts[] = {"kld < 9", "m1: kld < 0.00001", "bytes > 1TiB"};
    struct made_report m;
    struct arena arena = {0};
    struct gate g[3];
    struct gate_results r;
    struct buf xml = {0};
    struct err err = {0};

    (void)state;
    reports_make(&m, &usual);
    m.model[1].name = "m<1>";
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(gate_parse(&g[i], &arena, texts[i], &err), 0);
    g[1].model = "m<1>";
    assert_int_equal(gates_check(&r, g, 3, &m.report, &err), 0);
    assert_int_equal(r.n, 5);
    assert_int_equal(r.n_failed, 3);
    assert_string_equal(r.at[0].line + strlen("met: m0: kld < 9: 0.0"),
                        r.at[0].why + strlen("0.0"));
    assert_int_equal(gates_status(&r, &err), ERR_GATE);
    assert_string_equal(err.msg, "3 of 5 gates not met, first m0: bytes > 1TiB");
    assert_int_equal(junit_gates(&xml, "a & b\x01\xff", &r, &err), 0);
    assert_non_null(
        strstr(xml.p, "<testsuites name=\"a &amp; b\xef\xbf\xbd\" tests=\"5\" failures=\"3\""));
    assert_non_null(strstr(xml.p, "<testsuite name=\"m0\" tests=\"2\" failures=\"1\""));
    assert_non_null(strstr(xml.p, "<testsuite name=\"m&lt;1&gt;\" tests=\"3\" failures=\"2\""));
    assert_non_null(strstr(xml.p, "name=\"kld &lt; 0.00001\""));
    buf_release(&xml);
    gate_results_release(&r);
    assert_int_equal(gates_check(&r, g, 1, &m.report, &err), 0);
    assert_int_equal(gates_status(&r, &err), 0);
    gate_results_release(&r);
    reports_release(&m);
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gate_parse),
        cmocka_unit_test(test_gate_parse_wrong),
        cmocka_unit_test(test_gate_parse_key),
        cmocka_unit_test(test_gate_models),
        cmocka_unit_test(test_gate_decides),
        cmocka_unit_test(test_gate_needed),
        cmocka_unit_test(test_gate_not_worse_same),
        cmocka_unit_test(test_gate_not_worse_worse),
        cmocka_unit_test(test_gate_not_worse_margin),
        cmocka_unit_test(test_gate_not_worse_other),
        cmocka_unit_test(test_gates_results),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
