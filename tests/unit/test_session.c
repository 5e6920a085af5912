/* A tiny model with random weights, written to a temporary GGUF, against a plain
 * forward pass in double. */

#include "formats/base/cpu.h"
#include "formats/gguf_write.h"
#include "runtime/model.h"
#include "runtime/rng.h"
#include "runtime/session.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

enum { E = 32, HEADS = 4, KV = 2, D = 8, FF = 48, VOCAB = 50, LAYERS = 2, CTX = 64, N = 21 };

/* ---- the model -------------------------------------------------------------- */

struct spec {
    const char *name;
    int n_dims;
    uint64_t dims[2]; /* fastest first */
};

static const struct spec top_specs[] = {
    {"token_embd.weight",  2, {E, VOCAB}},
    {"output_norm.weight", 1, {E}       },
    {"output.weight",      2, {E, VOCAB}},
};

static const struct spec block_specs[] = {
    {"attn_norm.weight",   1, {E}           },
    {"attn_q.weight",      2, {E, HEADS *D} },
    {"attn_k.weight",      2, {E, KV *D}    },
    {"attn_v.weight",      2, {E, KV *D}    },
    {"attn_output.weight", 2, {HEADS * D, E}},
    {"ffn_norm.weight",    1, {E}           },
    {"ffn_gate.weight",    2, {E, FF}       },
    {"ffn_up.weight",      2, {E, FF}       },
    {"ffn_down.weight",    2, {FF, E}       },
    {"attn_q.bias",        1, {HEADS * D}   },
    {"ffn_down.bias",      1, {E}           },
};

enum { N_TOP = 3, N_BLOCK = 11, N_TENSORS = N_TOP + LAYERS * N_BLOCK };

/* What a test wants to be different. */
struct tweak {
    unsigned window;
    unsigned n_head_kv;    /* 0: KV */
    const char *leave_out; /* a tensor of block 1 */
};

struct tiny {
    char path[64];
    char names[N_TENSORS][48];
    struct gguf_item items[N_TENSORS];
    float *data[N_TENSORS]; /* owned */
    size_t n;
};

static void add(struct tiny *t, const struct spec *s, int layer, struct rng *r)
{
    const size_t n = (size_t)(s->dims[0] * (s->n_dims == 2 ? s->dims[1] : 1));
    struct gguf_item *it = &t->items[t->n];

    if (layer < 0)
        (void)snprintf(t->names[t->n], sizeof(t->names[0]), "%s", s->name);
    else
        (void)snprintf(t->names[t->n], sizeof(t->names[0]), "blk.%d.%s", layer, s->name);
    *it = (struct gguf_item){.name = t->names[t->n], .type = DTYPE_F32, .n_dims = s->n_dims};
    for (int i = 0; i < GGUF_MAX_DIMS; i++)
        it->dims[i] = i < s->n_dims ? s->dims[i] : 1;
    t->data[t->n] = calloc(n, sizeof(float));
    assert_non_null(t->data[t->n]);
    for (size_t i = 0; i < n; i++)
        t->data[t->n][i] = (float)(rng_unit(r) - 0.5) * (s->n_dims == 1 ? 1.0f : 0.6f) +
                           (s->n_dims == 1 && strstr(s->name, "norm") ? 1.0f : 0.0f);
    t->n++;
}

static void set_meta(struct meta *m, const struct tweak *w)
{
    static const struct {
        const char *key;
        uint32_t v;
    } numbers[] = {
        {"llama.block_count",            LAYERS},
        {"llama.context_length",         CTX   },
        {"llama.embedding_length",       E     },
        {"llama.feed_forward_length",    FF    },
        {"llama.attention.head_count",   HEADS },
        {"llama.attention.key_length",   D     },
        {"llama.attention.value_length", D     },
        {"llama.rope.dimension_count",   D     },
        {"llama.vocab_size",             VOCAB },
    };
    struct err err;

    assert_int_equal(meta_set_str(m, "general.architecture", "llama", &err), 0);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        assert_int_equal(meta_set_u32(m, numbers[i].key, numbers[i].v, &err), 0);
    assert_int_equal(
        meta_set_u32(m, "llama.attention.head_count_kv", w->n_head_kv ? w->n_head_kv : KV, &err),
        0);
    assert_int_equal(meta_set_f32(m, "llama.attention.layer_norm_rms_epsilon", 1e-5f, &err), 0);
    assert_int_equal(meta_set_f32(m, "llama.rope.freq_base", 10000.0f, &err), 0);
    if (w->window)
        assert_int_equal(meta_set_u32(m, "pare.attention.sliding_window", w->window, &err), 0);
}

static void tiny_new(struct tiny *t, const struct tweak *w)
{
    struct rng r = rng_init(1);
    struct meta meta = {0};
    struct gguf_writer *out = NULL;
    struct err err = {0};

    *t = (struct tiny){.path = "/tmp/pare-session-XXXXXX"};
    const int fd = mkstemp(t->path);
    assert_true(fd >= 0);
    (void)close(fd);
    for (size_t i = 0; i < N_TOP; i++)
        add(t, &top_specs[i], -1, &r);
    for (int l = 0; l < LAYERS; l++)
        for (size_t i = 0; i < N_BLOCK; i++)
            if (!w->leave_out || l != 1 || strcmp(block_specs[i].name, w->leave_out) != 0)
                add(t, &block_specs[i], l, &r);
    set_meta(&meta, w);
    assert_int_equal(gguf_writer_new(&out, t->path, &meta, t->items, t->n, 0, &err), 0);
    for (size_t i = 0; i < t->n; i++)
        assert_int_equal(
            gguf_writer_put(out, t->data[i],
                            (size_t)(t->items[i].dims[0] * t->items[i].dims[1]) * sizeof(float),
                            &err),
            0);
    assert_int_equal(gguf_writer_commit(out, &err), 0);
    gguf_writer_free(out);
    meta_release(&meta);
}

