#include "quant/matmul.h"
#include "formats/base/cpu.h"

#include "formats/base/rd.h"
#include "quant/codec.h"
#include "quant/rows.h"

#include <string.h>

enum { ALIGN = 64, VEC_ROWS = 32 }; /* VEC_ROWS: weight rows in a piece when m is 1 */

static size_t round_up(size_t n, size_t unit)
{
    return (n + unit - 1) / unit * unit;
}

static uint8_t *aligned(void *scratch)
{
    const uintptr_t base = round_up((uintptr_t)scratch, ALIGN);

    return (uint8_t *)scratch + (base - (uintptr_t)scratch);
}

/* Its values as plain F32 rows in the arena. */
static const struct source_tensor *decode_all(const struct source_tensor *t, struct arena *arena,
                                              struct err *err)
{
    const uint64_t rows = source_n_rows(t), cols = source_row_len(t);
    struct source_tensor *plain = arena_alloc(arena, sizeof(*plain));
    struct source_part *part = arena_alloc(arena, sizeof(*part));
    size_t n;

    float *v = mul_ok(&n, rows, cols) ? arena_array(arena, n, sizeof(*v)) : NULL;
    if (!plain || !part || !v) {
        (void)err_nomem(err);
        return NULL;
    }
    if (rows_read(v, t, 0, rows, err))
        return NULL;
    *part = (struct source_part){(const uint8_t *)v, n * sizeof(*v), NULL};
    *plain = (struct source_tensor){
        .name = t->name,
        .stored = t->stored,
        .row = t->row,
        .layer = t->layer,
        .type = DTYPE_F32,
        .n_dims = t->n_dims,
        .n_parts = 1,
        .part = part,
    };
    memcpy(plain->dims, t->dims, sizeof(plain->dims));
    return plain;
}

int matrix_init(struct matrix *out, const struct source_tensor *t, struct arena *arena,
                struct err *err)
{
    *out = (struct matrix){0};
    if (!rows_verbatim(t, t->type)) {
        t = decode_all(t, arena, err);
        if (!t)
            return err->code;
    }
    const struct codec *codec = codec_get(t->type, CPU_ALL);

    if (!codec || !codec->dec)
        return err_set(err, ERR_UNSUPPORTED, "tensor %s: cannot multiply with type %s", t->name,
                       dtype_get(t->type)->name);
    *out = (struct matrix){
        .t = t,
        .rows = source_n_rows(t),
        .cols = source_row_len(t),
        .global = t->global,
        .n_global = t->n_global,
    };
    if (!dtype_row_bytes(&out->row_bytes, t->type, out->cols))
        return err_set(err, ERR_FORMAT, "tensor %s: rows of %zu values are no whole blocks of %s",
                       t->name, out->cols, dtype_get(t->type)->name);
    return 0;
}

struct matrix matrix_slice(const struct matrix *stack, size_t n, size_t e)
{
    struct matrix m = *stack;

    m.rows = stack->rows / n;
    m.row0 = stack->row0 + e * m.rows;
    if (stack->n_global > 1) {
        m.n_global = stack->n_global / n;
        m.global = stack->global + e * m.n_global;
    }
    return m;
}

/* y[n] of row w.row0 + row and on, times the matrix's own numbers. */
static void scale_rows(float *y, const struct matrix *w, size_t row, size_t n)
{
    for (size_t i = 0; w->global && i < n; i++)
        y[i] *= w->global[(row + i) / (w->rows / w->n_global)];
}

void matrix_row(float *dst, const struct matrix *w, const struct kern *k, size_t r)
{
    k->dec[w->t->type](dst, source_row(w->t, w->row0 + r, w->row_bytes), w->cols);
    for (size_t i = 0; w->global && i < w->cols; i++)
        dst[i] *= w->global[r / (w->rows / w->n_global)];
}

/* ---- the shared state of one product ------------------------------------------ */

/* Jobs of one math over the same packed activations. */
struct work {
    const struct kern *k;
    enum kern_math want, math; /* asked for; of the jobs this pass takes */
    const struct mm_job *jobs;
    size_t n_jobs;
    const float *x;
    size_t ld_x, m, cols;
    uint8_t *act;    /* packed activations */
    uint8_t *panels; /* one per thread */
    size_t act_block, panel_bytes;
};

static bool takes(const struct work *w, size_t job)
{
    return kern_math_for(w->k, w->want, w->jobs[job].w->t->type, w->m > 1) == w->math;
}

/* Pieces of `unit` weight rows: how many of all jobs, and which job piece i is in. */
static size_t n_pieces(const struct work *w, size_t unit)
{
    size_t n = 0;

    for (size_t j = 0; j < w->n_jobs; j++)
        if (takes(w, j))
            n += (w->jobs[j].w->rows + unit - 1) / unit;
    return n;
}

/* The job; *row and *n: its rows in piece i. */
static const struct mm_job *piece(const struct work *w, size_t i, size_t unit, size_t *row,
                                  size_t *n)
{
    size_t j = 0;

    for (;; j++) {
        const size_t here = (w->jobs[j].w->rows + unit - 1) / unit;

        if (!takes(w, j))
            continue;
        if (i < here)
            break;
        i -= here;
    }
    *row = i * unit;
    *n = w->jobs[j].w->rows - *row;
    *n = *n < unit ? *n : unit;
    return &w->jobs[j];
}

static void find_rows(const uint8_t **rows, const struct matrix *w, size_t row, size_t n)
{
    for (size_t r = 0; r < n; r++)
        rows[r] = source_row(w->t, w->row0 + row + r, w->row_bytes);
}

/* ---- one activation row -------------------------------------------------------- */

