#include "quant/mix.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- the mixes ---------------------------------------------------------------- */

/* Sets of mixes, for the rules below. */
enum {
    F32 = 1 << 0,
    F16 = 1 << 1,
    BF16 = 1 << 2,
    Q8_0 = 1 << 3,
    Q4_0 = 1 << 4,
    Q5_0 = 1 << 5,
    Q4_K_S = 1 << 6,
    Q4_K_M = 1 << 7,
    Q5_K_S = 1 << 8,
    Q5_K_M = 1 << 9,
    Q6_K = 1 << 10,
    Q5_1 = 1 << 11,
    ANY = -1
};

struct mix {
    const char *name, *alias;
    int set; /* its bit */
    enum dtype base;
    uint32_t file_type;
};

static const struct mix mixes[] = {
    {"F32",    NULL,   F32,    DTYPE_F32,  0 },
    {"F16",    NULL,   F16,    DTYPE_F16,  1 },
    {"BF16",   NULL,   BF16,   DTYPE_BF16, 32},
    {"Q8_0",   NULL,   Q8_0,   DTYPE_Q8_0, 7 },
    {"Q6_K",   NULL,   Q6_K,   DTYPE_Q6_K, 18},
    {"Q5_K_M", "Q5_K", Q5_K_M, DTYPE_Q5_K, 17},
    {"Q5_K_S", NULL,   Q5_K_S, DTYPE_Q5_K, 16},
    {"Q5_1",   NULL,   Q5_1,   DTYPE_Q5_1, 9 },
    {"Q5_0",   NULL,   Q5_0,   DTYPE_Q5_0, 8 },
    {"Q4_K_M", "Q4_K", Q4_K_M, DTYPE_Q4_K, 15},
    {"Q4_K_S", NULL,   Q4_K_S, DTYPE_Q4_K, 14},
    {"Q4_0",   NULL,   Q4_0,   DTYPE_Q4_0, 2 },
};

enum { N_MIXES = sizeof(mixes) / sizeof(mixes[0]) };

const struct mix *mix_by_name(const char *name)
{
    for (size_t i = 0; i < N_MIXES; i++)
        if (!strcasecmp(mixes[i].name, name) ||
            (mixes[i].alias && !strcasecmp(mixes[i].alias, name)))
            return &mixes[i];
    return NULL;
}

const struct mix *mix_at(size_t i)
{
    return i < N_MIXES ? &mixes[i] : NULL;
}

const char *mix_name(const struct mix *m)
{
    return m->name;
}

uint32_t mix_file_type(const struct mix *m)
{
    return m->file_type;
}

/* ---- the rules ---------------------------------------------------------------- */

/* What a tensor counts as. */
enum category {
    OTHER,
    OUTPUT, /* or the token embedding that serves as one */
    EMBEDDING,
    VALUE,
    KEY,
    QUERY,
    ATTN_OUT,
    FFN_UP_GATE,
    FFN_DOWN,
    CATEGORY_COUNT
};

static const enum category category_of[ROLE_COUNT] = {
    [ROLE_OUTPUT] = OUTPUT,
    [ROLE_TOKEN_EMBD] = EMBEDDING,
    [ROLE_ATTN_V] = VALUE,
    [ROLE_ATTN_QKV] = VALUE,
    [ROLE_ATTN_K] = KEY,
    [ROLE_ATTN_Q] = QUERY,
    [ROLE_ATTN_OUT] = ATTN_OUT,
    [ROLE_FFN_UP] = FFN_UP_GATE,
    [ROLE_FFN_GATE] = FFN_UP_GATE,
    [ROLE_FFN_UP_EXPS] = FFN_UP_GATE,
    [ROLE_FFN_GATE_EXPS] = FFN_UP_GATE,
    [ROLE_FFN_DOWN] = FFN_DOWN,
    [ROLE_FFN_DOWN_EXPS] = FFN_DOWN,
};

