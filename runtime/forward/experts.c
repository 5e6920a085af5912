/* Mixture of experts: a router gives every token a few of many feed-forward networks,
 * whose outputs are summed by weight; experts that every token visits are added.
 * Tokens are sorted by expert, so that a batch reads an expert's weights once.
 * Sources: Shazeer et al. 2017; DeepSeek-V3 (sigmoid scores, correction bias, groups);
 * transformers for what the papers leave open. */

#include "runtime/forward/forward.h"

#include <math.h>
#include <string.h>

static const struct weight_use uses[] = {
    {ROLE_FFN_ROUTER,         0                              },
    {ROLE_FFN_ROUTER_BIAS,    WEIGHT_VECTOR | WEIGHT_OPTIONAL},
    {ROLE_FFN_CHOICE_BIAS,    WEIGHT_VECTOR | WEIGHT_OPTIONAL},
    {ROLE_FFN_GATE_EXPS,      WEIGHT_OPTIONAL                },
    {ROLE_FFN_GATE_EXPS_BIAS, WEIGHT_VECTOR | WEIGHT_OPTIONAL},
    {ROLE_FFN_UP_EXPS,        WEIGHT_OPTIONAL                },
    {ROLE_FFN_UP_EXPS_BIAS,   WEIGHT_VECTOR | WEIGHT_OPTIONAL},
    {ROLE_FFN_GATE_UP_EXPS,   WEIGHT_OPTIONAL                },
    {ROLE_FFN_DOWN_EXPS,      0                              },
    {ROLE_FFN_DOWN_EXPS_BIAS, WEIGHT_VECTOR | WEIGHT_OPTIONAL},
    {ROLE_FFN_GATE_SHARED,    WEIGHT_OPTIONAL                },
    {ROLE_FFN_UP_SHARED,      WEIGHT_OPTIONAL                },
    {ROLE_FFN_DOWN_SHARED,    WEIGHT_OPTIONAL                },
    {ROLE_FFN_SHARED_ROUTER,  WEIGHT_VECTOR | WEIGHT_OPTIONAL},
    {ROLE_NONE,               0                              },
};

/* Experts whose first products are handed out together when a token is alone. */
enum { TOGETHER = 16 };

/* One call: its numbers and arrays. n_pairs = n * n_used: a token with one of its experts. */
struct moe {
    struct sess *s;
    const struct layer *l;
    size_t layer, n;
    size_t n_expert, n_used, n_ff, n_shared;
    size_t n_groups, n_groups_used; /* n_groups 0: none */
    enum arch_router router;
    bool normalise;
    float scale;
    float *score, *choice; /* [n, n_expert] */
    float *weight;         /* [n, n_used] */
    uint32_t *expert;      /* [n, n_used], rising */
    uint32_t *start;       /* [n_expert + 1] first of each expert's pairs in `pair` */
    uint32_t *pair;        /* [n_pairs] sorted by expert: token * n_used + which */
    float *x;              /* [n, n_embd] tokens of one expert, then its output */
    float *hidden;         /* [n_pairs, 2 * n_ff] or [n, 2 * n_shared]: gate, then up */
    /* the expert at work */
    size_t e, n_e;
    const uint32_t *pair_e;
};

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static size_t num(const struct model *m, enum arch_param which, size_t layer)
{
    return (size_t)arch_int(m->params, which, layer);
}

/* ---- sizes ------------------------------------------------------------------------ */

static int check_groups(const struct model *m, size_t layer, size_t n_expert, struct err *err)
{
    const size_t groups = num(m, ARCH_EXPERT_GROUPS, layer);
    const size_t used = num(m, ARCH_EXPERT_GROUPS_USED, layer);

    if (groups > 1 && (n_expert % groups || !used || used > groups))
        return err_set(err, ERR_FORMAT, "block %zu: %zu of %zu groups of %zu experts", layer, used,
                       groups, n_expert);
    return 0;
}

