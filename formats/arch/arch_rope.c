/* Rotary embedding's base and scaling: the same keys and rules in every family.
 * Source: transformers 5, modeling_rope_utils.py (standardization, defaults,
 * formulas); the reference converter for the GGUF keys. */

#include "formats/arch/arch_rows.h"

#include <math.h>
#include <string.h>

enum { ANY = KEY_LINEAR | KEY_YARN };

#define SCALING(more)                                                                                   \
    {ARCH_ROPE_TYPE, NULL, "{}.rope.scaling.type", META_STR, ARCH_OPTIONAL_KEY, .flags = ANY | (more)}, \
        {ARCH_ROPE_FACTOR, NULL, "{}.rope.scaling.factor", META_F32, ARCH_OPTIONAL_KEY,                 \
         .flags = KEY_ZERO | ANY | (more)},                                                             \
        {ARCH_ROPE_CTX, NULL, "{}.rope.scaling.original_context_length", META_U32,                      \
         ARCH_OPTIONAL_KEY, .flags = KEY_ZERO | KEY_YARN | KEY_LONG | (more)},                          \
        {ARCH_ROPE_EXT, NULL, "{}.rope.scaling.yarn_ext_factor", META_F32, ARCH_OPTIONAL_KEY,           \
         .flags = KEY_ZERO | KEY_YARN | (more)},                                                        \
        {ARCH_ROPE_ATTN, NULL, "{}.rope.scaling.yarn_attn_factor", META_F32, ARCH_OPTIONAL_KEY,         \
         .flags = KEY_ZERO | KEY_GIVEN | KEY_YARN | (more)},                                            \
        {ARCH_ROPE_ATTN, NULL, "{}.rope.scaling.attn_factor", META_F32, ARCH_OPTIONAL_KEY,              \
         .flags = KEY_ZERO | KEY_LONG | (more)},                                                        \
        {ARCH_ROPE_FAST, NULL, "{}.rope.scaling.yarn_beta_fast", META_F32, ARCH_OPTIONAL_KEY,           \
         .flags = KEY_ZERO | KEY_YARN | (more)},                                                        \
        {ARCH_ROPE_SLOW, NULL, "{}.rope.scaling.yarn_beta_slow", META_F32, ARCH_OPTIONAL_KEY,           \
         .flags = KEY_ZERO | KEY_YARN | (more)},                                                        \
        {ARCH_ROPE_LOGMUL, NULL, "{}.rope.scaling.yarn_log_multiplier", META_F32,                       \
         ARCH_OPTIONAL_KEY, .flags = KEY_ZERO | KEY_YARN | (more)},                                     \
    {                                                                                                   \
        0                                                                                               \
    }

const struct arch_key arch_keys_rope[] = {
    {ARCH_ROPE_BASE, NULL, "{}.rope.freq_base", META_F32, ARCH_CONST, 10000, .flags = KEY_GGUF_CONST},
    SCALING(0)
};

const struct arch_key arch_keys_rope_silent[] = {
    {ARCH_ROPE_BASE, NULL, "{}.rope.freq_base", META_F32, ARCH_CONST, 10000, .flags = KEY_GGUF_CONST | KEY_SILENT},
    SCALING(KEY_SILENT)
};

static const struct {
    const char *name; /* in config.json */
    enum arch_rope_scaling type;
    const char *gguf; /* NULL: not written; divisors among the tensors say it */
} kinds[] = {
    {"default",      ARCH_ROPE_NONE,   "none"  },
    {"none",         ARCH_ROPE_NONE,   "none"  },
    {"linear",       ARCH_ROPE_LINEAR, "linear"},
    {"llama3",       ARCH_ROPE_LLAMA3, NULL    },
    {"yarn",         ARCH_ROPE_YARN,   "yarn"  },
    {"longrope",     ARCH_ROPE_LONG,   NULL    },
    {"su",           ARCH_ROPE_LONG,   NULL    },
    {"proportional", ARCH_ROPE_TABLE,  NULL    },
 /* its stretching begins beyond the trained context */
    {"dynamic",      ARCH_ROPE_NONE,   NULL    },
};

enum { N_KINDS = sizeof(kinds) / sizeof(kinds[0]) };