/* Conditions; a rule's are all to hold. i of L: which layer of how many; for value
 * matrices which of how many such matrices. */
enum {
    ALWAYS = 0,
    EIGHT_EXPERTS = 1 << 0,
    SEVENTY_B = 1 << 1, /* 80 layers and grouped key-value heads */
    FALCON = 1 << 2,
    NOT_FALCON = 1 << 3,
    IMPORTANCE = 1 << 4,
    RAGGED = 1 << 5,     /* a row is no whole number of the base type's blocks */
    FIRST_4 = 1 << 6,    /* i < 4 */
    FIRST_16TH = 1 << 7, /* i < L / 16 */
    FIRST_8TH = 1 << 8,  /* i < L / 8 */
    SPREAD = 1 << 9      /* the first and last eighth, and every third between */
};

/* The first rule that fits wins; without one the base type stays. */
static const struct rule {
    enum category category;
    int mixes;
    unsigned when;
    enum dtype type;
} rules[] = {
    {OUTPUT,   ANY,             FALCON,                     DTYPE_Q8_0},
    {OUTPUT,   ANY,             RAGGED,                     DTYPE_Q8_0},
    {OUTPUT,   Q8_0,            ALWAYS,                     DTYPE_Q8_0},
    {OUTPUT,   ANY,             ALWAYS,                     DTYPE_Q6_K},
    {VALUE,    ANY,             EIGHT_EXPERTS,              DTYPE_Q8_0},
    {VALUE,    Q4_K_M | Q5_K_M, SPREAD,                     DTYPE_Q6_K},
    {VALUE,    Q4_K_S,          FIRST_4,                    DTYPE_Q5_K},
    {VALUE,    Q4_K_S | Q4_K_M, SEVENTY_B,                  DTYPE_Q5_K},
    {KEY,      ANY,             EIGHT_EXPERTS,              DTYPE_Q8_0},
    {ATTN_OUT, Q4_K_S | Q4_K_M, EIGHT_EXPERTS | NOT_FALCON, DTYPE_Q5_K},
    {FFN_DOWN, Q4_K_M,          FALCON | FIRST_16TH,        DTYPE_Q6_K},
    {FFN_DOWN, Q4_K_M,          FALCON | SPREAD,            DTYPE_Q5_K},
    {FFN_DOWN, Q4_K_M,          NOT_FALCON | SPREAD,        DTYPE_Q6_K},
    {FFN_DOWN, Q5_K_M,          SPREAD,                     DTYPE_Q6_K},
    {FFN_DOWN, Q4_K_S,          NOT_FALCON | FIRST_8TH,     DTYPE_Q5_K},
    {FFN_DOWN, Q4_0,            IMPORTANCE | FIRST_8TH,     DTYPE_Q4_1},
    {FFN_DOWN, Q5_0,            IMPORTANCE | FIRST_8TH,     DTYPE_Q5_1},
};

/* Where a row is no whole number of blocks; after that F16. */
static const enum dtype fallback[DTYPE_COUNT] = {
    [DTYPE_Q4_K] = DTYPE_Q5_0,
    [DTYPE_Q5_K] = DTYPE_Q5_1,
    [DTYPE_Q6_K] = DTYPE_Q8_0,
};

/* Tensors that are special by name, wherever they occur. */
static const struct special {
    const char *part;
    bool convert_f32; /* a converter always writes F32 */
} specials[] = {
    {"_norm.weight",              true },
    {"ffn_gate_inp.weight",       true },
    {"ffn_gate_inp_shexp.weight", true },
    {"ffn_gate_tid2eid.weight",   false},
    {"position_embd.weight",      true },
    {"token_types.weight",        true },
    {"ssm_conv1d",                true },
    {"shortconv.conv.weight",     true },
    {"time_mix_",                 false},
    {"attn_rel_b.weight",         false},
    {"altup",                     false},
    {"laurel",                    false},
    {"per_layer_model_proj",      false},
    {"indexer.k_proj.weight",     false},
    {"indexer.q_proj.weight",     false},
};

