#include "quant/unpack.h"

#include "formats/base/cpu.h"
#include "formats/base/rd.h"
#include "quant/codec.h"
#include "quant/rows.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Values in a group of rows, encoded bytes in a batch and its groups. Of columns, as many
 * become rows at once as the widest block has values. */
enum { GROUP_VALUES = 128 * 1024, BATCH_BYTES = 8 << 20, BATCH_GROUPS = 256, COLUMNS = 256 };

/* Consecutive rows of one tensor. */
struct group {
    const struct hf_tensor *h;
    uint64_t r0, n;
    uint8_t *out; /* in place; out_bytes */
    size_t out_bytes;
    int rc; /* with `err` */
    struct err err;
};

struct batch {
    struct group *group; /* BATCH_GROUPS */
    size_t n;
    uint8_t *out;
};

struct run {
    struct st_writer *w;
    const struct hf_plan *plan;
    unsigned cpu;
    struct batch batch[2];
    struct batch *now, *before; /* being made; being written */
    float *scratch;             /* scratch_values for each thread */
    size_t scratch_values, batch_bytes;
    size_t item; /* next group: of this tensor */
    uint64_t row;
    uint64_t done;
    int write_rc;
    struct err write_err;
};

/* ---- rows of one piece ----------------------------------------------------------- */

static const uint8_t *row_at(const struct hf_piece *p, uint64_t r)
{
    const struct dtype_info *d = dtype_get(p->t->type);

    return p->t->part->data + (size_t)(r * (p->len / d->block)) * d->bytes;
}

/* The stored value that becomes y by -exp: one that does so exactly, where there is one
 * near the logarithm. */
static float unexp(float y)
{
    enum { STEPS = 64 };
    const float x = (float)log(-(double)y);
    float up = x, down = x;

    for (int i = 0; i < STEPS && isfinite(x); i++) {
        if (rows_neg_exp(up) == y)
            return up;
        if (rows_neg_exp(down) == y)
            return down;
        up = nextafterf(up, INFINITY);
        down = nextafterf(down, -INFINITY);
    }
    return x;
}

/* x[n] of the GGUF's row r: the number beside the tensor, and the conversion's change
 * undone. */
static void unchange(float *x, size_t n, const struct source_tensor *t, uint64_t r,
                     enum arch_change change)
{
    const float by = t->global ? t->global[r / (source_n_rows(t) / t->n_global)] : 1;

    for (size_t i = 0; i < n && t->global; i++)
        x[i] *= by;
    for (size_t i = 0; i < n && change == CHANGE_ADD_ONE; i++)
        x[i] -= 1.0F;
    for (size_t i = 0; i < n && (change == CHANGE_NEG_EXP || change == CHANGE_TILE_NEG_EXP); i++)
        x[i] = unexp(x[i]);
}

/* dst[len of the tensor] = what the piece gives of row `r`, whole rows. */
static void put_row(float *dst, const struct hf_tensor *h, const struct hf_piece *p,
                    const struct codec *c, uint64_t r, float *tmp)
{
    const uint64_t at = r % h->piece_rows, q = r / h->piece_rows;
    uint64_t g = at;

    if (p->back) {
        if (!p->back[at])
            return;
        g = p->back[at] - 1;
    } else if (at >= p->each) {
        return;
    }
    float *to = p->cols.n_runs ? tmp : dst;
    g += p->first + q * p->each;
    c->dec(to, row_at(p, g), (size_t)p->len);
    unchange(to, (size_t)p->len, p->t, g, p->change);
    for (size_t i = 0; p->cols.n_runs && i < p->len; i++)
        dst[source_map_at(&p->cols, i)] = tmp[i];
}

/* dst[n, len] = what the piece gives of rows [r0, r0 + n), all in one piece, its own rows being
 * the stored columns. r0 begins a block of theirs. */
static void put_columns(float *dst, const struct hf_tensor *h, const struct hf_piece *p,
                        const struct codec *c, const struct group *g)
{
    const struct dtype_info *d = dtype_get(p->t->type);
    const uint64_t at = g->r0 % h->piece_rows, q = g->r0 / h->piece_rows;
    float strip[COLUMNS];

    if (at >= p->len)
        return;
    const size_t n = (size_t)(p->len - at < g->n ? p->len - at : g->n);
    const size_t padded = (n + d->block - 1) / d->block * d->block;
    for (uint64_t k = 0; k < p->each; k++) {
        const uint64_t to = p->rows.n_runs ? source_map_at(&p->rows, k) : k;
        const uint64_t row = p->first + q * p->each + k;
        c->dec(strip, row_at(p, row) + at / d->block * d->bytes, padded);
        unchange(strip, n, p->t, row, p->change);
        for (size_t i = 0; i < n; i++)
            dst[i * h->len + to] = strip[i];
    }
}

