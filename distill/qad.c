#include "distill/qad.h"

#include "distill/qad_impl.h"
#include "formats/blocks.h"
#include "quant/global.h"
#include "quant/half.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE_VALUES = 64 * 1024 };

/* ---- types --------------------------------------------------------------------------- */

/* Scales in F16 that all of a block's values, or one part of them, are proportional to. */
static const struct {
    enum dtype type;
    size_t n, at[QAD_FIELDS];
} scales[] = {
    {DTYPE_Q4_0,    1, {offsetof(struct block_q4_0, d)}                                   },
    {DTYPE_Q4_1,    2, {offsetof(struct block_q4_1, d), offsetof(struct block_q4_1, m)}   },
    {DTYPE_Q5_0,    1, {offsetof(struct block_q5_0, d)}                                   },
    {DTYPE_Q5_1,    2, {offsetof(struct block_q5_1, d), offsetof(struct block_q5_1, m)}   },
    {DTYPE_Q8_0,    1, {offsetof(struct block_q8_0, d)}                                   },
    {DTYPE_Q2_K,    2, {offsetof(struct block_q2_k, d), offsetof(struct block_q2_k, dmin)}},
    {DTYPE_Q3_K,    1, {offsetof(struct block_q3_k, d)}                                   },
    {DTYPE_Q4_K,    2, {offsetof(struct block_q4_k, d), offsetof(struct block_q4_k, dmin)}},
    {DTYPE_Q5_K,    2, {offsetof(struct block_q5_k, d), offsetof(struct block_q5_k, dmin)}},
    {DTYPE_Q6_K,    1, {offsetof(struct block_q6_k, d)}                                   },
    {DTYPE_Q1_0,    1, {offsetof(struct block_q1_0, d)}                                   },
    {DTYPE_Q2_0,    1, {offsetof(struct block_q2_0, d)}                                   },
    {DTYPE_TQ1_0,   1, {offsetof(struct block_tq1_0, d)}                                  },
    {DTYPE_TQ2_0,   1, {offsetof(struct block_tq2_0, d)}                                  },
    {DTYPE_IQ4_NL,  1, {offsetof(struct block_iq4_nl, d)}                                 },
    {DTYPE_IQ4_XS,  1, {offsetof(struct block_iq4_xs, d)}                                 },
    {DTYPE_IQ2_XXS, 1, {offsetof(struct block_iq2_xxs, d)}                                },
    {DTYPE_IQ2_XS,  1, {offsetof(struct block_iq2_xs, d)}                                 },
    {DTYPE_IQ2_S,   1, {offsetof(struct block_iq2_s, d)}                                  },
    {DTYPE_IQ3_XXS, 1, {offsetof(struct block_iq3_xxs, d)}                                },
    {DTYPE_IQ3_S,   1, {offsetof(struct block_iq3_s, d)}                                  },
    {DTYPE_IQ1_S,   1, {offsetof(struct block_iq1_s, d)}                                  },
};

static void find_fields(struct qad_matrix *m)
{
    for (size_t i = 0; i < sizeof(scales) / sizeof(scales[0]); i++)
        if (scales[i].type == m->codec->type) {
            m->n_fields = scales[i].n;
            memcpy(m->field, scales[i].at, sizeof(m->field));
        }
}

static int add_matrix(struct qad *q, size_t i, struct err *err)
{
    struct qad_matrix *m = &q->matrix[q->n_matrices];
    const struct source_tensor *t = source_tensor(q->s, i);
    const struct dtype_info *d = dtype_get(q->types[i]);
    const size_t numbers = global_count(q->s, t, q->types[i]);

    *m = (struct qad_matrix){.index = i, .codec = codec_get(q->types[i], q->o.cpu)};
    m->len = (size_t)source_row_len(t);
    m->numbered = numbers == 1;
    if (!m->codec || !m->codec->enc || !m->codec->dec || numbers > 1 ||
        !dtype_row_bytes(&m->row_bytes, q->types[i], m->len))
        return err_set(err, ERR_UNSUPPORTED, "tensor %s: %s cannot be trained through", t->name,
                       d->name);
    if (!q->o.im && mix_needs_importance(q->o.mix, t->row->role, q->types[i]))
        return err_set(err, ERR_ARG, "%s needs an importance matrix: tensor %.64s becomes %s",
                       mix_name(q->o.mix), t->name, d->name);
    m->block_values = d->block;
    m->block_bytes = d->bytes;
    m->n_blocks = m->len / m->block_values;
    if (q->o.what == QAD_SCALES)
        find_fields(m);
    q->n_matrices++;
    return 0;
}

