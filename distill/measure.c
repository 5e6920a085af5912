#include "distill/measure.h"

#include "runtime/session.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- running the sample ------------------------------------------------------------ */

static int check_sample(const struct measure *how, struct err *err)
{
    const struct student_sample *s = how->sample;

    if (!s || !s->n_seq || !s->n_tok)
        return err_set(err, ERR_ARG, "no text to measure the teacher's parts on");
    return 0;
}

static int run_sample(const struct measure *how, const struct sess_watch *w, struct err *err)
{
    const struct student_sample *x = how->sample;
    struct sess *s = NULL;
    int rc = sess_new(&s, how->m, x->n_tok, x->n_tok, &how->par, err);

    if (!rc)
        rc = sess_watch(s, w, err);
    for (size_t i = 0; !rc && i < x->n_seq; i++) {
        rc = log_stop(how->log, err);
        (void)sess_keep(s, 0);
        if (!rc)
            rc = sess_eval(s, x->ids + i * x->n_tok, x->n_tok, NULL, 0, err);
        log_progress(how->log, "tokens", (i + 1) * x->n_tok, x->n_seq * x->n_tok);
    }
    sess_free(s);
    return rc;
}

/* ---- blocks --------------------------------------------------------------------------- */

struct blocks {
    double *cosine; /* [layers] sums */
    float *before;  /* [n_tok, n_embd] */
    size_t n_embd, n_layer, n_tok;
};

static double cosine(const float *x, const float *y, size_t n)
{
    double xy = 0, xx = 0, yy = 0;

    for (size_t i = 0; i < n; i++) {
        xy += (double)x[i] * (double)y[i];
        xx += (double)x[i] * (double)x[i];
        yy += (double)y[i] * (double)y[i];
    }
    return xx > 0 && yy > 0 ? xy / sqrt(xx * yy) : 0;
}

static void see_stream(void *arg, size_t layer, const float *x, size_t n)
{
    struct blocks *b = arg;

    for (size_t r = 0; layer && layer <= b->n_layer && r < n; r++)
        b->cosine[layer - 1] += cosine(b->before + r * b->n_embd, x + r * b->n_embd, b->n_embd);
    memcpy(b->before, x, n * b->n_embd * sizeof(*x));
}

/* A value and whose it is; the larger first, of equal ones the earlier. */
struct rank {
    double v;
    uint32_t at;
};

static int by_value(const void *a, const void *b)
{
    const struct rank *x = a, *y = b;

    if (x->v > y->v || x->v < y->v)
        return x->v > y->v ? -1 : 1;
    return (x->at > y->at) - (x->at < y->at);
}

