#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "formats/base/cpu.h"
#include "formats/base/json.h"
#include "formats/base/map.h"
#include "formats/gguf_write.h"
#include "quant/codec.h"
#include "quant/half.h"
#include "quant/pipeline.h"

#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct codec_how plain = {0};

/* A GGUF of an unknown family: matrices that take several row groups, small ones, an
 * empty one, a vector. */
static const struct gguf_item items[] = {
    {"blk.10.b.weight", DTYPE_BF16, 2, {768, 400, 0, 0}},
    {"vector",          DTYPE_F32,  1, {40, 0, 0, 0}   },
    {"blk.2.a.weight",  DTYPE_F32,  2, {256, 700, 0, 0}},
    {"empty",           DTYPE_F32,  2, {0, 3, 0, 0}    },
    {"head.weight",     DTYPE_F16,  2, {256, 3, 0, 0}  },
};
enum { N_ITEMS = 5, BAD_ROW = 123, BAD_COLUMN = 45 };

struct world {
    char in[64], out[64], other[64];
    struct source *s;
    struct meta meta;
    enum dtype types[N_ITEMS];
};

static float value(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005U + 1442695040888963407U;
    return ((float)(*seed >> 40) * 0x1p-24F - 0.5F) * 0.1F;
}

static size_t item_bytes(const struct gguf_item *t)
{
    uint64_t n = 1;
    for (int d = 0; d < t->n_dims; d++)
        n *= t->dims[d];
    return (size_t)n * dtype_get(t->type)->bytes;
}

static void put_item(struct gguf_writer *w, const struct gguf_item *t, uint64_t *seed, float bad)
{
    const size_t each = dtype_get(t->type)->bytes, bytes = item_bytes(t);
    uint8_t *data = malloc(bytes + 1);
    struct err err;

    assert_non_null(data);
    for (size_t i = 0; i < bytes / each; i++) {
        float v = value(seed);
        if (bad != 0 && i == BAD_ROW * t->dims[0] + BAD_COLUMN)
            v = bad;
        codec_get(t->type, CPU_ALL)->enc(data + i * each, &v, 1, &plain);
    }
    assert_int_equal(gguf_writer_put(w, data, bytes, &err), 0);
    free(data);
}

/* bad: a value for blk.2.a, row 123, column 45; 0 for none. */
static void world_open(struct world *w, float bad)
{
    struct gguf_writer *writer;
    struct meta meta = {0};
    struct err err = {0};
    uint64_t seed = 7;

    memset(w, 0, sizeof(*w));
    (void)snprintf(w->in, sizeof(w->in), "/tmp/pare-pipe-%ld-in.gguf", (long)getpid());
    (void)snprintf(w->out, sizeof(w->out), "/tmp/pare-pipe-%ld-out.gguf", (long)getpid());
    (void)snprintf(w->other, sizeof(w->other), "/tmp/pare-pipe-%ld-other.gguf", (long)getpid());
    assert_int_equal(meta_set_str(&meta, "general.architecture", "nobody", &err), 0);
    assert_int_equal(gguf_writer_new(&writer, w->in, &meta, items, N_ITEMS, 0, &err), 0);
    for (size_t i = 0; i < N_ITEMS; i++)
        put_item(writer, &items[i], &seed, i == 2 ? bad : 0);
    assert_int_equal(gguf_writer_commit(writer, &err), 0);
    gguf_writer_free(writer);
    meta_release(&meta);
    const struct source_opts so = {0};
    assert_int_equal(source_open(&w->s, w->in, &so, &err), 0);
    assert_int_equal(meta_set_str(&w->meta, "general.architecture", "nobody", &err), 0);
    const enum dtype types[N_ITEMS] = {DTYPE_Q4_K, DTYPE_F32, DTYPE_Q5_0, DTYPE_F32, DTYPE_F16};
    memcpy(w->types, types, sizeof(types));
}

static void world_close(struct world *w)
{
    char name[80];

    source_free(w->s);
    meta_release(&w->meta);
    (void)unlink(w->in);
    (void)unlink(w->out);
    (void)unlink(w->other);
    (void)snprintf(name, sizeof(name), "%s.json", w->out);
    (void)unlink(name);
}

static struct pipe_job job_of(const struct world *w, int threads)
{
    return (struct pipe_job){
        .source = w->s, .meta = &w->meta, .types = w->types, .par = {.n_threads = threads}};
}

static bool there(const char *path, const char *end)
{
    struct stat st;
    char name[96];

    (void)snprintf(name, sizeof(name), "%s%s", path, end);
    return !stat(name, &st);
}