static void tiny_free(struct tiny *t)
{
    (void)unlink(t->path);
    for (size_t i = 0; i < t->n; i++)
        free(t->data[i]);
}

static struct model *tiny_open(const struct tiny *t, unsigned cpu)
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

static void ids_fill(int32_t *ids, size_t n, uint64_t seed)
{
    struct rng r = rng_init(seed);

    for (size_t i = 0; i < n; i++)
        ids[i] = (int32_t)(rng_u64(&r) % VOCAB);
}

/* ---- the plain forward pass ----------------------------------------------------- */

static const float *weight(const struct tiny *t, int layer, const char *name)
{
    char full[48];

    if (layer < 0)
        (void)snprintf(full, sizeof(full), "%s", name);
    else
        (void)snprintf(full, sizeof(full), "blk.%d.%s", layer, name);
    for (size_t i = 0; i < t->n; i++)
        if (!strcmp(t->names[i], full))
            return t->data[i];
    fail();
    return NULL;
}

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

static void plain_attention(double *x, struct plain *p, const struct tiny *t, int l, int pos,
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

static void plain_ffn(double *x, const struct tiny *t, int l)
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
static void plain_run(double *logits, const struct tiny *t, const int32_t *ids, int n, int window)
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
    const struct tweak w = {.window = window};
    struct tiny t;
    int32_t ids[N];
    double want[N * VOCAB];
    float got[N * VOCAB];
    struct err err = {0};

    tiny_new(&t, &w);
    struct model *m = tiny_open(&t, cpu);
    struct sess *s = session(m, N, portion, 1);
    ids_fill(ids, N, 2);
    plain_run(want, &t, ids, N, (int)window);
    for (size_t i = 0; i < N; i += portion) {
        const size_t n = N - i < portion ? N - i : portion;
        assert_int_equal(sess_eval(s, ids + i, n, got + i * VOCAB, n, &err), 0);
    }
    for (size_t i = 0; i < (size_t)N * VOCAB; i++)
        assert_true(fabs((double)got[i] - want[i]) < 1e-4);
    sess_free(s);
    model_free(m);
    tiny_free(&t);
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
    const struct tweak w = {0};
    struct tiny t;
    int32_t ids[N];
    float one[N * VOCAB], two[N * VOCAB];
    struct err err;

    (void)state;
    tiny_new(&t, &w);
    struct model *m = tiny_open(&t, cpu_detect());
    struct sess *a = session(m, N, N, 1), *b = session(m, N, N, 3);
    ids_fill(ids, N, 3);
    assert_int_equal(sess_eval(a, ids, N, one, N, &err), 0);
    assert_int_equal(sess_eval(b, ids, N, two, N, &err), 0);
    assert_memory_equal(one, two, sizeof(one));
    sess_free(a);
    sess_free(b);
    model_free(m);
    tiny_free(&t);
}

/* Going back and on leaves no trace; rows asked for later are those of the batch. */
static void test_session_keep_and_rows(void **state)
{
    const struct tweak w = {0};
    struct tiny t;
    int32_t ids[N], other[N];
    float want[N * VOCAB], got[N * VOCAB];
    struct err err;

    (void)state;
    tiny_new(&t, &w);
    struct model *m = tiny_open(&t, 0);
    struct sess *s = session(m, CTX, CTX, 1);
    ids_fill(ids, N, 4);
    ids_fill(other, N, 5);
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
    tiny_free(&t);
}

static void test_session_feed(void **state)
{
    const struct tweak w = {0};
    struct tiny t;
    int32_t ids[N];
    float want[VOCAB], got[VOCAB];
    struct err err;

    (void)state;
    tiny_new(&t, &w);
    struct model *m = tiny_open(&t, 0);
    struct sess *a = session(m, N, N, 1), *b = session(m, N, 4, 1);
    ids_fill(ids, N, 6);
    assert_int_equal(sess_eval(a, ids, N, want, 1, &err), 0);
    assert_int_equal(sess_feed(b, ids, N, got, &err), 0);
    assert_int_equal(sess_len(b), N);
    for (size_t i = 0; i < VOCAB; i++)
        assert_true(fabsf(want[i] - got[i]) < 1e-5f);
    assert_int_equal(sess_feed(b, ids, 1, got, &err), ERR_ARG);
    sess_free(a);
    sess_free(b);
    model_free(m);
    tiny_free(&t);
}

static void test_session_refuses(void **state)
{
    const struct tweak w = {0};
    const struct par par = {.n_threads = 1};
    struct tiny t;
    int32_t ids[N] = {0};
    float logits[VOCAB];
    struct err err;
    struct sess *none;

    (void)state;
    tiny_new(&t, &w);
    struct model *m = tiny_open(&t, 0);
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
    tiny_free(&t);
}

static void check_refused(const struct tweak *w)
{
    const struct model_opts o = {.math = KERN_F32};
    struct tiny t;
    struct model *m;
    struct err err = {0};

    tiny_new(&t, w);
    assert_int_not_equal(model_open(&m, t.path, &o, &err), 0);
    assert_null(m);
    assert_true(err.msg[0] != '\0');
    tiny_free(&t);
}

static void test_session_bad_models(void **state)
{
    static const struct tweak bad[] = {
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
