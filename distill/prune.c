/* Tensors cut by the formulas of their rows. */

#include "distill/prune.h"
#include "distill/student_file.h"
#include "quant/rows.h"

#include <inttypes.h>

/* ---- what a dimension is made of ----------------------------------------------- */

enum { TERMS = 3 };

/* One stretch: `times` * `each` values for every one of the axis. */
struct term {
    enum prune_axis axis;
    unsigned times;       /* 0: no term */
    enum arch_param each; /* ARCH_PARAM_COUNT: 1 */
};

#define ONE ARCH_PARAM_COUNT

static const struct term terms_of[][TERMS] = {
    [DIM_EMBD] = {{PRUNE_EMBD, 1, ONE}      },
    [DIM_EMBD_3] = {{PRUNE_EMBD, 1, ONE},       {PRUNE_EMBD, 1, ONE}, {PRUNE_EMBD, 1, ONE}},
    [DIM_FF] = {{PRUNE_FF, 1, ONE}     },
    [DIM_FF_2] = {{PRUNE_FF, 1, ONE},         {PRUNE_FF, 1, ONE}},
    [DIM_Q] = {{PRUNE_HEAD, 1, ARCH_HEAD_K}        },
    [DIM_Q_2] = {{PRUNE_HEAD, 2, ARCH_HEAD_K}                         },
    [DIM_K] = {{PRUNE_KV, 1, ARCH_HEAD_K}                 },
    [DIM_V] = {{PRUNE_KV, 1, ARCH_HEAD_V}},
    [DIM_O] = {{PRUNE_HEAD, 1, ARCH_HEAD_V}        },
    [DIM_QKV] = {{PRUNE_HEAD, 1, ARCH_HEAD_K},
                  {PRUNE_KV, 1, ARCH_HEAD_K},
                  {PRUNE_KV, 1, ARCH_HEAD_V}},
    [DIM_HEAD] = {{PRUNE_HEAD, 1, ONE}                 },
    [DIM_HEAD_KV] = {{PRUNE_KV, 1, ONE}},
    [DIM_EMBD_LAYERS] = {{PRUNE_LAYER, 1, ARCH_N_EMBD_LAYER}                         },
    [DIM_ONE] = {{0}        },
};

static size_t at_layer(int layer)
{
    return layer < 0 ? ARCH_NO_LAYER : (size_t)layer;
}

/* How many the teacher has. */
static uint64_t had(const struct prune *p, enum prune_axis axis, int layer)
{
    static const enum arch_param number[PRUNE_AXES] = {
        [PRUNE_EMBD] = ARCH_N_EMBD,  [PRUNE_FF] = ARCH_N_FF,       [PRUNE_HEAD] = ARCH_N_HEAD,
        [PRUNE_KV] = ARCH_N_HEAD_KV, [PRUNE_LAYER] = ARCH_N_LAYER,
    };

    return arch_int(source_params(p->s), number[axis], at_layer(layer));
}

static const struct prune_list *kept(const struct prune *p, enum prune_axis axis, int layer)
{
    const bool everywhere = axis == PRUNE_EMBD || axis == PRUNE_LAYER;

    return &p->list[(everywhere ? 0 : (size_t)(layer + 1)) * PRUNE_AXES + axis];
}

static const struct term *terms(enum arch_dim d)
{
    static const struct term none[TERMS] = {{0}};

    return (size_t)d < sizeof(terms_of) / sizeof(terms_of[0]) ? terms_of[d] : none;
}

/* The teacher's indices of a dimension that the student keeps. at[n]; at NULL: all. */
static int kept_of(struct prune_list *out, const struct prune *p, enum arch_dim d, int layer,
                   struct arena *arena, struct err *err)
{
    const struct arch_params *q = source_params(p->s);
    const uint64_t all = arch_dim(d, q, at_layer(layer));
    const struct term *t = terms(d);
    bool cut = false;
    uint32_t *at;
    size_t n = 0;
    uint64_t base = 0;

    *out = (struct prune_list){NULL, (size_t)all};
    for (int i = 0; i < TERMS; i++)
        cut = cut || (t[i].times && kept(p, t[i].axis, layer)->at);
    if (!cut)
        return 0;
    at = arena_array(arena, (size_t)all + 1, sizeof(*at));
    if (!at)
        return err_nomem(err);
    for (int i = 0; i < TERMS && t[i].times; i++) {
        const struct prune_list *k = kept(p, t[i].axis, layer);
        const uint64_t each =
            t[i].times * (t[i].each == ONE ? 1 : arch_int(q, t[i].each, at_layer(layer)));
        const uint64_t of = had(p, t[i].axis, layer), m = k->at ? k->n : of;
        for (uint64_t j = 0; j < m; j++)
            for (uint64_t e = 0; e < each && n < all; e++)
                at[n++] = (uint32_t)(base + (k->at ? k->at[j] : j) * each + e);
        base += of * each;
    }
    *out = (struct prune_list){at, n};
    return 0;
}

/* ---- tensors ------------------------------------------------------------------------ */

/* One of the student's tensors. */
struct cut {
    const struct source_tensor *t;
    struct prune_list dim[GGUF_MAX_DIMS];
};

struct cuts {
    const struct prune *p;
    struct cut *cut;
    struct gguf_item *items;
    size_t n;
    float *row; /* of the teacher */
    struct arena arena;
};

/* Does training leave it as it is? */
static bool is_made(const struct source_tensor *t)
{
    return t->row && t->row->flags & TENSOR_MADE;
}

/* The student's number of a teacher's layer; -1: left out. */
static int new_layer(const struct prune *p, int layer)
{
    for (size_t l = 0; l < p->n_layer; l++)
        if (p->layer[l] == (uint32_t)layer)
            return (int)l;
    return -1;
}

