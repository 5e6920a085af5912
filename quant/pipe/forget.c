/* Letting the pages go that a batch was read from, when all of it has been read: done group
 * by group, one still being read would bring pages of a finished one back. */

#include "quant/pipe/pipe.h"

static void forget(const struct source_part *p, size_t from, size_t to)
{
    if (p->map && from < to)
        map_forget(p->map, (size_t)(p->data - p->map->data) + from, to - from);
}

/* What belongs to the codes of a part: scales, zero points. */
static void forget_sides(const struct coded *c)
{
    for (size_t i = 0; i < c->n_side; i++)
        forget(&(struct source_part){c->side[i].data, c->side[i].bytes, c->side[i].map}, 0,
               c->side[i].bytes);
}

/* Bytes of a stored row, *first: the part's first one, counted from its data. A coded
 * tensor cut into parts has its bytes in the last one. */
static size_t stored_row(uint64_t *first, const struct source_tensor *t, size_t k)
{
    size_t bytes = 0;

    *first = 0;
    if (t->coded) {
        const struct coded *c = t->coded[k].how;
        const size_t all = t->part[k].bytes ? t->part[k].bytes : t->part[t->n_parts - 1].bytes;
        *first = t->coded[k].row0;
        bytes = c->rows ? all / (size_t)c->rows : 0;
    } else {
        (void)dtype_row_bytes(&bytes, t->type, source_stored_len(t));
    }
    return bytes;
}

/* Rows [r0, r0 + n) of t, all in part k: from the first of them that is stored to the last.
 * Where a row has something of every stored row, the whole part, when no row is left. */
static void forget_rows(const struct source_tensor *t, size_t k, uint64_t r0, uint64_t n, bool ends)
{
    const struct source_part *p = &t->part[k];
    uint64_t low = UINT64_MAX, high = 0, first;
    size_t part;

    if (t->coded && ends)
        forget_sides(t->coded[k].how);
    if (t->transposed || (t->coded && !coded_rowwise(t->coded[k].how))) {
        forget(p, 0, ends ? p->bytes : 0);
        return;
    }
    for (uint64_t r = r0; r < r0 + n; r++) {
        const uint64_t at = source_locate(t, r, &part);
        low = at < low ? at : low;
        high = at >= high ? at + 1 : high;
    }
    const size_t bytes = stored_row(&first, t, k);
    forget(p, (size_t)(first + low) * bytes, (size_t)(first + high) * bytes);
}

static void forget_tensor(const struct source_tensor *t, uint64_t r0, uint64_t end)
{
    const uint64_t per_part = t->n_parts ? source_n_rows(t) / t->n_parts : 0;

    for (uint64_t n; per_part && r0 < end; r0 += n) {
        const uint64_t left = per_part - r0 % per_part;
        n = end - r0 < left ? end - r0 : left;
        forget_rows(t, (size_t)(r0 / per_part), r0, n, n == left);
    }
}

void pipe_forget(const struct pipe_group *g, size_t n)
{
    for (size_t i = 0, k; i < n; i = k) {
        for (k = i + 1; k < n && g[k].t == g[i].t;)
            k++;
        forget_tensor(g[i].t, g[i].r0, g[k - 1].r0 + g[k - 1].n);
    }
}
