#include "distill/data_parts.h"
#include "distill/train.h"
#include "formats/base/cpu.h"
#include "tests/small.h"

#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { TOKENS = 12, WINDOWS = 9, HELD = 2 };

/* A small student, its teacher of the same make, and windows. */
struct bench {
    struct small file;
    struct model *m;
    struct params ps;
    struct teacher *t;
    struct data *data;
    char dir[32];
    struct train_opts o;
    struct train_row row[64];
    size_t n_rows;
    int calls, stop_at; /* of log.stop */
    struct log log;
};

static int stop(void *arg)
{
    struct bench *b = arg;

    return b->stop_at && ++b->calls >= b->stop_at;
}

static void take(void *arg, const struct train_row *row)
{
    struct bench *b = arg;

    if (b->n_rows < 64)
        b->row[b->n_rows++] = *row;
}

static void bench_open(struct bench *b, const char *loss)
{
    static const struct small_tweak as_it_is = {.window = 0};
    const struct model_opts mo = {.cpu = cpu_detect()};
    const struct teacher_opts to = {
        .n_vocab = SMALL_VOCAB, .n_tok = TOKENS, .n_rows = 5, .par = {1}};
    int32_t ids[(WINDOWS + HELD) * TOKENS];
    struct err err = {0};

    memset(b, 0, sizeof(*b));
    (void)snprintf(b->dir, sizeof(b->dir), "/tmp/pare-train-XXXXXX");
    assert_non_null(mkdtemp(b->dir));
    assert_int_equal(small_new(&b->file, &as_it_is, &err), 0);
    assert_int_equal(model_open(&b->m, b->file.path, &mo, &err), 0);
    assert_int_equal(params_read(&b->ps, model_source(b->m), &err), 0);
    assert_int_equal(teacher_live(&b->t, b->m, &to, &err), 0);
    for (size_t i = 0; i < b->ps.n_values; i++) /* a student of its own */
        b->ps.w[i] *= 0.5F;
    small_ids(ids, sizeof(ids) / sizeof(ids[0]), 5);
    assert_int_equal(data_of_ids(&b->data, ids, WINDOWS * TOKENS, TOKENS, &err), 0);
    assert_int_equal(data_hold_ids(b->data, ids + WINDOWS * TOKENS, HELD * TOKENS, &err), 0);
    b->log = (struct log){.arg = b, .stop = stop};
    b->o = (struct train_opts){
        .optim = {.lr = 0.01,     .beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8, .clip = 1, .total = 6},
        .n_seq = 4,
        .accumulate = 1,
        .rows = 5,
        .eval_every = 2,
        .cpu = cpu_detect(),
        .par = {1},
        .log = &b->log
    };
    assert_int_equal(loss_parse(&b->o.loss, loss, &err), 0);
}

static void bench_close(struct bench *b)
{
    static const char *const names[] = {"state", "best", "log.csv"};
    char path[64];

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", b->dir, names[i]);
        (void)unlink(path);
    }
    (void)rmdir(b->dir);
    data_free(b->data);
    teacher_free(b->t);
    params_release(&b->ps);
    model_free(b->m);
    small_free(&b->file);
}

static struct train_job job_of(struct bench *b, const char *identity)
{
    return (struct train_job){.ps = &b->ps,
                              .plan = b->m,
                              .teacher = b->t,
                              .judge = b->t,
                              .data = b->data,
                              .dir = b->dir,
                              .identity = identity,
                              .row = take,
                              .arg = b};
}

static int run(struct train_result *r, struct bench *b, const char *identity, struct err *err)
{
    const struct train_job job = job_of(b, identity);

    return train_run(r, &job, &b->o, err);
}

/* What is refused at once is refused before as well. */
static void assert_refused(struct bench *b, enum err_code code, const char *words)
{
    struct train_result r;
    struct err early = {0}, err = {0};
    const struct train_job job = job_of(b, "id");

    assert_int_equal(train_check(&job, &b->o, &early), code);
    assert_int_equal(run(&r, b, "id", &err), code);
    assert_string_equal(early.msg, err.msg);
    assert_non_null(strstr(err.msg, words));
}

static void run_well(struct train_result *r, struct bench *b)
{
    struct err err = {0};

    if (run(r, b, "id", &err))
        fail_msg("%s", err.msg);
}