static int set_types(struct qad *q, struct err *err)
{
    const size_t n = source_n_tensors(q->s);
    struct mix_opts mo = q->o.mix_opts;
    int rc = 0;

    q->types = arena_array(&q->arena, n + 1, sizeof(*q->types));
    q->matrix = arena_array(&q->arena, n + 1, sizeof(*q->matrix));
    if (!q->types || !q->matrix)
        return err_nomem(err);
    if (q->o.im)
        rc = importance_new(&q->imp, q->o.im, q->o.im_path, q->s, q->o.log, err);
    mo.have_importance |= q->o.im != NULL;
    if (!rc)
        rc = mix_types(q->types, q->o.mix, q->s, &mo, err);
    for (size_t i = 0; !rc && i < n; i++)
        if (!dtype_is_plain(q->types[i]))
            rc = add_matrix(q, i, err);
    return rc;
}

/* ---- rows -------------------------------------------------------------------------------- */

static int encode(uint8_t *dst, const struct qad *q, const struct qad_matrix *m, size_t r,
                  const float *x, float *values, struct err *err)
{
    const struct codec_how how = {q->imp ? importance_row(q->imp, m->index, r) : NULL, q->o.effort};
    int rc;

    for (size_t i = 0; m->numbered && i < m->len; i++)
        values[i] = x[i] / m->number;
    rc = codec_encode_row(m->codec, dst, m->numbered ? values : x, m->len, &how, err);
    return rc ? err_wrap(err, "tensor %s, row %zu", q->ps->p[m->index].t->name, r) : 0;
}

static uint16_t get16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static void put16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}

/* The factors of row r: [n_blocks, n_fields]. */
static size_t factors_at(const struct qad *q, const struct qad_matrix *m, size_t r)
{
    return q->t.p[m->index].at + r * m->n_blocks * m->n_fields;
}

static void scale_row(uint8_t *dst, const struct qad *q, const struct qad_matrix *m, size_t r)
{
    const float *by = q->t.w + factors_at(q, m, r);

    memcpy(dst, m->bytes + r * m->row_bytes, m->row_bytes);
    for (size_t b = 0; b < m->n_blocks; b++)
        for (size_t f = 0; f < m->n_fields; f++) {
            uint8_t *p = dst + b * m->block_bytes + m->field[f];
            put16(p, f16_from_f32(f32_from_f16(get16(p)) * *by++));
        }
}

int qad_row(uint8_t *dst, const struct qad *q, const struct qad_matrix *m, size_t r, float *values,
            struct err *err)
{
    if (q->o.what == QAD_ALL)
        return encode(dst, q, m, r, q->t.w + q->ps->p[m->index].at + r * m->len, values, err);
    scale_row(dst, q, m, r);
    return 0;
}

/* ---- passes over all matrices ---------------------------------------------------------------- */

static int make_pieces(struct qad *q, struct err *err)
{
    size_t n = 0, most = 1;

    for (size_t pass = 0; pass < 2; pass++) {
        n = 0;
        for (size_t i = 0; i < q->n_matrices; i++) {
            const struct qad_matrix *m = &q->matrix[i];
            const size_t rows = q->ps->p[m->index].n / m->len;
            const size_t each = m->len < PIECE_VALUES ? PIECE_VALUES / m->len : 1;
            for (size_t r = 0; r < rows; r += each, n++)
                if (pass)
                    q->piece[n] =
                        (struct qad_piece){.m = m, .r0 = r, .n = rows - r < each ? rows - r : each};
            most = m->len > most ? m->len : most;
        }
        if (!pass)
            q->piece = arena_array(&q->arena, n + 1, sizeof(*q->piece));
        if (!q->piece)
            return err_nomem(err);
    }
    q->n_pieces = n;
    q->scratch_each = (most * 2 * sizeof(float) + 63) / 64 * 64;
    q->scratch = arena_array(&q->arena, (size_t)q->o.par.n_threads, q->scratch_each);
    return q->scratch ? 0 : err_nomem(err);
}

static int run_pieces(struct qad *q, par_fn *fn, struct err *err)
{
    par_for(&q->o.par, q->n_pieces, fn, q);
    for (size_t i = 0; i < q->n_pieces; i++)
        if (q->piece[i].err.code) {
            *err = q->piece[i].err;
            return err->code;
        }
    return 0;
}

