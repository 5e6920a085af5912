#include "distill/optim.h"
#include "runtime/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { BIG = 70000, SMALL = 40, AT = 70016, ALL = 70064 };

/* A matrix of more than a piece, and a vector. */
struct two {
    struct param p[2];
    struct params ps;
    float *w, *g;
};

static void two_init(struct two *t)
{
    struct rng r = rng_init(1);

    *t = (struct two){
        .p = {{.n = BIG, .matrix = true}, {.at = AT, .n = SMALL}}
    };
    t->w = calloc(ALL, sizeof(float));
    t->g = calloc(ALL, sizeof(float));
    assert_non_null(t->w);
    assert_non_null(t->g);
    for (size_t i = 0; i < ALL; i++)
        t->w[i] = (i < BIG || i >= AT) && i < AT + SMALL ? (float)(rng_unit(&r) - 0.5) : 0;
    t->ps = (struct params){.p = t->p, .n = 2, .w = t->w, .g = t->g, .n_values = ALL};
}

static void two_release(struct two *t)
{
    free(t->w);
    free(t->g);
}

static void gradient(struct two *t, uint64_t seed)
{
    struct rng r = rng_init(seed);

    for (size_t i = 0; i < ALL; i++)
        t->g[i] = (i < BIG || i >= AT) && i < AT + SMALL ? (float)(rng_unit(&r) - 0.5) : 0;
}

static const struct optim_opts usual = {.lr = 0.01,
                                        .min_lr_ratio = 0.1,
                                        .beta1 = 0.9,
                                        .beta2 = 0.95,
                                        .eps = 1e-8,
                                        .weight_decay = 0.1,
                                        .clip = 1,
                                        .schedule = SCHEDULE_COSINE,
                                        .warmup = 2,
                                        .total = 6};

static struct optim *open_one(struct two *t, const struct optim_opts *o, const bool *trained,
                              size_t first, size_t n, int threads)
{
    const struct par par = {threads};
    struct optim *opt = NULL;
    struct err err = {0};

    assert_int_equal(optim_new(&opt, &t->ps, o, trained, first, n, &par, &err), 0);
    return opt;
}

/* The definition, in F64, for value i. */
static double reference(const struct optim_opts *o, double w, size_t i, int steps)
{
    double m = 0, v = 0;

    for (int s = 1; s <= steps; s++) {
        struct two t;
        double norm = 0, g;

        two_init(&t);
        gradient(&t, (uint64_t)s);
        for (size_t j = 0; j < ALL; j++)
            norm += (double)t.g[j] * (double)t.g[j];
        g = (double)t.g[i] * fmin(1, o->clip / (sqrt(norm) + 1e-6));
        two_release(&t);
        m = o->beta1 * m + (1 - o->beta1) * g;
        v = o->beta2 * v + (1 - o->beta2) * g * g;
        if (i < BIG)
            w *= 1 - optim_lr(o, (uint64_t)s) * o->weight_decay;
        w -= optim_lr(o, (uint64_t)s) * (m / (1 - pow(o->beta1, s))) /
             (sqrt(v / (1 - pow(o->beta2, s))) + o->eps);
    }
    return w;
}

static void run(struct two *t, struct optim *o, int steps)
{
    for (int s = 1; s <= steps; s++) {
        gradient(t, (uint64_t)s);
        optim_step(o, (uint64_t)s, sqrt(optim_norm2(o)));
    }
}

static void test_optim_steps(void **state)
{
    static const size_t at[] = {0, 65535, 65536, BIG - 1, AT, AT + SMALL - 1};
    struct two t, start;
    struct optim *o;

    (void)state;
    two_init(&t);
    two_init(&start);
    o = open_one(&t, &usual, NULL, 0, SIZE_MAX, 1);
    run(&t, o, 5);
    for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
        const double w = (double)start.w[at[i]], want = reference(&usual, w, at[i], 5);

        assert_true(fabs((double)t.w[at[i]] - want) < 1e-4 * fabs(want - w));
    }
    assert_true(t.w[BIG] == 0 && t.w[AT - 1] == 0 && t.w[ALL - 1] == 0);
    optim_free(o);
    two_release(&t);
    two_release(&start);
}

