#include "formats/hf_plan.h"

#include "formats/base/arena.h"
#include "formats/base/strmap.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_BYTES = 256 };

struct hf_plan {
    const struct source *s;
    const struct arch *arch;
    const struct arch_params *p;
    struct hf_tensor *tensor; /* owned */
    size_t n, cap;
    struct strmap names;
    struct arena arena; /* names, pieces, maps */
};

/* One GGUF tensor on its way. */
struct part {
    const struct source_tensor *t;
    const struct arch_tensor *row;
    enum arch_change change;
    enum dtype type;
    size_t layer;
    bool vector; /* its values are its rows */
};

/* ---- names ------------------------------------------------------------------------ */

/* Do both begin with the same word before a dot? */
static bool same_head(const char *a, const char *b)
{
    const size_t n = strcspn(a, ".|");

    return n == strcspn(b, ".|") && !memcmp(a, b, n);
}

static const char *embedding_name(const struct arch *a)
{
    const struct arch_tensor *row;

    for (size_t i = 0; (row = arch_row(a, i)); i++)
        if (row->role == ROLE_TOKEN_EMBD && row->hf)
            return row->hf;
    return "";
}

/* The alternative that the family's checkpoints have: one that begins like the embedding's
 * name, and has the family's own spelling where there is one. */
static const char *choose(const struct arch *a, const char *pattern)
{
    const char *embedding = embedding_name(a), *headed = NULL;

    for (const char *s = pattern; s; s = strchr(s, '|') ? strchr(s, '|') + 1 : NULL) {
        const char *spelled = a->spelling ? strstr(s, a->spelling) : NULL;
        if (spelled && spelled < s + strcspn(s, "|"))
            return s;
        if (!headed && same_head(s, embedding))
            headed = s;
    }
    return headed ? headed : pattern;
}

/* ---- one tensor's pieces ------------------------------------------------------------ */

/* How many stretches are ordered by themselves. */
static uint64_t count_pieces(const struct hf_plan *plan, const struct part *x)
{
    if (x->vector)
        return source_n_rows(x->t);
    if (x->change == CHANGE_MLA_K || x->change == CHANGE_MLA_V)
        return arch_int(plan->p, ARCH_N_HEAD, x->layer);
    return x->row->flags & TENSOR_STACKED && x->t->n_dims > 2 ? x->t->dims[x->t->n_dims - 1] : 1;
}

static int set_back(struct hf_piece *piece, struct hf_plan *plan, uint64_t stored, struct err *err)
{
    if (piece->transposed || !piece->rows.n_runs)
        return 0;
    uint32_t *back = stored < UINT32_MAX && piece->each < UINT32_MAX
                         ? arena_array(&plan->arena, (size_t)stored, sizeof(*back))
                         : NULL;
    if (!back)
        return err_nomem(err);
    for (uint64_t g = 0; g < piece->each; g++) {
        const uint64_t at = source_map_at(&piece->rows, g);
        if (at >= stored || back[at])
            return err_set(err, ERR_UNSUPPORTED, "tensor %s: row %" PRIu64 " has no place",
                           piece->t->name, g);
        back[at] = (uint32_t)g + 1;
    }
    piece->back = back;
    return 0;
}

/* What x gives, from its row `first` on, to a tensor of `stored` rows a piece. */
static int make_piece(struct hf_piece *out, struct hf_plan *plan, const struct part *x,
                      uint64_t first, uint64_t each, uint64_t stored, struct err *err)
{
    *out = (struct hf_piece){
        .t = x->t,
        .change = x->change,
        .transposed =
            !x->vector && (x->row->flags & TENSOR_TRANSPOSED || x->change == CHANGE_MLA_K),
        .first = first,
        .each = each,
        .len = x->vector ? 1 : source_row_len(x->t),
    };
    source_map_rows(&out->rows, x->change, plan->p, x->layer, each);
    if (!x->vector)
        source_map_cols(&out->cols, x->change, plan->p, x->layer, out->len);
    return set_back(out, plan, stored, err);
}

/* ---- the checkpoint's tensors --------------------------------------------------------- */

/* The row as it is asked of source_map_stored. */
static int stored_dims(uint64_t dims[4], const struct hf_plan *plan, const struct part *x)
{
    struct arch_tensor row = *x->row;

    row.change = x->change;
    return source_map_stored(dims, &row, plan->p, x->layer);
}

static struct hf_tensor *grow(struct hf_plan *plan)
{
    if (plan->n == plan->cap) {
        const size_t cap = plan->cap ? 2 * plan->cap : 128;
        struct hf_tensor *grown = realloc(plan->tensor, cap * sizeof(*grown));
        if (!grown)
            return NULL;
        plan->tensor = grown;
        plan->cap = cap;
    }
    return &plan->tensor[plan->n];
}