static void test_train_learns(void **state)
{
    struct train_result r;
    struct bench b;

    (void)state;
    bench_open(&b, "forward_kl");
    b.o.optim.total = 30;
    b.o.optim.lr = 0.003;
    run_well(&r, &b);
    if (!(r.best_kl < 0.7 * r.first_kl) || r.steps != 30)
        fail_msg("KL %g -> %g", r.first_kl, r.best_kl);
    assert_true(r.tokens == 30 * 4 * TOKENS);
    assert_true(!b.row[0].step && b.row[0].evaluated && b.row[1].step == 1);
    bench_close(&b);
}

/* Batches of a step and sequences of a batch come to the same. */
static void test_train_accumulates(void **state)
{
    struct train_result r;
    struct bench a, b;

    (void)state;
    bench_open(&a, "0.5*ce + 0.5*forward_kl");
    bench_open(&b, "0.5*ce + 0.5*forward_kl");
    b.o.n_seq = 1;
    b.o.accumulate = 4;
    run_well(&r, &a);
    run_well(&r, &b);
    assert_int_equal(a.n_rows, b.n_rows);
    for (size_t i = 0; i < a.n_rows; i++)
        assert_true(a.row[i].evaluated
                        ? fabs(a.row[i].kl - b.row[i].kl) <= 1e-5 * a.row[i].kl
                        : fabs(a.row[i].loss - b.row[i].loss) <= 1e-5 * a.row[i].loss);
    bench_close(&a);
    bench_close(&b);
}

/* From one row of a window to all, and a window without any: answers of chats, ends of documents. */
static void count_some(struct data *d)
{
    struct data_part *p = &d->part[0];

    p->counted = calloc(p->n, TOKENS);
    p->label = calloc(p->n * TOKENS, sizeof(*p->label));
    assert_non_null(p->counted);
    assert_non_null(p->label);
    for (size_t i = 0; i < p->n; i++)
        for (size_t j = 0; j < TOKENS; j++) {
            p->counted[i * TOKENS + j] = j >= TOKENS - i * 5 % (TOKENS + 1);
            p->label[i * TOKENS + j] = (i + j) % 4 ? p->ids[i * (TOKENS + 1) + j + 1] : -1;
        }
}

/* So they do where sequences have different numbers of tokens that count: each token of a step weighs the
 * same (shared/golden/distill/README.md says what normalising by batches would give). */
static void test_train_accumulates_unevenly(void **state)
{
    static const char *const losses[] = {"ce", "0.5*ce + 0.5*forward_kl", "jsd(0.3)"};

    (void)state;
    for (size_t l = 0; l < sizeof(losses) / sizeof(losses[0]); l++) {
        struct train_result r;
        struct bench a, b;

        bench_open(&a, losses[l]);
        bench_open(&b, losses[l]);
        count_some(a.data);
        count_some(b.data);
        b.o.n_seq = 1;
        b.o.accumulate = 4;
        run_well(&r, &a);
        run_well(&r, &b);
        assert_int_equal(a.n_rows, b.n_rows);
        for (size_t i = 0; i < a.n_rows; i++) {
            const struct train_row *x = &a.row[i], *y = &b.row[i];
            if (!x->evaluated && !(fabs(x->loss - y->loss) <= 1e-5 * x->loss &&
                                   fabs(x->norm - y->norm) <= 1e-5 * x->norm))
                fail_msg("%s, step %d: loss %.9g and %.9g, gradient %.9g and %.9g", losses[l],
                         (int)x->step, x->loss, y->loss, x->norm, y->norm);
        }
        bench_close(&a);
        bench_close(&b);
    }
}

/* Asked to stop at any moment, and gone on with: the same weights and rows. */
static void test_train_resumes(void **state)
{
    struct train_result r;
    struct bench whole;

    (void)state;
    bench_open(&whole, "forward_kl");
    whole.o.optim.ema = 0.5;
    whole.stop_at = INT_MAX; /* only counts */
    run_well(&r, &whole);
    assert_int_equal(whole.calls, 6 + 4); /* steps of a batch, and evaluations of one */
    for (int at = 1; at <= whole.calls + 1; at += 2) {
        struct err err = {0};
        struct bench b, rest;

        bench_open(&b, "forward_kl");
        b.o.optim.ema = 0.5;
        b.stop_at = at;
        assert_int_equal(run(&r, &b, "id", &err), at <= whole.calls ? ERR_INTERRUPTED : 0);
        bench_open(&rest, "forward_kl");
        rest.o.optim.ema = 0.5;
        (void)rmdir(rest.dir);
        memcpy(rest.dir, b.dir, sizeof(b.dir));
        run_well(&r, &rest);
        assert_memory_equal(rest.ps.w, whole.ps.w, whole.ps.n_values * sizeof(float));
        bench_close(&rest);
        bench_close(&b);
    }
    bench_close(&whole);
}