const char *rope_type_name(const struct arch_params *p)
{
    for (size_t i = 0; i < N_KINDS; i++)
        if (kinds[i].type == arch_int(p, ARCH_ROPE_TYPE, ARCH_NO_LAYER))
            return kinds[i].gguf;
    return NULL;
}

bool rope_writes(const struct arch_params *p, const struct arch_key *k)
{
    static const unsigned flag[] = {
        [ARCH_ROPE_LINEAR] = KEY_LINEAR, [ARCH_ROPE_YARN] = KEY_YARN, [ARCH_ROPE_LONG] = KEY_LONG, [ARCH_ROPE_TABLE] = 0};
    const unsigned under = k->flags & (KEY_LINEAR | KEY_YARN | KEY_LONG);

    return !under || flag[arch_int(p, ARCH_ROPE_TYPE, ARCH_NO_LAYER)] & under;
}

/* ---- config.json ---------------------------------------------------------------- */

/* Where a message says the key stands. */
struct rope_object {
    const char *name;
    const json_val *v;        /* NULL: neither is there */
    const json_val *windowed; /* where windowed layers have an object of their own */
};

/* Objects by kind of layer inside the object. */
static int split_kinds(struct rope_object *o, struct err *err)
{
    const json_val *full = json_get(o->v, "full_attention");
    const json_val *windowed = json_get(o->v, "sliding_attention");

    for (const json_val *m = json_first(o->v); m; m = json_next(m))
        if (json_is_object(m) && m != full && m != windowed)
            return err_set(err, ERR_UNSUPPORTED, "%s.%s: scaling by this kind of layer is not supported",
                           o->name, json_key(m));
    if (json_is_object(windowed))
        o->windowed = windowed;
    if (json_is_object(full))
        o->v = full;
    return 0;
}

static int find_object(struct rope_object *out, const json_val *config, struct err *err)
{
    static const char *const names[] = {"rope_scaling", "rope_parameters"};

    *out = (struct rope_object){names[0], NULL, NULL};
    for (size_t i = 0; i < 2 && !out->v; i++) {
        const json_val *v = json_get(config, names[i]);
        if (json_is_null(v))
            continue;
        if (!json_is_object(v))
            return err_set(err, ERR_FORMAT, "%s: expected an object", names[i]);
        if (json_len(v))
            *out = (struct rope_object){names[i], v, NULL};
    }
    return split_kinds(out, err);
}

/* A number of the object; absent and null leave it unset, unless it is required. */
static int get(struct arch_params *p, enum arch_param which, const struct rope_object *o,
               const char *key, bool required, struct err *err)
{
    const json_val *v = json_get(o->v, key);
    double num;

    if (json_is_null(v))
        return required ? err_set(err, ERR_FORMAT, "%s.%s is missing", o->name, key) : 0;
    if (!json_num(v, &num) || !isfinite(num) || (required && !(num > 0)))
        return err_set(err, ERR_FORMAT, "%s.%s: expected a %snumber", o->name, key,
                       required ? "positive " : "");
    param_set(p, which, num);
    return 0;
}

/* What a family's own row found stands, unless it is the class default. */
static int get_base(struct arch_params *p, const struct rope_object *o, const json_val *config,
                    struct err *err)
{
    const struct rope_object top = {"config", config, NULL};
    const struct rope_object *where = json_is_null(json_get(o->v, "rope_theta")) ? &top : o;
    int rc = 0;

    if (!arch_has(p, ARCH_ROPE_BASE))
        param_set(p, ARCH_ROPE_BASE, 10000);
    else if (!p->p[ARCH_ROPE_BASE].derived)
        return 0;
    rc = get(p, ARCH_ROPE_BASE, where, "rope_theta", false, err);
    if (!rc && !(arch_num(p, ARCH_ROPE_BASE, ARCH_NO_LAYER) > 0))
        rc = err_set(err, ERR_FORMAT, "rope_theta: expected a positive number");
    return rc;
}

static int get_type(struct arch_params *p, enum arch_param which, const struct rope_object *o,
                    struct err *err)
{
    const json_val *v = json_get(o->v, "rope_type");

