/* Numbers for a whole weight: written beside NVFP4 by the pipeline, read back with the weight,
 * applied to rows and products, copied with it. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "formats/base/cpu.h"
#include "formats/gguf_write.h"
#include "quant/codec.h"
#include "quant/matmul.h"
#include "quant/pipeline.h"
#include "quant/rows.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WIDE_ROW = 64, TOKENS = 5, VALUES = WIDE_ROW * WIDE_ROW };

#define MATRIX(label)                                                                              \
    {                                                                                              \
        .name = label, .type = DTYPE_F32, .n_dims = 2, .dims = { 64, 64, 1, 1 }                    \
    }
#define VECTOR(label)                                                                              \
    {                                                                                              \
        .name = label, .type = DTYPE_F32, .n_dims = 1, .dims = { 64, 1, 1, 1 }                     \
    }

static const struct gguf_item items[] = {
    {.name = "token_embd.weight",  .type = DTYPE_F32, .n_dims = 2, .dims = {64, TOKENS, 1, 1}},
    VECTOR("output_norm.weight"),
    VECTOR("blk.0.attn_norm.weight"),
    MATRIX("blk.0.attn_q.weight"),
    MATRIX("blk.0.attn_k.weight"),
    MATRIX("blk.0.attn_v.weight"),
    MATRIX("blk.0.attn_output.weight"),
    VECTOR("blk.0.ffn_norm.weight"),
    MATRIX("blk.0.ffn_gate.weight"),
    MATRIX("blk.0.ffn_up.weight"),
    MATRIX("blk.0.ffn_down.weight"),
    VECTOR("blk.0.ffn_down.bias"),
    {.name = "blk.0.attn_v.scale", .type = DTYPE_F32, .n_dims = 1, .dims = {3, 1, 1, 1}      },
};
enum { ITEMS = sizeof(items) / sizeof(items[0]), GOOD = ITEMS - 1 };

static void set_meta(struct meta *m)
{
    static const struct {
        const char *key;
        uint32_t v;
    } numbers[] = {
        {"llama.block_count",          1 },
        {"llama.context_length",       32},
        {"llama.embedding_length",     64},
        {"llama.feed_forward_length",  64},
        {"llama.attention.head_count", 4 },
        {"llama.rope.dimension_count", 16},
        {"llama.vocab_size",           5 },
    };
    struct err err;

    assert_int_equal(meta_set_str(m, "general.architecture", "llama", &err), 0);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        assert_int_equal(meta_set_u32(m, numbers[i].key, numbers[i].v, &err), 0);
    assert_int_equal(meta_set_f32(m, "llama.attention.layer_norm_rms_epsilon", 1e-5F, &err), 0);
}

/* Weights so small that blocks of NVFP4 alone would be zeros. */
static void write_model(const char *path, size_t n)
{
    struct meta meta = {0};
    struct gguf_writer *w;
    struct err err;
    uint64_t seed = 5;

    set_meta(&meta);
    assert_int_equal(gguf_writer_new(&w, path, &meta, items, n, 0, &err), 0);
    for (size_t i = 0; i < n; i++) {
        float v[VALUES];
        const size_t count = (size_t)(items[i].dims[0] * items[i].dims[1]);
        for (size_t k = 0; k < count; k++) {
            seed = seed * 6364136223846793005U + 1442695040888963407U;
            v[k] = ((float)(seed >> 40) * 0x1p-24F - 0.5F) * 1e-4F;
        }
        assert_int_equal(gguf_writer_put(w, v, count * sizeof(float), &err), 0);
    }
    assert_int_equal(gguf_writer_commit(w, &err), 0);
    gguf_writer_free(w);
    meta_release(&meta);
}

struct world {
    char in[40], out[48], again[48];
};

static void world_init(struct world *w, size_t n)
{
    (void)snprintf(w->in, sizeof(w->in), "/tmp/pare-global-XXXXXX");
    const int fd = mkstemp(w->in);
    assert_true(fd >= 0);
    (void)close(fd);
    (void)snprintf(w->out, sizeof(w->out), "%s.out", w->in);
    (void)snprintf(w->again, sizeof(w->again), "%s.again", w->in);
    write_model(w->in, n);
}

static void world_release(struct world *w)
{
    (void)unlink(w->in);
    (void)unlink(w->out);
    (void)unlink(w->again);
}

static void to_nvfp4(const char *from, const char *to)
{
    enum dtype types[ITEMS];
    struct pipe_result result;
    struct source *s;
    struct err err = {0};

    assert_int_equal(source_open(&s, from, NULL, &err), 0);
    assert_int_equal(source_n_tensors(s), GOOD);
    for (size_t i = 0; i < source_n_tensors(s); i++)
        types[i] = source_tensor(s, i)->n_dims == 2 ? DTYPE_NVFP4 : DTYPE_F32;
    const struct pipe_job job = {.source = s,
                                 .meta = source_meta(s),
                                 .types = types,
                                 .cpu = CPU_ALL,
                                 .par = {.n_threads = 2}};
    if (pipe_write(&result, to, &job, &err))
        fail_msg("%s", err.msg);
    source_free(s);
}

/* Beside every weight that llama.cpp multiplies, one F32; not where it would come too late, or
 * is not read. */