static const struct special *special_of(const char *name)
{
    for (size_t i = 0; i < sizeof(specials) / sizeof(specials[0]); i++)
        if (strstr(name, specials[i].part))
            return &specials[i];
    return NULL;
}

static bool ends_with(const char *s, const char *end)
{
    const size_t n = strlen(s), k = strlen(end);

    return n >= k && !strcmp(s + n - k, end);
}

/* ---- assigning ---------------------------------------------------------------- */

struct assign {
    const struct mix *mix;
    const struct mix_model *m;
    const struct mix_opts *opts;
    pcre2_code **patterns; /* opts->n_overrides */
    bool tied;             /* no output matrix */
    uint64_t n_value;      /* value matrices in the model */
    uint64_t seen[CATEGORY_COUNT];
};

static bool rule_fits(const struct rule *r, const struct assign *a, const struct mix_tensor *t,
                      uint64_t i, uint64_t n)
{
    const struct mix_model *m = a->m;
    const bool seventy = m->n_layer == 80 && m->n_head_kv < m->n_head;
    const bool spread = i < n / 8 || i >= 7 * n / 8 || (i - n / 8) % 3 == 2;
    const unsigned block = dtype_get(a->mix->base)->block;

    return (r->mixes & a->mix->set) && (!(r->when & EIGHT_EXPERTS) || m->n_expert == 8) &&
           (!(r->when & SEVENTY_B) || seventy) && (!(r->when & FALCON) || m->falcon) &&
           (!(r->when & NOT_FALCON) || !m->falcon) &&
           (!(r->when & IMPORTANCE) || a->opts->have_importance) &&
           (!(r->when & RAGGED) || t->row_len % block) && (!(r->when & FIRST_4) || i < 4) &&
           (!(r->when & FIRST_16TH) || i < n / 16) && (!(r->when & FIRST_8TH) || i < n / 8) &&
           (!(r->when & SPREAD) || spread);
}

static enum dtype by_rules(struct assign *a, const struct mix_tensor *t)
{
    enum category c = category_of[t->role];
    uint64_t i = a->seen[c]++, n = a->m->n_layer;

    if (c == EMBEDDING && a->tied)
        c = OUTPUT;
    if (c == VALUE)
        n = a->n_value;
    else if (a->m->n_expert > 1 && t->layer >= 0)
        i = (uint64_t)t->layer;
    for (size_t k = 0; k < sizeof(rules) / sizeof(rules[0]); k++)
        if (rules[k].category == c && rule_fits(&rules[k], a, t, i, n))
            return rules[k].type;
    return a->mix->base;
}

static bool is_plain(enum dtype t)
{
    return t == DTYPE_F32 || t == DTYPE_F16 || t == DTYPE_BF16;
}

static enum dtype fitting(enum dtype type, uint64_t row_len)
{
    if (row_len % dtype_get(type)->block && fallback[type] != DTYPE_NONE)
        type = fallback[type];
    return row_len % dtype_get(type)->block ? DTYPE_F16 : type;
}

static enum dtype overridden(const struct assign *a, const struct mix_tensor *t)
{
    enum dtype type = DTYPE_NONE;

    for (size_t i = 0; i < a->opts->n_overrides && type == DTYPE_NONE; i++) {
        pcre2_match_data *md = pcre2_match_data_create_from_pattern(a->patterns[i], NULL);
        if (md &&
            pcre2_match(a->patterns[i], (PCRE2_SPTR)t->name, strlen(t->name), 0, 0, md, NULL) >= 0)
            type = a->opts->overrides[i].type;
        pcre2_match_data_free(md);
    }
    return type;
}

static enum dtype choose(struct assign *a, const struct mix_tensor *t)
{
    const struct mix_opts *o = a->opts;

