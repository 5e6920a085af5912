/* Latent attention alone against its formula in double, with expanded keys and values: K and
 * V split or together, queries plain or of low rank, tokens together and one by one. */

#include "formats/base/cpu.h"
#include "runtime/forward/forward.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    EMBD = 32,
    HEADS = 3,
    NOPE = 12,
    ROT = 4,
    KEY = NOPE + ROT,
    V = 10,
    RANK = 20,
    QRANK = 16,
    TOKENS = 70
};

struct bench {
    struct model m;
    struct layer layer;
    struct rope rope;
    double freq[ROT / 2];
    struct arch_params params;
    struct source_tensor t[ROLE_COUNT];
    struct source_part part[ROLE_COUNT];
    struct arena arena;
    float x[TOKENS * EMBD];
    double k[TOKENS][HEADS][KEY], v[TOKENS][HEADS][V], q[HEADS][KEY]; /* the formula's */
};

static float *noise(struct bench *b, size_t n, uint32_t state)
{
    float *v = arena_array(&b->arena, n, sizeof(*v));

    assert_non_null(v);
    for (size_t i = 0; i < n; i++) {
        state = state * 1664525u + 1013904223u;
        v[i] = 0.5f * ((float)(state >> 8) / 8388608.0f - 1.0f);
    }
    return v;
}

static const float *add(struct bench *b, enum arch_role role, size_t rows, size_t cols,
                        const float *v)
{
    b->part[role] = (struct source_part){(const uint8_t *)v, rows * cols * sizeof(*v), NULL};
    b->t[role] = (struct source_tensor){
        .name = "w",
        .type = DTYPE_F32,
        .n_dims = 2,
        .dims = {cols, rows, 1, 1},
        .n_parts = 1,
        .part = &b->part[role]
    };
    b->layer.w.mat[role] = (struct matrix){
        .t = &b->t[role], .rows = rows, .cols = cols, .row_bytes = cols * sizeof(*v)};
    return v;
}

static void set(struct bench *b, enum arch_param which, double v)
{
    b->params.p[which] = (struct arch_value){.set = true, .v = v};
}

/* K and V of [head][nope, v] rows of the rank, as the split tensors have them. */
static void split(struct bench *b, const float *kv)
{
    float *k = noise(b, HEADS * NOPE * RANK, 1), *v = noise(b, HEADS * V * RANK, 1);

    for (size_t h = 0; h < HEADS; h++)
        for (size_t r = 0; r < RANK; r++) {
            for (size_t c = 0; c < NOPE; c++)
                k[(h * RANK + r) * NOPE + c] = kv[(h * (NOPE + V) + c) * RANK + r];
            for (size_t c = 0; c < V; c++)
                v[(h * V + c) * RANK + r] = kv[(h * (NOPE + V) + NOPE + c) * RANK + r];
        }
    (void)add(b, ROLE_MLA_K_B, HEADS * RANK, NOPE, k);
    (void)add(b, ROLE_MLA_V_B, HEADS * V, RANK, v);
}