static void test_global_is_written(void **state)
{
    (void)state;
    struct world w;
    struct gguf *g;
    struct err err;

    world_init(&w, GOOD);
    to_nvfp4(w.in, w.out);
    assert_int_equal(gguf_open(&g, w.out, &err), 0);
    const struct gguf_tensor *t = gguf_find(g, "blk.0.attn_q.scale");
    assert_non_null(t);
    assert_int_equal(t->type, DTYPE_F32);
    assert_int_equal(t->dims[0], 1);
    assert_non_null(gguf_find(g, "blk.0.ffn_up.scale"));
    assert_null(gguf_find(g, "blk.0.ffn_down.scale"));
    assert_null(gguf_find(g, "token_embd.scale"));
    assert_null(gguf_find(g, "blk.0.attn_norm.scale"));
    gguf_free(g);
    world_release(&w);
}

static double error_of(const float *x, const float *y, size_t n)
{
    double e = 0, s = 0;

    for (size_t i = 0; i < n; i++) {
        e += ((double)x[i] - (double)y[i]) * ((double)x[i] - (double)y[i]);
        s += (double)x[i] * (double)x[i];
    }
    return sqrt(e / s);
}

/* Rows and products have it; a weight without one has lost its values. */
static void test_global_is_read(void **state)
{
    (void)state;
    struct world w;
    struct source *a, *b;
    struct arena arena = {0};
    struct matrix m;
    struct kern k;
    struct err err;
    float x[VALUES], y[VALUES], in[2 * WIDE_ROW], out[2 * WIDE_ROW], row[WIDE_ROW];

    world_init(&w, GOOD);
    to_nvfp4(w.in, w.out);
    assert_int_equal(source_open(&a, w.in, NULL, &err), 0);
    assert_int_equal(source_open(&b, w.out, NULL, &err), 0);
    assert_int_equal(source_n_tensors(b), GOOD);
    assert_int_equal(rows_read(x, source_find(a, "blk.0.attn_q.weight"), 0, 64, &err), 0);
    assert_int_equal(rows_read(y, source_find(b, "blk.0.attn_q.weight"), 0, 64, &err), 0);
    assert_true(error_of(x, y, VALUES) < 0.12);
    assert_int_equal(rows_read(x, source_find(a, "blk.0.ffn_down.weight"), 0, 64, &err), 0);
    assert_int_equal(rows_read(row, source_find(b, "blk.0.ffn_down.weight"), 0, 1, &err), 0);
    assert_true(error_of(x, row, WIDE_ROW) > 0.9);

    kern_init(&k, cpu_detect());
    assert_int_equal(matrix_init(&m, source_find(b, "blk.0.attn_q.weight"), &arena, &err), 0);
    matrix_row(row, &m, &k, 7);
    assert_memory_equal(row, y + 7 * WIDE_ROW, sizeof(row));
    for (size_t rows = 1; rows <= 2; rows++) {
        const struct par par = {.n_threads = 1};
        const struct mm_job job = {&m, out, WIDE_ROW};
        void *scratch = malloc(mm_scratch_bytes(&k, KERN_F32, rows, WIDE_ROW, &par));
        for (size_t i = 0; i < 2 * WIDE_ROW; i++)
            in[i] = (float)(i % 7) - 3.0F;
        assert_non_null(scratch);
        mm(&k, KERN_F32, &job, 1, in, WIDE_ROW, rows, &par, scratch);
        free(scratch);
        for (size_t r = 0; r < rows; r++)
            for (size_t j = 0; j < WIDE_ROW; j++) {
                double want = 0, size = 0;
                for (size_t i = 0; i < WIDE_ROW; i++) {
                    want += (double)in[r * WIDE_ROW + i] * (double)y[j * WIDE_ROW + i];
                    size += fabs((double)in[r * WIDE_ROW + i] * (double)y[j * WIDE_ROW + i]);
                }
                assert_true(fabs(want - (double)out[r * WIDE_ROW + j]) <= 1e-5 * size);
            }
    }
    source_free(a);
    source_free(b);
    arena_release(&arena);
    world_release(&w);
}

/* NVFP4 that stays NVFP4 is a copy, its number too. */
static void test_global_is_copied(void **state)
{
    (void)state;
    struct world w;
    struct map x, y;
    struct err err;

    world_init(&w, GOOD);
    to_nvfp4(w.in, w.out);
    to_nvfp4(w.out, w.again);
    assert_int_equal(map_open(&x, w.out, &err), 0);
    assert_int_equal(map_open(&y, w.again, &err), 0);
    assert_int_equal(x.size, y.size);
    assert_memory_equal(x.data, y.data, x.size);
    map_release(&x);
    map_release(&y);
    world_release(&w);
}

static void test_global_refuses(void **state)
{
    (void)state;
    struct world w;
    struct source *s;
    struct err err = {0};

    world_init(&w, ITEMS);
    assert_int_equal(source_open(&s, w.in, NULL, &err), ERR_FORMAT);
    assert_non_null(strstr(err.msg, "tensor blk.0.attn_v.scale: expected one F32 scale"));
    assert_non_null(strstr(err.msg, "found 3 of type F32"));
    world_release(&w);
}

/* Experts of no rows, of which a file's metadata may tell. */
static void test_global_of_nothing(void **state)
{
    const struct source_tensor t = {
        .name = "blk.0.ffn_gate_exps.weight", .n_dims = 3, .dims = {64, 0, 2, 1}
    };
    struct world w;
    struct source *s;
    struct err err = {0};

    (void)state;
    world_init(&w, GOOD);
    assert_int_equal(source_open(&s, w.in, NULL, &err), 0);
    assert_int_equal(source_may_have_global(s, &t), 2);
    source_free(s);
    world_release(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_global_is_written), cmocka_unit_test(test_global_is_read),
        cmocka_unit_test(test_global_is_copied),  cmocka_unit_test(test_global_refuses),
        cmocka_unit_test(test_global_of_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
