/* A number for a whole weight, stored beside it: NVFP4 needs one, since its blocks reach from
 * 2^-10 to 2688 only. "blk.0.attn_q.scale" belongs to "blk.0.attn_q.weight" and holds one F32,
 * or one for each expert of a stack; "blk.0.attn_q.input_scale" is for activations and of no use
 * here. Such tensors are no part of the model's list: they are a property of their weight.
 * Source: llama.cpp, conversion/base.py and the loader's generic pass over layers. */

#include "formats/base/path.h"
#include "formats/source_impl.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static bool name_ends(size_t *base, const char *name, const char *suffix)
{
    *base = strlen(name) - strlen(suffix);
    return path_ends(name, suffix);
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

static uint64_t n_matrices(const struct source_tensor *t)
{
    uint64_t n = 1;

    for (int i = 2; i < t->n_dims; i++)
        n *= t->dims[i];
    return n;
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
    const uint64_t matrices = n_matrices(t);
    if (g->type != DTYPE_F32 || (n != 1 && n != matrices) || !n)
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

/* ---- which weights can have one ---------------------------------------------------- */

/* Those whose products llama.cpp multiplies; of others a scale keeps a file from loading. */
static const char *const taken[] = {
    "attn_q",         "attn_k",        "attn_v",
    "attn_output",    "attn_qkv",      "attn_gate",
    "ffn_gate",       "ffn_up",        "ffn_down",
    "ffn_gate_shexp", "ffn_up_shexp",  "ffn_down_shexp",
    "ffn_gate_exps",  "ffn_up_exps",   "ffn_down_exps",
    "ssm_in",         "ssm_out",       "ssm_alpha",
    "ssm_beta",       "nextn.eh_proj", "nextn.shared_head_head",
};

/* "blk.3.attn_q.weight": is it this weight of a block? */
static bool is_taken(const char *name)
{
    size_t n;

    if (!strcmp(name, "output.weight"))
        return true;
    if (strncmp(name, "blk.", 4) != 0 || !name_ends(&n, name, ".weight"))
        return false;
    const char *part = name + 4 + strspn(name + 4, "0123456789");
    for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
        const size_t k = strlen(taken[i]);
        if (*part == '.' && (size_t)(name + n - part) == k + 1 && !memcmp(part + 1, taken[i], k))
            return true;
    }
    return false;
}

/* llama.cpp multiplies a dense feed-forward product after its bias was added, and stops. */
static bool has_late_bias(const struct source *s, const char *name)
{
    char bias[256];
    size_t n;

    if (!strstr(name, ".ffn_") || strstr(name, "_exps.") || !name_ends(&n, name, ".weight") ||
        n + sizeof(".bias") > sizeof(bias))
        return false;
    memcpy(bias, name, n);
    memcpy(bias + n, ".bias", sizeof(".bias"));
    return source_find(s, bias);
}

size_t source_may_have_global(const struct source *s, const struct source_tensor *t)
{
    if (t->n_dims < 2 || !is_taken(t->name) || has_late_bias(s, t->name))
        return 0;
    return (size_t)n_matrices(t);
}

/* ---- NVFP4 of other libraries ------------------------------------------------------- */

/* Are these the type's own codes and scales, but for the number? */
static bool is_nvfp4(const struct coded *c)
{
    return c->value == CODED_E2M1 && c->scale_type == DTYPE_F8_E4M3 && c->cols_per == 16 &&
           !c->index && c->round_to != DTYPE_BF16 && c->round_to != DTYPE_F16 &&
           (c->scale_kind == CODED_SCALE_PLAIN || c->scale_kind == CODED_SCALE_TIMES ||
            c->scale_kind == CODED_SCALE_OVER);
}

static float global_at(const struct coded *c, uint64_t row)
{
    const uint64_t i = c->global_each && c->out ? row / c->out : 0;
    float g = 1;

    if (c->scale_kind == CODED_SCALE_PLAIN)
        return 1;
    memcpy(&g, c->global + 4 * i, sizeof(g));
    return c->scale_kind == CODED_SCALE_OVER ? 1.0F / g : g;
}

/* The number of each matrix; false: their rows have several, or codes that aren't NVFP4's. */
static bool globals_of(float *global, size_t n, const struct source_tensor *t)
{
    const uint64_t each = source_n_rows(t) / n, per_part = source_n_rows(t) / t->n_parts;
    const uint64_t step = each < per_part ? each : per_part;
    bool same = true;

    for (size_t k = 0; k < t->n_parts; k++)
        if (!is_nvfp4(t->coded[k].how))
            return false;
    for (uint64_t r = 0; same && r < source_n_rows(t); r += step) {
        size_t part = (size_t)(r / per_part);
        const float g = global_at(t->coded[part].how, t->coded[part].row0 + r % per_part);
        if (r % each == 0)
            global[r / each] = g;
        same = isfinite(g) && g == global[r / each];
    }
    return same;
}

int source_keep_nvfp4(struct source *s, struct err *err)
{
    for (size_t i = 0; i < s->n; i++) {
        struct source_tensor *t = &s->tensor[i];
        const size_t n = source_may_have_global(s, t);
        bool ones = true;
        if (!t->coded || !n || t->transposed || t->cols || t->scaled ||
            t->change == CHANGE_ADD_ONE || t->change == CHANGE_NEG_EXP || t->dims[0] % 64)
            continue;
        float *global = arena_array(&s->arena, n, sizeof(*global));
        if (!global)
            return err_nomem(err);
        if (!globals_of(global, n, t))
            continue;
        for (size_t k = 0; k < n; k++)
            ones &= global[k] == 1.0F;
        t->type = DTYPE_NVFP4;
        t->global = ones ? NULL : global;
        t->n_global = ones ? 0 : n;
    }
    return 0;
}
