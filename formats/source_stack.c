/* Experts stored one by one become one tensor. */

#include "formats/source_view.h"

#include <inttypes.h>

/* Experts of one matrix of one layer, waiting for the last of them. */
struct stack {
    struct source_tensor t;
    struct source_part *part;
    struct source_coded *coded; /* NULL: plain */
    size_t got;
    struct stack *next;
};

/* Does row a come before row b? */
static bool is_before(const struct arch *arch, const struct arch_tensor *a,
                      const struct arch_tensor *b)
{
    const struct arch_tensor *row;

    for (size_t i = 0; (row = arch_row(arch, i)); i++)
        if (row == a || row == b)
            return row == a && a != b;
    return false;
}

static const char *what(const struct arch_tensor *row)
{
    return row->flags & TENSOR_HEADS ? "heads" : "experts";
}

static int stack_new(struct stack **out, struct view *v, const struct coded_tensor *from,
                     const struct arch_tensor *row, int layer, struct err *err)
{
    struct stack *k = arena_alloc(&v->s->arena, sizeof(*k));
    int rc = k ? view_describe(&k->t, v, from, row, layer, err) : err_nomem(err);

    if (rc)
        return rc;
    const uint64_t n = k->t.dims[k->t.n_dims - 1];
    if (n > ckpt_n_tensors(v->s->ckpt))
        return err_set(err, ERR_FORMAT, "%" PRIu64 " %s, but only %zu tensors", n, what(row),
                       ckpt_n_tensors(v->s->ckpt));
    rc = view_set_maps(v, &k->t, from, err);
    if (rc)
        return rc;
    k->part = source_part_new(v->s, (size_t)n);
    if (from->coded)
        k->coded = arena_array(&v->s->arena, (size_t)n, sizeof(*k->coded));
    if (!k->part || (from->coded && !k->coded))
        return err_nomem(err);
    k->t.coded = k->coded;
    k->t.part = k->part;
    k->t.n_parts = (size_t)n;
    k->next = v->stacks;
    v->stacks = *out = k;
    return 0;
}

static bool is_full(const struct stack *k)
{
    return k->got == k->t.n_parts;
}

static bool has_role(const struct view *v, int layer, enum arch_role role)
{
    const struct stack *k = v->stacks;

    while (k && (k->t.layer != layer || k->t.row->role != role))
        k = k->next;
    return k;
}

/* Does a layer lack the first expert of a stack that it must have? Shards may end between
 * one matrix's experts and the next one's. */
static bool lacks_stack(const struct view *v, int layer)
{
    const unsigned other = TENSOR_HEADS | TENSOR_OPTIONAL;
    const struct arch_tensor *row;

    for (size_t i = 0; (row = arch_row(v->arch, i)); i++)
        if (row->flags & TENSOR_EXPERTS && !(row->flags & other) && !row->when &&
            !has_role(v, layer, row->role))
            return true;
    return false;
}

/* Stacks of a layer appear together, in the order of their rows, when none waits for an
 * expert; heads' when no begun one does. */
static int release(struct view *v, int layer, bool heads, struct err *err)
{
    int rc = 0;

    for (const struct stack *k = v->stacks; k; k = k->next)
        if (k->t.layer == layer && !is_full(k))
            return 0;
    if (!heads && lacks_stack(v, layer))
        return 0;
    for (;;) {
        struct stack **first = NULL;
        for (struct stack **at = &v->stacks; *at; at = &(*at)->next)
            if ((*at)->t.layer == layer &&
                (!first || is_before(v->arch, (*at)->t.row, (*first)->t.row)))
                first = at;
        if (rc || !first)
            return rc;
        rc = source_add(v->s, &(*first)->t, err);
        *first = (*first)->next;
    }
}

int view_add_expert(struct view *v, const struct coded_tensor *from, const struct arch_tensor *row,
                    int layer, int expert, struct err *err)
{
    const struct st_tensor *st = &from->st;
    struct stack *k = v->stacks;
    int rc = 0;

    while (k && (k->t.row != row || k->t.layer != layer))
        k = k->next;
    if (!k)
        rc = stack_new(&k, v, from, row, layer, err);
    if (rc)
        return rc;
    if ((size_t)expert >= k->t.n_parts)
        return err_set(err, ERR_FORMAT, "tensor %s: config.json says %zu %s", st->name,
                       k->t.n_parts, what(row));
    if (st->type != k->t.type || !from->coded != !k->coded)
        return err_set(err, ERR_FORMAT, "tensor %s: its type differs from %s's", st->name,
                       k->t.stored);
    if (k->part[expert].data)
        return err_set(err, ERR_FORMAT, "tensor %s: a second one for expert %d", st->name, expert);
    k->part[expert] = (struct source_part){st->data, st->bytes, from->map};
    if (k->coded)
        k->coded[expert] = (struct source_coded){from->coded, 0};
    k->got++;
    return is_full(k) ? release(v, layer, row->flags & TENSOR_HEADS, err) : 0;
}

/* Full stacks of layers where another is missing as a whole, which is found later. */
static int add_rest(struct view *v, struct err *err)
{
    int rc = 0;

    for (; !rc && v->stacks; v->stacks = v->stacks->next)
        rc = source_add(v->s, &v->stacks->t, err);
    return rc;
}

int view_check_stacks(struct view *v, struct err *err)
{
    char name[256];

    const struct stack *k = v->stacks;
    size_t e = 0;

    while (k && is_full(k))
        k = k->next;
    if (!k)
        return add_rest(v, err);
    while (k->part[e].data)
        e++;
    if (!arch_expand(name, sizeof(name), k->t.row->hf, k->t.layer, (int)e))
        name[0] = '\0';
    return err_set(err, ERR_FORMAT, "tensor %s is missing (config.json says %zu %s)", name,
                   k->t.n_parts, what(k->t.row));
}