static void same_files(const char *a, const char *b)
{
    struct map x, y;
    struct err err;

    assert_int_equal(map_open(&x, a, &err), 0);
    assert_int_equal(map_open(&y, b, &err), 0);
    assert_int_equal(x.size, y.size);
    assert_memory_equal(x.data, y.data, x.size);
    map_release(&x);
    map_release(&y);
}

static void test_pipeline_threads_do_not_matter(void **state)
{
    (void)state;
    struct world w;
    struct err err;
    struct pipe_result one, four;
    uint64_t bytes = 0;

    world_open(&w, 0);
    struct pipe_job job = job_of(&w, 1);
    assert_int_equal(pipe_write(&one, w.out, &job, &err), 0);
    job = job_of(&w, 4);
    job.tensor_report = true; /* the report does not change the file */
    assert_int_equal(pipe_write(&four, w.other, &job, &err), 0);
    same_files(w.out, w.other);
    assert_true(there(w.other, ".json"));
    assert_false(there(w.out, ".json"));
    assert_int_equal(pipe_size(&bytes, &job, &err), 0);
    assert_int_equal(bytes, one.bytes);
    assert_int_equal(one.params, 768 * 400 + 40 + 256 * 700 + 256 * 3);
    char name[80];
    (void)snprintf(name, sizeof(name), "%s.json", w.other);
    (void)unlink(name);
    world_close(&w);
}

/* Rows in the file are those that the codec gives for the source's rows. */
static void test_pipeline_writes_what_codecs_give(void **state)
{
    (void)state;
    struct world w;
    struct err err;
    struct pipe_result r;
    struct source *back;
    const struct source_opts so = {0};
    float x[768];
    uint8_t want[768];

    world_open(&w, 0);
    const struct pipe_job job = job_of(&w, 2);
    assert_int_equal(pipe_write(&r, w.out, &job, &err), 0);
    assert_int_equal(source_open(&back, w.out, &so, &err), 0);
    for (size_t i = 0; i < N_ITEMS; i++) {
        const struct source_tensor *from = source_tensor(w.s, i), *to = source_tensor(back, i);
        const size_t len = (size_t)source_row_len(from);
        size_t in_bytes, out_bytes;
        assert_string_equal(from->name, to->name);
        assert_int_equal(to->type, w.types[i]);
        assert_true(dtype_row_bytes(&in_bytes, from->type, len));
        assert_true(dtype_row_bytes(&out_bytes, to->type, len));
        for (uint64_t row = 0; len && row < source_n_rows(from); row++) {
            codec_get(from->type, CPU_ALL)->dec(x, source_row(from, row, in_bytes), len);
            if (from->type == to->type)
                memcpy(want, source_row(from, row, in_bytes), in_bytes < 768 ? in_bytes : 768);
            else
                codec_get(to->type, CPU_ALL)->enc(want, x, len, &plain);
            assert_memory_equal(source_row(to, row, out_bytes), want,
                                out_bytes < 768 ? out_bytes : 768);
        }
    }
    source_free(back);
    world_close(&w);
}

static void test_pipeline_reports_tensors(void **state)
{
    (void)state;
    struct world w;
    struct err err;
    struct pipe_result r;
    json_val *doc;
    char name[80];

    world_open(&w, 0);
    struct pipe_job job = job_of(&w, 2);
    job.tensor_report = true;
    assert_int_equal(pipe_write(&r, w.out, &job, &err), 0);
    (void)snprintf(name, sizeof(name), "%s.json", w.out);
    assert_int_equal(json_load(&doc, name, &err), 0);
    size_t i = 0;
    for (const json_val *t = json_first(json_get(doc, "tensors")); t; t = json_next(t), i++) {
        double nmse = -1;
        char hex[HASH_HEX_BYTES];
        assert_string_equal(json_str(json_get(t, "name")), items[i].name);
        assert_true(json_num(json_get(t, "nmse"), &nmse));
        if (i == 0 || i == 2)
            assert_true(nmse > 1e-4 && nmse < 0.01);
        else
            assert_true(nmse >= 0 && nmse <= 0);
        assert_int_equal(strlen(json_str(json_get(t, "sha256"))), 64);
        assert_int_equal(hash_of("", 0, hex, &err), 0);
        if (i == 3)
            assert_string_equal(json_str(json_get(t, "sha256")), hex);
    }
    assert_int_equal(i, N_ITEMS);
    json_free(doc);
    world_close(&w);
}