/* kv: [head][nope, v] rows. */
static const float *build(struct bench *b, bool low, bool is_split)
{
    memset(b, 0, sizeof(*b));
    kern_init(&b->m.kern, cpu_detect());
    b->m.params = &b->params;
    b->m.layer = &b->layer;
    b->m.n_layer = 1;
    b->m.n_embd = EMBD;
    b->m.ropes = &b->rope;
    b->m.n_ropes = 1;
    b->m.rotate = b->m.kern.rope_pairs;
    b->freq[0] = 1;
    b->freq[1] = 0.1;
    b->rope = (struct rope){.n_rot = ROT, .freq = b->freq, .magnitude = 1};
    set(b, ARCH_N_LAYER, 1);
    set(b, ARCH_N_HEAD, HEADS);
    set(b, ARCH_KV_LORA, RANK);
    set(b, ARCH_N_ROT, ROT);
    set(b, ARCH_HEAD_K_MLA, KEY);
    set(b, ARCH_HEAD_V_MLA, V);
    set(b, ARCH_ROPE_TYPE, ARCH_ROPE_YARN);
    set(b, ARCH_ROPE_FACTOR, 4);
    set(b, ARCH_ROPE_LOGMUL, 0.1);
    if (low) {
        (void)add(b, ROLE_MLA_Q_A, QRANK, EMBD, noise(b, QRANK * EMBD, 2));
        (void)add(b, ROLE_MLA_Q_B, HEADS * KEY, QRANK, noise(b, HEADS * KEY * QRANK, 3));
        b->layer.w.vec[ROLE_MLA_Q_A_NORM] = noise(b, QRANK, 4);
    } else {
        (void)add(b, ROLE_ATTN_Q, HEADS * KEY, EMBD, noise(b, HEADS * KEY * EMBD, 5));
    }
    (void)add(b, ROLE_MLA_KV_A, RANK + ROT, EMBD, noise(b, (RANK + ROT) * EMBD, 6));
    b->layer.w.vec[ROLE_MLA_KV_A_NORM] = noise(b, RANK, 7);
    (void)add(b, ROLE_ATTN_OUT, EMBD, HEADS * V, noise(b, EMBD * HEADS * V, 8));
    const float *kv = noise(b, HEADS * (NOPE + V) * RANK, 9);
    if (is_split)
        split(b, kv);
    else
        (void)add(b, ROLE_MLA_KV_B, HEADS * (NOPE + V), RANK, kv);
    memcpy(b->x, noise(b, TOKENS * EMBD, 10), sizeof(b->x));
    return kv;
}

/* y[TOKENS, EMBD], `portion` tokens at a time. */
static void run(float *y, struct bench *b, size_t portion, int n_threads)
{
    struct sess s = {.m = &b->m, .par = {n_threads}, .n_batch = portion, .n_ctx = TOKENS};
    const size_t queries = portion < QUERY_BLOCK ? portion : QUERY_BLOCK;
    float table[TOKENS * ROT], *tables[] = {table};
    float *cache[] = {malloc(TOKENS * part_mla.cache_floats(&b->m, 0) * sizeof(float))};
    struct err err = {0};

    assert_int_equal(part_mla.check(&b->m, 0, &err), 0);
    rope_table(table, &b->rope, false, TOKENS);
    s.rope = tables;
    s.cache = cache;
    s.work = malloc(portion * part_mla.work_floats(&b->m, 0) * sizeof(float));
    s.mm_scratch = malloc(mm_scratch_bytes(&b->m.kern, KERN_F32, portion, 2 * EMBD, &s.par));
    s.attn_bytes = (b->m.kern.attn_bytes(queries, TOKENS) + 63) / 64 * 64;
    s.attn_each = s.attn_bytes + part_mla.thread_floats(&b->m, 0, queries) * sizeof(float);
    s.attn_each = (s.attn_each + 63) / 64 * 64;
    s.attn_scratch = malloc(s.attn_each * (size_t)n_threads);
    assert_true(cache[0] && s.work && s.mm_scratch && s.attn_scratch);
    for (size_t i = 0; i < TOKENS; i += portion) {
        const size_t n = TOKENS - i < portion ? TOKENS - i : portion;
        s.xn = b->x + i * EMBD;
        s.y = y + i * EMBD;
        part_mla.run(&s, 0, n);
        s.n += n;
    }
    free(cache[0]);
    free(s.work);
    free(s.mm_scratch);
    free(s.attn_scratch);
}

/* ---- the formula ---------------------------------------------------------------------- */

static double dot(const float *w, const double *x, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += (double)w[i] * x[i];
    return sum;
}

static void times(double *y, const struct bench *b, enum arch_role role, const double *x)
{
    const struct matrix *w = &b->layer.w.mat[role];

    for (size_t r = 0; r < w->rows; r++)
        y[r] = dot((const float *)(const void *)w->t->part->data + r * w->cols, x, w->cols);
}

static void norm(double *x, const float *w, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += x[i] * x[i];
    for (size_t i = 0; i < n; i++)
        x[i] *= (double)w[i] / sqrt(sum / (double)n + 1e-6);
}

static void rotate(double *x, size_t pos, const double *freq)
{
    for (size_t i = 0; i < ROT / 2; i++) {
        const double c = cos((double)pos * freq[i]), s = sin((double)pos * freq[i]);
        const double a = x[2 * i], z = x[2 * i + 1];
        x[2 * i] = a * c - z * s;
        x[2 * i + 1] = z * c + a * s;
    }
}

