/* The mixture part alone against its formula in double: every kind of routing, with
 * biases, shared experts and fused matrices; tokens together and one by one. */

#include "formats/base/cpu.h"
#include "runtime/forward/forward.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { EMBD = 32, FF = 64, SHARED = 32, EXPERTS = 8, TOKENS = 21, MATS = 8 };

struct a_case {
    const char *what;
    enum arch_router router;
    size_t used, groups, groups_used;
    float scale; /* 0: none */
    bool normalise, first, choice, biases, fused, plain, shared, shared_gate, greedy;
};

static const struct a_case cases[] = {
    {"softmax",             ROUTER_SOFTMAX,           .used = 2              },
    {"softmax, normalised", ROUTER_SOFTMAX,           .used = 3,               .normalise = true, .scale = 2.5F},
    {"softmax, best group",        ROUTER_SOFTMAX,                                .used = 3,                                   .groups = 4, .groups_used = 2},
    {"groups passed over",            ROUTER_SOFTMAX,.used = 3,.groups = 4, .groups_used = 1,
     .greedy = true},
    {"softmax, correction",  ROUTER_SOFTMAX, .used = 2,                      .choice = true, .normalise = true},
    {"sigmoid, groups",     ROUTER_SIGMOID,                                  .used = 3,                                                         .groups = 4, .groups_used = 2, .choice = true,
     .normalise = true, .scale = 1.5F},
    {"sigmoid on the input",      ROUTER_SIGMOID,                     .used = 2,         .first = true, .shared = true},
    {"softmax of the chosen, biases",                     ROUTER_SOFTMAX_CHOSEN,                             .used = 4,                                  .biases = true},
    {"fused, shared under a gate",          ROUTER_SOFTMAX,                  .used = 2,.fused = true, .shared = true,
     .shared_gate = true},
    {"no gate",        ROUTER_SIGMOID,                                .used = 2,                                  .plain = true, .shared = true},
    {"all of them",            ROUTER_SOFTMAX,   .used = EXPERTS   },
};

/* ---- a model of one part ----------------------------------------------------------- */

static const struct {
    enum arch_role role;
    size_t rows, cols; /* rows: of all experts */
} shapes[] = {
    {ROLE_FFN_ROUTER,       EXPERTS,          EMBD  },
    {ROLE_FFN_GATE_EXPS,    EXPERTS *FF,      EMBD  },
    {ROLE_FFN_UP_EXPS,      EXPERTS *FF,      EMBD  },
    {ROLE_FFN_GATE_UP_EXPS, EXPERTS * 2 * FF, EMBD  },
    {ROLE_FFN_DOWN_EXPS,    EXPERTS *EMBD,    FF    },
    {ROLE_FFN_GATE_SHARED,  SHARED,           EMBD  },
    {ROLE_FFN_UP_SHARED,    SHARED,           EMBD  },
    {ROLE_FFN_DOWN_SHARED,  EMBD,             SHARED},
};

static const struct {
    enum arch_role role;
    size_t n;
} vectors[] = {
    {ROLE_FFN_ROUTER_BIAS,    EXPERTS      },
    {ROLE_FFN_CHOICE_BIAS,    EXPERTS      },
    {ROLE_FFN_GATE_EXPS_BIAS, EXPERTS *FF  },
    {ROLE_FFN_UP_EXPS_BIAS,   EXPERTS *FF  },
    {ROLE_FFN_DOWN_EXPS_BIAS, EXPERTS *EMBD},
    {ROLE_FFN_SHARED_ROUTER,  EMBD         },
};

struct bench {
    struct model m;
    struct layer layer;
    struct arch_params params;
    struct source_tensor t[MATS];
    struct source_part part[MATS];
    struct arena arena;
    float x[TOKENS * EMBD];
};

static float *noise(struct bench *b, size_t n, float size)
{
    static const uint32_t mul = 1664525, add = 1013904223;
    float *v = arena_array(&b->arena, n, sizeof(*v));
    uint32_t state = (uint32_t)n * 2654435761u;

    assert_non_null(v);
    for (size_t i = 0; i < n; i++) {
        state = state * mul + add;
        v[i] = size * ((float)(state >> 8) / 8388608.0f - 1.0f);
    }
    return v;
}