static void test_train_stops_early(void **state)
{
    struct train_result r;
    struct bench b;

    (void)state;
    bench_open(&b, "reverse_kl");
    b.o.optim.lr = 0;
    b.o.optim.total = 100;
    b.o.patience = 2;
    run_well(&r, &b);
    assert_true(r.stopped_early && r.steps == 4 && r.best_step == 0);
    run_well(&r, &b); /* and does not go on */
    assert_true(r.stopped_early && r.steps == 4);
    bench_close(&b);
}

static void test_train_freezes(void **state)
{
    const char *const freeze[] = {"ffn_up", NULL}, *const nobody[] = {"nobody", NULL};
    struct train_result r;
    struct bench b, start;

    (void)state;
    bench_open(&b, "forward_kl");
    bench_open(&start, "forward_kl");
    b.o.freeze = freeze;
    b.o.only = "ffn";
    run_well(&r, &b);
    for (size_t i = 0; i < b.ps.n; i++) {
        const struct param *p = &b.ps.p[i];
        const bool moves = strstr(p->t->name, "ffn") && !strstr(p->t->name, "ffn_up");
        const bool moved = memcmp(b.ps.w + p->at, start.ps.w + p->at, p->n * sizeof(float)) != 0;
        if (moves != moved)
            fail_msg("%s", p->t->name);
    }
    start.o.only = "nothing";
    assert_refused(&start, ERR_ARG, "no tensor is left to train");
    start.o.only = NULL;
    start.o.freeze = nobody;
    assert_refused(&start, ERR_ARG, "no tensor's name has 'nobody'");
    start.o.freeze = NULL;
    start.o.math = GEMM_BF16;
    start.o.cpu = 0;
    assert_refused(&start, ERR_UNSUPPORTED, "BF16");
    start.o.rows = 0;
    assert_refused(&start, ERR_ARG, "rows at a time: none is 0");
    bench_close(&b);
    bench_close(&start);
}

static void test_train_refuses(void **state)
{
    struct train_result r;
    struct err err = {0};
    struct bench b;

    (void)state;
    bench_open(&b, "hidden_mse");
    assert_refused(&b, ERR_ARG, "a live teacher that watches");
    assert_int_equal(loss_parse(&b.o.loss, "forward_kl", &err), 0);
    run_well(&r, &b);
    assert_int_equal(run(&r, &b, "another", &err), ERR_ARG);
    assert_non_null(strstr(err.msg, b.dir));
    b.ps.w[3] = NAN; /* of no account: the checkpoint has better */
    run_well(&r, &b);
    bench_close(&b);
    bench_open(&b, "forward_kl");
    b.ps.w[b.ps.p[0].at + 3] = NAN;
    assert_int_equal(run(&r, &b, "id", &err), ERR_FORMAT);
    assert_non_null(strstr(err.msg, "step 0"));
    assert_non_null(strstr(err.msg, b.ps.p[0].t->name));
    bench_close(&b);
}

/* Weights that are finite, and no good: they don't become the checkpoint. */
static void test_train_diverges(void **state)
{
    struct train_result r;
    struct err err = {0};
    struct bench b, again;

    (void)state;
    bench_open(&b, "forward_kl");
    bench_open(&again, "forward_kl");
    b.o.eval_every = 1;
    b.o.optim.lr = 1e18;
    assert_int_equal(run(&r, &b, "id", &err), ERR_FORMAT);
    if (strncmp(err.msg, "step 1: the loss of held-back text is not finite", 48) != 0)
        assert_string_equal(err.msg, "");
    assert_int_equal(b.n_rows, 2); /* an evaluation, a step */
    (void)rmdir(again.dir);
    memcpy(again.dir, b.dir, sizeof(b.dir));
    run_well(&r, &again);
    assert_true(r.steps == 6 && r.best_kl < r.first_kl);
    bench_close(&again);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_train_learns),
        cmocka_unit_test(test_train_accumulates),
        cmocka_unit_test(test_train_accumulates_unevenly),
        cmocka_unit_test(test_train_resumes),
        cmocka_unit_test(test_train_stops_early),
        cmocka_unit_test(test_train_freezes),
        cmocka_unit_test(test_train_refuses),
        cmocka_unit_test(test_train_diverges),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
