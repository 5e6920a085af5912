#include "runtime/model.h"

#include "formats/base/rd.h"
#include "quant/rows.h"
#include "runtime/forward/forward.h"

#include <stdlib.h>
#include <string.h>

int model_math(enum kern_math *out, const char *name, struct err *err)
{
    static const char *const names[KERN_MATH_COUNT] = {
        [KERN_F32] = "f32", [KERN_BF16] = "bf16", [KERN_INT16] = "fast"};

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
    uint64_t want[GGUF_MAX_DIMS] = {1, 1, 1, 1};

    (void)arch_dims(want, t->row, p, t->layer < 0 ? ARCH_NO_LAYER : (size_t)t->layer);
    for (int i = 0; i < GGUF_MAX_DIMS; i++)
        if (t->dims[i] != want[i])
            return err_set(err, ERR_FORMAT, "tensor %s: dimension %d is %llu, expected %llu",
                           t->name, i, (unsigned long long)t->dims[i], (unsigned long long)want[i]);
    return 0;
}

static int load_vector(struct weights *w, struct model *m, const struct source_tensor *t,
                       struct err *err)
{
    const uint64_t rows = source_n_rows(t);
    size_t n;
    float *v = mul_ok(&n, rows, source_row_len(t)) ? arena_array(&m->arena, n, sizeof(*v)) : NULL;

    if (!v)
        return err_nomem(err);
    w->vec[t->row->role] = v;
    return rows_read(v, t, 0, rows, err);
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
                                            : matrix_init(&w->mat[use->role], t, &m->arena, err);
        if (rc)
            return rc;
    }
    return 0;
}

/* 0 in layers where a choice says no. */
static size_t bounded(const struct model *m, enum arch_param which, size_t layer)
{
    const struct arch_params *p = m->params;

    return arch_int(p, ARCH_AT_WINDOW, layer) ? (size_t)arch_int(p, which, layer) : 0;
}

/* The last layers may attend to the keys and values of the last layer of their kind that
 * has its own. */
static int plan_kv(struct model *m, size_t i, struct err *err)
{
    const uint64_t shared = arch_int(m->params, ARCH_KV_SHARED, i);
    const uint64_t windowed = arch_int(m->params, ARCH_AT_WINDOW, i);
    struct layer *l = &m->layer[i];
    size_t from = i;

    l->kv_layer = i;
    l->borrows = i + shared >= m->n_layer;
    while (l->borrows && from-- > 0)
        if (from + shared < m->n_layer && arch_int(m->params, ARCH_AT_WINDOW, from) == windowed) {
            l->kv_layer = from;
            return 0;
        }
    return l->borrows ? err_set(err, ERR_FORMAT, "block %zu: no layer of its kind has keys", i) : 0;
}

static int plan(struct model *m, size_t i, struct err *err)
{
    struct layer *l = &m->layer[i];

    l->n_head = (size_t)arch_int(m->params, ARCH_N_HEAD, i);
    l->n_head_kv = (size_t)arch_int(m->params, ARCH_N_HEAD_KV, i);
    l->head_k = (size_t)arch_int(m->params, ARCH_HEAD_K, i);
    l->head_v = (size_t)arch_int(m->params, ARCH_HEAD_V, i);
    l->n_ff = (size_t)arch_int(m->params, ARCH_N_FF, i);
    l->window = bounded(m, ARCH_WINDOW, i);
    l->chunk = bounded(m, ARCH_CHUNK, i);
    int rc = plan_kv(m, i, err);
    return rc ? rc : plan_layer(m, i, err);
}

/* A norm without its weights would be computed all the same. */
static int check_norms(const struct model *m, size_t i, struct err *err)
{
    const struct layer *l = &m->layer[i];
    const float *const *v = l->w.vec;
    const bool pre = m->traits.norm_place != NORM_POST, post = m->traits.norm_place != NORM_PRE;
    const bool mixes = l->mixer || l->recurrent;
    const bool second = l->ffn && mixes;

    if (m->traits.norm_plain || (!mixes && !l->ffn))
        return 0;
    if ((pre && !v[ROLE_ATTN_NORM]) || (post && mixes && !v[ROLE_ATTN_POST_NORM]) ||
        (pre && second && !m->traits.parallel && !v[ROLE_FFN_NORM]) ||
        (post && l->ffn && !v[ROLE_FFN_POST_NORM]))
        return err_set(err, ERR_FORMAT, "block %zu: a norm is missing", i);
    return 0;
}

static int load_layer(struct model *m, size_t i, struct err *err)
{
    struct layer *l = &m->layer[i];
    const struct part *parts[LAYER_PARTS];
    const size_t n = layer_parts(parts, l);
    int rc = load_uses(&l->w, m, block_uses, (int)i, err);

    if (!rc)
        rc = check_norms(m, i, err);
    for (size_t p = 0; !rc && p < n; p++) {
        rc = load_uses(&l->w, m, parts[p]->uses, (int)i, err);
        if (!rc && parts[p]->check)
            rc = parts[p]->check(m, i, err);
        if (parts[p]->state_floats)
            m->has_state = true;
    }
    return rc;
}

