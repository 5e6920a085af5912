#include "distill/qad.h"
#include "formats/base/cpu.h"
#include "quant/job.h"
#include "quant/pipeline.h"
#include "quant/rows.h"
#include "tests/small.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* cmocka wants the above first */
#include <cmocka.h>

struct fixture {
    struct small small;
    struct source *s;
    struct params ps;
    char path[80], plain[80];
};

static int setup(void **state)
{
    const struct small_tweak wide = {.wide = 4}; /* whole blocks of 64 */
    struct fixture *f = calloc(1, sizeof(*f));
    struct err err = {0};

    if (!f || small_new(&f->small, &wide, &err) || source_open(&f->s, f->small.path, NULL, &err) ||
        params_read(&f->ps, f->s, &err))
        return -1;
    (void)snprintf(f->path, sizeof(f->path), "%s.qad", f->small.path);
    (void)snprintf(f->plain, sizeof(f->plain), "%s.plain", f->small.path);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    params_release(&f->ps);
    source_free(f->s);
    (void)unlink(f->path);
    (void)unlink(f->plain);
    small_free(&f->small);
    free(f);
    return 0;
}

static struct qad *begin(struct fixture *f, const char *mix, enum qad_what what)
{
    const struct qad_opts o = {.what = what,
                               .mix = mix_by_name(mix),
                               .effort = EFFORT_NORMAL,
                               .cpu = cpu_detect(),
                               .par = par_init(2)};
    struct err err = {0};
    struct qad *q;

    if (qad_new(&q, &f->ps, f->s, &o, &err))
        fail_msg("%s: %s", mix, err.msg);
    return q;
}

/* What `pare quantize` makes of the same. */
static void quantize(const char *path, struct fixture *f, const char *mix)
{
    const struct job_opts o = {
        .convert = DTYPE_NONE, .mix = mix_by_name(mix), .cpu = cpu_detect(), .par = par_init(1)};
    struct pipe_result result;
    struct job *j;
    struct err err = {0};

    assert_int_equal(job_new(&j, f->s, &o, &err), 0);
    assert_int_equal(pipe_write(&result, path, job_pipe(j), &err), 0);
    job_free(j);
}

/* The file holds the values that the student computed with. */
static void same_values(const char *path, const struct params *ps)
{
    struct err err = {0};
    struct source *s;

    assert_int_equal(source_open(&s, path, NULL, &err), 0);
    assert_int_equal(source_n_tensors(s), ps->n);
    for (size_t i = 0; i < ps->n; i++) {
        const struct source_tensor *t = source_find(s, ps->p[i].t->name);
        float *x = calloc(ps->p[i].n, sizeof(*x));
        assert_non_null(t);
        assert_int_equal(rows_read(x, t, 0, source_n_rows(t), &err), 0);
        assert_memory_equal(x, ps->w + ps->p[i].at, ps->p[i].n * sizeof(*x));
        free(x);
    }
    source_free(s);
}

static void same_tensors(const char *a, const char *b)
{
    struct err err = {0};
    struct source *s, *t;

    assert_int_equal(source_open(&s, a, NULL, &err), 0);
    assert_int_equal(source_open(&t, b, NULL, &err), 0);
    for (size_t i = 0; i < source_n_tensors(s); i++) {
        const struct source_tensor *x = source_tensor(s, i), *y = source_tensor(t, i);
        assert_string_equal(x->name, y->name);
        assert_int_equal(x->type, y->type);
        assert_memory_equal(x->part->data, y->part->data, x->part->bytes);
        assert_int_equal(x->n_global, y->n_global);
        for (size_t k = 0; k < x->n_global; k++)
            assert_float_equal(x->global[k], y->global[k], 0);
    }
    source_free(s);
    source_free(t);
}

static const char *const mixes[] = {"Q4_0", "Q5_1", "Q8_0", "Q4_K_M", "IQ4_NL", "NVFP4"};