    if (json_is_null(v))
        v = json_get(o->v, "type");
    const char *name = json_is_null(v) ? "default" : json_str(v);
    if (!name)
        return err_set(err, ERR_FORMAT, "%s.rope_type: expected a string", o->name);
    for (size_t i = 0; i < N_KINDS; i++)
        if (!strcmp(kinds[i].name, name)) {
            param_set(p, which, kinds[i].type);
            return 0;
        }
    return err_set(err, ERR_UNSUPPORTED,
                   "%s.rope_type: \"%.40s\" is not supported, only default, linear, dynamic, llama3, "
                   "yarn, longrope and proportional",
                   o->name, name);
}

/* Windowed layers' own base; they are never stretched. */
static int get_windowed(struct arch_params *p, const struct rope_object *o, struct err *err)
{
    const struct rope_object w = {o->name, o->windowed, NULL};
    int rc;

    if (!o->windowed)
        return 0;
    rc = get(p, ARCH_ROPE_BASE_SWA, &w, "rope_theta", false, err);
    if (!rc)
        rc = get_type(p, ARCH_ROPE_TYPE_SWA, &w, err);
    if (!rc && arch_num(p, ARCH_ROPE_TYPE_SWA, ARCH_NO_LAYER) != ARCH_ROPE_NONE)
        rc = err_set(err, ERR_UNSUPPORTED,
                     "%s.sliding_attention.rope_type: only default is supported", o->name);
    return rc;
}

/* Context before extension: a required key that transformers fills in. */
static int get_ctx(struct arch_params *p, const struct rope_object *o, struct err *err)
{
    param_set(p, ARCH_ROPE_CTX, arch_num(p, ARCH_N_CTX, 0));
    const int rc = get(p, ARCH_ROPE_CTX, o, "original_max_position_embeddings", false, err);
    const double v = arch_num(p, ARCH_ROPE_CTX, 0);

    if (!rc && (!(v >= 1) || v != floor(v) || v > (double)UINT32_MAX))
        return err_set(err, ERR_FORMAT,
                       "%s.original_max_position_embeddings: expected a whole number from 1",
                       o->name);
    return rc;
}

static double yarn_scale(double factor, double mscale)
{
    return factor <= 1 ? 1 : 0.1 * mscale * log(factor) + 1;
}

/* The factor on cos and sin where mscale and mscale_all_dim change it. The reference
 * converter drops them, so the result goes under a key of ours. */
static int get_attn(struct arch_params *p, const struct rope_object *o, struct err *err)
{
    const double factor = arch_num(p, ARCH_ROPE_FACTOR, 0);
    double m, all;
    int rc = get(p, ARCH_ROPE_ATTN, o, "attn_factor", false, err);

    if (!rc)
        rc = get(p, ARCH_ROPE_ATTN, o, "attention_factor", false, err);
    if (rc || arch_has(p, ARCH_ROPE_ATTN) || !json_num(json_get(o->v, "mscale"), &m) ||
        !json_num(json_get(o->v, "mscale_all_dim"), &all) || m == 0 || all == 0)
        return rc;
    param_set(p, ARCH_ROPE_ATTN, yarn_scale(factor, m) / yarn_scale(factor, all));
    p->p[ARCH_ROPE_ATTN].derived = true;
    return 0;
}

static int get_yarn(struct arch_params *p, const struct rope_object *o, struct err *err)
{
    static const struct {
        enum arch_param which;
        const char *key;
    } rest[] = {
        {ARCH_ROPE_FAST, "beta_fast"           },
        {ARCH_ROPE_SLOW, "beta_slow"           },
        {ARCH_ROPE_EXT,  "extrapolation_factor"},
    };
    bool truncate = true;
    int rc = get_ctx(p, o, err);

    for (size_t i = 0; !rc && i < sizeof(rest) / sizeof(rest[0]); i++)
        rc = get(p, rest[i].which, o, rest[i].key, false, err);
    if (json_bool(json_get(o->v, "truncate"), &truncate) && !truncate) {
        param_set(p, ARCH_ROPE_EXACT, 1);
    }
    return rc ? rc : get_attn(p, o, err);
}