/* ---- groups ------------------------------------------------------------------------- */

static bool is_turned(const struct hf_tensor *h)
{
    for (size_t i = 0; i < h->n_pieces; i++)
        if (h->piece[i].transposed)
            return true;
    return false;
}

static uint64_t group_rows(const struct hf_tensor *h)
{
    if (is_turned(h))
        return COLUMNS;
    return h->len < GROUP_VALUES ? GROUP_VALUES / h->len : 1;
}

/* Are the stored rows copies? */
static bool is_copy(const struct hf_tensor *h)
{
    for (size_t i = 0; i < h->n_pieces; i++) {
        const struct hf_piece *p = &h->piece[i];
        if (p->t->type != h->type || p->transposed || p->cols.n_runs || p->len != h->len ||
            p->change == CHANGE_ADD_ONE || p->change == CHANGE_NEG_EXP ||
            p->change == CHANGE_TILE_NEG_EXP)
            return false;
    }
    return h->n_pieces > 0;
}

static void copy_rows(struct group *g)
{
    const struct hf_tensor *h = g->h;
    const size_t bytes = g->out_bytes / (size_t)g->n;

    for (uint64_t r = 0; r < g->n; r++) {
        const uint64_t at = (g->r0 + r) % h->piece_rows, q = (g->r0 + r) / h->piece_rows;
        for (size_t i = 0; i < h->n_pieces; i++) {
            const struct hf_piece *p = &h->piece[i];
            if (p->back ? p->back[at] == 0 : at >= p->each)
                continue;
            const uint64_t from = p->back ? p->back[at] - 1 : at;
            memcpy(g->out + r * bytes, row_at(p, p->first + q * p->each + from), bytes);
        }
    }
}

static int encode(struct group *g, const float *x, unsigned cpu, struct err *err)
{
    const struct codec *c = codec_get(g->h->type, cpu);
    const struct codec_how how = {0};
    const size_t len = (size_t)g->h->len, bytes = g->out_bytes / (size_t)g->n;
    int rc = 0;

    for (uint64_t r = 0; !rc && r < g->n; r++) {
        rc = codec_encode_row(c, g->out + r * bytes, x + r * len, len, &how, err);
        if (rc)
            (void)err_wrap(err, "tensor %s: row %" PRIu64, g->h->name, g->r0 + r);
    }
    return rc;
}

static void make_group(struct group *g, unsigned cpu, float *scratch)
{
    const struct hf_tensor *h = g->h;
    const size_t len = (size_t)h->len;

    g->rc = 0;
    if (is_copy(h)) {
        copy_rows(g);
        return;
    }
    if (!h->n_pieces)
        scratch[0] = (float)h->value;
    for (size_t i = 0; i < h->n_pieces; i++) {
        const struct hf_piece *p = &h->piece[i];
        const struct codec *c = codec_get(p->t->type, cpu);
        if (!c) {
            g->rc = err_set(&g->err, ERR_UNSUPPORTED, "tensor %s: pare cannot read type %s",
                            p->t->name, dtype_get(p->t->type)->name);
            return;
        }
        if (p->transposed)
            put_columns(scratch, h, p, c, g);
        for (uint64_t r = 0; !p->transposed && r < g->n; r++)
            put_row(scratch + r * len, h, p, c, g->r0 + r, scratch + g->n * len);
    }
    g->rc = encode(g, scratch, cpu, &g->err);
}

/* ---- letting pages go ------------------------------------------------------------------ */

static void forget(const struct hf_piece *p, uint64_t from, uint64_t end)
{
    const struct source_part *part = p->t->part;

    if (part->map && from < end)
        map_forget(part->map, (size_t)(row_at(p, from) - part->map->data),
                   (size_t)(row_at(p, end) - row_at(p, from)));
}

/* The GGUF's rows a group came from; of columns all, when no row is left. */
static void forget_group(const struct group *g)
{
    const struct hf_tensor *h = g->h;

    for (size_t i = 0; i < h->n_pieces; i++) {
        const struct hf_piece *p = &h->piece[i];
        const bool ends = (g->r0 + g->n) % h->piece_rows == 0;
        uint64_t low = UINT64_MAX, high = 0;
        if (p->transposed) {
            const uint64_t q = g->r0 / h->piece_rows;
            forget(p, p->first + q * p->each, p->first + (q + (ends ? 1 : 0)) * p->each);
            continue;
        }
        for (uint64_t r = g->r0; r < g->r0 + g->n; r++) {
            const uint64_t at = r % h->piece_rows, q = r / h->piece_rows;
            if (p->back ? p->back[at] == 0 : at >= p->each)
                continue;
            const uint64_t from = p->first + q * p->each + (p->back ? p->back[at] - 1 : at);
            low = from < low ? from : low;
            high = from >= high ? from + 1 : high;
        }
        forget(p, low, high);
    }
}