/* Untrained, both kinds give the file of plain quantization. */
static void test_qad_untrained(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(mixes) / sizeof(mixes[0]); i++)
        for (int what = QAD_ALL; what <= QAD_SCALES; what++) {
            struct err err = {0};
            struct qad *q = begin(f, mixes[i], (enum qad_what)what);
            assert_int_equal(qad_write(f->path, q, &err), 0);
            quantize(f->plain, f, mixes[i]);
            same_tensors(f->path, f->plain);
            qad_free(q);
        }
}

/* After a change of what is trained the file is what was computed with. */
static void test_qad_written(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < 4; i++) {
        struct err err = {0};
        struct qad *q = begin(f, i / 2 ? "NVFP4" : "Q4_K_M", i % 2 ? QAD_SCALES : QAD_ALL);
        struct params *t = qad_params(q);
        for (size_t p = 0; p < t->n; p++)
            for (size_t k = 0; k < t->p[p].n; k++)
                t->w[t->p[p].at + k] *= 1 + 0.01F * (float)(k % 7);
        assert_int_equal(qad_use(q, &err), 0);
        assert_int_equal(qad_write(f->path, q, &err), 0);
        same_values(f->path, &f->ps);
        qad_free(q);
    }
}

/* sum c w, whose gradient by w is c. */
static double sum_of(const struct params *ps)
{
    double sum = 0;

    for (size_t i = 0; i < ps->n_values; i++)
        sum += (double)ps->g[i] * (double)ps->w[i];
    return sum;
}

/* The gradients of factors are what the sum changes by. */
static void test_qad_scales_gradient(void **state)
{
    struct fixture *f = *state;

    for (size_t m = 0; m < sizeof(mixes) / sizeof(mixes[0]); m++) {
        struct err err = {0};
        struct qad *q = begin(f, mixes[m], QAD_SCALES);
        struct params *t = qad_params(q);
        for (size_t i = 0; i < f->ps.n_values; i++)
            f->ps.g[i] = (float)((i * 2654435761U >> 7) % 1000) / 500 - 1;
        qad_gather(q);
        for (size_t i = 0; i < t->n; i++) {
            const size_t at = t->p[i].at + t->p[i].n / 2;
            if (!t->p[i].n)
                continue;
            const float was = t->w[at];
            t->w[at] = was + 0.25F;
            assert_int_equal(qad_use(q, &err), 0);
            double d = sum_of(&f->ps);
            t->w[at] = was - 0.25F;
            assert_int_equal(qad_use(q, &err), 0);
            d = (d - sum_of(&f->ps)) / 0.5;
            t->w[at] = was;
            /* scales are rounded to F16 */
            assert_true(fabs(d - (double)t->g[at]) < 4e-3 * (1 + fabs(d)));
        }
        qad_free(q);
    }
}

static void test_qad_refuses(void **state)
{
    struct fixture *f = *state;
    struct qad_opts o = {.mix = mix_by_name("F16"), .cpu = cpu_detect(), .par = par_init(1)};
    struct err err = {0};
    struct qad *q;

    assert_int_equal(qad_new(&q, &f->ps, f->s, &o, &err), ERR_UNSUPPORTED);
    assert_non_null(strstr(err.msg, "quantizes nothing"));
    o.mix = mix_by_name("Q8_0");
    assert_int_equal(qad_new(&q, &f->ps, f->s, &o, &err), 0);
    qad_params(q)->w[params_role(&f->ps, ROLE_ATTN_Q, 0)->at + 3] = NAN;
    assert_int_equal(qad_use(q, &err), ERR_FORMAT);
    assert_non_null(strstr(err.msg, "row 0"));
    qad_free(q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_qad_untrained, setup, teardown),
        cmocka_unit_test_setup_teardown(test_qad_written, setup, teardown),
        cmocka_unit_test_setup_teardown(test_qad_scales_gradient, setup, teardown),
        cmocka_unit_test_setup_teardown(test_qad_refuses, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
