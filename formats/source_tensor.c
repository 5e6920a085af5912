/* One tensor of a checkpoint as the GGUF will have it: shape, order, parts. */

#include "formats/source_view.h"

#include <inttypes.h>
#include <string.h>

/* The stored shape, fastest first; dimensions of one go away where the row drops them.
 * Returns how many. */
static int stored_shape(uint64_t dims[ST_MAX_DIMS], const struct st_tensor *st,
                        enum arch_change change)
{
    int n = 0;

    for (int i = st->n_dims; i-- > 0;)
        if ((change != CHANGE_SQUEEZE && change != CHANGE_TILE_QKV) || st->dims[i] != 1)
            dims[n++] = st->dims[i];
    return n;
}

static size_t at_layer(int layer)
{
    return layer < 0 ? ARCH_NO_LAYER : (size_t)layer;
}

/* The row as it is stored: coded matrices may be turned already. */
static struct arch_tensor stored_row(const struct arch_tensor *row, const struct coded_tensor *from)
{
    struct arch_tensor r = *row;

    r.flags &= from->turned ? ~(unsigned)TENSOR_TRANSPOSED : ~0U;
    return r;
}

int view_check_shape(const struct view *v, const struct coded_tensor *from,
                     const struct arch_tensor *row, int layer, struct err *err)
{
    const struct st_tensor *st = &from->st;
    const struct arch_tensor as_stored = stored_row(row, from);
    uint64_t want[4], found[ST_MAX_DIMS];
    const int n = source_map_stored(want, &as_stored, v->params, at_layer(layer));
    char a[96], b[200];

    if (stored_shape(found, st, row->change) == n &&
        !memcmp(want, found, (size_t)n * sizeof(want[0])))
        return 0;
    return err_set(err, ERR_FORMAT, "tensor %s: expected shape %s by config.json, found %s",
                   st->name, source_shape(a, sizeof(a), want, n, true),
                   source_shape(b, sizeof(b), st->dims, st->n_dims, false));
}

/* Codes are their scheme's business. */
int view_check_type(const struct st_tensor *st, bool coded, struct err *err)
{
    if (coded)
        return 0;
    switch (st->type) {
    case DTYPE_F64:
    case DTYPE_F32:
    case DTYPE_F16:
    case DTYPE_BF16:
    case DTYPE_F8_E4M3:
    case DTYPE_F8_E5M2:
        return 0;
    default:
        return err_set(err, ERR_UNSUPPORTED, "tensor %s: expected a floating-point type, found %s",
                       st->name, dtype_get(st->type)->name);
    }
}

/* Values of a vector are its rows: they are put in order here, so that a reader sees
 * plain rows. A stack of vectors is as many rows. */
static int order_vector(struct view *v, struct source_tensor *t, struct source_part *part,
                        const struct source_map *map, struct err *err)
{
    const size_t each = dtype_get(t->type)->bytes;
    const size_t n = (size_t)t->dims[0], rows = (size_t)source_n_rows(t);
    const size_t stored = part->bytes / each / rows;
    uint8_t *data = arena_array(&v->s->arena, n * rows, each);

    if (!data)
        return err_nomem(err);
    for (size_t r = 0; r < rows; r++)
        for (size_t i = 0; i < n; i++)
            memcpy(data + (r * n + i) * each,
                   part->data + (r * stored + (size_t)source_map_at(map, i)) * each, each);
    *part = (struct source_part){data, n * rows * each, NULL};
    if (t->change == CHANGE_TILE_NEG_EXP)
        t->change = CHANGE_NEG_EXP;
    else if (t->change != CHANGE_ADD_ONE && t->change != CHANGE_NEG_EXP)
        t->change = CHANGE_NONE;
    return 0;
}

/* A copy of a map in the source's memory; NULL in *out for one without runs. */
static int keep_map(const struct source_map **out, struct view *v, const struct source_map *map,
                    struct err *err)
{
    struct source_map *copy = NULL;

    *out = NULL;
    if (!map->n_runs)
        return 0;
    copy = arena_alloc(&v->s->arena, sizeof(*copy));
    if (!copy)
        return err_nomem(err);
    *copy = *map;
    *out = copy;
    return 0;
}

/* How many stretches of a tensor are ordered by themselves: experts, MLA's heads. */
static uint64_t n_pieces(const struct view *v, const struct arch_tensor *row, int n_dims, int layer)
{
    if (row->change == CHANGE_MLA_K || row->change == CHANGE_MLA_V)
        return arch_int(v->params, ARCH_N_HEAD, at_layer(layer));
    if (row->flags & (TENSOR_EXPERTS | TENSOR_STACKED) && n_dims > 2)
        return arch_int(v->params, ARCH_N_EXPERT, 0);
    return 1;
}

/* The orders of rows and values. */
int view_set_maps(struct view *v, struct source_tensor *t, const struct coded_tensor *from,
                  struct err *err)
{
    const struct arch_tensor as_stored = stored_row(t->row, from);
    struct source_map rows, cols;
    const size_t layer = at_layer(t->layer);
    const uint64_t pieces = n_pieces(v, t->row, t->n_dims, t->layer);
    uint64_t stored[4];

    source_map_rows(&rows, t->row->change, v->params, layer,
                    pieces ? source_n_rows(t) / pieces : 0);
    source_map_cols(&cols, t->row->change, v->params, layer, source_row_len(t));
    (void)source_map_stored(stored, &as_stored, v->params, layer);
    t->stored_len = t->row->flags & TENSOR_VECTOR ? source_row_len(t) : stored[0];
    const int rc = keep_map(&t->rows, v, &rows, err);
    return rc ? rc : keep_map(&t->cols, v, &cols, err);
}

