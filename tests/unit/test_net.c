/* The training pass on a small model; gradients against references are in tests/golden. */

#include "formats/base/cpu.h"
#include "runtime/rng.h"
#include "tests/nets.h"
#include "tests/small.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SEQS = 3, TOKENS = 37, DOC = 11, ROWS = SEQS * TOKENS };

struct data {
    int32_t ids[ROWS], doc[ROWS], label[ROWS];
};

static void data_make(struct data *d)
{
    small_ids(d->ids, ROWS, 5);
    small_ids(d->label, ROWS, 6);
    memset(d->doc, 0, sizeof(d->doc));
    d->label[4] = -1;
}

static void open_small(struct nets *t, struct small *file, const struct small_tweak *w,
                       const struct nets_opts *o)
{
    struct err err = {0};

    assert_int_equal(small_new(file, w, &err), 0);
    assert_int_equal(nets_open(t, file->path, o, &err), 0);
}

static void close_small(struct nets *t, struct small *file)
{
    nets_free(t);
    small_free(file);
}

static double step(struct nets *t, const struct data *d, const struct net_batch *b, float *logits)
{
    const struct nets_target target = {.label = d->label};
    struct err err = {0};

    return nets_loss(t, b, &target, logits, 1, &err);
}

static const struct nets_opts usual = {
    .n_seq = SEQS, .n_tok = TOKENS, .head_rows = ROWS, .threads = 1};

static void test_net_same_bits_at_any_thread_count(void **state)
{
    const int threads[] = {1, 2, 7};
    const struct small_tweak tweak = {.window = 9};
    float *first = NULL;
    struct data d;

    (void)state;
    data_make(&d);
    for (size_t i = 0; i < sizeof(threads) / sizeof(threads[0]); i++) {
        struct nets_opts o = usual;
        struct small file;
        struct nets t;
        o.threads = threads[i];
        open_small(&t, &file, &tweak, &o);
        (void)step(&t, &d, &(struct net_batch){d.ids, d.doc, SEQS, TOKENS}, NULL);
        if (!first) {
            first = malloc(t.ps.n_values * sizeof(*first));
            assert_non_null(first);
            memcpy(first, t.ps.g, t.ps.n_values * sizeof(*first));
            assert_true(nets_distance(first, NULL, t.ps.n_values) > 0.1);
        }
        assert_memory_equal(first, t.ps.g, t.ps.n_values * sizeof(*first));
        close_small(&t, &file);
    }
    free(first);
}

static void test_net_documents_are_sequences_apart(void **state)
{
    struct small file;
    struct nets t;
    struct data d;
    struct err err = {0};

    (void)state;
    data_make(&d);
    for (size_t i = DOC; i < TOKENS; i++)
        d.doc[i] = DOC;
    open_small(&t, &file, &(struct small_tweak){0}, &usual);
    const size_t n = t.ps.n_values;
    float *whole = malloc(n * sizeof(*whole));
    assert_non_null(whole);
    struct nets_target target = {.label = d.label, .counted = 1};
    const double loss =
        nets_loss(&t, &(struct net_batch){d.ids, d.doc, 1, TOKENS}, &target, NULL, 1, &err);
    memcpy(whole, t.ps.g, n * sizeof(*whole));
    memset(t.ps.g, 0, n * sizeof(*whole));
    double apart = nets_loss(&t, &(struct net_batch){d.ids, NULL, 1, DOC}, &target, NULL, 1, &err);
    target.label = d.label + DOC;
    apart += nets_loss(&t, &(struct net_batch){d.ids + DOC, NULL, 1, TOKENS - DOC}, &target, NULL,
                       1, &err);
    assert_true(fabs(loss - apart) < 1e-6 * loss);
    assert_true(nets_distance(whole, t.ps.g, n) < 1e-6);
    free(whole);
    close_small(&t, &file);
}

static void test_net_chunks_and_levels_agree(void **state)
{
    const struct {
        const char *level;
        size_t head_rows;
    } rows[] = {
        {"native", ROWS},
        {"native", 10  },
        {"scalar", ROWS},
        {"avx2",   ROWS},
    };
    float *first = NULL;
    struct data d;

    (void)state;
    data_make(&d);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct nets_opts o = usual;
        struct small file;
        struct nets t;
        o.level = rows[i].level;
        o.head_rows = rows[i].head_rows;
        open_small(&t, &file, &(struct small_tweak){0}, &o);
        (void)step(&t, &d, &(struct net_batch){d.ids, NULL, SEQS, TOKENS}, NULL);
        if (!first) {
            first = malloc(t.ps.n_values * sizeof(*first));
            assert_non_null(first);
            memcpy(first, t.ps.g, t.ps.n_values * sizeof(*first));
        }
        assert_true(nets_distance(t.ps.g, first, t.ps.n_values) < 3e-6);
        close_small(&t, &file);
    }
    free(first);
}

