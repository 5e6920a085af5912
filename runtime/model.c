#include "runtime/model.h"

#include "quant/rows.h"
#include "runtime/forward/forward.h"

#include <stdlib.h>
#include <string.h>

/* Numbers that change what a model computes, and that no part here reads. */
static const struct {
    enum arch_param param;
    const char *name;
} not_computed[] = {
    {ARCH_LOGIT_SCALE, "a logit scale"        },
    {ARCH_LOGIT_CAP,   "a logit soft cap"     },
    {ARCH_ATTN_CAP,    "an attention soft cap"},
    {ARCH_ATTN_SCALE,  "an attention scale"   },
    {ARCH_EMBD_SCALE,  "an embedding scale"   },
    {ARCH_N_EXPERT,    "a mixture of experts" },
};

int model_math(enum kern_math *out, const char *name, struct err *err)
{
    static const char *const names[KERN_MATH_COUNT] = {
        [KERN_F32] = "f32", [KERN_BF16] = "bf16", [KERN_INT8] = "fast"};

    for (int i = 0; i < KERN_MATH_COUNT; i++)
        if (!strcmp(name, names[i])) {
            *out = (enum kern_math)i;
            return 0;
        }
    return err_set(err, ERR_ARG, "kernels \"%s\": one of f32, bf16, fast", name);
}

/* ---- weights --------------------------------------------------------------- */

/* The shape its row promises with these parameters: the forward pass relies on it. */
static int check_shape(const struct source_tensor *t, const struct arch_params *p, struct err *err)
{
    const size_t layer = t->layer < 0 ? 0 : (size_t)t->layer;

    for (int i = 0; i < GGUF_MAX_DIMS; i++) {
        const enum arch_dim d = t->row->dims[i];
        const uint64_t want = d == DIM_END ? 1 : arch_dim(d, p, layer);
        if (t->dims[i] != want)
            return err_set(err, ERR_FORMAT, "tensor %s: dimension %d is %llu, expected %llu",
                           t->name, i, (unsigned long long)t->dims[i], (unsigned long long)want);
    }
    return 0;
}

static int load_vector(struct weights *w, struct model *m, const struct source_tensor *t,
                       struct err *err)
{
    if (source_n_rows(t) != 1)
        return err_set(err, ERR_FORMAT, "tensor %s: expected one row", t->name);
    float *v = arena_array(&m->arena, (size_t)source_row_len(t), sizeof(*v));
    if (!v)
        return err_nomem(err);
    w->vec[t->row->role] = v;
    return rows_read(v, t, 0, 1, err);
}

/* Every weight of a list that `layer` (-1: outside blocks) has. */
static int load_uses(struct weights *w, struct model *m, const struct weight_use *use, int layer,
                     struct err *err)
{
    for (; use->role != ROLE_NONE; use++) {
        const struct source_tensor *t = source_role(m->source, use->role, layer);
        if (!t && use->flags & WEIGHT_OPTIONAL)
            continue;
        if (!t)
            return err_set(err, ERR_FORMAT, "a weight is missing in block %d (role %d)", layer,
                           (int)use->role);
        int rc = check_shape(t, m->params, err);
        if (!rc)
            rc = use->flags & WEIGHT_VECTOR ? load_vector(w, m, t, err)
                                            : matrix_init(&w->mat[use->role], t, err);
        if (rc)
            return rc;
    }
    return 0;
}

static int load_layer(struct model *m, size_t i, struct err *err)
{
    struct layer *l = &m->layer[i];
    int rc = 0;

    l->n_head = (size_t)arch_int(m->params, ARCH_N_HEAD, i);
    l->n_head_kv = (size_t)arch_int(m->params, ARCH_N_HEAD_KV, i);
    l->head_k = (size_t)arch_int(m->params, ARCH_HEAD_K, i);
    l->head_v = (size_t)arch_int(m->params, ARCH_HEAD_V, i);
    l->n_ff = (size_t)arch_int(m->params, ARCH_N_FF, i);
    l->window = (size_t)arch_int(m->params, ARCH_WINDOW, i);

    const struct part *const parts[] = {m->plan.mixer, m->plan.ffn};
    rc = load_uses(&l->w, m, m->plan.placement->uses, (int)i, err);
    for (size_t p = 0; !rc && p < 2; p++) {
        rc = load_uses(&l->w, m, parts[p]->uses, (int)i, err);
        if (!rc && parts[p]->check)
            rc = parts[p]->check(m, i, err);
    }
    return rc;
}

static bool listed(const struct weight_use *use, enum arch_role role)
{
    while (use->role != ROLE_NONE && use->role != role)
        use++;
    return use->role != ROLE_NONE;
}

