/* A small model with random weights, written to a temporary GGUF, against a plain
 * forward pass in double. */

#include "formats/base/cpu.h"
#include "runtime/model.h"
#include "runtime/session.h"
#include "tests/plain.h"
#include "tests/small.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { VOCAB = SMALL_VOCAB, N = 21 };

static void make(struct small *t, const struct small_tweak *w)
{
    struct err err = {0};

    assert_int_equal(small_new(t, w, &err), 0);
}

static struct model *small_open(const struct small *t, unsigned cpu)
{
    const struct model_opts o = {.cpu = cpu, .math = KERN_F32};
    struct model *m = NULL;
    struct err err = {0};

    if (model_open(&m, t->path, &o, &err))
        print_message("%s\n", err.msg);
    assert_non_null(m);
    return m;
}

static struct sess *session(const struct model *m, size_t n_ctx, size_t n_batch, int threads)
{
    const struct par par = {.n_threads = threads};
    struct sess *s = NULL;
    struct err err = {0};

    assert_int_equal(sess_new(&s, m, n_ctx, n_batch, &par, &err), 0);
    return s;
}

/* ---- tests ---------------------------------------------------------------------- */

/* Logits are of order 1; F32 sums of E terms err by some 1e-6. */
static void check_plain(unsigned window, unsigned cpu, size_t portion)
{
    const struct small_tweak w = {.window = window};
    const struct plain how = {.window = (int)window};
    struct small t;
    int32_t ids[N];
    double want[N * VOCAB];
    float got[N * VOCAB];
    struct err err = {0};

    make(&t, &w);
    struct model *m = small_open(&t, cpu);
    struct sess *s = session(m, N, portion, 1);
    small_ids(ids, N, 2);
    plain_run(want, &t, ids, N, &how);
    for (size_t i = 0; i < N; i += portion) {
        const size_t n = N - i < portion ? N - i : portion;
        assert_int_equal(sess_eval(s, ids + i, n, got + i * VOCAB, n, &err), 0);
    }
    for (size_t i = 0; i < (size_t)N * VOCAB; i++)
        assert_true(fabs((double)got[i] - want[i]) < 1e-4);
    sess_free(s);
    model_free(m);
    small_free(&t);
}

static void test_session_equals_plain(void **state)
{
    (void)state;
    for (unsigned window = 0; window <= 5; window += 5)
        for (size_t portion = 1; portion <= N; portion += 4) {
            check_plain(window, 0, portion);
            check_plain(window, cpu_detect(), portion);
        }
}

static void test_session_threads(void **state)
{
    const struct small_tweak w = {0};
    struct small t;
    int32_t ids[N];
    float one[N * VOCAB], three[N * VOCAB];
    struct err err;

    (void)state;
    make(&t, &w);
    struct model *m = small_open(&t, cpu_detect());
    struct sess *a = session(m, N, N, 1), *b = session(m, N, N, 3);
    small_ids(ids, N, 3);
    for (size_t portion = N; portion; portion = portion > 4 ? 4 : portion > 1 ? 1 : 0) {
        sess_keep(a, 0);
        sess_keep(b, 0);
        for (size_t i = 0; i < N; i += portion) {
            const size_t n = N - i < portion ? N - i : portion;
            assert_int_equal(sess_eval(a, ids + i, n, one + i * VOCAB, n, &err), 0);
            assert_int_equal(sess_eval(b, ids + i, n, three + i * VOCAB, n, &err), 0);
        }
        assert_memory_equal(one, three, sizeof(one));
    }
    sess_free(a);
    sess_free(b);
    model_free(m);
    small_free(&t);
}

