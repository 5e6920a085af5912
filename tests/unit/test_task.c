#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "eval/task.h"
#include "eval/task_file.h"
#include "eval/task_ids.h"
#include "eval/task_score.h"

#include "formats/base/out.h"
#include "runtime/session.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char model_dir[] = "recipes/demo";

static struct task parsed(const char *text)
{
    struct task t;
    struct err err = {0};

    if (task_parse(&t, "dir/some.name.jsonl", text, strlen(text), 0, &err))
        fail_msg("%s", err.msg);
    assert_string_equal(t.name, "some.name");
    return t;
}

/* ---- tokens ---------------------------------------------------------------------------------------- */

static struct model *demo(void)
{
    const struct model_opts opts = {.cpu = 0, .math = KERN_F32};
    struct model *m;
    struct err err = {0};

    if (model_open(&m, model_dir, &opts, &err))
        fail_msg("%s", err.msg);
    return m;
}

static void ids_of(struct tok_ids *out, const struct tok *tok, const char *text)
{
    struct err err;

    *out = (struct tok_ids){0};
    assert_int_equal(
        tok_encode(out, tok, text, strlen(text), TOK_ADD_SPECIAL | TOK_PARSE_SPECIAL, &err), 0);
}

/* What the tokenizer makes of both together, cut where the context alone ends. */
static void test_task_ids_cut(void **state)
{
    struct model *m = demo();
    struct task t = parsed("{\"context\":\"Once upon  \",\"choices\":[\"a time\",\"x\"]}");
    struct task_ids ids;
    struct tok_ids whole, context;
    struct err err = {0};

    (void)state;
    assert_int_equal(task_ids(&ids, &t, model_tok(m), 0, &err), 0);
    assert_int_equal(ids.n, 2);
    ids_of(&whole, model_tok(m), "Once upon   a time");
    ids_of(&context, model_tok(m), "Once upon");
    const struct task_pair *p = &ids.pair[0];
    assert_int_equal(p->n_context, context.n);
    assert_int_equal(p->n_context + p->n_scored, whole.n);
    assert_memory_equal(ids.ids.id + p->at, whole.id, whole.n * sizeof(*whole.id));
    assert_true(ids.longest >= whole.n - 1);
    tok_ids_release(&whole);
    tok_ids_release(&context);
    task_ids_release(&ids);
    task_release(&t);
    model_free(m);
}

/* Without a context BOS stands for it, once. */
static void test_task_ids_alone(void **state)
{
    struct model *m = demo();
    struct task t = parsed("{\"context\":\"\",\"target\":\"dog\"}");
    const int32_t bos = tok_vocab(model_tok(m))->bos;
    struct task_ids ids;
    struct err err = {0};

    (void)state;
    assert_int_equal(task_ids(&ids, &t, model_tok(m), 0, &err), 0);
    assert_int_equal(ids.pair[0].n_context, 1);
    assert_int_equal(ids.ids.id[ids.pair[0].at], bos);
    assert_int_not_equal(ids.ids.id[ids.pair[0].at + 1], bos);
    assert_true(ids.pair[0].n_scored >= 1);
    task_ids_release(&ids);
    task_release(&t);
    model_free(m);
}

static void test_task_ids_too_long(void **state)
{
    struct model *m = demo();
    struct task t =
        parsed("{\"context\":\"One two three four five six\",\"target\":\"seven eight\"}");
    struct task_ids whole, cut, none;
    struct err err = {0};

    (void)state;
    assert_int_equal(task_ids(&whole, &t, model_tok(m), 0, &err), 0);
    const size_t n = whole.pair[0].n_context + whole.pair[0].n_scored;
    assert_false(whole.pair[0].truncated);
    /* n - 1 tokens are fed: they still fit */
    assert_int_equal(task_ids(&cut, &t, model_tok(m), n - 1, &err), 0);
    assert_false(cut.pair[0].truncated);
    task_ids_release(&cut);
    assert_int_equal(task_ids(&cut, &t, model_tok(m), n - 3, &err), 0);
    assert_true(cut.pair[0].truncated);
    assert_int_equal(cut.pair[0].n_scored, whole.pair[0].n_scored);
    assert_int_equal(cut.pair[0].n_context, whole.pair[0].n_context - 2);
    assert_int_equal(cut.pair[0].at, whole.pair[0].at + 2);
    assert_int_equal(cut.longest, n - 3);
    assert_int_equal(task_ids(&none, &t, model_tok(m), whole.pair[0].n_scored - 1, &err),
                     ERR_UNSUPPORTED);
    assert_non_null(strstr(err.msg, "line 1: a continuation of "));
    task_ids_release(&none);
    task_ids_release(&cut);
    task_ids_release(&whole);
    task_release(&t);
    model_free(m);
}

