/* The numbers beside NVFP4 weights. With all weights trained each follows its weights, as plain quantization would
 * choose it; with codes frozen it is the one scale that is trained. */

#include "distill/qad_impl.h"
#include "quant/global.h"

static const float *weights(const struct qad *q, const struct qad_matrix *m)
{
    return q->o.what == QAD_ALL ? q->t.w + q->t.p[m->index].at : q->ps->w + q->ps->p[m->index].at;
}

static void choose(void *arg, size_t i, int thread)
{
    struct qad *q = arg;
    struct qad_matrix *m = &q->matrix[i];

    (void)thread;
    if (m->numbered)
        m->number = global_number(global_largest(weights(q, m), q->ps->p[m->index].n));
}

void qad_numbers_begin(struct qad *q)
{
    par_for(&q->o.par, q->n_matrices, choose, q);
    for (size_t i = 0; i < q->n_matrices; i++)
        q->matrix[i].number_begun = q->matrix[i].number;
}

void qad_numbers(struct qad *q)
{
    if (q->o.what == QAD_ALL) {
        par_for(&q->o.par, q->n_matrices, choose, q);
        return;
    }
    for (size_t i = 0; i < q->n_matrices; i++) {
        struct qad_matrix *m = &q->matrix[i];
        if (m->numbered)
            m->number = m->number_begun * q->t.w[q->t.p[m->index].at];
    }
}

/* Pieces are summed in their order, whatever thread had them. */
void qad_numbers_gather(struct qad *q)
{
    for (size_t i = 0; i < q->n_matrices; i++)
        if (q->matrix[i].numbered)
            q->t.g[q->t.p[q->matrix[i].index].at] = 0;
    for (size_t i = 0; i < q->n_pieces; i++) {
        const struct qad_matrix *m = q->piece[i].m;
        if (m->numbered)
            q->t.g[q->t.p[m->index].at] += (float)(q->piece[i].sum * (double)m->number_begun);
    }
}
