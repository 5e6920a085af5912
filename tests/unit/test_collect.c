/* What is collected from a small model, against sums of what a session tells and of what the
 * first block must be fed with. */

#include "eval/collect.h"
#include "formats/base/cpu.h"
#include "formats/moments.h"
#include "tests/small.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { CTX = 17, WINDOWS = 3, TOKENS = CTX * WINDOWS, WIDE = SMALL_FF };

static struct model *open_small(struct small *t, unsigned cpu)
{
    const struct small_tweak w = {0};
    const struct model_opts o = {.cpu = cpu, .math = KERN_F32};
    struct model *m = NULL;
    struct err err = {0};

    assert_int_equal(small_new(t, &w, &err), 0);
    assert_int_equal(model_open(&m, t->path, &o, &err), 0);
    return m;
}

static struct windows text_windows(int32_t ids[TOKENS])
{
    small_ids(ids, TOKENS, 5);
    return (struct windows){
        .ids = {.id = ids, .n = TOKENS},
          .n_ctx = CTX, .n = WINDOWS
    };
}

static bool near(double got, double want, double bound)
{
    return fabs(got - want) <= bound * fabs(want);
}

/* ---- sums --------------------------------------------------------------------------- */

/* Block 0's attention reads norms of embeddings. */
static void first_input(double *x, const struct small *t, int32_t id)
{
    const float *row = small_weight(t, -1, "token_embd.weight") + (size_t)id * SMALL_EMBD;
    const float *norm = small_weight(t, 0, "attn_norm.weight");
    double square = 0;

    for (int i = 0; i < SMALL_EMBD; i++)
        square += (double)row[i] * (double)row[i];
    for (int i = 0; i < SMALL_EMBD; i++)
        x[i] = (double)row[i] * (double)norm[i] / sqrt(square / SMALL_EMBD + 1e-5);
}

static void test_collect_sums(void **state)
{
    struct small t;
    struct model *m = open_small(&t, cpu_detect());
    int32_t ids[TOKENS];
    const struct windows text = text_windows(ids);
    struct collect c = {.model = m, .text = &text, .par = {2}};
    double want[SMALL_EMBD] = {0}, x[SMALL_EMBD];
    struct imatrix *im;
    struct err err = {0};

    (void)state;
    assert_int_equal(collect_sums(&im, &c, &err), 0);
    assert_int_equal(im->n_entries, 7 * SMALL_LAYERS + 1);
    assert_int_equal(im->chunks, WINDOWS);
    assert_int_equal(im->chunk_size, CTX);
    for (size_t i = 0; i < im->n_entries; i++) {
        assert_int_equal(im->entry[i].matrices, 1);
        assert_true(im->entry[i].count[0] == TOKENS);
        assert_int_equal(im->entry[i].columns,
                         strstr(im->entry[i].name, "ffn_down") ? SMALL_FF : SMALL_EMBD);
    }
    for (int i = 0; i < TOKENS; i++) {
        first_input(x, &t, ids[i]);
        for (int k = 0; k < SMALL_EMBD; k++)
            want[k] += x[k] * x[k];
    }
    const char *names[] = {"blk.0.attn_q.weight", "blk.0.attn_k.weight", "blk.0.attn_v.weight"};
    for (size_t n = 0; n < 3; n++)
        for (int k = 0; k < SMALL_EMBD; k++)
            assert_true(near((double)imatrix_find(im, names[n])->sum2[k], want[k], 1e-5));
    imatrix_free(im);
    collect_release(&c);
    model_free(m);
    small_free(&t);
}

/* ---- what a session tells --------------------------------------------------------------- */

struct seen {
    const char *name;
    float *x; /* [n, cols] */
    size_t n, cols;
};

static void see(void *arg, const struct sess_input *in)
{
    struct seen *s = arg;

    for (size_t j = 0; j < in->n_jobs; j++)
        for (size_t r = 0; !strcmp(in->job[j].w->t->name, s->name) && r < in->n; r++) {
            s->cols = in->job[j].w->cols;
            memcpy(s->x + s->n++ * s->cols, in->x + r * in->ld_x, s->cols * sizeof(float));
        }
}

/* The output matrix times what it is said to be fed with are the logits. */
static void test_collect_output(void **state)
{
    struct small t;
    struct model *m = open_small(&t, cpu_detect());
    const struct par par = {1};
    static float x[CTX * SMALL_EMBD], logits[CTX * SMALL_VOCAB];
    struct seen seen = {.name = "output.weight", .x = x};
    struct sess_watch watch = {see, NULL, &seen, SIZE_MAX};
    int32_t ids[TOKENS];
    struct sess *s;
    struct err err = {0};

    (void)state;
    (void)text_windows(ids);
    assert_int_equal(sess_new(&s, m, CTX, CTX, &par, &err), 0);
    assert_int_equal(sess_watch(s, &watch, &err), 0);
    assert_int_equal(sess_eval(s, ids, CTX, logits, CTX, &err), 0);
    assert_int_equal(seen.n, CTX);
    const float *w = small_weight(&t, -1, "output.weight");
    for (size_t i = 0; i < CTX; i++)
        for (size_t v = 0; v < SMALL_VOCAB; v++) {
            double sum = 0;
            for (size_t k = 0; k < SMALL_EMBD; k++)
                sum += (double)x[i * SMALL_EMBD + k] * (double)w[v * SMALL_EMBD + k];
            assert_true(fabs(sum - (double)logits[i * SMALL_VOCAB + v]) < 1e-4);
        }
    /* blocks beyond the wanted ones are left out, and the output */
    watch.n_layers = 1;
    seen.n = 0;
    assert_int_equal(sess_watch(s, &watch, &err), 0);
    (void)sess_keep(s, 0);
    assert_int_equal(sess_eval(s, ids, CTX, NULL, 0, &err), 0);
    assert_int_equal(seen.n, 0);
    seen.name = "blk.1.attn_q.weight";
    (void)sess_keep(s, 0);
    assert_int_equal(sess_eval(s, ids, CTX, NULL, 0, &err), 0);
    assert_int_equal(seen.n, 0);
    seen.name = "blk.0.attn_q.weight";
    (void)sess_keep(s, 0);
    assert_int_equal(sess_eval(s, ids, CTX, NULL, 0, &err), 0);
    assert_int_equal(seen.n, CTX);
    sess_free(s);
    model_free(m);
    small_free(&t);
}

