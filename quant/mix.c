#include "quant/mix.h"

#include "formats/base/buf.h"
#include "formats/base/nearest.h"
#include "formats/base/path.h"
#include "quant/mix_rules.h"
#include "quant/patterns.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- names --------------------------------------------------------------------- */

const struct mix *mix_by_name(const char *name)
{
    for (const struct mix *m = mix_table; m->name; m++)
        if (!strcasecmp(m->name, name) || (m->alias && !strcasecmp(m->alias, name)))
            return m;
    return NULL;
}

int mix_read(const struct mix **out, const char *name, struct err *err)
{
    struct nearest near = nearest_init(name);
    struct buf known = {0};

    *out = mix_by_name(name);
    if (*out)
        return 0;
    for (const struct mix *m = mix_table; m->name; m++) {
        nearest_look(&near, m->name);
        buf_fmt(&known, " %s", m->name);
    }
    int rc = buf_check(&known, err);
    if (!rc)
        rc = err_set(err, ERR_ARG, "unknown mix \"%.40s\"; the nearest is %s; known:%s", name,
                     near.best, known.p);
    buf_release(&known);
    return rc;
}

const struct mix *mix_of_type(enum dtype type)
{
    const struct dtype_info *d = dtype_get(type);
    const struct mix *m = d ? mix_by_name(d->name) : NULL;

    if (m && m->base == type)
        return m;
    for (m = mix_table; m->name; m++)
        if (d && m->base == type)
            return m;
    return NULL;
}

const struct mix *mix_at(size_t i)
{
    return i < mix_count ? &mix_table[i] : NULL;
}

const char *mix_name(const struct mix *m)
{
    return m->name;
}

uint32_t mix_file_type(const struct mix *m)
{
    return m->file_type;
}

static bool is_weight_type(enum dtype t)
{
    return dtype_is_plain(t) ||
           (dtype_get(t) && dtype_get(t)->ggml >= 0 && dtype_get(t)->block > 1);
}

int mix_read_type(enum dtype *out, const char *name, struct err *err)
{
    struct nearest near = nearest_init(name);
    const enum dtype t = dtype_by_name(name);

    if (is_weight_type(t)) {
        *out = t;
        return 0;
    }
    for (int i = DTYPE_NONE + 1; i < DTYPE_COUNT; i++)
        if (is_weight_type((enum dtype)i))
            nearest_look(&near, dtype_get((enum dtype)i)->name);
    return err_set(err, ERR_ARG, "\"%.40s\" is no type of a matrix; the nearest is %s", name,
                   near.best);
}

bool mix_needs_importance(const struct mix *m, enum arch_role role, enum dtype type)
{
    const enum mix_category c = mix_category_of(role);

    return c != MIX_OUTPUT && c != MIX_EMBEDDING && mix_type_needs_importance(m, type);
}

/* ---- one tensor ------------------------------------------------------------------ */

struct assign {
    const struct mix *mix;
    const struct mix_model *m;
    const struct mix_opts *opts;
    struct patterns *patterns; /* owned; of opts->overrides */
    bool tied;                 /* no output matrix */
    uint64_t n_value;          /* value matrices in the model */
    uint64_t seen[MIX_CATEGORY_COUNT];
};

/* Which of how many a tensor is, for a rule. */
struct place {
    uint64_t met;  /* counted */
    uint64_t i, n; /* the same, but the layer's number where there are experts */
};

/* The conditions that hold for a tensor. */
static unsigned conditions(const struct assign *a, const struct mix_tensor *t,
                           const struct place *at)
{
    const struct mix_model *m = a->m;
    const uint64_t i = at->i, n = at->n;
    const bool first = i < n / 8, last = i >= 7 * n / 8;
    const struct {
        unsigned when;
        bool holds;
    } all[] = {
        {WHEN_EXPERTS_8,     m->n_expert == 8                                      },
        {WHEN_EXPERTS_4,     m->n_expert >= 4                                      },
        {WHEN_GQA_4,         m->n_head_kv && m->n_head / m->n_head_kv >= 4         },
        {WHEN_SEVENTY_B,     m->n_layer == m->seventy_b && m->n_head_kv < m->n_head},
        {WHEN_FALCON,        m->falcon                                             },
        {WHEN_NOT_FALCON,    !m->falcon                                            },
        {WHEN_IMPORTANCE,    a->opts->have_importance                              },
        {WHEN_NO_IMPORTANCE, !a->opts->have_importance                             },
        {WHEN_RAGGED,        t->row_len % dtype_get(a->mix->base)->block != 0      },
        {WHEN_STACKED,       t->stacked                                            },
        {WHEN_FIRST_2,       i < 2                                                 },
        {WHEN_FIRST_4,       i < 4                                                 },
        {WHEN_FIRST_16TH,    i < n / 16                                            },
        {WHEN_FIRST_8TH,     first                                                 },
        {WHEN_FIRST_8TH_MET, at->met < n / 8                                       },
        {WHEN_SPREAD,        first || last || (i - n / 8) % 3 == 2                 },
        {WHEN_MIDDLE,        !first && !last                                       },
    };
    unsigned set = 0;

    for (size_t k = 0; k < sizeof(all) / sizeof(all[0]); k++)
        set |= all[k].holds ? all[k].when : 0;
    return set;
}