/* Branches give what each gives alone, and the sequence goes on as if there had been none. */
static void test_session_branches(void **state)
{
    static const size_t len[] = {5, 3, 2};
    const struct small_tweak w = {0};
    struct small t;
    int32_t ids[N], ways[10];
    float want[10 * VOCAB], got[10 * VOCAB];
    struct err err;

    (void)state;
    make(&t, &w);
    struct model *m = small_open(&t, cpu_detect());
    struct sess *s = session(m, SMALL_CTX, SMALL_CTX, 2);
    small_ids(ids, N, 4);
    small_ids(ways, 10, 5);
    assert_int_equal(sess_eval(s, ids, 6, NULL, 0, &err), 0);
    for (size_t i = 0, at = 0; i < 3; at += len[i++]) {
        assert_int_equal(sess_eval(s, ways + at, len[i], want + at * VOCAB, len[i], &err), 0);
        sess_keep(s, 6);
    }
    assert_true(sess_can_branch(s));
    for (size_t shared = 0; shared < 5; shared += 2) {
        int32_t all[14];
        memcpy(all, ids + 6 - shared, shared * sizeof(*all));
        memcpy(all + shared, ways, sizeof(ways));
        assert_int_equal(sess_keep(s, 6 - shared), 6 - shared);
        assert_int_equal(sess_branches(s, all, shared, len, 3, &err), 0);
        assert_int_equal(sess_len(s), 6);
        assert_int_equal(sess_logits(s, shared, 10, got, &err), 0);
        assert_memory_equal(got, want, sizeof(want));
        assert_int_equal(sess_logits(s, shared + 10, 1, got, &err), ERR_ARG);
    }

    assert_int_equal(sess_branches(s, ways, 0, (const size_t[]){2, 0}, 2, &err), ERR_ARG);
    assert_int_equal(sess_branches(s, ways, 0, (const size_t[]){2, SMALL_CTX}, 2, &err), ERR_ARG);
    assert_int_equal(sess_branches(s, (const int32_t[]){VOCAB}, 0, (const size_t[]){1}, 1, &err),
                     ERR_ARG);
    assert_int_equal(sess_eval(s, ids + 6, 2, want, 2, &err), 0);
    sess_keep(s, 0);
    assert_int_equal(sess_eval(s, ids, 6, NULL, 0, &err), 0);
    assert_int_equal(sess_eval(s, ids + 6, 2, got, 2, &err), 0);
    assert_memory_equal(got, want, 2 * VOCAB * sizeof(float));
    sess_free(s);
    model_free(m);
    small_free(&t);
}

/* Going back and on leaves no trace; rows asked for later are those of the batch. */
static void test_session_keep_and_rows(void **state)
{
    const struct small_tweak w = {0};
    struct small t;
    int32_t ids[N], other[N];
    float want[N * VOCAB], got[N * VOCAB];
    struct err err;

    (void)state;
    make(&t, &w);
    struct model *m = small_open(&t, 0);
    struct sess *s = session(m, SMALL_CTX, SMALL_CTX, 1);
    small_ids(ids, N, 4);
    small_ids(other, N, 5);
    assert_int_equal(sess_eval(s, ids, 6, NULL, 0, &err), 0);
    assert_int_equal(sess_eval(s, ids + 6, N - 6, want, N - 6, &err), 0);
    assert_int_equal(sess_keep(s, 6), 6);
    assert_int_equal(sess_len(s), 6);
    assert_int_equal(sess_keep(s, 7), 6);
    assert_int_equal(sess_eval(s, other, N, NULL, 0, &err), 0);
    sess_keep(s, 6);
    assert_int_equal(sess_eval(s, ids + 6, N - 6, NULL, 0, &err), 0);
    assert_int_equal(sess_logits(s, 0, 4, got, &err), 0);
    assert_int_equal(sess_logits(s, 4, N - 10, got + 4 * VOCAB, &err), 0);
    assert_memory_equal(got, want, (N - 6) * VOCAB * sizeof(float));
    assert_int_equal(sess_logits(s, N - 6, 1, got, &err), ERR_ARG);
    assert_int_equal(sess_logits(s, 2, SIZE_MAX, got, &err), ERR_ARG);
    sess_free(s);
    model_free(m);
    small_free(&t);
}

/* Logits by parts of the vocabulary, in any order and cut anywhere, are those as a whole, also
 * where something is done to them after the product. */