    if (t->n_dims < 2 || !ends_with(t->name, "weight") || special_of(t->name))
        return t->kept;
    if (t->role == ROLE_TOKEN_EMBD && o->embedding_type != DTYPE_NONE)
        return o->embedding_type;
    if (t->role == ROLE_OUTPUT && o->output_type != DTYPE_NONE)
        return o->output_type;
    const enum dtype ruled = o->pure || is_plain(a->mix->base) ? a->mix->base : by_rules(a, t);
    const enum dtype user = overridden(a, t);
    if (user == DTYPE_NONE && t->kept == DTYPE_MXFP4 && !o->recode)
        return t->kept;
    const enum dtype type = user != DTYPE_NONE ? user : ruled;
    return is_plain(type) ? type : fitting(type, t->row_len);
}

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

static int patterns_compile(struct assign *a, struct err *err)
{
    for (size_t i = 0; i < a->opts->n_overrides; i++) {
        int code;
        PCRE2_SIZE at;
        PCRE2_UCHAR why[128];
        const char *p = a->opts->overrides[i].pattern;
        a->patterns[i] = pcre2_compile((PCRE2_SPTR)p, PCRE2_ZERO_TERMINATED, 0, &code, &at, NULL);
        if (a->patterns[i])
            continue;
        (void)pcre2_get_error_message(code, why, sizeof(why));
        return err_set(err, ERR_ARG, "pattern \"%s\": %s at character %zu", p, (const char *)why,
                       (size_t)at + 1);
    }
    return 0;
}

int mix_assign(enum dtype *types, const struct mix *mix, const struct mix_model *m,
               const struct mix_opts *opts, struct err *err)
{
    struct assign a = {.mix = mix, .m = m, .opts = opts, .tied = true};
    struct visit *v = calloc(m->n_tensors + 1, sizeof(*v));
    int rc = 0;

    a.patterns = calloc(opts->n_overrides + 1, sizeof(pcre2_code *));
    if (!v || !a.patterns) {
        rc = err_nomem(err);
        goto fail;
    }
    rc = patterns_compile(&a, err);
    if (rc)
        goto fail;
    for (size_t i = 0; i < m->n_tensors; i++) {
        const struct mix_tensor *t = &m->tensors[i];
        v[i] = (struct visit){t->layer, t->name, i};
        a.tied &= t->role != ROLE_OUTPUT;
        a.n_value += category_of[t->role] == VALUE && t->n_dims >= 2;
    }
    qsort(v, m->n_tensors, sizeof(*v), visit_cmp);
    for (size_t i = 0; i < m->n_tensors; i++)
        types[v[i].index] = choose(&a, &m->tensors[v[i].index]);

fail:
    for (size_t i = 0; a.patterns && i < opts->n_overrides; i++)
        pcre2_code_free(a.patterns[i]);
    free(a.patterns);
    free(v);
    return rc;
}

/* ---- from a source ------------------------------------------------------------ */

static enum dtype convert_type(const struct source_tensor *t, enum dtype out_type)
{
    const struct special *s = special_of(t->name);

    if (t->n_dims < 2 || (s && s->convert_f32) || !ends_with(t->name, ".weight"))
        return DTYPE_F32;
    if (t->type == DTYPE_MXFP4) /* as the reference: no type says it better */
        return DTYPE_MXFP4;
    return fitting(out_type, source_row_len(t));
}

int mix_convert_types(enum dtype *types, enum dtype out_type, const struct source *s,
                      struct err *err)
{
    if (!is_plain(out_type) && out_type != DTYPE_Q8_0)
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
    return convert_type(t, is_plain(t->type) ? t->type : DTYPE_F32);
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
    } else if (!opts->pure && !is_plain(m->base)) {
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
            .role = from->row ? from->row->role : ROLE_NONE,
            .layer = from->layer,
            .n_dims = from->n_dims,
            .row_len = source_row_len(from),
            .kept = kept_type(s, from),
        };
    }
    rc = mix_assign(types, m, &model, opts, err);

fail:
    free(t);
    return rc;
}