static enum dtype by_rules(struct assign *a, const struct mix_tensor *t)
{
    enum mix_category c = mix_category_of(t->role);
    struct place at = {.met = a->seen[c]++, .n = a->m->n_layer};

    if (c == MIX_EMBEDDING && a->tied)
        c = MIX_OUTPUT;
    at.i = at.met;
    if (c == MIX_VALUE)
        at.n = a->n_value;
    else if (a->m->n_expert > 1 && t->layer >= 0)
        at.i = (uint64_t)t->layer;
    const unsigned holds = conditions(a, t, &at);
    for (const struct mix_rule *r = mix_rules; r->categories; r++)
        if (r->categories & 1U << c && r->mixes & a->mix->set && !(r->when & ~holds))
            return r->type != DTYPE_NONE ? r->type : a->mix->base;
    return a->mix->base;
}

static bool fits(enum dtype type, uint64_t row_len)
{
    return row_len % dtype_get(type)->block == 0;
}

static int refuse(const struct mix_tensor *t, enum dtype type, struct err *err)
{
    struct buf which = {0};

    for (int i = DTYPE_NONE + 1; i < DTYPE_COUNT; i++)
        if (is_weight_type((enum dtype)i) && fits((enum dtype)i, t->row_len))
            buf_fmt(&which, " %s", dtype_get((enum dtype)i)->name);
    int rc = buf_check(&which, err);
    if (!rc)
        rc = err_set(err, ERR_ARG,
                     "tensor %.64s: rows of %llu values are no whole number of %s blocks (%u), and "
                     "no type is defined in its place; these fit:%s",
                     t->name, (unsigned long long)t->row_len, dtype_get(type)->name,
                     dtype_get(type)->block, which.p);
    buf_release(&which);
    return rc;
}

/* `type`, or what takes its place where a row is no whole number of its blocks. */
static int fitting(enum dtype *out, enum dtype type, const struct mix_tensor *t, struct err *err)
{
    enum { SMALL_BLOCK = 32 };
    const enum dtype smaller = mix_fallback(type);

    *out = type;
    if (fits(type, t->row_len))
        return 0;
    if (smaller == DTYPE_NONE && dtype_get(type)->block > SMALL_BLOCK)
        return refuse(t, type, err);
    *out = smaller != DTYPE_NONE && fits(smaller, t->row_len) ? smaller : DTYPE_F16;
    return 0;
}

/* A type that was asked for by name stands as it is. */
static int named(enum dtype *out, enum dtype type, const struct mix_tensor *t, struct err *err)
{
    *out = type;
    return fits(type, t->row_len) ? 0 : refuse(t, type, err);
}

static bool quantizable(const struct mix_tensor *t)
{
    return t->n_dims >= 2 && path_ends(t->name, "weight") && !mix_special_of(t->name);
}

static int choose(enum dtype *out, struct assign *a, const struct mix_tensor *t, struct err *err)
{
    const struct mix_opts *o = a->opts;
    size_t which;

    *out = t->kept;
    if (!quantizable(t))
        return 0;
    const int rc = patterns_find(&which, a->patterns, t->name, err);
    if (rc)
        return rc;
    const bool user = which < o->n_overrides;
    if (mix_category_of(t->role) == MIX_EMBEDDING && o->embedding_type != DTYPE_NONE &&
        !(user && t->role != ROLE_TOKEN_EMBD))
        return named(out, o->embedding_type, t, err);
    if (t->role == ROLE_OUTPUT && o->output_type != DTYPE_NONE)
        return named(out, o->output_type, t, err);
    if (user)
        return fitting(out, o->overrides[which].type, t, err);
    if (mix_category_of(t->role) == MIX_EMBEDDING && a->tied && o->output_type != DTYPE_NONE)
        return fitting(out, o->output_type, t, err);
    const enum dtype ruled =
        o->pure || dtype_is_plain(a->mix->base) ? a->mix->base : by_rules(a, t);
    if ((t->kept == DTYPE_MXFP4 || t->kept == DTYPE_NVFP4) && !o->recode)
        return 0;
    return fitting(out, ruled, t, err);
}

/* ---- all ------------------------------------------------------------------------- */

/* Rules count tensors by block, then name. */
struct visit {
    int layer;
    const char *name;
    size_t index;
};

static int visit_cmp(const void *a, const void *b)
{
    const struct visit *x = a, *y = b;

    if (x->layer != y->layer)
        return x->layer < y->layer ? -1 : 1;
    return strcmp(x->name, y->name);
}

/* The order of the visits, and what rules want to know beforehand. */
static int look_over(struct visit **out, struct assign *a, struct err *err)
{
    const struct mix_model *m = a->m;
    struct visit *v = calloc(m->n_tensors + 1, sizeof(*v));

    *out = v;
    if (!v)
        return err_nomem(err);
    a->tied = true;
    for (size_t i = 0; i < m->n_tensors; i++) {
        const struct mix_tensor *t = &m->tensors[i];
        v[i] = (struct visit){t->layer, t->name, i};
        a->tied &= t->role != ROLE_OUTPUT;
        a->n_value += mix_category_of(t->role) == MIX_VALUE && t->n_dims >= 2;
    }
    qsort(v, m->n_tensors, sizeof(*v), visit_cmp);
    return 0;
}