uint64_t prune_count(const struct source *s)
{
    uint64_t n = 0;

    for (size_t i = 0; i < source_n_tensors(s); i++) {
        const struct source_tensor *t = source_tensor(s, i);
        n += is_made(t) ? 0 : source_row_len(t) * source_n_rows(t);
    }
    return n;
}

uint64_t prune_n_params(const struct prune *p)
{
    uint64_t n = 0;

    for (size_t i = 0; i < source_n_tensors(p->s); i++) {
        const struct source_tensor *t = source_tensor(p->s, i);
        const int layer = t->layer < 0 ? -1 : new_layer(p, t->layer);
        uint64_t dims[GGUF_MAX_DIMS] = {1, 1, 1, 1}, size = 1;
        if (is_made(t) || (t->layer >= 0 && layer < 0))
            continue;
        const int k = arch_dims(dims, t->row, &p->q, at_layer(layer));
        for (int d = 0; d < k; d++)
            size *= dims[d];
        n += size;
    }
    return n;
}

static int add_cut(struct cuts *c, const struct source_tensor *t, int layer, struct err *err)
{
    struct cut *cut = &c->cut[c->n];
    struct gguf_item *it = &c->items[c->n];
    uint64_t dims[GGUF_MAX_DIMS] = {1, 1, 1, 1};
    char name[256];

    if (!t->row || !arch_expand(name, sizeof(name), t->row->gguf, layer, 0))
        return err_set(err, ERR_UNSUPPORTED, "tensor %s: not one of the family's", t->name);
    *cut = (struct cut){.t = t};
    *it = (struct gguf_item){
        .name = layer == t->layer ? t->name : arena_str(&c->arena, name),
        .type = DTYPE_F32,
        .n_dims = t->n_dims,
        .dims = {1, 1, 1, 1}
    };
    (void)arch_dims(dims, t->row, &c->p->q, at_layer(layer));
    if (!it->name)
        return err_nomem(err);
    for (int d = 0; d < t->n_dims; d++) {
        const enum arch_dim of = d < 4 ? t->row->dims[d] : DIM_END;
        const int rc = kept_of(&cut->dim[d], c->p, of, t->layer, &c->arena, err);
        if (rc)
            return rc;
        if (of == DIM_END)
            cut->dim[d].n = (size_t)t->dims[d];
        if (cut->dim[d].n != dims[d])
            return err_set(err, ERR_UNSUPPORTED,
                           "tensor %s: its dimension %d cannot be pruned (%zu values kept, %" PRIu64
                           " expected)",
                           t->name, d, cut->dim[d].n, dims[d]);
        it->dims[d] = cut->dim[d].n;
    }
    c->n++;
    return 0;
}

/* In the teacher's order, so that all of it unpruned is the same file. */
static int make_cuts(struct cuts *c, struct err *err)
{
    const struct source *s = c->p->s;
    const size_t n = source_n_tensors(s);
    uint64_t longest = 1;
    int rc = 0;

    c->cut = arena_array(&c->arena, n + 1, sizeof(*c->cut));
    c->items = arena_array(&c->arena, n + 1, sizeof(*c->items));
    if (!c->cut || !c->items)
        return err_nomem(err);
    for (size_t i = 0; !rc && i < n; i++) {
        const struct source_tensor *t = source_tensor(s, i);
        const int layer = t->layer < 0 ? -1 : new_layer(c->p, t->layer);
        if (t->layer >= 0 && layer < 0)
            continue;
        longest = source_row_len(t) > longest ? source_row_len(t) : longest;
        rc = add_cut(c, t, layer, err);
    }
    c->row = rc ? NULL : arena_array(&c->arena, (size_t)longest, sizeof(*c->row));
    return rc || c->row ? rc : err_nomem(err);
}

/* The teacher's row that row r of the student's tensor is. */
static uint64_t row_of(const struct cut *c, uint64_t r)
{
    uint64_t at = 0, stride = 1;

    for (int d = 1; d < c->t->n_dims; d++) {
        const struct prune_list *k = &c->dim[d];
        const uint64_t i = r % k->n;
        at += (k->at ? k->at[i] : i) * stride;
        stride *= c->t->dims[d];
        r /= k->n;
    }
    return at;
}

static int give_rows(void *arg, float *dst, size_t i, uint64_t r0, uint64_t n, struct err *err)
{
    struct cuts *c = arg;
    const struct cut *cut = &c->cut[i];
    const struct prune_list *cols = &cut->dim[0];
    int rc = 0;

    for (uint64_t r = 0; !rc && r < n; r++, dst += cols->n) {
        float *row = cols->at ? c->row : dst;
        rc = rows_read(row, cut->t, row_of(cut, r0 + r), 1, err);
        for (size_t k = 0; !rc && cols->at && k < cols->n; k++)
            dst[k] = row[cols->at[k]];
    }
    return rc;
}

int prune_write(const char *path, const struct prune *p, const struct log *log, struct err *err)
{
    struct cuts c = {.p = p};
    struct meta meta = {0};
    int rc = make_cuts(&c, err);

    if (!rc)
        rc = student_file_meta(&meta, source_meta(p->s), source_arch(p->s), DTYPE_F32, err);
    if (!rc)
        rc = prune_meta(&meta, p, log, err);
    const struct student_file file = {path, &meta, c.items, c.n, give_rows, &c};
    if (!rc)
        rc = student_file_write(&file, err);
    if (!rc)
        rc = student_file_check(path, err);
    meta_release(&meta);
    arena_release(&c.arena);
    return rc;
}