static int check(const struct model *m, size_t layer, struct err *err)
{
    const struct weights *w = &m->layer[layer].w;
    const size_t n_expert = num(m, ARCH_N_EXPERT, layer), used = num(m, ARCH_N_EXPERT_USED, layer);
    const bool gate = w->mat[ROLE_FFN_GATE_EXPS].t, up = w->mat[ROLE_FFN_UP_EXPS].t;

    if (!n_expert || !used || used > n_expert || n_expert > INT32_MAX)
        return err_set(err, ERR_FORMAT, "block %zu: %zu of %zu experts", layer, used, n_expert);
    if (w->mat[ROLE_FFN_GATE_UP_EXPS].t ? gate || up : !up)
        return err_set(err, ERR_FORMAT, "block %zu: the experts' gate and up do not fit together",
                       layer);
    if (!w->mat[ROLE_FFN_UP_SHARED].t != !w->mat[ROLE_FFN_DOWN_SHARED].t ||
        (w->mat[ROLE_FFN_GATE_SHARED].t && !w->mat[ROLE_FFN_UP_SHARED].t))
        return err_set(err, ERR_FORMAT, "block %zu: a part of the shared expert is missing", layer);
    return check_groups(m, layer, n_expert, err);
}

static size_t hidden_floats(const struct model *m, size_t layer)
{
    return larger(num(m, ARCH_N_EXPERT_USED, layer) * 2 * num(m, ARCH_N_FF_EXPERT, layer),
                  2 * m->layer[layer].w.mat[ROLE_FFN_UP_SHARED].rows);
}

static size_t work_floats(const struct model *m, size_t layer)
{
    const size_t n_expert = num(m, ARCH_N_EXPERT, layer), used = num(m, ARCH_N_EXPERT_USED, layer);

    return 2 * n_expert + (n_expert + 1) + 3 * used + m->n_embd + hidden_floats(m, layer);
}

static struct moe moe_at(struct sess *s, size_t layer, size_t n)
{
    const struct model *m = s->m;
    const struct arch_params *p = m->params;
    struct moe e = {.s = s, .l = &m->layer[layer], .layer = layer, .n = n};

    e.n_expert = num(m, ARCH_N_EXPERT, layer);
    e.n_used = num(m, ARCH_N_EXPERT_USED, layer);
    e.n_ff = num(m, ARCH_N_FF_EXPERT, layer);
    e.n_shared = e.l->w.mat[ROLE_FFN_UP_SHARED].rows;
    if (num(m, ARCH_EXPERT_GROUPS, layer) > 1 && !num(m, ARCH_EXPERT_GREEDY, layer)) {
        e.n_groups = num(m, ARCH_EXPERT_GROUPS, layer);
        e.n_groups_used = num(m, ARCH_EXPERT_GROUPS_USED, layer);
    }
    e.router = (enum arch_router)num(m, ARCH_ROUTER, layer);
    if (!e.router)
        e.router = m->traits.router ? m->traits.router : ROUTER_SOFTMAX;
    e.normalise = num(m, ARCH_EXPERT_NORM, layer);
    e.scale = arch_has(p, ARCH_EXPERT_SCALE) ? (float)arch_num(p, ARCH_EXPERT_SCALE, layer) : 1.0f;

    e.score = s->work;
    e.choice = e.score + n * e.n_expert;
    e.weight = e.choice + n * e.n_expert;
    e.expert = (uint32_t *)(void *)(e.weight + n * e.n_used);
    e.pair = e.expert + n * e.n_used;
    e.start = e.pair + n * e.n_used;
    e.x = (float *)(void *)(e.start + e.n_expert + 1);
    e.hidden = e.x + n * m->n_embd;
    return e;
}

/* ---- routing ----------------------------------------------------------------------- */