/* A tensor nobody computes with would make the result silently wrong. */
static int check_all_used(const struct model *m, struct err *err)
{
    for (size_t i = 0; i < source_n_tensors(m->source); i++) {
        const struct source_tensor *t = source_tensor(m->source, i);
        const enum arch_role role = t->row ? t->row->role : ROLE_NONE;
        const bool used = t->layer < 0 ? listed(m->plan.top, role)
                                       : listed(m->plan.placement->uses, role) ||
                                             listed(m->plan.mixer->uses, role) ||
                                             listed(m->plan.ffn->uses, role);
        if (!used)
            return err_set(err, ERR_UNSUPPORTED, "tensor %s: the runtime does not compute with it",
                           t->name);
    }
    return 0;
}

/* ---- opening --------------------------------------------------------------- */

static int read_params(struct model *m, struct err *err)
{
    const struct arch_params *p = m->params;

    for (size_t i = 0; i < sizeof(not_computed) / sizeof(not_computed[0]); i++)
        if (arch_has(p, not_computed[i].param) && arch_num(p, not_computed[i].param, 0) != 0)
            return err_set(err, ERR_UNSUPPORTED, "the runtime does not compute %s",
                           not_computed[i].name);
    m->n_layer = (size_t)arch_int(p, ARCH_N_LAYER, 0);
    m->n_embd = (size_t)arch_int(p, ARCH_N_EMBD, 0);
    m->n_ctx = (size_t)arch_int(p, ARCH_N_CTX, 0);
    m->norm_eps = (float)arch_num(p, ARCH_NORM_EPS, 0);
    /* every block has tensors: bounds the allocation by what the file holds */
    if (!m->n_layer || m->n_layer > source_n_tensors(m->source))
        return err_set(err, ERR_FORMAT, "%zu blocks in a file of %zu tensors", m->n_layer,
                       source_n_tensors(m->source));
    if (!m->n_embd)
        return err_set(err, ERR_FORMAT, "the model's width is 0");
    return 0;
}

static int load(struct model *m, struct err *err)
{
    int rc = read_params(m, err);

    if (!rc)
        rc = load_uses(&m->top, m, m->plan.top, -1, err);
    if (!rc)
        rc = rope_init(m, err);
    if (rc)
        return rc;
    m->head = &m->top.mat[m->top.mat[ROLE_OUTPUT].t ? ROLE_OUTPUT : ROLE_TOKEN_EMBD];
    m->n_vocab = m->head->rows;
    if (m->top.mat[ROLE_TOKEN_EMBD].rows != m->n_vocab || m->n_vocab > INT32_MAX)
        return err_set(err, ERR_FORMAT, "%zu token embeddings and %zu outputs",
                       m->top.mat[ROLE_TOKEN_EMBD].rows, m->n_vocab);
    m->layer = arena_array(&m->arena, m->n_layer, sizeof(*m->layer));
    if (!m->layer)
        return err_nomem(err);
    for (size_t i = 0; i < m->n_layer; i++) {
        rc = load_layer(m, i, err);
        if (rc)
            return rc;
    }
    return check_all_used(m, err);
}

static int open_source(struct model *m, const char *path, const struct model_opts *opts,
                       struct err *err)
{
    const struct source_opts so = {.pre = opts->pre, .log = opts->log};
    int rc = source_open(&m->source, path, &so, err);

    if (rc)
        return rc;
    m->params = source_params(m->source);
    if (!source_arch(m->source) || !m->params) {
        struct meta_str name = {0};
        if (!meta_str(source_meta(m->source), "general.architecture", &name))
            return err_set(err, ERR_FORMAT, "%s: general.architecture is missing", path);
        return err_set(err, ERR_UNSUPPORTED, "%s: architecture \"%.*s\" is not supported", path,
                       (int)(name.n < 60 ? name.n : 60), name.p);
    }
    if (source_vocab(m->source))
        rc = tok_new(&m->tok, source_vocab(m->source), err);
    if (!rc)
        rc = plan_of(&m->plan, &source_arch(m->source)->traits, err);
    if (!rc)
        rc = load(m, err);
    return rc ? err_wrap(err, "%s", path) : 0;
}

int model_open(struct model **out, const char *path, const struct model_opts *opts, struct err *err)
{
    struct model *m = calloc(1, sizeof(*m));
    int rc;

    *out = NULL;
    if (!m)
        return err_nomem(err);
    m->math = opts->math;
    kern_init(&m->kern, opts->cpu);
    rc = open_source(m, path, opts, err);
    if (rc)
        goto fail;
    *out = m;
    return 0;

fail:
    model_free(m);
    return rc;
}

void model_free(struct model *m)
{
    if (!m)
        return;
    tok_free(m->tok);
    source_free(m->source);
    arena_release(&m->arena);
    free(m);
}

const struct source *model_source(const struct model *m)
{
    return m->source;
}

const struct tok *model_tok(const struct model *m)
{
    return m->tok;
}

size_t model_n_vocab(const struct model *m)
{
    return m->n_vocab;
}

size_t model_n_ctx(const struct model *m)
{
    return m->n_ctx;
}