static int get_llama3(struct arch_params *p, const struct rope_object *o, struct err *err)
{
    int rc = get_ctx(p, o, err);

    if (!rc)
        rc = get(p, ARCH_ROPE_LOW, o, "low_freq_factor", true, err);
    if (!rc)
        rc = get(p, ARCH_ROPE_HIGH, o, "high_freq_factor", true, err);
    return rc;
}

/* HunYuan's alpha: base *= alpha^(d / (d - 2)). */
static int get_dynamic(struct arch_params *p, const struct rope_object *o, struct err *err)
{
    const double d = arch_num(p, ARCH_HEAD_K, ARCH_NO_LAYER);
    double alpha = 0;

    if (json_is_null(json_get(o->v, "alpha")))
        return 0;
    if (!json_num(json_get(o->v, "alpha"), &alpha) || !(alpha >= 0) || !isfinite(alpha))
        return err_set(err, ERR_FORMAT, "%s.alpha: expected a number", o->name);
    if (alpha > 0 && d > 2)
        param_set(p, ARCH_ROPE_BASE,
                  arch_num(p, ARCH_ROPE_BASE, ARCH_NO_LAYER) * pow(alpha, d / (d - 2)));
    return 0;
}

static int get_divisors(const float **out, struct arch_params *p, const struct rope_object *o,
                        const char *key, struct err *err)
{
    const json_val *list = json_get(o->v, key);
    const size_t n = (size_t)arch_int(p, ARCH_N_ROT, ARCH_NO_LAYER) / 2;
    double num;

    if (!json_is_array(list) || json_len(list) != n)
        return err_set(err, ERR_FORMAT, "%s.%s: expected an array of %zu numbers", o->name, key, n);
    float *v = arena_array(&p->arena, n, sizeof(*v));
    if (!v)
        return err_nomem(err);
    *out = v;
    for (const json_val *e = json_first(list); e; e = json_next(e)) {
        if (!json_num(e, &num) || !(num > 0) || !isfinite(num))
            return err_set(err, ERR_FORMAT, "%s.%s: expected positive numbers", o->name, key);
        *v++ = (float)num;
    }
    p->rope_n = n;
    return 0;
}

/* Source: Ding et al. 2024 (LongRoPE): cos and sin are scaled by sqrt(1 + ln(s) / ln(n)), s the
 * extension of a context of n, where the file says nothing else. */
static int get_long(struct arch_params *p, const struct rope_object *o, const json_val *config,
                    struct err *err)
{
    const struct rope_object top = {"config", config, NULL};
    int rc = 0;

    if (!arch_has(p, ARCH_ROPE_CTX) || p->p[ARCH_ROPE_CTX].derived) {
        if (!arch_has(p, ARCH_ROPE_CTX))
            param_set(p, ARCH_ROPE_CTX, arch_num(p, ARCH_N_CTX, 0));
        rc = get(p, ARCH_ROPE_CTX, o, "original_max_position_embeddings", false, err);
        if (!rc)
            rc = get(p, ARCH_ROPE_CTX, &top, "original_max_position_embeddings", false, err);
    }
    if (!rc)
        rc = get_divisors(&p->rope_long, p, o, "long_factor", err);
    if (!rc)
        rc = get_divisors(&p->rope_short, p, o, "short_factor", err);
    if (!rc)
        rc = get(p, ARCH_ROPE_ATTN, o, "attention_factor", false, err);
    if (rc || arch_has(p, ARCH_ROPE_ATTN))
        return rc;
    const double n = arch_num(p, ARCH_ROPE_CTX, 0);
    double s = arch_num(p, ARCH_N_CTX, 0) / n;
    (void)json_num(json_get(o->v, "factor"), &s);
    param_set(p, ARCH_ROPE_ATTN, s <= 1 || n <= 1 ? 1 : sqrt(1 + log(s) / log(n)));
    return 0;
}