/* A parameter that multiplies; 1 where there is none. */
static float factor(const struct view *v, enum arch_param which, int layer)
{
    return which && arch_has(v->params, which) ? (float)arch_num(v->params, which, at_layer(layer))
                                               : 1.0F;
}

static int add_scales(struct source_tensor *t, struct view *v, const struct arch_tensor *row,
                      struct err *err)
{
    size_t n = 0;

    while (row->scales[n].rows != DIM_END)
        n++;
    struct source_scale *s = arena_array(&v->s->arena, n, sizeof(*s));
    if (!s)
        return err_nomem(err);
    for (size_t i = 0; i < n; i++) {
        s[i].end =
            arch_dim(row->scales[i].rows, v->params, at_layer(t->layer)) + (i ? s[i - 1].end : 0);
        s[i].by = factor(v, row->scales[i].by, t->layer);
    }
    t->scaled = true;
    t->n_scales = n;
    t->scales = s;
    return 0;
}

/* A tensor's frame: everything but its parts. */
int view_describe(struct source_tensor *t, struct view *v, const struct coded_tensor *from,
                  const struct arch_tensor *row, int layer, struct err *err)
{
    const struct st_tensor *st = &from->st;
    const struct arch_tensor as_stored = stored_row(row, from);
    char name[256];

    *t = (struct source_tensor){
        .stored = st->name,
        .row = row,
        .layer = arch_in_block(row) ? layer : -1,
        .type = st->type,
        .change = row->change,
        .transposed = as_stored.flags & TENSOR_TRANSPOSED || row->change == CHANGE_MLA_K,
        .scale = factor(v, row->scale, layer),
        .scale_2 = factor(v, row->scale_2, layer),
        .dims = {1, 1, 1, 1},
    };
    if (!arch_expand(name, sizeof(name), row->gguf, layer, 0))
        return err_set(err, ERR_UNSUPPORTED, "tensor %s: its name is too long", st->name);
    t->name = arena_str(&v->s->arena, name);
    if (!t->name)
        return err_nomem(err);
    t->n_dims = arch_dims(t->dims, row, v->params, at_layer(layer));
    t->scaled = row->scale && arch_has(v->params, row->scale);
    return row->scales ? add_scales(t, v, row, err) : 0;
}

/* Is it a vector, or a stack of them, one an expert? */
static bool is_vector(const struct source_tensor *t)
{
    return t->n_dims - (t->row->flags & TENSOR_STACKED ? 1 : 0) == 1;
}

static int add_vector(struct view *v, struct source_tensor *t, const struct source_part *stored,
                      struct err *err)
{
    struct source_part *part = source_part_new(v->s, 1);
    struct source_map map;
    int rc = 0;

    if (!part)
        return err_nomem(err);
    *part = *stored;
    t->n_parts = 1;
    t->part = part;
    source_map_rows(&map, t->row->change, v->params, at_layer(t->layer), t->dims[0]);
    if (map.n_runs)
        rc = order_vector(v, t, part, &map, err);
    return rc ? rc : source_add(v->s, t, err);
}

/* Pieces of a coded weight: rows of the one matrix; its bytes are counted with the last. */
static int split_coded(struct source_tensor *t, struct view *v, struct source_part *part,
                       const struct coded_tensor *from, struct err *err)
{
    struct source_coded *coded = arena_array(&v->s->arena, t->n_parts, sizeof(*coded));

    if (!coded)
        return err_nomem(err);
    for (size_t i = 0; i < t->n_parts; i++) {
        const bool last = i + 1 == t->n_parts;
        coded[i] = (struct source_coded){from->coded, from->coded->rows / t->n_parts * i};
        part[i] = (struct source_part){from->st.data, last ? from->st.bytes : 0, from->map};
    }
    t->coded = coded;
    return 0;
}

/* One checkpoint tensor that is, or has, all of one GGUF tensor. */
int view_add_plain(struct view *v, const struct coded_tensor *from, const struct arch_tensor *row,
                   int layer, struct err *err)
{
    const struct st_tensor *st = &from->st;
    const struct source_part whole = {st->data, st->bytes, from->map};
    struct source_tensor t;
    int rc = view_describe(&t, v, from, row, layer, err);

    if (rc)
        return rc;
    if (is_vector(&t))
        return from->coded ? err_set(err, ERR_UNSUPPORTED, "tensor %s: a coded vector", st->name)
                           : add_vector(v, &t, &whole, err);
    rc = view_set_maps(v, &t, from, err);
    if (rc)
        return rc;
    const uint64_t n = n_pieces(v, row, t.n_dims, layer);
    if (!n || n > st->bytes)
        return err_set(err, ERR_FORMAT, "tensor %s: %" PRIu64 " pieces in %zu bytes", st->name, n,
                       st->bytes);
    /* in order: one piece serves */
    t.n_parts = t.rows || t.transposed ? (size_t)n : 1;
    struct source_part *part = source_part_new(v->s, t.n_parts);
    if (!part)
        return err_nomem(err);
    const size_t each = st->bytes / t.n_parts;
    for (size_t i = 0; i < t.n_parts; i++)
        part[i] = (struct source_part){st->data + i * each, each, from->map};
    t.part = part;
    if (from->coded)
        rc = split_coded(&t, v, part, from, err);
    return rc ? rc : source_add(v->s, &t, err);
}