static bool has(const struct a_case *c, enum arch_role role)
{
    switch (role) {
    case ROLE_FFN_GATE_EXPS:
        return !c->fused && !c->plain;
    case ROLE_FFN_UP_EXPS:
        return !c->fused;
    case ROLE_FFN_GATE_UP_EXPS:
        return c->fused;
    case ROLE_FFN_GATE_SHARED:
        return c->shared && !c->plain;
    case ROLE_FFN_UP_SHARED:
    case ROLE_FFN_DOWN_SHARED:
        return c->shared;
    case ROLE_FFN_CHOICE_BIAS:
        return c->choice;
    case ROLE_FFN_SHARED_ROUTER:
        return c->shared_gate;
    case ROLE_FFN_ROUTER_BIAS:
    case ROLE_FFN_GATE_EXPS_BIAS:
    case ROLE_FFN_UP_EXPS_BIAS:
    case ROLE_FFN_DOWN_EXPS_BIAS:
        return c->biases;
    default:
        return true;
    }
}

static void set(struct bench *b, enum arch_param which, double v)
{
    b->params.p[which] = (struct arch_value){.set = v != 0, .v = v};
}

static void build(struct bench *b, const struct a_case *c)
{
    memset(b, 0, sizeof(*b));
    kern_init(&b->m.kern, cpu_detect());
    b->m.math = KERN_F32;
    b->m.params = &b->params;
    b->m.layer = &b->layer;
    b->m.n_layer = 1;
    b->m.n_embd = EMBD;
    b->m.act = act_of(ACT_SILU);
    b->m.traits.expert_weight_first = c->first;
    set(b, ARCH_N_LAYER, 1);
    set(b, ARCH_N_EXPERT, EXPERTS);
    set(b, ARCH_N_EXPERT_USED, (double)c->used);
    set(b, ARCH_N_FF_EXPERT, FF);
    set(b, ARCH_N_FF_SHARED, c->shared ? SHARED : 0);
    set(b, ARCH_EXPERT_GROUPS, (double)c->groups);
    set(b, ARCH_EXPERT_GROUPS_USED, (double)c->groups_used);
    set(b, ARCH_EXPERT_GREEDY, c->greedy);
    set(b, ARCH_EXPERT_NORM, c->normalise);
    set(b, ARCH_EXPERT_SCALE, (double)c->scale);
    set(b, ARCH_ROUTER, c->router);
    for (size_t i = 0; i < MATS; i++) {
        const size_t n = shapes[i].rows * shapes[i].cols;
        if (!has(c, shapes[i].role))
            continue;
        const float *v = noise(b, n, shapes[i].role == ROLE_FFN_ROUTER ? 0.5f : 0.2f);
        b->part[i] = (struct source_part){(const uint8_t *)v, n * sizeof(*v), NULL};
        b->t[i] = (struct source_tensor){
            .name = "w",
            .type = DTYPE_F32,
            .n_dims = 2,
            .dims = {shapes[i].cols, shapes[i].rows, 1, 1},
            .n_parts = 1,
            .part = &b->part[i]
        };
        b->layer.w.mat[shapes[i].role] = (struct matrix){.t = &b->t[i],
                                                         .rows = shapes[i].rows,
                                                         .cols = shapes[i].cols,
                                                         .row_bytes = shapes[i].cols * sizeof(*v)};
    }
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
        if (has(c, vectors[i].role))
            b->layer.w.vec[vectors[i].role] = noise(b, vectors[i].n, 0.4f);
    memcpy(b->x, noise(b, TOKENS * EMBD + 1, 1), sizeof(b->x));
}

/* y[TOKENS, EMBD], `portion` tokens at a time. */
static void run(float *y, struct bench *b, size_t portion, int n_threads)
{
    struct sess s = {.m = &b->m, .par = {n_threads}, .n_batch = portion};
    struct err err = {0};

    assert_int_equal(part_experts.check(&b->m, 0, &err), 0);
    s.work = malloc(portion * part_experts.work_floats(&b->m, 0) * sizeof(float));
    s.mm_scratch = malloc(mm_scratch_bytes(&b->m.kern, KERN_F32, portion, 2 * FF, &s.par));
    assert_non_null(s.work);
    assert_non_null(s.mm_scratch);
    for (size_t i = 0; i < TOKENS; i += portion) {
        const size_t n = TOKENS - i < portion ? TOKENS - i : portion;
        s.xn = b->x + i * EMBD;
        s.y = y + i * EMBD;
        part_experts.run(&s, 0, n);
    }
    free(s.work);
    free(s.mm_scratch);
}

