/* A number for a whole weight, stored beside it: NVFP4 needs one, since its blocks reach from
 * 2^-10 to 2688 only. "blk.0.attn_q.scale" belongs to "blk.0.attn_q.weight" and holds one F32,
 * or one for each expert of a stack; "blk.0.attn_q.input_scale" is for activations and of no use
 * here. Such tensors are no part of the model's list: they are a property of their weight.
 * Source: llama.cpp, conversion/base.py and the loader's generic pass over layers. */

#include "formats/source_impl.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static bool name_ends(size_t *base, const char *name, const char *suffix)
{
    const size_t n = strlen(name), k = strlen(suffix);

    *base = n - k;
    return n > k && !strcmp(name + n - k, suffix);
}

/* The name of the weight that g belongs to; false: it has no such name. */
static bool weight_name(char *dst, size_t size, const char *name)
{
    size_t n;

    if (!name_ends(&n, name, ".input_scale") && !name_ends(&n, name, ".scale"))
        return false;
    if (n + sizeof(".weight") > size)
        return false;
    memcpy(dst, name, n);
    memcpy(dst + n, ".weight", sizeof(".weight"));
    return true;
}

bool source_is_global(const struct source *s, const struct gguf_tensor *g)
{
    char weight[256];
    int layer;

    return s->arch && weight_name(weight, sizeof(weight), g->name) &&
           !arch_match_gguf(s->arch, g->name, &layer) && gguf_find(s->gguf, weight);
}

int source_add_global(struct source *s, const struct gguf_tensor *g, struct err *err)
{
    char weight[256];
    size_t at, base;

    if (!weight_name(weight, sizeof(weight), g->name) ||
        name_ends(&base, g->name, ".input_scale") ||
        !strmap_get(&at, &s->names, weight, strlen(weight)))
        return 0;
    struct source_tensor *t = &s->tensor[at];
    const uint64_t n = g->dims[0] * g->dims[1] * g->dims[2] * g->dims[3];
    const uint64_t matrices = t->n_dims > 2 ? source_n_rows(t) / t->dims[1] : 1;
    if (g->type != DTYPE_F32 || (n != 1 && n != matrices))
        return err_set(err, ERR_FORMAT,
                       "tensor %s: expected one F32 scale or one for each of the %" PRIu64
                       " matrices of %s, found %" PRIu64 " of type %s",
                       g->name, matrices, t->name, n, dtype_get(g->type)->name);
    float *v = arena_array(&s->arena, (size_t)n, sizeof(*v));
    if (!v)
        return err_nomem(err);
    memcpy(v, g->data, (size_t)n * sizeof(*v));
    for (uint64_t i = 0; i < n; i++)
        if (!isfinite(v[i]))
            return err_set(err, ERR_FORMAT,
                           "tensor %s: number %" PRIu64 ": expected a finite scale, found %g",
                           g->name, i, (double)v[i]);
    t->global = v;
    t->n_global = (size_t)n;
    return 0;
}