/* Two shards, or two threads, end with the same bits as one. */
static void test_optim_shards(void **state)
{
    struct two a, b, c;
    struct optim *all, *low, *high, *threads;

    (void)state;
    two_init(&a);
    two_init(&b);
    two_init(&c);
    all = open_one(&a, &usual, NULL, 0, SIZE_MAX, 1);
    low = open_one(&b, &usual, NULL, 0, 1000, 1);
    high = open_one(&b, &usual, NULL, 1000, SIZE_MAX, 1);
    threads = open_one(&c, &usual, NULL, 0, SIZE_MAX, 2);
    run(&c, threads, 3);
    for (uint64_t s = 1; s <= 3; s++) {
        double norm;

        gradient(&a, s);
        gradient(&b, s);
        norm = optim_norm2(all);
        assert_true(fabs(optim_norm2(low) + optim_norm2(high) - norm) < 1e-12 * norm);
        optim_step(all, s, sqrt(norm));
        optim_step(low, s, sqrt(norm));
        optim_step(high, s, sqrt(norm));
    }
    assert_memory_equal(a.w, b.w, ALL * sizeof(float));
    assert_memory_equal(a.w, c.w, ALL * sizeof(float));
    optim_free(all);
    optim_free(low);
    optim_free(high);
    optim_free(threads);
    two_release(&a);
    two_release(&b);
    two_release(&c);
}

static void test_optim_frozen(void **state)
{
    const bool trained[] = {false, true};
    struct optim_opts opts = usual;
    struct two t, start;
    struct optim *o;

    (void)state;
    opts.ema = 0.5;
    two_init(&t);
    two_init(&start);
    o = open_one(&t, &opts, trained, 0, SIZE_MAX, 1);
    run(&t, o, 1);
    assert_memory_equal(t.w, start.w, BIG * sizeof(float));
    for (size_t i = AT; i < AT + SMALL; i++) {
        assert_true(t.w[i] != start.w[i]);
        assert_true(fabsf(optim_state(o).ema[i] - (t.w[i] + start.w[i]) / 2) < 1e-6F);
    }
    optim_free(o);
    two_release(&t);
    two_release(&start);
}

/* The average of weights that do not move is those weights, not a little more with each step. */
static void test_optim_average_stays(void **state)
{
    struct optim_opts opts = usual;
    struct two t;
    struct optim *o;

    (void)state;
    opts.ema = 0.99;
    opts.weight_decay = 0;
    two_init(&t);
    o = open_one(&t, &opts, NULL, 0, SIZE_MAX, 1);
    for (uint64_t s = 1; s <= 50; s++)
        optim_step(o, s, 1);
    assert_memory_equal(optim_state(o).ema, t.w, BIG * sizeof(float));
    optim_free(o);
    two_release(&t);
}

static void test_optim_schedules(void **state)
{
    struct optim_opts o = {.lr = 2, .min_lr_ratio = 0.1, .warmup = 10, .total = 110, .decay = 20};

    (void)state;
    o.schedule = SCHEDULE_COSINE;
    assert_true(optim_lr(&o, 5) == 1 && optim_lr(&o, 10) == 2);
    assert_true(fabs(optim_lr(&o, 60) - 1.1) < 1e-12 && fabs(optim_lr(&o, 110) - 0.2) < 1e-12);
    assert_true(fabs(optim_lr(&o, 500) - 0.2) < 1e-12);
    o.schedule = SCHEDULE_WSD;
    assert_true(optim_lr(&o, 11) == 2 && optim_lr(&o, 90) == 2);
    assert_true(fabs(optim_lr(&o, 100) - 1.1) < 1e-12 && fabs(optim_lr(&o, 110) - 0.2) < 1e-12);
    o.schedule = SCHEDULE_CONSTANT;
    assert_true(optim_lr(&o, 1) == 0.2 && optim_lr(&o, 110) == 2);
    o.warmup = 0;
    assert_true(optim_lr(&o, 1) == 2);
}

static void test_optim_bad(void **state)
{
    const struct par par = {1};
    struct optim_opts o = usual;
    struct optim *opt = NULL;
    struct err err = {0};
    struct two t;

    (void)state;
    two_init(&t);
    o.beta2 = 1;
    assert_int_equal(optim_new(&opt, &t.ps, &o, NULL, 0, SIZE_MAX, &par, &err), ERR_ARG);
    assert_non_null(strstr(err.msg, "beta2"));
    o = usual;
    o.lr = (double)NAN;
    assert_int_equal(optim_new(&opt, &t.ps, &o, NULL, 0, SIZE_MAX, &par, &err), ERR_ARG);
    two_release(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_optim_steps),     cmocka_unit_test(test_optim_shards),
        cmocka_unit_test(test_optim_frozen),    cmocka_unit_test(test_optim_average_stays),
        cmocka_unit_test(test_optim_schedules), cmocka_unit_test(test_optim_bad),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
