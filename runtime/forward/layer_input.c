/* Inputs that each layer has of its own (Gemma 4 E2B and E4B, Gemma 3n): with E their width,
 *   input[l] = (norm(P x / sqrt(n_embd))[l] + table[id][l] sqrt(E)) / sqrt(2),
 * x the token's embedding, and after the layer's feed-forward
 *   x += norm(out (act(gate x) * input[l])).
 * Source: transformers, modeling_gemma4 (project_per_layer_inputs, the decoder layer). */

#include "runtime/forward/forward.h"

#include <math.h>

static int check_layer(const struct model *m, size_t i, struct err *err)
{
    const struct weights *w = &m->layer[i].w;

    if (w->mat[ROLE_LAYER_IN_GATE].t && w->mat[ROLE_LAYER_IN_OUT].t && w->vec[ROLE_LAYER_IN_NORM])
        return 0;
    return err_set(err, ERR_FORMAT, "block %zu: a weight of its own input is missing", i);
}

int layer_input_check(const struct model *m, struct err *err)
{
    const struct weights *w = &m->top;
    int rc = 0;

    if (!m->n_embd_layer)
        return 0;
    if (!w->mat[ROLE_LAYER_EMBD].t || !w->mat[ROLE_LAYER_EMBD_PROJ].t ||
        !w->vec[ROLE_LAYER_EMBD_NORM])
        return err_set(err, ERR_FORMAT, "a weight of the layers' own inputs is missing");
    if (w->mat[ROLE_LAYER_EMBD].rows < m->n_vocab)
        return err_set(err, ERR_FORMAT, "%zu tokens, but layers' own embeddings of %zu", m->n_vocab,
                       w->mat[ROLE_LAYER_EMBD].rows);
    for (size_t i = 0; !rc && i < m->n_layer; i++)
        rc = check_layer(m, i, err);
    return rc;
}

struct inputs {
    struct sess *s;
    const int32_t *ids;
    size_t layer;
};

static void inputs_span(void *arg, size_t i0, size_t i1)
{
    const struct inputs *in = arg;
    const struct sess *s = in->s;
    const struct model *m = s->m;
    const size_t wide = m->n_embd_layer, all = m->n_layer * wide;
    const float down = (float)(1 / sqrt((double)m->n_embd)), up = (float)sqrt((double)wide);
    const float half = (float)sqrt(0.5);

    for (size_t i = i0; i < i1; i++) {
        float *x = s->inputs + i * all, *e = s->table + i * all;
        matrix_row(e, &m->top.mat[ROLE_LAYER_EMBD], &m->kern, (size_t)in->ids[i]);
        for (size_t j = 0; j < all; j++)
            x[j] *= down;
        for (size_t l = 0; l < m->n_layer; l++)
            norm_rms(m, x + l * wide, x + l * wide, m->top.vec[ROLE_LAYER_EMBD_NORM], NULL, wide);
        for (size_t j = 0; j < all; j++)
            x[j] = (x[j] + e[j] * up) * half;
    }
}

void layer_inputs(struct sess *s, const int32_t *ids, size_t n)
{
    const struct model *m = s->m;
    const struct mm_job job = {&m->top.mat[ROLE_LAYER_EMBD_PROJ], s->inputs,
                               m->n_layer * m->n_embd_layer};
    struct inputs in = {.s = s, .ids = ids};

    sess_mm(s, &job, 1, s->x, m->n_embd, n);
    span_for(&s->par, n, inputs_span, &in);
}

static void gate_span(void *arg, size_t i0, size_t i1)
{
    const struct inputs *in = arg;
    const struct model *m = in->s->m;
    const size_t wide = m->n_embd_layer;

    for (size_t i = i0; i < i1; i++) {
        float *gate = in->s->table + i * wide;
        m->act(m, in->layer, gate, gate, in->s->inputs + (i * m->n_layer + in->layer) * wide, wide);
    }
}

void layer_input_run(struct sess *s, size_t layer, size_t n)
{
    const struct model *m = s->m;
    const struct weights *w = &m->layer[layer].w;
    const struct mm_job gate = {&w->mat[ROLE_LAYER_IN_GATE], s->table, m->n_embd_layer};
    const struct mm_job out = {&w->mat[ROLE_LAYER_IN_OUT], s->y, m->n_embd};
    struct inputs in = {.s = s, .layer = layer};

    sess_mm(s, &gate, 1, s->x, m->n_embd, n);
    span_for(&s->par, n, gate_span, &in);
    sess_mm(s, &out, 1, s->table, m->n_embd_layer, n);
}