/* Loss: the sum of a block's output times fixed numbers. */
static double hidden_loss(struct nets *t, const struct data *d, size_t layer, bool back)
{
    const size_t n = (size_t)ROWS * SMALL_EMBD;
    struct rng r = rng_init(9);
    struct err err = {0};
    double sum = 0;

    assert_int_equal(net_forward(t->n, &(struct net_batch){d->ids, NULL, SEQS, TOKENS}, &err), 0);
    for (size_t i = 0; i < n; i++) {
        const double by = rng_unit(&r) - 0.5;
        sum += by * (double)net_hidden(t->n, layer)[i];
        net_hidden_grad(t->n, layer)[i] += (float)by;
    }
    if (back)
        net_backward(t->n);
    return sum;
}

static void test_net_hidden_gradients(void **state)
{
    const size_t layer = 0;
    struct small file;
    struct nets t;
    struct data d;
    struct err err = {0};

    (void)state;
    data_make(&d);
    open_small(&t, &file, &(struct small_tweak){0}, &usual);
    assert_null(net_hidden_grad(t.n, layer));
    assert_int_equal(net_watch(t.n, &layer, 1, &err), 0);
    assert_int_equal(net_watch(t.n, &(size_t){SMALL_LAYERS}, 1, &err), ERR_ARG);
    (void)hidden_loss(&t, &d, layer, true);
    const struct param *p = params_role(&t.ps, ROLE_FFN_UP, 0);
    const struct param *later = params_role(&t.ps, ROLE_FFN_UP, 1);
    assert_true(nets_distance(t.ps.g + later->at, NULL, later->n) < 1e-12);
    const double told = nets_distance(t.ps.g + p->at, NULL, p->n), h = 1e-3;
    double at[2];
    for (int i = 0; i < 2; i++) {
        for (size_t j = 0; j < p->n; j++)
            t.ps.w[p->at + j] += (float)((i ? -2 : 1) * h * (double)t.ps.g[p->at + j] / told);
        at[i] = hidden_loss(&t, &d, layer, false);
    }
    assert_true(fabs((at[0] - at[1]) / (2 * h) - told) < 2e-3 * told);
    close_small(&t, &file);
}

static void test_net_refuses_bad_batches(void **state)
{
    struct nets_opts no_rows = usual;
    struct small file;
    struct nets t, none;
    struct data d;
    struct err err = {0};

    (void)state;
    data_make(&d);
    open_small(&t, &file, &(struct small_tweak){0}, &usual);
    const struct net_batch large[] = {
        {d.ids, NULL, SEQS + 1, TOKENS    },
        {d.ids, NULL, SEQS,     TOKENS + 1},
        {d.ids, NULL, 0,        TOKENS    }
    };
    for (size_t i = 0; i < sizeof(large) / sizeof(large[0]); i++)
        assert_int_equal(net_forward(t.n, &large[i], &err), ERR_ARG);
    d.ids[7] = SMALL_VOCAB;
    assert_int_equal(net_forward(t.n, &(struct net_batch){d.ids, NULL, 1, TOKENS}, &err), ERR_ARG);
    assert_non_null(strstr(err.msg, "token 50"));
    d.ids[7] = 0;
    d.doc[7] = 8;
    assert_int_equal(net_forward(t.n, &(struct net_batch){d.ids, d.doc, 1, TOKENS}, &err), ERR_ARG);
    d.doc[7] = 3;
    assert_int_equal(net_forward(t.n, &(struct net_batch){d.ids, d.doc, 1, TOKENS}, &err), ERR_ARG);
    no_rows.head_rows = 0;
    assert_int_equal(nets_open(&none, file.path, &no_rows, &err), ERR_ARG);
    close_small(&t, &file);
}

static void test_net_params_lie_in_one_array(void **state)
{
    struct small file;
    struct nets t;
    size_t end = 0;

    (void)state;
    open_small(&t, &file, &(struct small_tweak){0}, &usual);
    for (size_t i = 0; i < t.ps.n; i++) {
        const struct param *p = &t.ps.p[i];
        assert_true(p->at % 16 == 0 && p->at >= end && p->at - end < 16);
        for (size_t j = end; j < p->at; j++)
            assert_true(t.ps.w[j] == 0.0F);
        end = p->at + p->n;
        assert_ptr_equal(params_role(&t.ps, p->t->row->role, p->t->layer), p);
        assert_int_equal(p->matrix, p->rows > 1);
    }
    assert_true(end <= t.ps.n_values);
    assert_null(params_role(&t.ps, ROLE_FFN_UP, SMALL_LAYERS));
    assert_null(params_role(&t.ps, ROLE_POS_EMBD, -1));
    const float *w = small_weight(&file, 1, "ffn_down.weight");
    const struct param *p = params_role(&t.ps, ROLE_FFN_DOWN, 1);
    assert_int_equal(p->rows, SMALL_EMBD);
    assert_int_equal(p->cols, SMALL_FF);
    assert_memory_equal(t.ps.w + p->at, w, p->n * sizeof(*w));
    close_small(&t, &file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_net_same_bits_at_any_thread_count),
        cmocka_unit_test(test_net_documents_are_sequences_apart),
        cmocka_unit_test(test_net_chunks_and_levels_agree),
        cmocka_unit_test(test_net_hidden_gradients),
        cmocka_unit_test(test_net_refuses_bad_batches),
        cmocka_unit_test(test_net_params_lie_in_one_array),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