static void softmax(float *x, size_t n)
{
    float max = -INFINITY, sum = 0;

    for (size_t i = 0; i < n; i++)
        max = x[i] > max ? x[i] : max;
    for (size_t i = 0; i < n; i++) {
        x[i] = expf(x[i] - max);
        sum += x[i];
    }
    for (size_t i = 0; i < n; i++)
        x[i] /= sum;
}

/* What a group of n experts counts: its best one, or with sigmoid scores, which do not
 * compete with each other, the sum of its two best. */
static float group_value(const struct moe *e, const float *score, const float *bias, size_t n)
{
    float best = -INFINITY, second = -INFINITY;

    for (size_t i = 0; i < n; i++) {
        const float v = score[i] + (bias ? bias[i] : 0);
        if (v > best) {
            second = best;
            best = v;
        } else if (v > second) {
            second = v;
        }
    }
    return e->router == ROUTER_SIGMOID && n > 1 ? best + second : best;
}

/* Nothing of a group that n_groups_used others beat is chosen. */
static void drop_groups(const struct moe *e, float *choice, const float *score, const float *bias)
{
    const size_t each = e->n_expert / e->n_groups;

    for (size_t g = 0; g < e->n_groups; g++) {
        const float own = group_value(e, score + g * each, bias ? bias + g * each : NULL, each);
        size_t beaten_by = 0;

        for (size_t h = 0; h < e->n_groups; h++) {
            const float v = group_value(e, score + h * each, bias ? bias + h * each : NULL, each);
            beaten_by += v > own || (v == own && h < g);
        }
        for (size_t i = 0; beaten_by >= e->n_groups_used && i < each; i++)
            choice[g * each + i] = -INFINITY;
    }
}

/* id[k] = the k largest of v[n], the first of equal ones; then in rising order, so that
 * sums over them have one order. */
static void top_k(uint32_t *id, size_t k, const float *v, size_t n)
{
    size_t have = 0;

    for (size_t i = 0; i < n; i++) {
        size_t at = have;
        while (at > 0 && v[i] > v[id[at - 1]])
            at--;
        if (at == k)
            continue;
        have += have < k;
        memmove(id + at + 1, id + at, (have - 1 - at) * sizeof(*id));
        id[at] = (uint32_t)i;
    }
    for (size_t i = 1; i < k; i++)
        for (size_t j = i; j > 0 && id[j] < id[j - 1]; j--) {
            const uint32_t t = id[j];
            id[j] = id[j - 1];
            id[j - 1] = t;
        }
}

static void weigh(const struct moe *e, float *weight, const uint32_t *expert, const float *score)
{
    float sum = 0;

    for (size_t k = 0; k < e->n_used; k++)
        weight[k] = score[expert[k]];
    if (e->router == ROUTER_SOFTMAX_CHOSEN)
        softmax(weight, e->n_used);
    for (size_t k = 0; k < e->n_used; k++)
        sum += weight[k];
    for (size_t k = 0; k < e->n_used; k++)
        weight[k] = (e->normalise ? weight[k] / fmaxf(sum, 1e-20F) : weight[k]) * e->scale;
}

static void route_span(void *arg, size_t i0, size_t i1)
{
    const struct moe *e = arg;
    const float *bias = e->l->w.vec[ROLE_FFN_CHOICE_BIAS];

    for (size_t t = i0; t < i1; t++) {
        float *score = e->score + t * e->n_expert, *choice = e->choice + t * e->n_expert;
        uint32_t *expert = e->expert + t * e->n_used;

        bias_add(e->s->m, score, e->l->w.vec[ROLE_FFN_ROUTER_BIAS], e->n_expert);
        if (e->router == ROUTER_SOFTMAX)
            softmax(score, e->n_expert);
        for (size_t i = 0; i < e->n_expert; i++) {
            if (e->router == ROUTER_SIGMOID)
                score[i] = 1.0f / (1.0f + expf(-score[i]));
            choice[i] = score[i] + (bias ? bias[i] : 0);
        }
        if (e->n_groups)
            drop_groups(e, choice, score, bias);
        top_k(expert, e->n_used, choice, e->n_expert);
        weigh(e, e->weight + t * e->n_used, expert, score);
    }
}