int rope_from_config(struct arch_params *p, const json_val *config, struct err *err)
{
    struct rope_object o;
    int rc = find_object(&o, config, err);

    if (!rc)
        rc = get_base(p, &o, config, err);
    if (!rc)
        rc = get_type(p, ARCH_ROPE_TYPE, &o, err);
    if (!rc)
        rc = get_windowed(p, &o, err);
    if (rc)
        return rc;
    switch (arch_int(p, ARCH_ROPE_TYPE, ARCH_NO_LAYER)) {
    case ARCH_ROPE_NONE:
        return get_dynamic(p, &o, err);
    case ARCH_ROPE_LONG:
        return get_long(p, &o, config, err);
    case ARCH_ROPE_TABLE:
        return 0;
    default:
        break;
    }
    rc = get(p, ARCH_ROPE_FACTOR, &o, "factor", true, err);
    if (!rc && arch_int(p, ARCH_ROPE_TYPE, ARCH_NO_LAYER) == ARCH_ROPE_YARN)
        rc = get_yarn(p, &o, err);
    if (!rc && arch_int(p, ARCH_ROPE_TYPE, ARCH_NO_LAYER) == ARCH_ROPE_LLAMA3)
        rc = get_llama3(p, &o, err);
    return rc;
}

/* ---- GGUF -------------------------------------------------------------------------- */

int rope_from_meta(struct arch_params *p, const struct arch *a, const struct meta *meta,
                   struct err *err)
{
    char key[128];
    struct meta_str name = {"linear", 6}; /* llama.cpp's default, when there is a factor */

    if (!key_expand(key, sizeof(key), "{}.rope.scaling.type", a))
        return err_set(err, ERR_UNSUPPORTED, "the architecture's name is too long");
    /* a family whose type is a fact needs no key */
    bool known = !meta_str(meta, key, &name) && arch_has(p, ARCH_ROPE_TYPE);
    for (size_t i = 0; i < N_KINDS && !known; i++) {
        known = kinds[i].gguf && strlen(kinds[i].gguf) == name.n &&
                !memcmp(kinds[i].gguf, name.p, name.n);
        if (known)
            param_set(p, ARCH_ROPE_TYPE, kinds[i].type);
    }
    if (!known)
        return err_set(err, ERR_UNSUPPORTED, "%s: \"%.*s\" is not supported", key,
                       name.n > 40 ? 40 : (int)name.n, name.p);
    if (!(arch_num(p, ARCH_ROPE_FACTOR, 0) > 0) &&
        arch_int(p, ARCH_ROPE_TYPE, ARCH_NO_LAYER) == ARCH_ROPE_LINEAR)
        param_set(p, ARCH_ROPE_TYPE, ARCH_ROPE_NONE);
    return 0;
}

/* ---- llama3's divisors ------------------------------------------------------------- */

/* Every step in F32, as the reference's tensors do: 2 pi f is also rounded before the
 * reciprocal is multiplied. */
static float divisor(float freq, const struct arch_params *p)
{
    const double ctx = arch_num(p, ARCH_ROPE_CTX, 0);
    const double low = arch_num(p, ARCH_ROPE_LOW, 0), high = arch_num(p, ARCH_ROPE_HIGH, 0);
    const float factor = (float)arch_num(p, ARCH_ROPE_FACTOR, 0);
    const float wave = (1.0F / freq) * (float)(2 * 3.14159265358979323846);

    if (wave < (float)(ctx / high))
        return 1;
    if (wave > (float)(ctx / low))
        return factor;
    const float smooth = ((1.0F / wave) * (float)ctx - (float)low) / (float)(high - low);
    return 1.0F / ((1.0F - smooth) / factor + smooth);
}

void rope_divisors(float *dst, size_t n, const struct arch_params *p)
{
    const double base = arch_num(p, ARCH_ROPE_BASE, ARCH_NO_LAYER);
    const bool table = arch_int(p, ARCH_ROPE_TYPE, ARCH_NO_LAYER) == ARCH_ROPE_TABLE;
    const double rotated = table ? floor(arch_num(p, ARCH_ROPE_PART, 0) * (double)n) : 0;

    for (size_t i = 0; i < n; i++) {
        const float part = (float)(2 * i) / (float)(2 * n);
        if (table) /* the rest turns too slowly to matter: not at all */
            dst[i] = (double)i < rotated ? 1.0F : 1e30F;
        else
            dst[i] = divisor(1.0F / (float)pow((double)(float)base, (double)part), p);
    }
}
