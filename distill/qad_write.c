/* The file whose values the student was trained with. */

#include "distill/qad_impl.h"
#include "formats/gguf_write.h"
#include "quant/global.h"
#include "quant/job.h"
#include "quant/pipeline.h"

#include <stdlib.h>
#include <string.h>

struct writing {
    struct qad *q;
    const struct pipe_job *job; /* says order and metadata */
    struct gguf_writer *to;
    uint8_t *row; /* a batch of rows in blocks */
};

enum { BATCH_ROWS = 256 };

struct batch {
    const struct writing *wr;
    const struct qad_matrix *m;
    size_t r0, n;
    struct err err[BATCH_ROWS];
};

static void row_of_batch(void *arg, size_t i, int thread)
{
    struct batch *b = arg;
    const struct qad *q = b->wr->q;

    b->err[i].code = 0;
    (void)!qad_row(b->wr->row + i * b->m->row_bytes, q, b->m, b->r0 + i, qad_values(q, thread),
                   &b->err[i]);
}

static int write_matrix(const struct writing *wr, const struct qad_matrix *m, struct err *err)
{
    const size_t rows = wr->q->ps->p[m->index].n / m->len;
    struct batch *b = calloc(1, sizeof(*b));
    int rc = b ? 0 : err_nomem(err);

    for (size_t r = 0; !rc && r < rows; r += b->n) {
        b->wr = wr;
        b->m = m;
        b->r0 = r;
        b->n = rows - r < BATCH_ROWS ? rows - r : BATCH_ROWS;
        par_for(&wr->q->o.par, b->n, row_of_batch, b);
        for (size_t i = 0; !rc && i < b->n; i++)
            if (b->err[i].code) {
                *err = b->err[i];
                rc = err->code;
            }
        if (!rc)
            rc = gguf_writer_put(wr->to, wr->row, b->n * m->row_bytes, err);
    }
    free(b);
    return rc;
}

/* Vectors, and matrices the mix leaves in plain floats. */
static int write_plain(const struct writing *wr, size_t i, struct err *err)
{
    const struct param *p = &wr->q->ps->p[i], *t = &wr->q->t.p[i];
    const float *x = t->n == p->n ? wr->q->t.w + t->at : wr->q->ps->w + p->at;
    const struct codec *c = codec_get(wr->q->types[i], wr->q->o.cpu);
    const struct codec_how how = {0};
    const size_t len = (size_t)source_row_len(p->t);
    size_t bytes;
    int rc = 0;

    if (!c || !c->enc || !dtype_row_bytes(&bytes, wr->q->types[i], len))
        return err_set(err, ERR_UNSUPPORTED, "tensor %s: cannot be written", p->t->name);
    for (size_t r = 0; !rc && r < p->n / len; r++) {
        rc = codec_encode_row(c, wr->row, x + r * len, len, &how, err);
        if (rc)
            return err_wrap(err, "tensor %s, row %zu", p->t->name, r);
        rc = gguf_writer_put(wr->to, wr->row, bytes, err);
    }
    return rc;
}

static const struct qad_matrix *matrix_of(const struct qad *q, size_t i)
{
    for (size_t k = 0; k < q->n_matrices; k++)
        if (q->matrix[k].index == i)
            return &q->matrix[k];
    return NULL;
}

static struct gguf_item item_of(const struct source_tensor *t, enum dtype type)
{
    struct gguf_item item = {.name = t->name, .type = type, .n_dims = t->n_dims};

    memcpy(item.dims, t->dims, sizeof(item.dims));
    return item;
}

/* items[2 n]: the tensors in order, and behind a numbered one its number. */
static int list_items(size_t *count, struct gguf_item *items, const struct writing *wr,
                      struct err *err)
{
    const struct qad *q = wr->q;
    int rc = 0;

    *count = 0;
    for (size_t k = 0; !rc && k < source_n_tensors(q->s); k++) {
        const size_t i = wr->job->order[k];
        const struct qad_matrix *m = matrix_of(q, i);
        const struct source_tensor *t = source_tensor(q->s, i);
        struct source_tensor beside;
        items[(*count)++] = item_of(t, q->types[i]);
        if (!m || !m->numbered)
            continue;
        rc = global_beside(&beside, t, &m->number, 1, &wr->q->arena, err);
        if (!rc)
            items[(*count)++] = item_of(&beside, DTYPE_F32);
    }
    return rc;
}

static int write_tensors(struct writing *wr, const char *path, const struct meta *meta,
                         struct gguf_item *items, struct err *err)
{
    const struct qad *q = wr->q;
    size_t count;
    int rc = list_items(&count, items, wr, err);

    if (!rc)
        rc = gguf_writer_new(&wr->to, path, meta, items, count, 0, err);
    for (size_t k = 0; !rc && k < source_n_tensors(q->s); k++) {
        const struct qad_matrix *m = matrix_of(q, wr->job->order[k]);
        rc = m ? write_matrix(wr, m, err) : write_plain(wr, wr->job->order[k], err);
        if (!rc && m && m->numbered)
            rc = gguf_writer_put(wr->to, &m->number, sizeof(m->number), err);
    }
    return rc ? rc : gguf_writer_commit(wr->to, err);
}

/* As the usual pipeline says it, and how the weights came about. */
static int make_meta(struct meta *out, const struct qad *q, const struct pipe_job *job,
                     struct err *err)
{
    const char *how = q->o.what == QAD_ALL ? "qad" : "qad scales";
    struct meta_str recipe = {"", 0};
    struct buf b = {0};
    int rc = 0;

    for (size_t i = 0; !rc && i < job->meta->n; i++)
        rc = meta_set_kv(out, &job->meta->kv[i], err);
    (void)meta_str(job->meta, "pare.recipe", &recipe);
    buf_put(&b, recipe.p, recipe.n);
    buf_fmt(&b, " %s", how);
    if (!rc)
        rc = buf_check(&b, err);
    if (!rc)
        rc = meta_set_strn(out, "pare.recipe", b.p, b.n, err);
    buf_release(&b);
    return rc;
}

static size_t longest(const struct qad *q)
{
    size_t n = 1;

    for (size_t i = 0; i < q->ps->n; i++)
        n = source_row_len(q->ps->p[i].t) > n ? (size_t)source_row_len(q->ps->p[i].t) : n;
    return n;
}

int qad_write(const char *path, struct qad *q, struct err *err)
{
    struct writing wr = {.q = q};
    struct gguf_item *items = calloc(2 * source_n_tensors(q->s) + 1, sizeof(*items));
    char hex[HASH_HEX_BYTES];
    struct meta meta = {0};
    struct job *job = NULL;
    int rc;

    wr.row = calloc(longest(q) * BATCH_ROWS, sizeof(float));
    rc = wr.row && items ? source_sha256(hex, q->s, &q->o.par, q->o.log, err) : err_nomem(err);
    const struct job_opts o = {.convert = DTYPE_NONE,
                               .mix = q->o.mix,
                               .mix_opts = q->o.mix_opts,
                               .source_sha256 = hex,
                               .importance = q->imp,
                               .effort = q->o.effort,
                               .cpu = q->o.cpu,
                               .par = q->o.par,
                               .log = q->o.log};
    if (!rc)
        rc = job_new(&job, q->s, &o, err);
    if (!rc) {
        wr.job = job_pipe(job);
        rc = make_meta(&meta, q, wr.job, err);
    }
    qad_numbers(q);
    if (!rc)
        rc = write_tensors(&wr, path, &meta, items, err);
    gguf_writer_free(wr.to);
    job_free(job);
    meta_release(&meta);
    free(items);
    free(wr.row);
    return rc;
}