static int by_place(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

/* at[k] = where the largest of v[n] are, rising. */
static int largest(uint32_t *at, size_t k, const double *v, size_t n, struct err *err)
{
    struct rank *r = calloc(n + 1, sizeof(*r));

    if (!r)
        return err_nomem(err);
    for (size_t i = 0; i < n; i++)
        r[i] = (struct rank){v[i], (uint32_t)i};
    qsort(r, n, sizeof(*r), by_value);
    for (size_t i = 0; i < k; i++)
        at[i] = r[i].at;
    qsort(at, k, sizeof(*at), by_place);
    free(r);
    return 0;
}

/* The same with the first and the last `ends` whatever they are. */
static int choose_layers(uint32_t *at, size_t k, size_t ends, const double *v, size_t n,
                         struct err *err)
{
    const int rc = largest(at + ends, k - 2 * ends, v + ends, n - 2 * ends, err);

    for (size_t i = 0; i < ends; i++) {
        at[i] = (uint32_t)i;
        at[k - 1 - i] = (uint32_t)(n - 1 - i);
    }
    for (size_t i = ends; !rc && i < k - ends; i++)
        at[i] += (uint32_t)ends;
    return rc;
}

int measure_layers(double *influence, uint32_t *at, size_t n, size_t ends,
                   const struct measure *how, struct err *err)
{
    const struct arch_params *q = source_params(model_source(how->m));
    struct blocks b = {.cosine = influence,
                       .n_embd = (size_t)arch_int(q, ARCH_N_EMBD, 0),
                       .n_layer = (size_t)arch_int(q, ARCH_N_LAYER, 0)};
    const struct sess_watch w = {.layer_fn = see_stream, .arg = &b, .n_layers = SIZE_MAX};
    int rc = check_sample(how, err);

    if (rc)
        return rc;
    b.before = calloc(how->sample->n_tok * b.n_embd, sizeof(*b.before));
    rc = b.before ? run_sample(how, &w, err) : err_nomem(err);
    free(b.before);
    const double tokens = (double)(how->sample->n_seq * how->sample->n_tok);
    for (size_t l = 0; l < b.n_layer; l++)
        influence[l] = 1 - influence[l] / tokens;
    return rc ? rc : choose_layers(at, n, ends, influence, b.n_layer, err);
}

/* ---- widths ----------------------------------------------------------------------------- */

/* Sums over tokens. */
struct widths {
    const struct arch_params *q;
    size_t n_embd, n_ff, n_head, n_kv; /* the largest of any layer */
    double *embd;  /* [n_embd] |x| of all blocks; not what the output matrix meets */
    double *ff;    /* [layers, n_ff] |x| */
    double *head;  /* [layers, n_head] 2-norms */
    double *group; /* [layers, n_kv] 2-norms of all heads of one */
    size_t n_layer;
};

static void add_sizes(double *sum, const struct sess_input *in, size_t n)
{
    for (size_t r = 0; r < in->n; r++)
        for (size_t i = 0; i < n; i++)
            sum[i] += fabs((double)in->x[r * in->ld_x + i]);
}

static void add_heads(struct widths *w, const struct sess_input *in, size_t layer)
{
    const size_t heads = (size_t)arch_int(w->q, ARCH_N_HEAD, layer);
    const size_t kv = (size_t)arch_int(w->q, ARCH_N_HEAD_KV, layer);
    const size_t len = (size_t)arch_int(w->q, ARCH_HEAD_V, layer);
    const size_t each = kv ? heads / kv : 0;

    for (size_t r = 0; each && r < in->n; r++)
        for (size_t g = 0; g < kv; g++) {
            double all = 0;
            for (size_t h = g * each; h < (g + 1) * each; h++) {
                const float *x = in->x + r * in->ld_x + h * len;
                double sum = 0;
                for (size_t i = 0; i < len; i++)
                    sum += (double)x[i] * (double)x[i];
                w->head[layer * w->n_head + h] += sqrt(sum);
                all += sum;
            }
            w->group[layer * w->n_kv + g] += sqrt(all);
        }
}

/* What a weight's inputs are follows from its row's first dimension. */
static void see_input(void *arg, const struct sess_input *in)
{
    struct widths *w = arg;
    const struct source_tensor *t = in->job[0].w->t;
    const size_t layer = t->layer < 0 ? 0 : (size_t)t->layer;
    const enum arch_dim of = t->row ? t->row->dims[0] : DIM_END;

    if (of == DIM_EMBD && t->layer >= 0)
        add_sizes(w->embd, in, w->n_embd);
    else if (of == DIM_FF)
        add_sizes(w->ff + layer * w->n_ff, in, (size_t)arch_int(w->q, ARCH_N_FF, layer));
    else if (of == DIM_O)
        add_heads(w, in, layer);
}

/* At least 1: arrays of them are never empty. */
static size_t most(const struct arch_params *q, enum arch_param which)
{
    const uint64_t n = arch_most(q, which);

    return n ? (size_t)n : 1;
}

static int widths_init(struct widths *w, struct arena *a, const struct model *m, struct err *err)
{
    w->q = source_params(model_source(m));
    w->n_layer = (size_t)arch_int(w->q, ARCH_N_LAYER, 0);
    w->n_embd = (size_t)arch_int(w->q, ARCH_N_EMBD, 0);
    w->n_ff = most(w->q, ARCH_N_FF);
    w->n_head = most(w->q, ARCH_N_HEAD);
    w->n_kv = most(w->q, ARCH_N_HEAD_KV);
    w->embd = arena_array(a, w->n_embd, sizeof(double));
    w->ff = arena_array(a, w->n_layer * w->n_ff, sizeof(double));
    w->head = arena_array(a, w->n_layer * w->n_head, sizeof(double));
    w->group = arena_array(a, w->n_layer * w->n_kv, sizeof(double));
    return w->embd && w->ff && w->head && w->group ? 0 : err_nomem(err);
}

/* Whole groups, and in each the same number of query heads. */
static int keep_heads(struct prune *p, const struct widths *w, size_t layer, uint32_t *at,
                      struct err *err)
{
    const size_t heads = (size_t)arch_int(w->q, ARCH_N_HEAD, layer);
    const size_t kv = (size_t)arch_int(w->q, ARCH_N_HEAD_KV, layer);
    const size_t n_kv = (size_t)p->want.kv_heads, each = kv ? heads / kv : 0;
    const size_t part = n_kv ? (size_t)p->want.heads / n_kv : 0;
    uint32_t *group = at, *head = at + kv, *one = head + heads;

    if (!kv || (n_kv == kv && p->want.heads == heads))
        return 0;
    int rc = largest(group, n_kv, w->group + layer * w->n_kv, kv, err);
    for (size_t g = 0; !rc && g < n_kv; g++) {
        const size_t first = group[g] * each;
        rc = largest(one, part, w->head + layer * w->n_head + first, each, err);
        for (size_t h = 0; !rc && h < part; h++)
            head[g * part + h] = (uint32_t)first + one[h];
    }
    if (!rc)
        rc = prune_keep(p, PRUNE_KV, (int)layer, group, n_kv, err);
    return rc ? rc : prune_keep(p, PRUNE_HEAD, (int)layer, head, n_kv * part, err);
}

static int keep_ff(struct prune *p, const struct widths *w, size_t layer, uint32_t *at,
                   struct err *err)
{
    const size_t ff = (size_t)arch_int(w->q, ARCH_N_FF, layer), want = (size_t)p->want.ffn;

    if (!ff || ff == want)
        return 0;
    const int rc = largest(at, want, w->ff + layer * w->n_ff, ff, err);
    return rc ? rc : prune_keep(p, PRUNE_FF, (int)layer, at, want, err);
}

static int choose(struct prune *p, const struct widths *w, struct arena *a, struct err *err)
{
    const size_t hidden = (size_t)p->want.hidden;
    uint32_t *at = arena_array(a, w->n_embd + w->n_ff + 3 * w->n_head, sizeof(*at));
    int rc = at ? 0 : err_nomem(err);

    if (!rc && hidden != w->n_embd) {
        rc = largest(at, hidden, w->embd, w->n_embd, err);
        if (!rc)
            rc = prune_keep(p, PRUNE_EMBD, -1, at, hidden, err);
    }
    for (size_t l = 0; !rc && l < w->n_layer; l++) {
        rc = keep_ff(p, w, l, at, err);
        if (!rc)
            rc = keep_heads(p, w, l, at, err);
    }
    return rc;
}

int measure_width(struct prune *p, const struct measure *how, struct err *err)
{
    struct widths w = {0};
    struct arena a = {0};
    const struct sess_watch watch = {.fn = see_input, .arg = &w, .n_layers = SIZE_MAX};
    int rc = check_sample(how, err);

    if (!rc)
        rc = widths_init(&w, &a, how->m, err);
    if (!rc)
        rc = run_sample(how, &watch, err);
    if (!rc)
        rc = choose(p, &w, &a, err);
    arena_release(&a);
    return rc;
}