static void check_head(unsigned cpu, size_t step)
{
    const struct small_num cap[] = {
        {"pare.arch.logit_cap", 1.5F, NULL},
        {NULL,                  0,    NULL}
    };
    const struct small_tweak w = {.nums = step % 2 ? cap : NULL};
    struct small t;
    int32_t ids[N];
    float want[N * VOCAB], got[N * VOCAB] = {0};
    struct err err;

    make(&t, &w);
    struct model *m = small_open(&t, cpu);
    struct sess *s = session(m, N, N, 2);
    small_ids(ids, N, 4);
    assert_int_equal(sess_eval(s, ids, N, want, N, &err), 0);
    assert_int_equal(sess_head(s, 3, N - 3, &err), 0);
    for (size_t end = VOCAB, n; end; end -= n) {
        n = end < step ? end : step;
        sess_head_part(s, got + end - n, VOCAB, end - n, n, (int)(end / step % 2));
    }
    assert_memory_equal(got, want + (size_t)3 * VOCAB, (N - 3) * VOCAB * sizeof(float));
    assert_int_equal(sess_head(s, N, 1, &err), ERR_ARG);
    sess_free(s);
    model_free(m);
    small_free(&t);
}

static void test_session_head(void **state)
{
    (void)state;
    for (size_t step = 1; step <= VOCAB; step += 7) {
        check_head(0, step);
        check_head(cpu_detect(), step);
    }
}

/* Fast kernels have no integers for an output matrix of floats, which then meets activations in
 * BF16: of the same streams, the same logits. A batch that was longer than the streams put back is forgotten. */
static void test_session_head_of_fast(void **state)
{
    const struct small_tweak w = {0};
    const struct par par = {.n_threads = 1};
    static const enum kern_math math[] = {KERN_BF16, KERN_INT16};
    struct small t;
    float x[4 * SMALL_EMBD], got[2][4 * VOCAB];
    int32_t ids[N];
    struct err err;

    (void)state;
    make(&t, &w);
    struct model *m = small_open(&t, cpu_detect());
    small_ids(ids, N, 5);
    for (size_t i = 0; i < 4 * SMALL_EMBD; i++)
        x[i] = sinf((float)i);
    for (size_t i = 0; i < 2; i++) {
        struct sess *s = NULL;
        assert_int_equal(sess_new_math(&s, m, math[i], N, N, &par, &err), 0);
        assert_int_equal(sess_eval(s, ids, N, NULL, 0, &err), 0);
        assert_int_equal(sess_stream(s, x, 4, &err), 0);
        assert_int_equal(sess_logits(s, 0, 5, got[i], &err), ERR_ARG);
        assert_int_equal(sess_logits(s, 0, 4, got[i], &err), 0);
        sess_free(s);
    }
    assert_memory_equal(got[0], got[1], sizeof(got[0]));
    model_free(m);
    small_free(&t);
}

static void test_session_feed(void **state)
{
    const struct small_tweak w = {0};
    struct small t;
    int32_t ids[N];
    float want[VOCAB], got[VOCAB];
    struct err err;

    (void)state;
    make(&t, &w);
    struct model *m = small_open(&t, 0);
    struct sess *a = session(m, N, N, 1), *b = session(m, N, 4, 1);
    small_ids(ids, N, 6);
    assert_int_equal(sess_eval(a, ids, N, want, 1, &err), 0);
    assert_int_equal(sess_feed(b, ids, N, got, &err), 0);
    assert_int_equal(sess_len(b), N);
    for (size_t i = 0; i < VOCAB; i++)
        assert_true(fabsf(want[i] - got[i]) < 1e-5f);
    assert_int_equal(sess_feed(b, ids, 1, got, &err), ERR_ARG);
    sess_free(a);
    sess_free(b);
    model_free(m);
    small_free(&t);
}

/* ---- residual streams ------------------------------------------------------------- */

struct streams {
    float x[SMALL_LAYERS + 1][N * SMALL_EMBD];
    size_t told, rows; /* how often, and tokens that went through all before */
};

