#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "formats/base/json.h"
#include "formats/gguf_write.h"
#include "quant/codec.h"
#include "quant/importance.h"
#include "quant/job.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A GGUF of an unknown family: embedding, a matrix, a stack of three experts, a vector. */
static const struct gguf_item items[] = {
    {"token_embd.weight",          DTYPE_F32, 2, {64, 7, 0, 0}},
    {"blk.0.attn_q.weight",        DTYPE_F32, 2, {64, 5, 0, 0}},
    {"blk.0.ffn_down_exps.weight", DTYPE_F32, 3, {32, 4, 3, 0}},
    {"blk.0.attn_norm.weight",     DTYPE_F32, 1, {64, 0, 0, 0}},
};
enum { N_ITEMS = 4, Q = 1, DOWN = 2, N_VALUES = 7 * 64 + 5 * 64 + 3 * 4 * 32 + 64 };

struct world {
    char in[64], out[64], json[80];
    struct source *s;
    struct imatrix im;
    struct imatrix_entry entry[3];
    float q[64], q_count[1], down[96], down_count[3];
    const char *dataset[1];
    char warned[2][256];
    int n_warned;
};

static void warn(void *arg, const char *msg)
{
    struct world *w = arg;

    assert_in_range(w->n_warned, 0, 1);
    (void)snprintf(w->warned[w->n_warned++], sizeof(w->warned[0]), "%s", msg);
}

static void write_model(const struct world *w)
{
    struct gguf_writer *writer;
    struct meta meta = {0};
    struct err err;
    float data[N_VALUES];

    for (int i = 0; i < N_VALUES; i++)
        data[i] = (float)((i * 7919 + 13) % 1000 - 500) * 1e-3F;
    assert_int_equal(meta_set_str(&meta, "general.architecture", "nobody", &err), 0);
    assert_int_equal(gguf_writer_new(&writer, w->in, &meta, items, N_ITEMS, 0, &err), 0);
    assert_int_equal(gguf_writer_put(writer, data, sizeof(data), &err), 0);
    assert_int_equal(gguf_writer_commit(writer, &err), 0);
    gguf_writer_free(writer);
    meta_release(&meta);
}

/* Expert 1 of the stack was never used; sums are of 4 tokens, and 2 of its last expert. */
static void world_open(struct world *w)
{
    const struct source_opts so = {0};
    struct err err;

    memset(w, 0, sizeof(*w));
    (void)snprintf(w->in, sizeof(w->in), "/tmp/pare-imp-%ld-in.gguf", (long)getpid());
    (void)snprintf(w->out, sizeof(w->out), "/tmp/pare-imp-%ld-out.gguf", (long)getpid());
    (void)snprintf(w->json, sizeof(w->json), "%s.json", w->out);
    write_model(w);
    assert_int_equal(source_open(&w->s, w->in, &so, &err), 0);
    for (int i = 0; i < 64; i++)
        w->q[i] = (float)i;
    for (int i = 0; i < 96; i++)
        w->down[i] = i / 32 == 1 ? 0 : 2 + (float)i;
    w->q_count[0] = 4;
    w->down_count[0] = 4;
    w->down_count[2] = 2;
    w->entry[0] = (struct imatrix_entry){"blk.0.attn_q.weight", 64, 1, w->q, w->q_count};
    w->entry[1] =
        (struct imatrix_entry){"blk.0.ffn_down_exps.weight", 32, 3, w->down, w->down_count};
    w->dataset[0] = "words.txt";
    w->im = (struct imatrix){w->entry, 2, w->dataset, 1, 9, 512};
}

static void world_close(struct world *w)
{
    source_free(w->s);
    (void)unlink(w->in);
    (void)unlink(w->out);
    (void)unlink(w->json);
}

static int open_importance(struct importance **out, struct world *w, struct err *err)
{
    const struct log log = {.arg = w, .warn = warn};

    return importance_new(out, &w->im, w->in, w->s, &log, err);
}

static void test_importance_means_by_expert(void **state)
{
    (void)state;
    struct world w;
    struct importance *imp;
    struct err err;

    world_open(&w);
    assert_int_equal(open_importance(&imp, &w, &err), 0);
    for (uint64_t r = 0; r < 5; r++)
        for (size_t i = 0; i < 64; i++)
            assert_true(importance_row(imp, Q, r)[i] == (float)i / 4);
    for (uint64_t r = 0; r < 12; r++)
        for (size_t i = 0; i < 32; i++) {
            const float want = r < 4 ? (2 + (float)i) / 4 : r < 8 ? 1 : (66 + (float)i) / 2;
            assert_true(importance_row(imp, DOWN, r)[i] == want);
        }
    assert_null(importance_row(imp, 0, 3));
    assert_int_equal(w.n_warned, 1);
    assert_non_null(strstr(w.warned[0], "no data for blk.0.ffn_down_exps.weight (expert 1): "));
    importance_free(imp);
    world_close(&w);
}

/* One count and all columns behind each other: what llama-imatrix writes of dense stacks, and
 * the legacy layout of all. */
static void test_importance_one_count_for_a_stack(void **state)
{
    (void)state;
    struct world w;
    struct importance *imp;
    struct err err;

    world_open(&w);
    w.entry[1].columns = 96;
    w.entry[1].matrices = 1;
    assert_int_equal(open_importance(&imp, &w, &err), 0);
    assert_true(importance_row(imp, DOWN, 11)[31] == 97.0F / 4);
    assert_true(importance_row(imp, DOWN, 4)[5] == 1.0F); /* nothing but zeros */
    importance_free(imp);
    world_close(&w);
}