/* ---- batches ---------------------------------------------------------------------------- */

static int plan_sizes(struct run *u, struct err *err)
{
    u->batch_bytes = BATCH_BYTES;
    for (size_t i = 0; i < hf_plan_n(u->plan); i++) {
        const struct hf_tensor *h = hf_plan_at(u->plan, i);
        size_t values, bytes;
        if (!mul_ok(&values, (size_t)group_rows(h) + 1, (size_t)h->len) ||
            !mul_ok(&bytes, values, sizeof(float)))
            return err_set(err, ERR_FORMAT, "tensor %s: rows of %" PRIu64 " values", h->name,
                           h->len);
        u->scratch_values = values > u->scratch_values ? values : u->scratch_values;
        u->batch_bytes = bytes > u->batch_bytes ? bytes : u->batch_bytes;
    }
    return 0;
}

static int reserve(struct run *u, const struct par *par, struct err *err)
{
    u->scratch = malloc(u->scratch_values * (size_t)par->n_threads * sizeof(*u->scratch));
    for (int i = 0; i < 2; i++) {
        u->batch[i].group = calloc(BATCH_GROUPS, sizeof(*u->batch[i].group));
        u->batch[i].out = malloc(u->batch_bytes);
        if (!u->batch[i].group || !u->batch[i].out || !u->scratch)
            return err_nomem(err);
    }
    return 0;
}

static void release(struct run *u)
{
    for (int i = 0; i < 2; i++) {
        free(u->batch[i].group);
        free(u->batch[i].out);
    }
    free(u->scratch);
}

/* Columns' groups end where a piece does. */
static uint64_t next_rows(const struct hf_tensor *h, uint64_t row)
{
    const uint64_t most = group_rows(h), left = h->n_rows - row;
    uint64_t n = left < most ? left : most;

    if (is_turned(h) && h->piece_rows - row % h->piece_rows < n)
        n = h->piece_rows - row % h->piece_rows;
    return n;
}

static void fill(struct run *u, struct batch *b)
{
    size_t used = 0;

    b->n = 0;
    while (u->item < hf_plan_n(u->plan) && b->n < BATCH_GROUPS) {
        const struct hf_tensor *h = hf_plan_at(u->plan, u->item);
        const uint64_t n = next_rows(h, u->row);
        const size_t bytes = (size_t)(n * h->len) * dtype_get(h->type)->bytes;
        if (bytes > u->batch_bytes - used)
            return;
        if (n)
            b->group[b->n++] = (struct group){
                .h = h, .r0 = u->row, .n = n, .out = b->out + used, .out_bytes = bytes};
        used += bytes;
        u->row += n;
        if (u->row >= h->n_rows) {
            u->item++;
            u->row = 0;
        }
    }
}

static void write_batch(struct run *u)
{
    const struct batch *b = u->before;

    for (size_t i = 0; i < b->n && !u->write_rc; i++)
        u->write_rc = st_writer_put(u->w, b->group[i].out, b->group[i].out_bytes, &u->write_err);
}

/* Piece 0 writes the batch before, the others make this one. */
static void piece(void *arg, size_t i, int thread)
{
    struct run *u = arg;

    if (i == 0)
        write_batch(u);
    else
        make_group(&u->now->group[i - 1], u->cpu, u->scratch + (size_t)thread * u->scratch_values);
}

static int finish(struct run *u, const struct log *log, struct err *err)
{
    if (u->write_rc) {
        *err = u->write_err;
        return u->write_rc;
    }
    for (size_t i = 0; i < u->now->n; i++) {
        if (u->now->group[i].rc) {
            *err = u->now->group[i].err;
            return u->now->group[i].rc;
        }
        forget_group(&u->now->group[i]);
        u->done += u->now->group[i].out_bytes;
    }
    log_progress(log, "bytes", u->done, st_writer_bytes(u->w));
    return log_stop(log, err);
}

int unpack(struct st_writer *w, const struct hf_plan *plan, unsigned cpu, const struct par *par,
           const struct log *log, struct err *err)
{
    struct run u = {.w = w, .plan = plan, .cpu = cpu};
    int rc = plan_sizes(&u, err);

    if (!rc)
        rc = reserve(&u, par, err);
    u.now = &u.batch[0];
    u.before = &u.batch[1];
    while (!rc) {
        fill(&u, u.now);
        par_for(par, u.now->n + 1, piece, &u);
        rc = finish(&u, log, err);
        struct batch *b = u.before;
        u.before = u.now;
        u.now = b;
        if (!u.before->n)
            break;
    }
    release(&u);
    return rc;
}