/* The digest that is taken while rows are read is the one of reading all at once. */
static void test_pipeline_takes_the_digest(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 9; threads += 4) {
        struct world w;
        struct err err;
        struct pipe_result r;
        struct source *back;
        struct meta_str text;
        const struct source_opts so = {0};
        char want[HASH_HEX_BYTES], zeros[HASH_HEX_BYTES];
        world_open(&w, 0);
        struct pipe_job job = job_of(&w, threads);
        memset(zeros, '0', sizeof(zeros));
        zeros[HASH_HEX_BYTES - 1] = '\0';
        assert_int_equal(meta_set_str(&w.meta, "pare.source.sha256", zeros, &err), 0);
        assert_int_equal(meta_set_str(&w.meta, "pare.recipe", "behind it", &err), 0);
        job.source_digest = true;
        assert_int_equal(pipe_write(&r, w.out, &job, &err), 0);
        assert_int_equal(source_sha256(want, w.s, &job.par, NULL, &err), 0);
        assert_int_equal(source_open(&back, w.out, &so, &err), 0);
        assert_true(meta_str(source_meta(back), "pare.source.sha256", &text));
        assert_int_equal(text.n, HASH_HEX_BYTES - 1);
        assert_memory_equal(text.p, want, text.n);
        assert_true(meta_str(source_meta(back), "pare.recipe", &text));
        assert_memory_equal(text.p, "behind it", text.n);
        source_free(back);
        world_close(&w);
    }
}

static void test_pipeline_refuses_bad_values(void **state)
{
    (void)state;
    const float bad[] = {NAN, INFINITY};

    for (int k = 0; k < 4; k++) {
        struct world w;
        struct err err = {0};
        struct pipe_result r;
        world_open(&w, bad[k % 2]);
        if (k >= 2)
            w.types[2] = DTYPE_F32; /* a copy is checked, too */
        struct pipe_job job = job_of(&w, 2);
        job.tensor_report = true;
        assert_int_equal(pipe_write(&r, w.out, &job, &err), ERR_FORMAT);
        assert_non_null(strstr(err.msg, "blk.2.a.weight"));
        assert_non_null(strstr(err.msg, "row 123"));
        assert_non_null(strstr(err.msg, "column 45"));
        assert_false(there(w.out, ""));
        assert_false(there(w.out, ".part"));
        assert_false(there(w.out, ".json"));
        assert_false(there(w.out, ".json.part"));
        world_close(&w);
    }
}

static void test_pipeline_refuses_misfit(void **state)
{
    (void)state;
    struct world w;
    struct err err = {0};
    struct pipe_result r;

    world_open(&w, 0);
    w.types[1] = DTYPE_Q8_0; /* 40 values */
    const struct pipe_job job = job_of(&w, 2);
    assert_int_equal(pipe_write(&r, w.out, &job, &err), ERR_UNSUPPORTED);
    assert_non_null(strstr(err.msg, "vector"));
    w.types[1] = DTYPE_I8; /* no encoder, but a place in a GGUF */
    assert_int_equal(pipe_write(&r, w.out, &job, &err), ERR_UNSUPPORTED);
    w.types[1] = DTYPE_BOOL;
    assert_int_equal(pipe_write(&r, w.out, &job, &err), ERR_UNSUPPORTED);
    assert_false(there(w.out, ""));
    assert_false(there(w.out, ".part"));
    world_close(&w);
}

static int stop(void *arg)
{
    int *left = arg;

    return --*left < 0;
}

static void test_pipeline_stops(void **state)
{
    (void)state;
    struct world w;
    struct err err = {0};
    struct pipe_result r;
    int left = 0;
    const struct log log = {.arg = &left, .stop = stop};

    world_open(&w, 0);
    struct pipe_job job = job_of(&w, 2);
    job.log = &log;
    assert_int_equal(pipe_write(&r, w.out, &job, &err), ERR_INTERRUPTED);
    assert_false(there(w.out, ""));
    assert_false(there(w.out, ".part"));
    world_close(&w);
}

static void test_pipeline_order(void **state)
{
    (void)state;
    struct world w;
    struct err err;
    size_t order[N_ITEMS];
    const char *want[] = {"empty", "head.weight", "vector", "blk.2.a.weight", "blk.10.b.weight"};

    world_open(&w, 0);
    assert_int_equal(pipe_order_by_block(order, w.s, &err), 0);
    for (size_t i = 0; i < N_ITEMS; i++)
        assert_string_equal(source_tensor(w.s, order[i])->name, want[i]);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pipeline_threads_do_not_matter),
        cmocka_unit_test(test_pipeline_writes_what_codecs_give),
        cmocka_unit_test(test_pipeline_reports_tensors),
        cmocka_unit_test(test_pipeline_takes_the_digest),
        cmocka_unit_test(test_pipeline_refuses_bad_values),
        cmocka_unit_test(test_pipeline_refuses_misfit),
        cmocka_unit_test(test_pipeline_stops),
        cmocka_unit_test(test_pipeline_order),
    };

    return cmocka_run_group_tests_name("pipeline", tests, NULL, NULL);
}