/* Sort the pairs by expert, tokens in order. */
static void sort_pairs(const struct moe *e)
{
    const size_t n_pairs = e->n * e->n_used;

    memset(e->start, 0, (e->n_expert + 1) * sizeof(*e->start));
    for (size_t i = 0; i < n_pairs; i++)
        e->start[e->expert[i] + 1]++;
    for (size_t x = 0; x < e->n_expert; x++)
        e->start[x + 1] += e->start[x];
    for (size_t i = 0; i < n_pairs; i++)
        e->pair[e->start[e->expert[i]]++] = (uint32_t)i;
    memmove(e->start + 1, e->start, e->n_expert * sizeof(*e->start));
    e->start[0] = 0;
}

/* Scores are always of full precision: a close choice must not depend on the math. */
static void route(const struct moe *e)
{
    struct sess *s = e->s;
    const struct mm_job job = {
        .w = &e->l->w.mat[ROLE_FFN_ROUTER], .y = e->score, .ld_y = e->n_expert};
    struct moe arg = *e;

    sess_tell(s, &(struct sess_input){
                     .job = &job, .n_jobs = 1, .x = s->xn, .ld_x = s->m->n_embd, .n = e->n});
    mm(&s->m->kern, KERN_F32, &job, 1, s->xn, s->m->n_embd, e->n, &s->par, s->mm_scratch);
    span_for(&s->par, e->n, route_span, &arg);
    sort_pairs(e);
}

/* ---- one expert -------------------------------------------------------------------- */

/* The products of an expert's input; returns how many. `slice` holds the matrices. */
static size_t in_jobs(struct mm_job jobs[2], struct matrix slice[2], const struct moe *e,
                      size_t expert, float *hidden)
{
    const struct weights *w = &e->l->w;
    const struct matrix *fused = &w->mat[ROLE_FFN_GATE_UP_EXPS];
    const struct matrix *gate = fused->t ? fused : &w->mat[ROLE_FFN_GATE_EXPS];
    size_t n = 0;

    if (gate->t) {
        slice[n] = matrix_slice(gate, e->n_expert, expert);
        jobs[n] = (struct mm_job){.w = &slice[n], .y = hidden, .ld_y = 2 * e->n_ff};
        n++;
    }
    if (!fused->t) {
        slice[n] = matrix_slice(&w->mat[ROLE_FFN_UP_EXPS], e->n_expert, expert);
        jobs[n] = (struct mm_job){.w = &slice[n], .y = hidden + e->n_ff, .ld_y = 2 * e->n_ff};
        n++;
    }
    return n;
}

static const float *bias_of(const struct moe *e, enum arch_role role, size_t expert, size_t n)
{
    const float *all = e->l->w.vec[role];

    return all ? all + expert * n : NULL;
}

/* hidden = act(gate) * up of one pair, in place. weight: of the input, where its products
 * were made without. */
static void activate(const struct moe *e, float *hidden, size_t expert, float weight)
{
    const struct model *m = e->s->m;
    const struct weights *w = &e->l->w;
    const bool gated = w->mat[ROLE_FFN_GATE_EXPS].t || w->mat[ROLE_FFN_GATE_UP_EXPS].t;
    float *up = hidden + e->n_ff;

    /* a weight on the input is one on the products of the input */
    for (size_t i = gated ? 0 : e->n_ff; weight != 1.0f && i < 2 * e->n_ff; i++)
        hidden[i] *= weight;
    bias_add(m, up, bias_of(e, ROLE_FFN_UP_EXPS_BIAS, expert, e->n_ff), e->n_ff);
    if (gated)
        bias_add(m, hidden, bias_of(e, ROLE_FFN_GATE_EXPS_BIAS, expert, e->n_ff), e->n_ff);
    m->act(m, e->layer, hidden, gated ? hidden : up, gated ? up : NULL, e->n_ff);
}