/* ---- scores ---------------------------------------------------------------------------------------- */

static const struct task_opts one_thread = {.par = {1}};

static void scores_of(struct task_score *out, const struct model *m, const char *text)
{
    struct task t = parsed(text);
    struct task_clock clock = {0};
    struct err err = {0};

    if (task_score(out, &t, m, &one_thread, &clock, &err))
        fail_msg("%s", err.msg);
    task_release(&t);
}

/* The plain way: all tokens at once, in a session of its own. */
static double plain(const struct model *m, const char *text, size_t request)
{
    struct task t = parsed(text);
    struct task_ids ids;
    struct err err = {0};
    struct sess *s;
    double sum = 0;

    assert_int_equal(task_ids(&ids, &t, model_tok(m), model_n_ctx(m), &err), 0);
    const struct task_pair *p = &ids.pair[request];
    const size_t n = p->n_context + p->n_scored - 1, n_vocab = model_n_vocab(m);
    float *logits = calloc(n * n_vocab, sizeof(*logits));
    assert_non_null(logits);
    assert_int_equal(sess_new(&s, m, n, n, &one_thread.par, &err), 0);
    assert_int_equal(sess_eval(s, ids.ids.id + p->at, n, logits, n, &err), 0);
    for (size_t i = p->n_context - 1; i < n; i++) {
        double most = -1e30, total = 0;
        const float *row = logits + i * n_vocab;
        for (size_t k = 0; k < n_vocab; k++)
            most = fmax(most, (double)row[k]);
        for (size_t k = 0; k < n_vocab; k++)
            total += exp((double)row[k] - most);
        sum += (double)row[ids.ids.id[p->at + i + 1]] - most - log(total);
    }
    sess_free(s);
    free(logits);
    task_ids_release(&ids);
    task_release(&t);
    return sum;
}

/* Choices one after another in one session score as each alone. */
static void test_task_scores_are_plain_ones(void **state)
{
    static const char *const texts[] = {
        "{\"context\":\"Once upon a time there was a little girl named Lily. She had a\","
        "\"choices\":[\"red ball.\",\"dog\",\"red ball and a big dog.\",\"dog\"]}",
        "{\"question\":\"Who is the girl with the dog and the red ball?\",\"choices\":[\"Lily\","
        "\"Tom\",\"Max\"],\"answer\":0}",
        "{\"sentence\":\"Lily gave the big red ball to Tom because _ wanted to play.\","
        "\"option1\":\"Lily\",\"option2\":\"Tom\",\"answer\":\"2\"}",
        "{\"context\":\"\",\"choices\":[\"Once\",\"upon a time\"]}",
    };
    static const size_t n[] = {4, 3, 2, 2};
    struct model *m = demo();

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct task_score s[4];
        scores_of(s, m, texts[i]);
        for (size_t k = 0; k < n[i]; k++) {
            const double want = plain(m, texts[i], k);
            if (!(fabs(s[k].ll - want) < 1e-4))
                fail_msg("text %zu, choice %zu: %.9g, alone %.9g", i, k, s[k].ll, want);
        }
        if (i == 0) /* equal choices, to the last bit */
            assert_true(s[1].ll == s[3].ll);
    }
    model_free(m);
}

