/* A small model with random weights, written to a temporary GGUF, against a plain
 * forward pass in double. */

#include "formats/base/cpu.h"
#include "runtime/model.h"
#include "runtime/session.h"
#include "tests/small.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum {
    E = SMALL_EMBD,
    HEADS = SMALL_HEADS,
    KV = SMALL_KV,
    D = SMALL_HEAD,
    FF = SMALL_FF,
    VOCAB = SMALL_VOCAB,
    LAYERS = SMALL_LAYERS,
    N = 21
};

static void make(struct small *t, const struct small_tweak *w)
{
    struct err err = {0};

    assert_int_equal(small_new(t, w, &err), 0);
}

static const float *weight(const struct small *t, int layer, const char *name)
{
    const float *w = small_weight(t, layer, name);

    assert_non_null(w);
    return w;
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

/* ---- the plain forward pass ----------------------------------------------------- */

static void plain_mul(double *y, const float *w, const double *x, int rows, int cols)
{
    for (int r = 0; r < rows; r++) {
        y[r] = 0;
        for (int c = 0; c < cols; c++)
            y[r] += (double)w[r * cols + c] * x[c];
    }
}

static void plain_norm(double *y, const double *x, const float *w)
{
    double sum = 0;

    for (int i = 0; i < E; i++)
        sum += x[i] * x[i];
    for (int i = 0; i < E; i++)
        y[i] = x[i] / sqrt(sum / E + 1e-5) * (double)w[i];
}

static void plain_rope(double *x, int heads, int pos)
{
    for (int h = 0; h < heads; h++)
        for (int i = 0; i < D / 2; i++) {
            const double a = pos * pow(10000, -2.0 * i / D);
            double *p = x + h * D + 2 * i;
            const double x0 = p[0], x1 = p[1];
            p[0] = x0 * cos(a) - x1 * sin(a);
            p[1] = x0 * sin(a) + x1 * cos(a);
        }
}

struct plain {
    double k[LAYERS][N][KV * D], v[LAYERS][N][KV * D];
};

static void plain_attention(double *x, struct plain *p, const struct small *t, int l, int pos,
                            int window)
{
    double xn[E], q[HEADS * D], out[HEADS * D] = {0}, y[E];
    const int first = window && pos >= window ? pos - window + 1 : 0;

    plain_norm(xn, x, weight(t, l, "attn_norm.weight"));
    plain_mul(q, weight(t, l, "attn_q.weight"), xn, HEADS * D, E);
    for (int i = 0; i < HEADS * D; i++)
        q[i] += (double)weight(t, l, "attn_q.bias")[i];
    plain_mul(p->k[l][pos], weight(t, l, "attn_k.weight"), xn, KV * D, E);
    plain_mul(p->v[l][pos], weight(t, l, "attn_v.weight"), xn, KV * D, E);
    plain_rope(q, HEADS, pos);
    plain_rope(p->k[l][pos], KV, pos);
    for (int h = 0; h < HEADS; h++) {
        const int kv = h / (HEADS / KV) * D;
        double score[N], sum = 0;
        for (int j = first; j <= pos; j++) {
            double dot = 0;
            for (int i = 0; i < D; i++)
                dot += q[h * D + i] * p->k[l][j][kv + i];
            sum += score[j] = exp(dot / sqrt(D));
        }
        for (int j = first; j <= pos; j++)
            for (int i = 0; i < D; i++)
                out[h * D + i] += score[j] / sum * p->v[l][j][kv + i];
    }
    plain_mul(y, weight(t, l, "attn_output.weight"), out, E, HEADS * D);
    for (int i = 0; i < E; i++)
        x[i] += y[i];
}

static void plain_ffn(double *x, const struct small *t, int l)
{
    double xn[E], g[FF], u[FF], y[E];

    plain_norm(xn, x, weight(t, l, "ffn_norm.weight"));
    plain_mul(g, weight(t, l, "ffn_gate.weight"), xn, FF, E);
    plain_mul(u, weight(t, l, "ffn_up.weight"), xn, FF, E);
    for (int i = 0; i < FF; i++)
        g[i] = g[i] / (1 + exp(-g[i])) * u[i];
    plain_mul(y, weight(t, l, "ffn_down.weight"), g, E, FF);
    for (int i = 0; i < E; i++)
        x[i] += y[i] + (double)weight(t, l, "ffn_down.bias")[i];
}

/* logits[n, VOCAB] */
static void plain_run(double *logits, const struct small *t, const int32_t *ids, int n, int window)
{
    struct plain p;
    double x[E], xn[E];

    for (int pos = 0; pos < n; pos++) {
        for (int i = 0; i < E; i++)
            x[i] = (double)weight(t, -1, "token_embd.weight")[ids[pos] * E + i];
        for (int l = 0; l < LAYERS; l++) {
            plain_attention(x, &p, t, l, pos, window);
            plain_ffn(x, t, l);
        }
        plain_norm(xn, x, weight(t, -1, "output_norm.weight"));
        plain_mul(logits + pos * VOCAB, weight(t, -1, "output.weight"), xn, VOCAB, E);
    }
}

/* ---- tests ---------------------------------------------------------------------- */

/* Logits are of order 1; F32 sums of E terms err by some 1e-6. */
static void check_plain(unsigned window, unsigned cpu, size_t portion)
{
    const struct small_tweak w = {.window = window};
    struct small t;
    int32_t ids[N];
    double want[N * VOCAB];
    float got[N * VOCAB];
    struct err err = {0};

    make(&t, &w);
    struct model *m = small_open(&t, cpu);
    struct sess *s = session(m, N, portion, 1);
    small_ids(ids, N, 2);
    plain_run(want, &t, ids, N, (int)window);
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
    sess_keep(s, 6);
    assert_int_equal(sess_len(s), 6);
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
    assert_int_equal(math, KERN_INT8);
    assert_int_equal(model_math(&math, "f64", &err), ERR_ARG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_session_equals_plain),  cmocka_unit_test(test_session_threads),
        cmocka_unit_test(test_session_keep_and_rows), cmocka_unit_test(test_session_feed),
        cmocka_unit_test(test_session_refuses),       cmocka_unit_test(test_session_bad_models),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