static void place(struct bench *b, const float *kv_b, size_t t)
{
    double x[EMBD], kv[RANK + ROT], qa[QRANK];

    for (size_t i = 0; i < EMBD; i++)
        x[i] = (double)b->x[t * EMBD + i];
    times(kv, b, ROLE_MLA_KV_A, x);
    norm(kv, b->layer.w.vec[ROLE_MLA_KV_A_NORM], RANK);
    rotate(kv + RANK, t, b->freq);
    if (b->layer.w.mat[ROLE_ATTN_Q].t) {
        times(&b->q[0][0], b, ROLE_ATTN_Q, x);
    } else {
        times(qa, b, ROLE_MLA_Q_A, x);
        norm(qa, b->layer.w.vec[ROLE_MLA_Q_A_NORM], QRANK);
        times(&b->q[0][0], b, ROLE_MLA_Q_B, qa);
    }
    for (size_t h = 0; h < HEADS; h++) {
        const float *w = kv_b + h * (NOPE + V) * RANK;
        rotate(b->q[h] + NOPE, t, b->freq);
        for (size_t c = 0; c < NOPE; c++)
            b->k[t][h][c] = dot(w + c * RANK, kv, RANK);
        memcpy(b->k[t][h] + NOPE, kv + RANK, ROT * sizeof(double));
        for (size_t c = 0; c < V; c++)
            b->v[t][h][c] = dot(w + (NOPE + c) * RANK, kv, RANK);
    }
}

/* The largest error of token t, whose keys and values and those before are placed. */
static double error_of(const float *got, struct bench *b, size_t t)
{
    const double mscale = 1 + 0.1 * log(4), scale = mscale * mscale / sqrt(KEY);
    double out[HEADS * V] = {0}, y[EMBD], worst = 0;

    for (size_t h = 0; h < HEADS; h++) {
        double p[TOKENS], sum = 0;
        for (size_t j = 0; j <= t; j++) {
            double s = 0;
            for (size_t c = 0; c < KEY; c++)
                s += b->q[h][c] * b->k[j][h][c];
            p[j] = exp(s * scale);
            sum += p[j];
        }
        for (size_t j = 0; j <= t; j++)
            for (size_t c = 0; c < V; c++)
                out[h * V + c] += p[j] / sum * b->v[j][h][c];
    }
    times(y, b, ROLE_ATTN_OUT, out);
    for (size_t i = 0; i < EMBD; i++)
        worst = fmax(worst, fabs(y[i] - (double)got[t * EMBD + i]));
    return worst;
}

static void test_mla_formula(void **state)
{
    static const size_t portions[] = {1, 7, TOKENS};
    float y[TOKENS * EMBD], again[TOKENS * EMBD];

    (void)state;
    for (int kind = 0; kind < 4; kind++)
        for (size_t p = 0; p < 3; p++) {
            struct bench *b = malloc(sizeof(*b));
            double worst = 0;
            assert_non_null(b);
            const float *kv = build(b, kind & 1, kind & 2);
            run(y, b, portions[p], 1);
            run(again, b, portions[p], 2);
            for (size_t t = 0; t < TOKENS; t++) {
                place(b, kv, t);
                worst = fmax(worst, error_of(y, b, t));
            }
            arena_release(&b->arena);
            free(b);
            if (!(worst < 1e-5))
                fail_msg("kind %d, %zu tokens at a time: error %g", kind, portions[p], worst);
            assert_memory_equal(y, again, sizeof(y));
        }
}

static void test_mla_check(void **state)
{
    struct bench *b = malloc(sizeof(*b));
    struct err err = {0};

    (void)state;
    assert_non_null(b);
    (void)build(b, true, true);
    b->layer.w.mat[ROLE_MLA_V_B].t = NULL;
    assert_int_not_equal(part_mla.check(&b->m, 0, &err), 0);
    arena_release(&b->arena);
    (void)build(b, true, false);
    b->layer.w.vec[ROLE_MLA_Q_A_NORM] = NULL;
    assert_int_not_equal(part_mla.check(&b->m, 0, &err), 0);
    arena_release(&b->arena);
    free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mla_formula),
        cmocka_unit_test(test_mla_check),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