/* ---- the formula ---------------------------------------------------------------------- */

static const float *row(const struct bench *b, enum arch_role role, size_t r)
{
    const struct matrix *w = &b->layer.w.mat[role];

    return w->t ? (const float *)(const void *)w->t->part->data + r * w->cols : NULL;
}

static double dot(const float *w, const double *x, size_t n, double weight)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += (double)w[i] * x[i];
    return weight * sum;
}

static double bias(const struct bench *b, enum arch_role role, size_t i)
{
    const float *v = b->layer.w.vec[role];

    return v ? (double)v[i] : 0;
}

static double silu(double v)
{
    return v / (1 + exp(-v));
}

/* Is value i among the k largest of v[n]? */
static bool among(const double *v, size_t n, size_t k, size_t i)
{
    size_t above = 0;

    for (size_t j = 0; j < n; j++)
        above += v[j] > v[i];
    return above < k;
}

static void scores_of(double *score, const struct bench *b, const struct a_case *c, const double *x)
{
    double sum = 0;

    for (size_t e = 0; e < EXPERTS; e++) {
        score[e] = dot(row(b, ROLE_FFN_ROUTER, e), x, EMBD, 1) + bias(b, ROLE_FFN_ROUTER_BIAS, e);
        if (c->router == ROUTER_SIGMOID)
            score[e] = 1 / (1 + exp(-score[e]));
        sum += exp(score[e]);
    }
    for (size_t e = 0; e < EXPERTS && c->router == ROUTER_SOFTMAX; e++)
        score[e] = exp(score[e]) / sum;
}

static void weights_of(double *weight, const struct bench *b, const struct a_case *c,
                       const double *x)
{
    double score[EXPERTS], choice[EXPERTS], group[EXPERTS], sum = 0;
    const size_t groups = c->groups && !c->greedy ? c->groups : 1, each = EXPERTS / groups;

    scores_of(score, b, c, x);
    for (size_t e = 0; e < EXPERTS; e++)
        choice[e] = score[e] + bias(b, ROLE_FFN_CHOICE_BIAS, e);
    for (size_t g = 0; g < groups; g++) {
        double best = -HUGE_VAL, pair = -HUGE_VAL;
        for (size_t i = g * each; i < (g + 1) * each; i++) {
            best = fmax(best, choice[i]);
            for (size_t j = g * each; j < i; j++)
                pair = fmax(pair, choice[i] + choice[j]);
        }
        group[g] = c->router == ROUTER_SIGMOID ? pair : best;
    }
    for (size_t e = 0; e < EXPERTS; e++)
        if (groups > 1 && !among(group, groups, c->groups_used, e / each))
            choice[e] = -HUGE_VAL;
    for (size_t e = 0; e < EXPERTS; e++) {
        const double v = c->router == ROUTER_SOFTMAX_CHOSEN ? exp(score[e]) : score[e];
        weight[e] = among(choice, EXPERTS, c->used, e) ? v : 0;
        sum += weight[e];
    }
    for (size_t e = 0; e < EXPERTS; e++) {
        if (c->normalise || c->router == ROUTER_SOFTMAX_CHOSEN)
            weight[e] /= sum;
        weight[e] *= c->scale > 0 ? (double)c->scale : 1;
    }
}