int mix_assign(enum dtype *types, const struct mix *mix, const struct mix_model *m,
               const struct mix_opts *opts, struct err *err)
{
    struct assign a = {.mix = mix, .m = m, .opts = opts};
    struct visit *v = NULL;
    int rc = patterns_new(&a.patterns, opts->n_overrides, err);

    for (size_t i = 0; !rc && i < opts->n_overrides; i++)
        rc = patterns_add(a.patterns, opts->overrides[i].pattern, err);
    if (!rc)
        rc = look_over(&v, &a, err);
    for (size_t i = 0; !rc && i < m->n_tensors; i++)
        rc = choose(&types[v[i].index], &a, &m->tensors[v[i].index], err);
    if (!rc && patterns_unfound(a.patterns))
        rc = err_set(err, ERR_ARG, "pattern \"%.100s\" finds no tensor that can be quantized",
                     patterns_unfound(a.patterns));
    patterns_free(a.patterns);
    free(v);
    return rc;
}

/* ---- from a source ------------------------------------------------------------ */

static enum dtype convert_type(const struct source_tensor *t, enum dtype out_type)
{
    const struct mix_special *s = mix_special_of(t->name);

    if (t->n_dims < 2 || (s && s->convert_f32) || !path_ends(t->name, ".weight"))
        return DTYPE_F32;
    /* as the reference: no type says it better */
    if (t->type == DTYPE_MXFP4 || t->type == DTYPE_NVFP4)
        return t->type;
    return fits(out_type, source_row_len(t)) ? out_type : DTYPE_F16;
}

int mix_convert_types(enum dtype *types, enum dtype out_type, const struct source *s,
                      struct err *err)
{
    if (!dtype_is_plain(out_type) && out_type != DTYPE_Q8_0)
        return err_set(err, ERR_ARG, "a conversion writes F32, F16, BF16 or Q8_0, not %s",
                       dtype_get(out_type) ? dtype_get(out_type)->name : "this type");
    for (size_t i = 0; i < source_n_tensors(s); i++)
        types[i] = convert_type(source_tensor(s, i), out_type);
    return 0;
}

/* As it is in a GGUF; as a conversion would write it from a checkpoint. */
static enum dtype kept_type(const struct source *s, const struct source_tensor *t)
{
    if (!source_is_checkpoint(s))
        return t->type;
    return convert_type(t, dtype_is_plain(t->type) ? t->type : DTYPE_F32);
}

/* Without the last ones of 1. */
static int n_dims(const struct source_tensor *t)
{
    int n = t->n_dims;

    while (n > 1 && t->dims[n - 1] == 1)
        n--;
    return n;
}

/* The input of delta nets has the name of fused attention, and in a GGUF rules go by names. */
static enum arch_role role_of(const struct source_tensor *t)
{
    const enum arch_role role = t->row ? t->row->role : ROLE_NONE;

    return role == ROLE_SSM_IN && strstr(t->name, "attn_qkv.weight") ? ROLE_ATTN_QKV : role;
}

int mix_types(enum dtype *types, const struct mix *m, const struct source *s,
              const struct mix_opts *opts, struct err *err)
{
    const struct arch_params *p = source_params(s);
    const size_t n = source_n_tensors(s);
    struct mix_tensor *t = calloc(n + 1, sizeof(*t));
    struct mix_model model = {.tensors = t, .n_tensors = n};
    int rc;

    if (!t)
        return err_nomem(err);
    if (p) {
        model.n_layer = arch_int(p, ARCH_N_LAYER, 0);
        model.n_head = arch_int(p, ARCH_N_HEAD, 0);
        model.n_head_kv = arch_int(p, ARCH_N_HEAD_KV, 0);
        model.n_expert = arch_int(p, ARCH_N_EXPERT, 0);
        model.falcon = source_arch(s)->mix_falcon;
        model.seventy_b = source_arch(s)->mix_70b;
    } else if (!opts->pure && !dtype_is_plain(m->base)) {
        rc = err_set(err, ERR_UNSUPPORTED,
                     "%s: unknown architecture: the rules of %s need a known one (--pure gives "
                     "every matrix the same type)",
                     source_path(s), m->name);
        goto fail;
    }
    for (size_t i = 0; i < n; i++) {
        const struct source_tensor *from = source_tensor(s, i);
        t[i] = (struct mix_tensor){
            .name = from->name,
            .role = role_of(from),
            .layer = from->layer,
            .n_dims = n_dims(from),
            .stacked = from->n_dims > 2 && from->dims[2] > 1,
            .row_len = source_row_len(from),
            .kept = kept_type(s, from),
        };
    }
    rc = mix_assign(types, m, &model, opts, err);

fail:
    free(t);
    return rc;
}