/* ---- second moments ----------------------------------------------------------------------- */

/* Of every weight: the diagonal is the sum of squares. */
static void check_diagonals(const struct moments *m, const struct imatrix *im)
{
    static float triangle[WIDE * (WIDE + 1) / 2];
    struct err err = {0};

    for (size_t i = 0; i < im->n_entries; i++) {
        const struct imatrix_entry *e = &im->entry[i];
        const struct moments_input *in = moments_find(m, e->name);
        assert_non_null(in);
        assert_int_equal(in->columns, e->columns);
        assert_int_equal(in->tokens[0], TOKENS);
        assert_int_equal(moments_read(triangle, m, in, 0, &err), 0);
        for (size_t k = 0, at = 0; k < in->columns; at += in->columns - k++)
            assert_true(near((double)triangle[at], (double)e->sum2[k], 1e-5));
    }
}

/* One weight's against plain sums over what its session tells. */
static void check_weight(const struct moments *m, const struct model *model, const char *name,
                         const int32_t *ids)
{
    static float x[TOKENS * WIDE], triangle[WIDE * (WIDE + 1) / 2];
    const struct moments_input *in = moments_find(m, name);
    struct seen seen = {.name = name, .x = x};
    const struct sess_watch watch = {see, NULL, &seen, SIZE_MAX};
    const struct par par = {1};
    struct sess *s;
    struct err err = {0};

    assert_int_equal(sess_new(&s, model, CTX, CTX, &par, &err), 0);
    assert_int_equal(sess_watch(s, &watch, &err), 0);
    for (int i = 0; i < WINDOWS; i++) {
        (void)sess_keep(s, 0);
        assert_int_equal(sess_eval(s, ids + i * CTX, CTX, NULL, 0, &err), 0);
    }
    sess_free(s);
    assert_int_equal(seen.n, TOKENS);
    assert_int_equal(moments_read(triangle, m, in, 0, &err), 0);
    for (size_t i = 0, at = 0; i < seen.cols; i++)
        for (size_t j = i; j < seen.cols; j++, at++) {
            double sum = 0, size = 0;
            for (size_t r = 0; r < TOKENS; r++) {
                const double p = (double)x[r * seen.cols + i] * (double)x[r * seen.cols + j];
                sum += p;
                size += fabs(p);
            }
            assert_true(fabs((double)triangle[at] - sum) <= 1e-6 * size);
        }
}

static void check_moments(unsigned cpu, uint64_t memory)
{
    struct small t;
    struct model *model = open_small(&t, cpu);
    int32_t ids[TOKENS];
    const struct windows text = text_windows(ids);
    struct collect c = {.model = model, .text = &text, .par = {2}, .cpu = cpu};
    struct imatrix *im;
    struct moments *m;
    struct err err = {0};
    char path[64];

    (void)snprintf(path, sizeof(path), "/tmp/pare-collect-%ld.xx", (long)getpid());
    assert_int_equal(collect_sums(&im, &c, &err), 0);
    assert_int_equal(collect_moments(&c, path, memory, &err), 0);
    assert_int_equal(moments_open(&m, path, &err), 0);
    /* Q, K and V share one, gate and up another */
    assert_int_equal(moments_n(m), 4 * SMALL_LAYERS + 1);
    assert_ptr_equal(moments_find(m, "blk.0.attn_q.weight"),
                     moments_find(m, "blk.0.attn_v.weight"));
    assert_int_equal(moments_find(m, "blk.1.ffn_up.weight")->n_weights, 2);
    assert_int_equal(moments_chunks(m), WINDOWS);
    assert_int_equal(moments_chunk_size(m), CTX);
    check_diagonals(m, im);
    check_weight(m, model, "blk.1.ffn_down.weight", ids);
    check_weight(m, model, "output.weight", ids);
    moments_free(m);
    imatrix_free(im);
    collect_release(&c);
    model_free(model);
    small_free(&t);
    (void)unlink(path);
}

static void test_collect_moments(void **state)
{
    (void)state;
    check_moments(cpu_detect(), (uint64_t)1 << 30);
    check_moments(cpu_detect(), 1); /* one matrix at a time */
    check_moments(0, 10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_collect_sums),
        cmocka_unit_test(test_collect_output),
        cmocka_unit_test(test_collect_moments),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