static void test_importance_refuses_another_model(void **state)
{
    (void)state;
    struct world w;
    struct importance *imp = NULL;
    struct err err;

    world_open(&w);
    w.entry[1].matrices = 2;
    assert_int_equal(open_importance(&imp, &w, &err), ERR_FORMAT);
    assert_null(imp);
    assert_non_null(strstr(err.msg, w.in));
    assert_non_null(strstr(err.msg, "blk.0.ffn_down_exps.weight: expected 32 x 3"));
    assert_non_null(strstr(err.msg, "found 32 x 2"));
    w.entry[1].matrices = UINT64_MAX;
    w.entry[1].columns = UINT64_MAX;
    assert_int_equal(open_importance(&imp, &w, &err), ERR_FORMAT);
    w.entry[0].name = "model.q";
    w.entry[1].name = "model.v";
    assert_int_equal(open_importance(&imp, &w, &err), ERR_FORMAT);
    assert_non_null(strstr(err.msg, "none of its 2 entries (model.q)"));
    w.im.n_entries = 0;
    assert_int_equal(open_importance(&imp, &w, &err), ERR_FORMAT);
    world_close(&w);
}

static void test_importance_names_what_is_strange(void **state)
{
    (void)state;
    struct world w;
    struct importance *imp;
    struct err err;

    world_open(&w);
    w.entry[1].name = "blk.7.ffn_down_exps.weight";
    assert_int_equal(open_importance(&imp, &w, &err), 0);
    assert_int_equal(w.n_warned, 1);
    assert_non_null(strstr(w.warned[0], "not in this model: blk.7.ffn_down_exps.weight"));
    const enum dtype types[N_ITEMS] = {DTYPE_Q8_0, DTYPE_Q8_0, DTYPE_Q8_0, DTYPE_F32};
    const struct log log = {.arg = &w, .warn = warn};
    assert_int_equal(importance_check(imp, w.s, types, &log, &err), 0);
    assert_int_equal(w.n_warned, 2);
    assert_non_null(strstr(w.warned[1], "nothing on blk.0.ffn_down_exps.weight: "));
    importance_free(imp);
    world_close(&w);
}

/* Every row of the file is what the codec gives with that row's weights. */
static void check_rows(const struct world *w, const struct importance *imp)
{
    const struct source_opts so = {0};
    struct source *made;
    struct err err;
    struct meta_str text;
    uint64_t n = 0;

    assert_int_equal(source_open(&made, w->out, &so, &err), 0);
    for (size_t i = 0; i < 3; i++) {
        const struct source_tensor *from = source_tensor(w->s, i);
        const struct source_tensor *to = source_find(made, from->name);
        const size_t len = (size_t)source_row_len(from);
        size_t bytes = 0;
        assert_true(dtype_row_bytes(&bytes, to->type, len));
        for (uint64_t r = 0; r < source_n_rows(from); r++) {
            const struct codec_how how = {.importance = importance_row(imp, i, r)};
            uint8_t want[128];
            codec_get(to->type, 0)
                ->enc(want, (const float *)(const void *)source_row(from, r, 4 * len), len, &how);
            assert_memory_equal(source_row(to, r, bytes), want, bytes);
        }
    }
    const struct meta *m = source_meta(made);
    assert_true(meta_str(m, "quantize.imatrix.file", &text) &&
                !memcmp(text.p, strrchr(w->in, '/') + 1, text.n));
    assert_true(meta_str(m, "quantize.imatrix.dataset", &text) && text.n == 9);
    assert_true(meta_u64(m, "quantize.imatrix.entries_count", &n) && n == 2);
    assert_true(meta_u64(m, "quantize.imatrix.chunks_count", &n) && n == 9);
    assert_true(meta_str(m, "pare.imatrix.sha256", &text) && text.n == 64);
    assert_true(meta_str(m, "pare.recipe", &text) && !memcmp(text.p, "Q4_0 pure imatrix", text.n));
    source_free(made);
}

/* The weighted error is another number than the plain one. */
static void check_report(const struct world *w)
{
    json_val *doc;
    struct err err;
    double nmse = 0, weighted = -1;

    assert_int_equal(json_load(&doc, w->json, &err), 0);
    for (const json_val *t = json_first(json_get(doc, "tensors")); t; t = json_next(t))
        if (!strcmp(json_str(json_get(t, "name")), "blk.0.attn_q.weight")) {
            assert_true(json_num(json_get(t, "nmse"), &nmse));
            assert_true(json_num(json_get(t, "weighted_nmse"), &weighted));
        }
    assert_true(weighted > 0 && weighted < 0.02 && (weighted > nmse || weighted < nmse));
    json_free(doc);
}

static void test_importance_weighs_rows(void **state)
{
    (void)state;
    struct world w;
    struct importance *imp;
    struct job *job;
    struct pipe_result r;
    struct err err;

    world_open(&w);
    assert_int_equal(open_importance(&imp, &w, &err), 0);
    const struct job_opts opts = {
        .mix = mix_by_name("Q4_0"),
        .mix_opts = {.pure = true},
        .tensor_report = true,
        .importance = imp,
        .par = {.n_threads = 2},
    };
    assert_int_equal(job_new(&job, w.s, &opts, &err), 0);
    assert_int_equal(pipe_write(&r, w.out, job_pipe(job), &err), 0);
    check_rows(&w, imp);
    check_report(&w);
    job_free(job);
    importance_free(imp);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_importance_means_by_expert),
        cmocka_unit_test(test_importance_one_count_for_a_stack),
        cmocka_unit_test(test_importance_refuses_another_model),
        cmocka_unit_test(test_importance_names_what_is_strange),
        cmocka_unit_test(test_importance_weighs_rows),
    };

    return cmocka_run_group_tests_name("importance", tests, NULL, NULL);
}