/* A new tensor with x's stored shape, `pieces` of them. */
static int add(struct hf_tensor **out, struct hf_plan *plan, const char *name, const struct part *x,
               uint64_t pieces, struct err *err)
{
    struct hf_tensor *h = grow(plan);
    uint64_t dims[4] = {1, 1, 1, 1}, values = 1;
    bool fresh = false;

    if (!h)
        return err_nomem(err);
    const int n = stored_dims(dims, plan, x);
    *h = (struct hf_tensor){.name = arena_str(&plan->arena, name), .type = x->type};
    if (!h->name)
        return err_nomem(err);
    for (int i = n; i-- > 0;) {
        h->dims[h->n_dims++] = dims[i];
        values *= dims[i];
        if (i == 1 && (x->change == CHANGE_SQUEEZE || x->change == CHANGE_TILE_QKV) && n == 2 &&
            strstr(name, "conv"))
            h->dims[h->n_dims++] = 1;
    }
    h->len = x->vector ? 1 : x->row->flags & TENSOR_VECTOR ? source_row_len(x->t) : dims[0];
    if (!h->len || !pieces || values % h->len || values / h->len % pieces)
        return err_set(err, ERR_FORMAT, "tensor %s: %" PRIu64 " values in %" PRIu64 " pieces", name,
                       values, pieces);
    h->n_rows = values / h->len;
    h->piece_rows = h->n_rows / pieces;
    const int rc = strmap_add(&fresh, &plan->names, h->name, strlen(h->name), plan->n, err);
    if (rc)
        return rc;
    plan->n++;
    *out = h;
    return 0;
}

enum { MOST_PIECES = 4 };

/* x's share of the checkpoint's tensor of that name. */
static int put(struct hf_plan *plan, const char *name, const struct part *x, uint64_t pieces,
               uint64_t first, uint64_t each, struct err *err)
{
    struct hf_tensor *h = NULL;
    size_t at;
    int rc = 0;

    if (strmap_get(&at, &plan->names, name, strlen(name)))
        h = &plan->tensor[at];
    else
        rc = add(&h, plan, name, x, pieces, err);
    if (rc)
        return rc;
    if (h->type != x->type)
        h->type = DTYPE_F32;
    if (!h->piece)
        h->piece = arena_array(&plan->arena, MOST_PIECES, sizeof(*h->piece));
    if (!h->piece)
        return err_nomem(err);
    if (h->n_pieces == MOST_PIECES)
        return err_set(err, ERR_UNSUPPORTED, "tensor %s: made of too many", name);
    return make_piece(&h->piece[h->n_pieces++], plan, x, first, each, h->piece_rows, err);
}

static int put_experts(struct hf_plan *plan, const char *pattern, const struct part *x,
                       struct err *err)
{
    const uint64_t n = x->t->dims[x->t->n_dims - 1], rows = source_n_rows(x->t);
    char name[NAME_BYTES];
    int rc = 0;

    if (!n || rows % n || n > INT32_MAX)
        return err_set(err, ERR_FORMAT, "tensor %s: %" PRIu64 " rows of %" PRIu64 " experts",
                       x->t->name, rows, n);
    for (uint64_t e = 0; !rc && e < n; e++)
        rc = arch_expand(name, sizeof(name), pattern, (int)x->layer, (int)e)
                 ? put(plan, name, x, 1, e * (rows / n), rows / n, err)
                 : err_set(err, ERR_UNSUPPORTED, "tensor %s: its name is too long", x->t->name);
    return rc;
}

/* ---- rows ------------------------------------------------------------------------------ */

/* The row by which the tensor is written; NULL: none has its name for checkpoints. */
static const struct arch_tensor *find_row(bool *made, const struct hf_plan *plan, const char *name,
                                          int *layer)
{
    const struct arch_tensor *row, *found = NULL;
    int at;

    *layer = -1;
    *made = false;
    (void)arch_match_gguf(plan->arch, name, layer);
    for (size_t i = 0; !found && (row = arch_row(plan->arch, i)); i++) {
        char gguf[NAME_BYTES];
        if (!arch_expand(gguf, sizeof(gguf), row->gguf, *layer, 0) || strcmp(gguf, name) != 0)
            continue;
        at = arch_in_block(row) ? *layer : -1;
        *made = *made || row->flags & TENSOR_MADE;
        if (row->hf && (at < 0 || arch_is_at(row->where, plan->p, (size_t)at)))
            found = row;
    }
    return found;
}

static const struct arch_tensor *of_role(const struct arch *a, enum arch_role role)
{
    const struct arch_tensor *row;

    for (size_t i = 0; (row = arch_row(a, i)); i++)
        if (row->role == role && row->hf)
            return row;
    return NULL;
}

static int add_tensor(struct hf_plan *plan, const struct source_tensor *t, enum dtype type,
                      struct err *err)
{
    char name[NAME_BYTES];
    bool made;
    int layer;
    const struct arch_tensor *row = find_row(&made, plan, t->name, &layer);
    struct part x = {.t = t, .row = row, .type = type};
    struct arch_tensor whole;