static void vec_piece(void *arg, size_t i, int thread)
{
    const struct work *w = arg;
    const uint8_t *rows[VEC_ROWS];
    size_t row, n;
    const struct mm_job *job = piece(w, i, VEC_ROWS, &row, &n);
    const enum dtype t = job->w->t->type;

    (void)thread;
    find_rows(rows, job->w, row, n);
    w->k->vec[w->math][t](job->y + row, w->k, t, rows, n, w->act, w->cols);
    scale_rows(job->y + row, job->w, row, n);
}

static void mm_vec(struct work *w, const struct par *par)
{
    w->k->pack_vec[w->math](w->act, w->x, w->cols);
    par_for(par, n_pieces(w, VEC_ROWS), vec_piece, w);
}

/* ---- many ---------------------------------------------------------------------- */

static void act_piece(void *arg, size_t i, int thread)
{
    const struct work *w = arg;
    const struct kern_gemm *g = &w->k->gemm[w->math];
    const size_t first = i * g->act_rows, left = w->m - first;

    (void)thread;
    g->pack_act(w->act + i * w->act_block, w->x + first * w->ld_x, w->ld_x,
                left < g->act_rows ? left : g->act_rows, w->cols);
}

/* One panel: rows row .. row + n - 1 of to->w, the first at to->y. */
static void panel_rows(const struct work *w, const struct mm_job *to, size_t row, size_t n,
                       uint8_t *panel)
{
    const struct kern_gemm *g = &w->k->gemm[w->math];
    const struct matrix *m = to->w;
    const uint8_t *rows[KERN_PANEL_MAX];

    find_rows(rows, m, row, n);
    g->pack(panel, w->k, m->t->type, rows, n, w->cols);
    g->mul(to->y, to->ld_y, w->act, panel, w->m, n, w->cols);
    for (size_t k = 0; m->global && k < w->m; k++)
        scale_rows(to->y + k * to->ld_y, m, row, n);
}

static void panel_piece(void *arg, size_t i, int thread)
{
    const struct work *w = arg;
    size_t row, n;
    const struct mm_job *job = piece(w, i, w->k->gemm[w->math].panel_rows, &row, &n);
    const struct mm_job to = {job->w, job->y + row, job->ld_y};

    panel_rows(w, &to, row, n, w->panels + (size_t)thread * w->panel_bytes);
}

/* x packed, behind it room for the panels. */
static void pack_x(struct work *w, const struct par *par)
{
    const struct kern_gemm *g = &w->k->gemm[w->math];
    const size_t blocks = (w->m + g->act_rows - 1) / g->act_rows;

    w->act_block = g->act_bytes(w->cols);
    w->panel_bytes = round_up(g->panel_bytes(w->cols), ALIGN);
    w->panels = w->act + round_up(blocks * w->act_block, ALIGN);
    par_for(par, blocks, act_piece, w);
}

static void mm_gemm(struct work *w, const struct par *par)
{
    pack_x(w, par);
    par_for(par, n_pieces(w, w->k->gemm[w->math].panel_rows), panel_piece, w);
}

size_t mm_scratch_bytes(const struct kern *k, enum kern_math math, size_t m, size_t cols,
                        const struct par *par)
{
    size_t most = 0;

    /* KERN_INT16 may fall back to KERN_BF16: room for whichever takes more */
    for (int i = 0; i <= (int)math; i++) {
        const struct kern_gemm *g = &k->gemm[k->gemm[i].mul ? i : KERN_BF16];
        const size_t blocks = (m + g->act_rows - 1) / g->act_rows;
        const size_t act = round_up(blocks * g->act_bytes(cols), ALIGN);
        const size_t vec = k->vec_bytes[i](cols);
        const size_t all =
            act + vec + (size_t)par->n_threads * round_up(g->panel_bytes(cols), ALIGN);

        most = all > most ? all : most;
    }
    return most + ALIGN;
}

void mm(const struct kern *k, enum kern_math math, const struct mm_job *jobs, size_t n_jobs,
        const float *x, size_t ld_x, size_t m, const struct par *par, void *scratch)
{
    struct work w = {.k = k, .want = math, .jobs = jobs, .n_jobs = n_jobs};

    if (!m || !n_jobs)
        return;
    w.x = x;
    w.ld_x = ld_x;
    w.m = m;
    w.cols = jobs[0].w->cols;
    w.act = aligned(scratch);
    for (int i = 0; i < KERN_MATH_COUNT; i++) {
        w.math = (enum kern_math)i;
        if (!n_pieces(&w, 1))
            continue;
        if (m == 1)
            mm_vec(&w, par);
        else
            mm_gemm(&w, par);
    }
}

/* ---- by parts ------------------------------------------------------------------ */

void mm_parts_open(struct mm_parts *p, const struct par *par, void *scratch)
{
    struct work w = {.k = p->k,
                     .math = kern_math_for(p->k, p->want, p->w->t->type, true),
                     .x = p->x,
                     .ld_x = p->w->cols,
                     .m = p->m,
                     .cols = p->w->cols,
                     .act = aligned(scratch)};

    pack_x(&w, par);
    p->math = w.math;
    p->act = w.act;
    p->panels = w.panels;
    p->panel_bytes = w.panel_bytes;
}

void mm_part(const struct mm_parts *p, float *y, size_t ld_y, size_t row, size_t n, int thread)
{
    const size_t step = p->k->gemm[p->math].panel_rows;
    const struct work w = {
        .k = p->k, .math = p->math, .m = p->m, .cols = p->w->cols, .act = p->act};

    for (size_t i = 0; i < n; i += step) {
        const struct mm_job to = {p->w, y + i, ld_y};

        panel_rows(&w, &to, row + i, n - i < step ? n - i : step,
                   p->panels + (size_t)thread * p->panel_bytes);
    }
}