static void use_piece(void *arg, size_t i, int thread)
{
    struct qad *q = arg;
    struct qad_piece *p = &q->piece[i];
    const struct qad_matrix *m = p->m;
    uint8_t *row = qad_blocks(q, thread);

    p->err.code = 0;
    for (size_t r = p->r0; r < p->r0 + p->n; r++) {
        float *to = q->ps->w + q->ps->p[m->index].at + r * m->len;
        if (qad_row(row, q, m, r, qad_values(q, thread), &p->err))
            return;
        m->codec->dec(to, row, m->len);
        for (size_t k = 0; m->numbered && k < m->len; k++)
            to[k] *= m->number;
    }
}

/* Plain ones: the weights themselves, as their type holds them. */
static void use_plain(struct qad *q, size_t i)
{
    const struct param *p = &q->ps->p[i], *t = &q->t.p[i];
    float *to = q->ps->w + p->at;

    if (t->n != p->n)
        return;
    memcpy(to, q->t.w + t->at, p->n * sizeof(*to));
    for (size_t k = 0; k < p->n && q->types[i] == DTYPE_F16; k++)
        to[k] = f32_from_f16(f16_from_f32(to[k]));
    for (size_t k = 0; k < p->n && q->types[i] == DTYPE_BF16; k++)
        to[k] = f32_from_bf16(bf16_from_f32(to[k]));
}

int qad_use(struct qad *q, struct err *err)
{
    for (size_t i = 0; i < q->ps->n; i++)
        if (dtype_is_plain(q->types[i]))
            use_plain(q, i);
    qad_numbers(q);
    return run_pieces(q, use_piece, err);
}

static double product(const float *g, const float *x, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += (double)g[i] * (double)x[i];
    return sum;
}

/* d loss / d factor: the gradient by the values, along what the field gives them at a factor of 1. */
static void gather_row(struct qad *q, const struct qad_matrix *m, size_t r, uint8_t *block,
                       float *x)
{
    const uint8_t *row = m->bytes + r * m->row_bytes;
    const float *g = q->ps->g + q->ps->p[m->index].at + r * m->len;
    float *to = q->t.g + factors_at(q, m, r);

    for (size_t b = 0; b < m->n_blocks; b++, g += m->block_values)
        for (size_t f = 0; f < m->n_fields; f++) {
            memcpy(block, row + b * m->block_bytes, m->block_bytes);
            for (size_t k = 0; k < m->n_fields; k++)
                if (k != f)
                    put16(block + m->field[k], 0);
            m->codec->dec(x, block, m->block_values);
            *to++ = (float)product(g, x, m->block_values);
        }
}

/* The same sum of a row whose one factor is the matrix's number. */
static double number_sum(const struct qad *q, const struct qad_matrix *m, size_t r, float *x)
{
    m->codec->dec(x, m->bytes + r * m->row_bytes, m->len);
    return product(q->ps->g + q->ps->p[m->index].at + r * m->len, x, m->len);
}

static void gather_piece(void *arg, size_t i, int thread)
{
    struct qad *q = arg;
    struct qad_piece *p = &q->piece[i];

    p->sum = 0;
    for (size_t r = p->r0; r < p->r0 + p->n; r++)
        if (p->m->numbered)
            p->sum += number_sum(q, p->m, r, qad_values(q, thread));
        else if (p->m->n_fields)
            gather_row(q, p->m, r, qad_blocks(q, thread), qad_values(q, thread));
}

void qad_gather(struct qad *q)
{
    if (q->o.what == QAD_ALL)
        return;
    for (size_t i = 0; i < q->ps->n; i++)
        if (dtype_is_plain(q->types[i]) && q->t.p[i].n == q->ps->p[i].n)
            memcpy(q->t.g + q->t.p[i].at, q->ps->g + q->ps->p[i].at,
                   q->ps->p[i].n * sizeof(*q->t.g));
    par_for(&q->o.par, q->n_pieces, gather_piece, q);
    qad_numbers_gather(q);
}

/* ---- what is trained -------------------------------------------------------------------------- */

static int train_all(struct qad *q, struct err *err)
{
    struct params *t = &q->t;

    t->p = arena_array(&t->arena, q->ps->n + 1, sizeof(*t->p));
    t->w = arena_array(&t->arena, q->ps->n_values, sizeof(*t->w));
    if (!t->p || !t->w)
        return err_nomem(err);
    memcpy(t->p, q->ps->p, q->ps->n * sizeof(*t->p));
    memcpy(t->w, q->ps->w, q->ps->n_values * sizeof(*t->w));
    t->n = q->ps->n;
    t->n_values = q->ps->n_values;
    t->g = q->ps->g;
    return 0;
}