    if (!row && made)
        return 0;
    if (!row && t->row && t->row->role == ROLE_MLA_KV_B) { /* of files from before the split */
        row = of_role(plan->arch, ROLE_MLA_V_B);
        if (row) {
            whole = *t->row;
            whole.hf = row->hf;
            x.row = row = &whole;
        }
    }
    if (!row)
        return err_set(err, ERR_UNSUPPORTED, "tensor %s: a checkpoint of %s has no place for it",
                       t->name, plan->arch->classes[0]);
    const char *pattern = choose(plan->arch, row->hf);
    x.change = row->change;
    x.layer = layer < 0 ? ARCH_NO_LAYER : (size_t)layer;
    x.vector = t->n_dims - (row->flags & TENSOR_STACKED ? 1 : 0) == 1;
    if (row->flags & TENSOR_EXPERTS)
        return put_experts(plan, pattern, &x, err);
    const uint64_t pieces = count_pieces(plan, &x);
    const uint64_t rows = x.vector ? source_row_len(t) * source_n_rows(t) : source_n_rows(t);
    if (!pieces || rows % pieces)
        return err_set(err, ERR_FORMAT, "tensor %s: %" PRIu64 " rows in %" PRIu64 " pieces",
                       t->name, rows, pieces);
    if (!arch_expand(name, sizeof(name), pattern, layer, 0))
        return err_set(err, ERR_UNSUPPORTED, "tensor %s: its name is too long", t->name);
    return put(plan, name, &x, pieces, 0, rows / pieces, err);
}

/* ---- scalars ----------------------------------------------------------------------------- */

static int add_scalars(struct hf_plan *plan, struct err *err)
{
    char name[NAME_BYTES];

    for (const struct arch_scalar *k = plan->arch->scalars; k && k->hf; k++)
        for (size_t l = 0; arch_has(plan->p, k->param) && l < arch_int(plan->p, ARCH_N_LAYER, 0);
             l++) {
            struct hf_tensor *h = grow(plan);
            if (!h || !arch_expand(name, sizeof(name), k->hf, (int)l, 0))
                return err_nomem(err);
            *h = (struct hf_tensor){.name = arena_str(&plan->arena, name),
                                    .type = DTYPE_F32,
                                    .n_dims = k->bare ? 0 : 1,
                                    .dims = {1},
                                    .n_rows = 1,
                                    .len = 1,
                                    .piece_rows = 1,
                                    .value = arch_num(plan->p, k->param, l)};
            if (!h->name)
                return err_nomem(err);
            plan->n++;
        }
    return 0;
}

/* ---- completeness ------------------------------------------------------------------------ */

/* Every value of the checkpoint's tensor has one source: rows that come from one piece as
 * wholes, columns from several, add up. */
static int check_cover(const struct hf_tensor *h, struct err *err)
{
    for (uint64_t r = 0; h->n_pieces && r < h->piece_rows; r++) {
        uint64_t n = 0;
        for (size_t i = 0; i < h->n_pieces; i++) {
            const struct hf_piece *p = &h->piece[i];
            if (p->transposed)
                n += r < p->len ? p->each : 0;
            else if (p->back ? p->back[r] != 0 : r < p->each)
                n += p->len;
        }
        if (n != h->len)
            return err_set(err, ERR_FORMAT,
                           "tensor %s: %" PRIu64 " of the %" PRIu64 " values of row %" PRIu64
                           " are there",
                           h->name, n, h->len, r);
    }
    return 0;
}

int hf_plan_new(struct hf_plan **out, const struct source *s, const struct arch *arch,
                const struct arch_params *p, const enum dtype *types, struct err *err)
{
    struct hf_plan *plan = calloc(1, sizeof(*plan));
    int rc = 0;

    *out = NULL;
    if (!plan)
        return err_nomem(err);
    plan->s = s;
    plan->arch = arch;
    plan->p = p;
    for (size_t i = 0; !rc && i < source_n_tensors(s); i++)
        rc = add_tensor(plan, source_tensor(s, i), types[i], err);
    if (!rc)
        rc = add_scalars(plan, err);
    for (size_t i = 0; !rc && i < plan->n; i++)
        rc = check_cover(&plan->tensor[i], err);
    if (rc) {
        hf_plan_free(plan);
        return rc;
    }
    *out = plan;
    return 0;
}

void hf_plan_free(struct hf_plan *plan)
{
    if (!plan)
        return;
    strmap_release(&plan->names);
    arena_release(&plan->arena);
    free(plan->tensor);
    free(plan);
}

size_t hf_plan_n(const struct hf_plan *plan)
{
    return plan->n;
}

const struct hf_tensor *hf_plan_at(const struct hf_plan *plan, size_t i)
{
    return i < plan->n ? &plan->tensor[i] : NULL;
}