/* Items around it change nothing; nor does the order of choices. */
static void test_task_scores_stand_alone(void **state)
{
#define A                                                                                          \
    "{\"context\":\"Tom had a big red ball. He wanted to\",\"choices\":[\"play with "              \
    "it.\",\"eat.\"]}"
#define B                                                                                          \
    "{\"context\":\"Tom had a big red ball. He wanted to\",\"choices\":[\"eat.\",\"play with "     \
    "it.\"]}"
    struct model *m = demo();
    struct task_score both[4], alone[2];

    (void)state;
    scores_of(both, m, A "\n" B);
    scores_of(alone, m, B);
    assert_true(both[2].ll == alone[0].ll && both[3].ll == alone[1].ll);
    assert_true(both[0].ll == both[3].ll && both[1].ll == both[2].ll);
    model_free(m);
}

/* Item by item, what the log-likelihoods of its choices say: the highest is the answer given, or
 * the highest by character; the first of equal ones. */
static void test_task_run_judges(void **state)
{
    static const char own[] = "/tmp/pare-test-task.jsonl";
    static const char equal[] =
        "{\"context\":\"Tom saw a\",\"choices\":[\"dog\",\"dog\"],\"answer\":0}\n"
        "{\"context\":\"Tom saw a\",\"choices\":[\"dog\",\"dog\"],\"answer\":1}\n";
    const char *const paths[] = {"tasks/story-endings.jsonl", own};
    struct model *m = demo();
    const struct model *const models[] = {m};
    struct task_results r;
    struct task_clock clock = {0};
    struct task t;
    struct err err = {0};
    size_t longer = 0;

    (void)state;
    assert_int_equal(out_file(own, equal, sizeof(equal) - 1, &err), 0);
    assert_int_equal(task_load(&t, paths[0], 0, &err), 0);
    struct task_score *s = calloc(3 * t.n, sizeof(*s));
    assert_non_null(s);
    assert_int_equal(task_score(s, &t, m, &one_thread, &clock, &err), 0);
    if (task_run(&r, NULL, models, 1, NULL, paths, 2, &one_thread, &err))
        fail_msg("%s", err.msg);
    assert_int_equal(r.n, 2);
    for (size_t i = 0; i < t.n; i++) {
        const struct task_item *item = &t.item[i];
        size_t best = 0, by_length = 0;
        for (size_t k = 1; k < 3; k++) {
            const struct task_score *c = s + 3 * i;
            best = c[k].ll > c[best].ll ? k : best;
            by_length = c[k].ll / (double)item->request[k].length >
                                c[by_length].ll / (double)item->request[by_length].length
                            ? k
                            : by_length;
        }
        longer += best != by_length;
        assert_true(r.at[0].item_correct[i] == (best == item->answer));
        assert_true(r.at[0].item_correct_norm[i] == (by_length == item->answer));
        assert_true(r.at[0].item_nll[i] == -s[3 * i + item->answer].ll);
    }
    assert_true(longer > 3); /* else the test shows nothing */
    assert_true(r.at[1].item_correct[0] == 1 && r.at[1].item_correct[1] == 0);
    assert_true(r.at[1].acc.value == 0.5 && r.at[1].acc.error == 0.5);
    free(s);
    task_release(&t);
    task_results_release(&r);
    model_free(m);
    (void)remove(own);
}

/* ---- results ----------------------------------------------------------------------------------------- */

/* Two models' items, and what is said of them. */
static struct task_results some_results(struct err *err)
{
    static const char text[] = "{\"name\":\"t\",\"layout\":\"choices\",\"sha256\":\"ab\","
                               "\"items\":4,\"truncated\":1,\"acc\":{\"value\":0.5,\"error\":0.25},"
                               "\"acc_norm\":{\"value\":0.75,\"error\":0.25},"
                               "\"item_correct\":[1,0,1,0],\"item_correct_norm\":[1,1,1,0],"
                               "\"item_nll\":[1,2,0,4.5]}";
    struct task_results r;
    struct buf b = {0};
    json_val *v;

    buf_fmt(&b, "[%s]", text);
    assert_int_equal(json_parse(&v, b.p, b.n, err), 0);
    if (task_results_get(&r, v, err))
        fail_msg("%s", err->msg);
    json_free(v);
    buf_release(&b);
    return r;
}