static void keep_stream(void *arg, size_t layer, const float *x, size_t n)
{
    struct streams *s = arg;

    assert_int_equal(layer, s->told % (SMALL_LAYERS + 1));
    s->told++;
    if (s->rows == N)
        return;
    memcpy(s->x[layer] + s->rows * SMALL_EMBD, x, n * SMALL_EMBD * sizeof(*x));
    if (layer == SMALL_LAYERS)
        s->rows += n;
}

/* Logits of a row by the output's norm and matrix, in double. */
static double logit_of(const struct small *t, const float *x, size_t token)
{
    const float *norm = small_weight(t, -1, "output_norm.weight");
    const float *w = small_weight(t, -1, "output.weight") + token * SMALL_EMBD;
    double sum = 0, y = 0;

    for (size_t i = 0; i < SMALL_EMBD; i++)
        sum += (double)x[i] * (double)x[i];
    for (size_t i = 0; i < SMALL_EMBD; i++)
        y += (double)w[i] * (double)norm[i] * (double)x[i] / sqrt(sum / SMALL_EMBD + (double)1e-5F);
    return y;
}

/* What the first block meets is the embedding; what the last leaves gives the logits. */
static void test_session_streams(void **state)
{
    const struct small_tweak w = {0};
    struct small t;
    struct streams all = {0};
    const struct sess_watch watch = {.layer_fn = keep_stream, .arg = &all, .n_layers = SIZE_MAX};
    int32_t ids[N];
    float want[N * VOCAB], got[N * VOCAB];
    struct err err;

    (void)state;
    make(&t, &w);
    struct model *m = small_open(&t, 0);
    struct sess *a = session(m, N, N, 1), *b = session(m, N, N, 1);
    small_ids(ids, N, 7);
    assert_int_equal(sess_eval(a, ids, 8, want, 8, &err), 0);
    assert_int_equal(sess_eval(a, ids + 8, N - 8, want + 8 * VOCAB, N - 8, &err), 0);
    assert_int_equal(sess_watch(b, &watch, &err), 0);
    assert_int_equal(sess_eval(b, ids, 8, got, 8, &err), 0);
    assert_int_equal(sess_eval(b, ids + 8, N - 8, got + 8 * VOCAB, N - 8, &err), 0);
    assert_memory_equal(got, want, sizeof(got));
    assert_int_equal(all.told, 2 * (SMALL_LAYERS + 1));
    for (size_t i = 0; i < N; i++) {
        assert_memory_equal(all.x[0] + i * SMALL_EMBD,
                            small_weight(&t, -1, "token_embd.weight") + (size_t)ids[i] * SMALL_EMBD,
                            SMALL_EMBD * sizeof(float));
        assert_true(memcmp(all.x[0] + i * SMALL_EMBD, all.x[1] + i * SMALL_EMBD,
                           SMALL_EMBD * sizeof(float)) != 0);
        for (size_t j = 0; j < VOCAB; j++)
            assert_true(fabs(logit_of(&t, all.x[SMALL_LAYERS] + i * SMALL_EMBD, j) -
                             (double)want[i * VOCAB + j]) < 1e-4);
    }
    sess_free(a);
    sess_free(b);
    model_free(m);
    small_free(&t);
}

static void keep_first(void *arg, size_t layer, const float *x, size_t n)
{
    struct streams *s = arg;

    assert_true(layer < SMALL_LAYERS);
    memcpy(s->x[layer], x, n * SMALL_EMBD * sizeof(*x));
    s->told++;
}