/* y += weight * (out + bias) of one pair. */
static void collect(const struct moe *e, size_t pair, size_t expert, float *out)
{
    const struct model *m = e->s->m;
    const float weight = m->traits.expert_weight_first ? 1.0f : e->weight[pair];

    bias_add(m, out, bias_of(e, ROLE_FFN_DOWN_EXPS_BIAS, expert, m->n_embd), m->n_embd);
    m->kern.axpy(e->s->y + pair / e->n_used * m->n_embd, out, weight, m->n_embd);
}

static void gather_span(void *arg, size_t i0, size_t i1)
{
    const struct moe *e = arg;
    const size_t n_embd = e->s->m->n_embd;

    for (size_t i = i0; i < i1; i++) {
        float *x = e->x + i * n_embd;
        memcpy(x, e->s->xn + e->pair_e[i] / e->n_used * n_embd, n_embd * sizeof(float));
        for (size_t j = 0; e->s->m->traits.expert_weight_first && j < n_embd; j++)
            x[j] *= e->weight[e->pair_e[i]];
    }
}

static void activate_span(void *arg, size_t i0, size_t i1)
{
    const struct moe *e = arg;

    for (size_t i = i0; i < i1; i++)
        activate(e, e->hidden + i * 2 * e->n_ff, e->e, 1.0f);
}

static void collect_span(void *arg, size_t i0, size_t i1)
{
    const struct moe *e = arg;

    for (size_t i = i0; i < i1; i++)
        collect(e, e->pair_e[i], e->e, e->x + i * e->s->m->n_embd);
}

/* All tokens of expert `expert`. Experts run one after another: every token's sum has
 * the order of its experts, whatever is in the batch. */
static void run_expert(const struct moe *all, size_t expert)
{
    struct moe e = *all;
    struct sess *s = e.s;
    const size_t n_embd = s->m->n_embd;
    struct mm_job jobs[2];
    struct matrix slice[2];

    e.e = expert;
    e.pair_e = e.pair + e.start[expert];
    e.n_e = e.start[expert + 1] - e.start[expert];
    if (!e.n_e)
        return;
    span_for(&s->par, e.n_e, gather_span, &e);
    sess_mm(s, jobs, in_jobs(jobs, slice, &e, expert, e.hidden), e.x, n_embd, e.n_e);
    span_for(&s->par, e.n_e, activate_span, &e);
    slice[0] = matrix_slice(&e.l->w.mat[ROLE_FFN_DOWN_EXPS], e.n_expert, expert);
    jobs[0] = (struct mm_job){.w = &slice[0], .y = e.x, .ld_y = n_embd};
    sess_mm(s, jobs, 1, e.hidden, 2 * e.n_ff, e.n_e);
    span_for(&s->par, e.n_e, collect_span, &e);
}

/* A token alone: its experts share their input, so that all of them are one hand-out. */
static void run_token(const struct moe *e)
{
    struct sess *s = e->s;
    const size_t n_embd = s->m->n_embd;
    struct mm_job jobs[2 * TOGETHER];
    struct matrix slice[2 * TOGETHER];

    for (size_t k0 = 0; k0 < e->n_used; k0 += TOGETHER) {
        const size_t k1 = k0 + TOGETHER < e->n_used ? k0 + TOGETHER : e->n_used;
        size_t n = 0;
        for (size_t k = k0; k < k1; k++)
            n += in_jobs(jobs + n, slice + n, e, e->expert[k], e->hidden + k * 2 * e->n_ff);
        sess_mm(s, jobs, n, s->xn, n_embd, 1);
    }
    for (size_t k = 0; k < e->n_used; k++) {
        float *hidden = e->hidden + k * 2 * e->n_ff;
        activate(e, hidden, e->expert[k],
                 e->s->m->traits.expert_weight_first ? e->weight[k] : 1.0f);
        slice[0] = matrix_slice(&e->l->w.mat[ROLE_FFN_DOWN_EXPS], e->n_expert, e->expert[k]);
        jobs[0] = (struct mm_job){.w = &slice[0], .y = e->x, .ld_y = n_embd};
        sess_mm(s, jobs, 1, hidden, 2 * e->n_ff, 1);
        collect(e, k, e->expert[k], e->x);
    }
}