static void encode_piece(void *arg, size_t i, int thread)
{
    struct qad *q = arg;
    struct qad_piece *p = &q->piece[i];
    const struct qad_matrix *m = p->m;
    uint8_t *bytes = qad_blocks(q, thread); /* they may want alignment */

    for (size_t r = p->r0; r < p->r0 + p->n; r++) {
        if (encode(bytes, q, m, r, q->ps->w + q->ps->p[m->index].at + r * m->len,
                   qad_values(q, thread), &p->err))
            return;
        memcpy(m->bytes + r * m->row_bytes, bytes, m->row_bytes);
    }
}

/* Factors of a matrix, or a vector as it is; a matrix in plain floats stays. */
static size_t n_scales(const struct qad *q, size_t i, const struct qad_matrix *m)
{
    const struct param *p = &q->ps->p[i];

    if (m)
        return m->numbered ? 1 : p->n / m->block_values * m->n_fields;
    return p->matrix ? 0 : p->n;
}

/* Param i as its scales, behind t->n_values that there are so far; m: its matrix, or NULL. */
static int place_scales(struct qad *q, size_t i, struct qad_matrix *m, struct err *err)
{
    const struct param *whole = &q->ps->p[i];
    const size_t n = n_scales(q, i, m);
    struct params *t = &q->t;

    t->p[i] = *whole;
    t->p[i].at = t->n_values;
    t->p[i].n = t->p[i].cols = n;
    t->p[i].rows = 1;
    t->p[i].matrix = false;
    t->p[i].fixed = whole->fixed || !n;
    t->n_values += (n + PARAMS_ALIGN - 1) / PARAMS_ALIGN * PARAMS_ALIGN;
    if (!m)
        return 0;
    if (!n)
        log_warn(q->o.log, "tensor %s: scales of %s are not trained", whole->t->name,
                 dtype_get(q->types[i])->name);
    m->bytes = arena_array(&q->arena, whole->n / m->len, m->row_bytes);
    return m->bytes ? 0 : err_nomem(err);
}

/* Factors of 1, and vectors as they are. */
static void begin_scales(struct qad *q)
{
    const struct params *t = &q->t;

    for (size_t i = 0; i < t->n; i++)
        for (size_t k = 0; k < t->p[i].n; k++)
            t->w[t->p[i].at + k] = dtype_is_plain(q->types[i]) ? q->ps->w[q->ps->p[i].at + k] : 1;
}

static int train_scales(struct qad *q, struct err *err)
{
    struct params *t = &q->t;
    size_t next = 0;
    int rc = 0;

    t->p = arena_array(&t->arena, q->ps->n + 1, sizeof(*t->p));
    if (!t->p)
        return err_nomem(err);
    t->n = q->ps->n;
    for (size_t i = 0; !rc && i < t->n; i++) {
        const bool coded = next < q->n_matrices && q->matrix[next].index == i;
        rc = place_scales(q, i, coded ? &q->matrix[next++] : NULL, err);
    }
    if (rc)
        return rc;
    t->w = arena_array(&t->arena, t->n_values + 1, sizeof(*t->w));
    t->g = arena_array(&t->arena, t->n_values + 1, sizeof(*t->g));
    if (!t->w || !t->g)
        return err_nomem(err);
    begin_scales(q);
    qad_numbers_begin(q);
    return run_pieces(q, encode_piece, err);
}

int qad_new(struct qad **out, struct params *ps, const struct source *s,
            const struct qad_opts *opts, struct err *err)
{
    struct qad *q = calloc(1, sizeof(*q));
    int rc;

    *out = NULL;
    if (!q)
        return err_nomem(err);
    q->o = *opts;
    q->ps = ps;
    q->s = s;
    rc = set_types(q, err);
    if (!rc && !q->n_matrices)
        rc = err_set(err, ERR_UNSUPPORTED, "%s quantizes nothing of the student",
                     mix_name(q->o.mix));
    if (!rc)
        rc = make_pieces(q, err);
    if (!rc)
        rc = q->o.what == QAD_ALL ? train_all(q, err) : train_scales(q, err);
    if (rc) {
        qad_free(q);
        return rc;
    }
    *out = q;
    return 0;
}

void qad_free(struct qad *q)
{
    if (!q)
        return;
    importance_free(q->imp);
    arena_release(&q->t.arena);
    arena_release(&q->arena);
    free(q);
}

struct params *qad_params(struct qad *q)
{
    return &q->t;
}