static bool listed(const struct weight_use *use, enum arch_role role)
{
    while (use->role != ROLE_NONE && use->role != role)
        use++;
    return use->role != ROLE_NONE;
}

static bool is_used(const struct model *m, const struct source_tensor *t)
{
    const struct part *parts[LAYER_PARTS];
    const enum arch_role role = t->row ? t->row->role : ROLE_NONE;

    if (t->layer < 0)
        return listed(top_uses, role);
    const size_t n = layer_parts(parts, &m->layer[t->layer]);
    bool used = listed(block_uses, role);
    for (size_t i = 0; i < n; i++)
        used = used || listed(parts[i]->uses, role);
    return used;
}

/* A tensor nobody computes with would make the result silently wrong. */
static int check_all_used(const struct model *m, struct err *err)
{
    for (size_t i = 0; i < source_n_tensors(m->source); i++) {
        const struct source_tensor *t = source_tensor(m->source, i);
        if (!is_used(m, t))
            return err_set(err, ERR_UNSUPPORTED, "tensor %s: the runtime does not compute with it",
                           t->name);
    }
    return 0;
}

/* ---- opening --------------------------------------------------------------- */

static int read_params(struct model *m, struct err *err)
{
    const struct arch_params *p = m->params;

    m->n_layer = (size_t)arch_int(p, ARCH_N_LAYER, 0);
    m->n_embd = (size_t)arch_int(p, ARCH_N_EMBD, 0);
    m->n_ctx = (size_t)arch_int(p, ARCH_N_CTX, 0);
    m->n_embd_layer = (size_t)arch_int(p, ARCH_N_EMBD_LAYER, 0);
    m->norm_eps = (float)arch_num(p, ARCH_NORM_EPS, 0);
    m->residual_scale = (float)arch_num(p, ARCH_RESIDUAL_SCALE, 0);
    if (m->residual_scale == 0)
        m->residual_scale = 1;
    /* every block has tensors: bounds the allocation by what the file holds */
    if (!m->n_layer || m->n_layer > source_n_tensors(m->source))
        return err_set(err, ERR_FORMAT, "%zu blocks in a file of %zu tensors", m->n_layer,
                       source_n_tensors(m->source));
    if (!m->n_embd)
        return err_set(err, ERR_FORMAT, "the model's width is 0");
    m->layer = arena_array(&m->arena, m->n_layer, sizeof(*m->layer));
    return m->layer ? 0 : err_nomem(err);
}

/* As many ones as the widest norm without weights has values. */
static int make_ones(struct model *m, struct err *err)
{
    size_t n = m->n_embd;

    for (size_t i = 0; i < m->n_layer; i++) {
        if (m->layer[i].mixer != &part_attention)
            continue;
        n = m->layer[i].head_k > n ? m->layer[i].head_k : n;
        n = m->layer[i].head_v > n ? m->layer[i].head_v : n;
    }
    float *ones = arena_array(&m->arena, n, sizeof(*ones));
    for (size_t i = 0; ones && i < n; i++)
        ones[i] = 1;
    m->ones = ones;
    return ones ? 0 : err_nomem(err);
}

static int load_ends(struct model *m, struct err *err)
{
    const int rc = load_uses(&m->top, m, top_uses, -1, err);

    if (rc)
        return rc;
    m->head = &m->top.mat[m->top.mat[ROLE_OUTPUT].t ? ROLE_OUTPUT : ROLE_TOKEN_EMBD];
    m->n_vocab = m->head->rows;
    if (m->top.mat[ROLE_TOKEN_EMBD].rows != m->n_vocab || m->n_vocab > INT32_MAX)
        return err_set(err, ERR_FORMAT, "%zu token embeddings and %zu outputs",
                       m->top.mat[ROLE_TOKEN_EMBD].rows, m->n_vocab);
    /* whatever text becomes, and what is expected to follow it, is then a row of both */
    if (m->tok && tok_vocab(m->tok)->n_tokens > m->n_vocab)
        return err_set(err, ERR_FORMAT, "%zu tokens in the vocabulary, but embeddings of %zu",
                       tok_vocab(m->tok)->n_tokens, m->n_vocab);
    if (!m->traits.norm_plain && !m->top.vec[ROLE_OUTPUT_NORM])
        return err_set(err, ERR_FORMAT, "the output's norm is missing");
    if (m->traits.position == POS_LEARNED && !m->top.mat[ROLE_POS_EMBD].t)
        return err_set(err, ERR_FORMAT, "the positions' embeddings are missing");
    return 0;
}

static int load(struct model *m, struct err *err)
{
    int rc = read_params(m, err);

    if (!rc)
        rc = plan_model(m, err);
    for (size_t i = 0; !rc && i < m->n_layer; i++)
        rc = plan(m, i, err);
    if (!rc)
        rc = load_ends(m, err);
    if (!rc)
        rc = rope_init(m, err);
    for (size_t i = 0; !rc && i < m->n_layer; i++)
        rc = load_layer(m, i, err);
    if (!rc) /* heads are as wide as their weights by now */
        rc = make_ones(m, err);
    if (!rc)
        rc = layer_input_check(m, err);
    return rc ? rc : check_all_used(m, err);
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