static void test_task_compare(void **state)
{
    struct err err = {0};
    struct task_results a = some_results(&err), b = some_results(&err);

    (void)state;
    a.at[0].item_correct[0] = 0;
    a.at[0].item_correct[1] = 1;
    a.at[0].item_correct[3] = 1;
    assert_int_equal(task_compare(&a, &b, &err), 0);
    const struct task_result *r = &a.at[0];
    assert_true(r->have_original);
    /* differences -1 1 0 1: mean 1/4, sample deviation sqrt(11/12) */
    assert_float_equal(r->acc_diff.value, 0.25, 1e-12);
    assert_float_equal(r->acc_diff.error, sqrt(11.0 / 12) / 2, 1e-12);
    assert_float_equal(r->flips.value, 0.75, 1e-12);
    assert_float_equal(r->acc_norm_diff.value, 0, 1e-12);
    assert_float_equal(r->acc_norm_diff.error, 0, 1e-12);
    b.at[0].sha256 = "other";
    assert_int_equal(task_compare(&a, &b, &err), ERR_ARG);
    b.n = 0;
    assert_int_equal(task_compare(&a, &b, &err), ERR_ARG);
    task_results_release(&a);
    task_results_release(&b);
}

static void test_task_report_round_trip(void **state)
{
    struct err err = {0};
    struct task_results a = some_results(&err), o = some_results(&err), back;
    struct buf x = {0}, y = {0};
    struct json_out jx = json_out_init(&x, true), jy = json_out_init(&y, true);
    json_val *v;

    (void)state;
    o.at[0].item_correct[2] = 0;
    a.at[0].have_ppl = true;
    a.at[0].ppl = (struct stats_mean){12.5, 0.125};
    assert_int_equal(task_compare(&a, &o, &err), 0);
    task_results_put(&jx, NULL, &a);
    assert_int_equal(json_parse(&v, x.p, x.n, &err), 0);
    if (task_results_get(&back, v, &err))
        fail_msg("%s", err.msg);
    json_free(v);
    task_results_put(&jy, NULL, &back);
    assert_string_equal(x.p, y.p);
    assert_non_null(strstr(x.p, "\"against\":{\"acc\":{\"value\":0.25,\"error\":0.25}"));
    task_results_release(&a);
    task_results_release(&o);
    task_results_release(&back);
    buf_release(&x);
    buf_release(&y);
}

static void test_task_report_refuses(void **state)
{
    static const char *const texts[][2] = {
        {"{}",                                                              "tasks: expected a list"                             },
        {"[{}]",                                                            "tasks: 0: expected a text as \"name\""              },
        {"[{\"name\":\"t\",\"layout\":\"x\",\"sha256\":\"\",\"items\":0}]",
         "whole number from 1 as \"items\""                                                                                      },
        {"[{\"name\":\"t\",\"layout\":\"x\",\"sha256\":\"\",\"items\":2,\"truncated\":0,"
         "\"item_correct\":[1]}]",                                 "item_correct: expected 2 numbers"                   },
        {"[{\"name\":\"t\",\"layout\":\"x\",\"sha256\":\"\",\"items\":1,\"truncated\":0,"
         "\"item_correct\":[2]}]",                                 "item_correct: expected 0 or 1 for item 0"           },
        {"[{\"name\":\"t\",\"layout\":\"x\",\"sha256\":\"\",\"items\":1,\"truncated\":0,"
         "\"item_correct\":[1],\"item_nll\":[null]}]",             "item_nll: expected a number of 0 or more for item 0"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct task_results r;
        struct err err = {0};
        json_val *v;
        assert_int_equal(json_parse(&v, texts[i][0], strlen(texts[i][0]), &err), 0);
        assert_int_equal(task_results_get(&r, v, &err), ERR_FORMAT);
        if (!strstr(err.msg, texts[i][1]))
            fail_msg("%s: %s", texts[i][0], err.msg);
        json_free(v);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_task_ids_cut),
        cmocka_unit_test(test_task_ids_alone),
        cmocka_unit_test(test_task_ids_too_long),
        cmocka_unit_test(test_task_scores_are_plain_ones),
        cmocka_unit_test(test_task_scores_stand_alone),
        cmocka_unit_test(test_task_run_judges),
        cmocka_unit_test(test_task_compare),
        cmocka_unit_test(test_task_report_round_trip),
        cmocka_unit_test(test_task_report_refuses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