/* ---- the expert every token visits --------------------------------------------------- */

static void shared_act_span(void *arg, size_t i0, size_t i1)
{
    const struct moe *e = arg;
    const struct model *m = e->s->m;
    const bool gated = e->l->w.mat[ROLE_FFN_GATE_SHARED].t;

    for (size_t i = i0; i < i1; i++) {
        float *gate = e->hidden + i * 2 * e->n_shared, *up = gate + e->n_shared;
        m->act(m, e->layer, gate, gated ? gate : up, gated ? up : NULL, e->n_shared);
    }
}

/* y *= sigmoid(xn . router) */
static void shared_gate_span(void *arg, size_t i0, size_t i1)
{
    const struct moe *e = arg;
    const struct model *m = e->s->m;

    for (size_t i = i0; i < i1; i++) {
        const float score =
            m->kern.dot(e->s->xn + i * m->n_embd, e->l->w.vec[ROLE_FFN_SHARED_ROUTER], m->n_embd);
        const float gate = 1.0f / (1.0f + expf(-score));
        float *y = e->s->y + i * m->n_embd;
        for (size_t j = 0; j < m->n_embd; j++)
            y[j] *= gate;
    }
}

/* The gate's weights are a matrix of one row. */
static void tell_gate(const struct moe *e)
{
    struct sess *s = e->s;
    const struct matrix w = {
        .t = source_role(s->m->source, ROLE_FFN_SHARED_ROUTER, (int)e->layer),
        .rows = 1,
        .cols = s->m->n_embd,
    };
    const struct mm_job job = {.w = &w};

    sess_tell(
        s, &(struct sess_input){.job = &job, .n_jobs = 1, .x = s->xn, .ld_x = w.cols, .n = e->n});
}

/* y = shared expert, or zeros. */
static void run_shared(struct moe *e)
{
    struct sess *s = e->s;
    const struct weights *w = &e->l->w;
    const size_t n_embd = s->m->n_embd;
    const bool gated = w->mat[ROLE_FFN_GATE_SHARED].t;
    const struct mm_job in[2] = {
        {.w = &w->mat[ROLE_FFN_UP_SHARED],   .y = e->hidden + e->n_shared, .ld_y = 2 * e->n_shared},
        {.w = &w->mat[ROLE_FFN_GATE_SHARED], .y = e->hidden,               .ld_y = 2 * e->n_shared},
    };
    const struct mm_job out = {.w = &w->mat[ROLE_FFN_DOWN_SHARED], .y = s->y, .ld_y = n_embd};

    if (!e->n_shared) {
        memset(s->y, 0, e->n * n_embd * sizeof(float));
        return;
    }
    sess_mm(s, in, gated ? 2 : 1, s->xn, n_embd, e->n);
    span_for(&s->par, e->n, shared_act_span, e);
    sess_mm(s, &out, 1, e->hidden, 2 * e->n_shared, e->n);
    if (w->vec[ROLE_FFN_SHARED_ROUTER]) {
        if (s->watch.fn)
            tell_gate(e);
        span_for(&s->par, e->n, shared_gate_span, e);
    }
}

static void run(struct sess *s, size_t layer, size_t n)
{
    struct moe e = moe_at(s, layer, n);

    route(&e);
    run_shared(&e);
    if (n == 1 && !s->watch.fn) {
        run_token(&e);
        return;
    }
    for (size_t x = 0; x < e.n_expert; x++)
        run_expert(&e, x);
}

const struct part part_experts = {
    .uses = uses,
    .check = check,
    .work_floats = work_floats,
    .run = run,
};
