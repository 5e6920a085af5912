#include "distill/params.h"

#include "formats/base/map.h"
#include "formats/base/rd.h"
#include "quant/rows.h"

static bool is_table(enum arch_role role)
{
    return role == ROLE_ROPE_FREQS || role == ROLE_ROPE_LONG || role == ROLE_ROPE_SHORT;
}

/* Shape and place of one tensor; *at moves on. */
static int place(struct param *p, size_t *at, const struct source_tensor *t, struct err *err)
{
    const uint64_t rows = source_n_rows(t), cols = source_row_len(t);
    size_t end;

    if (!t->row || t->row->role == ROLE_NONE)
        return err_set(err, ERR_UNSUPPORTED, "tensor %s: its role is not known", t->name);
    *p = (struct param){.t = t, .rows = (size_t)rows, .cols = (size_t)cols, .at = *at};
    p->matrix = t->n_dims > 1;
    p->fixed = is_table(t->row->role);
    if (!mul_ok(&p->n, p->rows, p->cols) || !add_ok(&end, *at, p->n) ||
        !add_ok(&end, end, PARAMS_ALIGN - 1))
        return err_nomem(err);
    *at = end / PARAMS_ALIGN * PARAMS_ALIGN;
    return 0;
}

static void enlist(struct params *ps, const struct param *p)
{
    const size_t row = (size_t)(p->t->layer + 1);

    ps->by_role[row * ROLE_COUNT + (size_t)p->t->row->role] = p;
}

static int allocate(struct params *ps, const struct source *s, struct err *err)
{
    int most = -1;

    ps->n = source_n_tensors(s);
    for (size_t i = 0; i < ps->n; i++)
        most = source_tensor(s, i)->layer > most ? source_tensor(s, i)->layer : most;
    ps->n_layer = (size_t)(most + 1);
    ps->p = arena_array(&ps->arena, ps->n, sizeof(*ps->p));
    ps->by_role =
        arena_array(&ps->arena, (ps->n_layer + 1) * ROLE_COUNT, sizeof(const struct param *));
    return ps->p && ps->by_role ? 0 : err_nomem(err);
}

/* The values; what lies in the file is not needed again. */
static int read_values(struct params *ps, const struct param *p, struct err *err)
{
    const int rc = rows_read(ps->w + p->at, p->t, 0, p->rows, err);

    for (size_t i = 0; i < p->t->n_parts; i++) {
        const struct source_part *part = &p->t->part[i];
        if (part->map)
            map_forget(part->map, (size_t)(part->data - part->map->data), part->bytes);
    }
    return rc;
}

int params_read(struct params *out, const struct source *s, struct err *err)
{
    struct params ps = {0};
    int rc = allocate(&ps, s, err);

    *out = ps;
    for (size_t i = 0; !rc && i < ps.n; i++) {
        rc = place(&ps.p[i], &ps.n_values, source_tensor(s, i), err);
        if (!rc)
            enlist(&ps, &ps.p[i]);
    }
    if (rc)
        goto fail;
    ps.w = arena_array(&ps.arena, ps.n_values, sizeof(*ps.w));
    ps.g = arena_array(&ps.arena, ps.n_values, sizeof(*ps.g));
    if (!ps.w || !ps.g) {
        rc = err_nomem(err);
        goto fail;
    }
    for (size_t i = 0; !rc && i < ps.n; i++)
        rc = read_values(&ps, &ps.p[i], err);
    if (rc)
        goto fail;
    *out = ps;
    return 0;

fail:
    params_release(&ps);
    *out = (struct params){0};
    return rc;
}

void params_release(struct params *ps)
{
    arena_release(&ps->arena);
    *ps = (struct params){0};
}

const struct param *params_role(const struct params *ps, enum arch_role role, int layer)
{
    return layer + 1 > (int)ps->n_layer
               ? NULL
               : ps->by_role[(size_t)(layer + 1) * ROLE_COUNT + (size_t)role];
}
