#include "formats/source_fit.h"

#include "formats/base/arena.h"
#include "formats/base/strmap.h"
#include "formats/coded.h"
#include "formats/nested.h"

#include <string.h>

enum { LISTED = 8 }; /* names a list holds */

void source_fit_release(struct source_fit *f)
{
    buf_release(&f->unexpected);
    buf_release(&f->missing);
}

/* The language model's tensors, by the names its rows have. */
struct names {
    const char **name; /* n, in the arena */
    size_t n;
    struct strmap map;
    struct arena arena;
};

static void names_release(struct names *l)
{
    strmap_release(&l->map);
    arena_release(&l->arena);
}

static int add_name(struct names *l, const char *name, bool nested, struct err *err)
{
    char plain[256];
    bool fresh;

    if (nested && nested_other(name))
        return 0;
    const char *copy =
        arena_str(&l->arena, nested ? nested_name(plain, sizeof(plain), name) : name);
    if (!copy)
        return err_nomem(err);
    l->name[l->n] = copy;
    return strmap_add(&fresh, &l->map, copy, strlen(copy), l->n++, err);
}

/* A quantized checkpoint's weights count under their own names, unless it is damaged. */
static int collect(struct names *l, const struct ckpt *c, struct err *err)
{
    const bool nested = nested_config(ckpt_config(c)) != ckpt_config(c);
    struct coded_set *set = NULL;
    struct err ignored = {0};
    const bool raw = coded_open(&set, c, &ignored) != 0;
    const size_t n = raw ? ckpt_n_tensors(c) : coded_n(set);
    int rc = 0;

    l->name = arena_array(&l->arena, n + 1, sizeof(*l->name));
    if (!l->name)
        rc = err_nomem(err);
    for (size_t i = 0; !rc && i < n; i++)
        rc = add_name(l, raw ? ckpt_tensor(c, i)->name : coded_at(set, i)->st.name, nested, err);
    coded_free(set);
    return rc;
}

/* How many names have a row; *n: of how many. */
static size_t count(size_t *n, const struct arch *a, const struct names *l, struct buf *unexpected)
{
    size_t known = 0, listed = 0;

    *n = 0;
    for (size_t i = 0; i < l->n; i++) {
        enum arch_param scalar;
        int layer, expert;
        if (arch_ignores(a, l->name[i]))
            continue;
        ++*n;
        if (arch_match_scalar(&scalar, &layer, a, l->name[i]) ||
            arch_match_hf(a, l->name[i], &layer, &expert))
            known++;
        else if (unexpected && listed++ < LISTED)
            buf_fmt(unexpected, "%s\n", l->name[i]);
    }
    return known;
}

static const struct arch *nearest(const struct names *l)
{
    const struct arch *best = NULL, *a;
    size_t most = 0, n;

    for (size_t i = 0; (a = arch_at(i)); i++) {
        const size_t known = count(&n, a, l, NULL);
        if (known > most) {
            most = known;
            best = a;
        }
    }
    return best;
}

static bool is_there(const struct names *l, const char *pattern, int layer)
{
    char name[256];
    size_t at;

    while (pattern) {
        if (arch_expand(name, sizeof(name), pattern, layer, 0) &&
            strmap_get(&at, &l->map, name, strlen(name)))
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

/* Experts, say, are stored one by one or stacked: several rows make one GGUF tensor. Is the
 * row the first of them? */
static bool is_first(const struct arch *a, const struct arch_tensor *of)
{
    const struct arch_tensor *row;

    for (size_t i = 0; (row = arch_row(a, i)) != of; i++)
        if (row->hf && !strcmp(row->gguf, of->gguf))
            return false;
    return true;
}

/* Is one of them there? */
static bool is_made(const struct arch *a, const struct names *l, const struct arch_tensor *of,
                    int layer)
{
    const struct arch_tensor *row;

    for (size_t i = 0; (row = arch_row(a, i)); i++)
        if (row->hf && !strcmp(row->gguf, of->gguf) && is_there(l, row->hf, layer))
            return true;
    return false;
}

/* What the rows ask for in a model of these sizes. */
static void find_missing(struct source_fit *f, const struct names *l, const json_val *config,
                         const struct arch_params *p)
{
    const int optional = TENSOR_OPTIONAL | TENSOR_MADE | TENSOR_TIED;
    const uint64_t n_layer = arch_int(p, ARCH_N_LAYER, 0);
    const struct arch_tensor *row;

    for (size_t i = 0; (row = arch_row(f->arch, i)); i++) {
        const uint64_t n = arch_in_block(row) ? n_layer : 1;
        if (!row->hf || (int)row->flags & optional || !arch_asks(row->when, config) ||
            !is_first(f->arch, row))
            continue;
        for (uint64_t b = 0; b < n && b <= l->n; b++)
            if ((!arch_in_block(row) || arch_is_at(row->where, p, (size_t)b)) &&
                !is_made(f->arch, l, row, (int)b))
                note_missing(f, row, (int)b);
    }
}

static void fit(struct source_fit *out, const struct names *l, const struct ckpt *c)
{
    const json_val *all = ckpt_config(c), *config = nested_config(all);
    struct arch_params p;
    struct err ignored = {0};

    out->class = json_str(json_first(json_get(all, "architectures")));
    out->arch = nested_arch(all);
    out->exact = out->arch != NULL;
    if (!out->arch)
        out->arch = nearest(l);
    if (!out->arch)
        return;
    out->n_known = count(&out->n_tensors, out->arch, l, &out->unexpected);
    if (arch_params_from_config(&p, out->arch, config, ckpt_n_tensors(c), &ignored))
        return;
    find_missing(out, l, config, &p);
    arch_params_release(&p);
}

int source_fit(struct source_fit *out, const struct ckpt *c, struct err *err)
{
    struct names l = {0};
    int rc = collect(&l, c, err);

    *out = (struct source_fit){0};
    if (!rc)
        fit(out, &l, c);
    names_release(&l);
    if (!rc)
        rc = buf_check(&out->unexpected, err);
    if (!rc)
        rc = buf_check(&out->missing, err);
    if (rc) {
        source_fit_release(out);
        *out = (struct source_fit){0};
    }
    return rc;
}
