#include "formats/source_fit.h"

#include <string.h>

enum { LISTED = 8 }; /* names a list holds */

void source_fit_release(struct source_fit *f)
{
    buf_release(&f->unexpected);
    buf_release(&f->missing);
}

/* How many names have a row; *n: of how many. */
static size_t count(size_t *n, const struct arch *a, const struct ckpt *c, struct buf *unexpected)
{
    size_t known = 0, listed = 0;

    *n = 0;
    for (size_t i = 0; i < ckpt_n_tensors(c); i++) {
        const char *name = ckpt_tensor(c, i)->name;
        int layer, expert;
        if (arch_ignores(a, name))
            continue;
        ++*n;
        if (arch_match_hf(a, name, &layer, &expert))
            known++;
        else if (unexpected && listed++ < LISTED)
            buf_fmt(unexpected, "%s\n", name);
    }
    return known;
}

static const struct arch *nearest(const struct ckpt *c)
{
    const struct arch *best = NULL, *a;
    size_t most = 0, n;

    for (size_t i = 0; (a = arch_at(i)); i++) {
        const size_t known = count(&n, a, c, NULL);
        if (known > most) {
            most = known;
            best = a;
        }
    }
    return best;
}

static bool is_there(const struct ckpt *c, const char *pattern, int layer)
{
    char name[256];

    while (pattern) {
        if (arch_expand(name, sizeof(name), pattern, layer, 0) && ckpt_find(c, name))
            return true;
        pattern = strchr(pattern, '|');
        pattern = pattern ? pattern + 1 : NULL;
    }
    return false;
}

static void note_missing(struct source_fit *f, const struct arch_tensor *row, int layer)
{
    char name[256];

    if (f->n_missing++ < LISTED && arch_expand(name, sizeof(name), row->hf, layer, 0))
        buf_fmt(&f->missing, "%s\n", name);
}

/* What the rows ask for in a model of these sizes. */
static void find_missing(struct source_fit *f, const struct ckpt *c, const struct arch_params *p)
{
    const int optional = TENSOR_OPTIONAL | TENSOR_MADE | TENSOR_TIED;
    const uint64_t n_layer = arch_int(p, ARCH_N_LAYER, 0);
    const struct arch_tensor *row;

    for (size_t i = 0; (row = arch_row(f->arch, i)); i++) {
        const uint64_t n = arch_in_block(row) ? n_layer : 1;
        if (!row->hf || (int)row->flags & optional || !arch_asks(row->when, ckpt_config(c)))
            continue;
        for (uint64_t l = 0; l < n && l <= ckpt_n_tensors(c); l++)
            if ((!arch_in_block(row) || arch_is_at(row->where, p, (size_t)l)) &&
                !is_there(c, row->hf, (int)l))
                note_missing(f, row, (int)l);
    }
}

int source_fit(struct source_fit *out, const struct ckpt *c, struct err *err)
{
    struct arch_params p;
    struct err ignored = {0};

    *out = (struct source_fit){0};
    out->class = json_str(json_first(json_get(ckpt_config(c), "architectures")));
    if (out->class)
        out->arch = arch_by_class(out->class);
    out->exact = out->arch != NULL;
    if (!out->arch)
        out->arch = nearest(c);
    if (!out->arch)
        return 0;
    out->n_known = count(&out->n_tensors, out->arch, c, &out->unexpected);
    if (!arch_params_from_config(&p, out->arch, ckpt_config(c), &ignored)) {
        find_missing(out, c, &p);
        arch_params_release(&p);
    }
    if (out->unexpected.bad || out->missing.bad) {
        source_fit_release(out);
        *out = (struct source_fit){0};
        return err_nomem(err);
    }
    return 0;
}