static void add_expert(double *y, const struct bench *b, const struct a_case *c, size_t e,
                       double weight, const double *x)
{
    double h[FF];
    const double in = c->first ? weight : 1, out = c->first ? 1 : weight;

    for (size_t i = 0; i < FF; i++) {
        const float *up = c->fused ? row(b, ROLE_FFN_GATE_UP_EXPS, e * 2 * FF + FF + i)
                                   : row(b, ROLE_FFN_UP_EXPS, e * FF + i);
        const double u = dot(up, x, EMBD, in) + bias(b, ROLE_FFN_UP_EXPS_BIAS, e * FF + i);
        const float *gate = c->fused ? row(b, ROLE_FFN_GATE_UP_EXPS, e * 2 * FF + i)
                                     : row(b, ROLE_FFN_GATE_EXPS, e * FF + i);
        h[i] = gate
                   ? u * silu(dot(gate, x, EMBD, in) + bias(b, ROLE_FFN_GATE_EXPS_BIAS, e * FF + i))
                   : silu(u);
    }
    for (size_t i = 0; i < EMBD; i++)
        y[i] += out * (dot(row(b, ROLE_FFN_DOWN_EXPS, e * EMBD + i), h, FF, 1) +
                       bias(b, ROLE_FFN_DOWN_EXPS_BIAS, e * EMBD + i));
}

static void add_shared(double *y, const struct bench *b, const double *x)
{
    const float *router = b->layer.w.vec[ROLE_FFN_SHARED_ROUTER];
    const double weight = router ? 1 / (1 + exp(-dot(router, x, EMBD, 1))) : 1;
    double h[SHARED];

    for (size_t i = 0; i < SHARED; i++) {
        const float *gate = row(b, ROLE_FFN_GATE_SHARED, i);
        const double u = dot(row(b, ROLE_FFN_UP_SHARED, i), x, EMBD, 1);
        h[i] = gate ? u * silu(dot(gate, x, EMBD, 1)) : silu(u);
    }
    for (size_t i = 0; i < EMBD; i++)
        y[i] += weight * dot(row(b, ROLE_FFN_DOWN_SHARED, i), h, SHARED, 1);
}

/* The largest error of a token, of sums of some dozen products of size 1. */
static double error_of(const float *got, const struct bench *b, const struct a_case *c, size_t t)
{
    double x[EMBD], y[EMBD] = {0}, weight[EXPERTS], worst = 0;

    for (size_t i = 0; i < EMBD; i++)
        x[i] = (double)b->x[t * EMBD + i];
    weights_of(weight, b, c, x);
    for (size_t e = 0; e < EXPERTS; e++)
        if (weight[e] > 0)
            add_expert(y, b, c, e, weight[e], x);
    if (c->shared)
        add_shared(y, b, x);
    for (size_t i = 0; i < EMBD; i++)
        worst = fmax(worst, fabs(y[i] - (double)got[t * EMBD + i]));
    return worst;
}

/* ---- tests ------------------------------------------------------------------------------- */

static void test_experts_formula(void **state)
{
    static const size_t portions[] = {1, 4, TOKENS};
    float y[TOKENS * EMBD], again[TOKENS * EMBD];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        for (size_t p = 0; p < 3; p++) {
            struct bench b;
            double worst = 0;
            build(&b, &cases[i]);
            run(y, &b, portions[p], 1);
            run(again, &b, portions[p], 2);
            for (size_t t = 0; t < TOKENS; t++)
                worst = fmax(worst, error_of(y, &b, &cases[i], t));
            arena_release(&b.arena);
            if (!(worst < 1e-5))
                fail_msg("%s, %zu tokens at a time: error %g", cases[i].what, portions[p], worst);
            assert_memory_equal(y, again, sizeof(y));
        }
}

static void test_experts_check(void **state)
{
    struct bench b;
    struct err err = {0};

    (void)state;
    build(&b, &cases[0]);
    set(&b, ARCH_N_EXPERT_USED, EXPERTS + 1);
    assert_int_not_equal(part_experts.check(&b.m, 0, &err), 0);
    set(&b, ARCH_N_EXPERT_USED, 2);
    set(&b, ARCH_EXPERT_GROUPS, 3);
    set(&b, ARCH_EXPERT_GROUPS_USED, 1);
    assert_int_not_equal(part_experts.check(&b.m, 0, &err), 0);
    set(&b, ARCH_EXPERT_GROUPS, 0);
    assert_int_equal(part_experts.check(&b.m, 0, &err), 0);
    b.layer.w.mat[ROLE_FFN_UP_EXPS].t = NULL;
    assert_int_not_equal(part_experts.check(&b.m, 0, &err), 0);
    arena_release(&b.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_experts_formula),
        cmocka_unit_test(test_experts_check),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