/* Fewer blocks end after them, and nobody watches after zeros. */
static void test_session_streams_of_few(void **state)
{
    const struct small_tweak w = {0};
    struct small t;
    struct streams all = {0}, few = {0};
    const struct sess_watch whole = {.layer_fn = keep_stream, .arg = &all, .n_layers = SIZE_MAX};
    const struct sess_watch first = {.layer_fn = keep_first, .arg = &few, .n_layers = 1};
    const struct sess_watch none = {0};
    int32_t ids[N];
    float want[VOCAB], got[VOCAB];
    struct err err;

    (void)state;
    make(&t, &w);
    struct model *m = small_open(&t, 0);
    struct sess *s = session(m, N, N, 1);
    small_ids(ids, N, 7);
    assert_int_equal(sess_watch(s, &whole, &err), 0);
    assert_int_equal(sess_eval(s, ids, N, want, 1, &err), 0);
    sess_keep(s, 0);
    assert_int_equal(sess_watch(s, &first, &err), 0);
    assert_int_equal(sess_eval(s, ids, N, NULL, 0, &err), 0);
    assert_int_equal(few.told, 2);
    assert_memory_equal(few.x[1], all.x[1], sizeof(all.x[1]));
    sess_keep(s, 0);
    assert_int_equal(sess_watch(s, &none, &err), 0);
    assert_int_equal(sess_eval(s, ids, N, got, 1, &err), 0);
    assert_memory_equal(got, want, sizeof(got));
    assert_int_equal(few.told, 2);
    sess_free(s);
    model_free(m);
    small_free(&t);
}

static void test_session_refuses(void **state)
{
    const struct small_tweak w = {0};
    const struct par par = {.n_threads = 1};
    struct small t;
    int32_t ids[N] = {0};
    float logits[VOCAB];
    struct err err;
    struct sess *none;

    (void)state;
    make(&t, &w);
    struct model *m = small_open(&t, 0);
    struct sess *s = session(m, 10, 6, 1);
    assert_int_equal(sess_eval(s, ids, 0, logits, 0, &err), ERR_ARG);
    assert_int_equal(sess_eval(s, ids, 7, logits, 0, &err), ERR_ARG);
    assert_int_equal(sess_eval(s, ids, 1, logits, 2, &err), ERR_ARG);
    ids[1] = VOCAB;
    assert_int_equal(sess_eval(s, ids, 2, logits, 1, &err), ERR_ARG);
    ids[1] = -1;
    assert_int_equal(sess_eval(s, ids, 2, logits, 1, &err), ERR_ARG);
    assert_int_equal(sess_len(s), 0);
    ids[1] = 1;
    assert_int_equal(sess_eval(s, ids, 6, logits, 1, &err), 0);
    assert_int_equal(sess_eval(s, ids, 5, logits, 1, &err), ERR_ARG);
    assert_int_equal(sess_eval(s, ids, 4, logits, 1, &err), 0);
    assert_int_equal(sess_new(&none, m, 0, 1, &par, &err), ERR_ARG);
    assert_null(none);
    sess_free(s);
    model_free(m);
    small_free(&t);
}

static void check_refused(const struct small_tweak *w)
{
    const struct model_opts o = {.math = KERN_F32};
    struct small t;
    struct model *m;
    struct err err = {0};

    make(&t, w);
    assert_int_not_equal(model_open(&m, t.path, &o, &err), 0);
    assert_null(m);
    assert_true(err.msg[0] != '\0');
    small_free(&t);
}

static void test_session_bad_models(void **state)
{
    static const struct small_tweak bad[] = {
        {.leave_out = "ffn_up.weight"},
        {.leave_out = "attn_norm.weight"},
        {.n_head_kv = 3}, /* four heads cannot share three, and shapes disagree */
        {.n_head_kv = 1}, /* shapes disagree */
    };
    enum kern_math math;
    struct err err;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        check_refused(&bad[i]);
    assert_int_equal(model_math(&math, "fast", &err), 0);
    assert_int_equal(math, KERN_INT16);
    assert_int_equal(model_math(&math, "f64", &err), ERR_ARG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_session_equals_plain),  cmocka_unit_test(test_session_threads),
        cmocka_unit_test(test_session_keep_and_rows), cmocka_unit_test(test_session_feed),
        cmocka_unit_test(test_session_head),          cmocka_unit_test(test_session_head_of_fast),
        cmocka_unit_test(test_session_refuses),       cmocka_unit_test(test_session_bad_models),
        cmocka_unit_test(test_session_streams),       cmocka_unit_test(test_session_streams_of_few),
        cmocka_unit_test(test_session_branches),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
