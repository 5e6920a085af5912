/* Rotary embedding's base and scaling: the same keys and rules in every family.
 * Source: transformers 5, modeling_rope_utils.py (standardization, defaults,
 * formulas); the reference converter for the GGUF keys. */

#include "formats/arch/arch_rows.h"

#include <math.h>
#include <string.h>

const struct arch_key arch_keys_rope[] = {
    {ARCH_ROPE_BASE,   NULL, "{}.rope.freq_base",                       META_F32,  ARCH_CONST,        10000, 0, 0, KEY_GGUF_CONST      },
    {ARCH_ROPE_TYPE,   NULL, "{}.rope.scaling.type",                    META_STR,  ARCH_OPTIONAL_KEY, 0,     0, 0, 0                   },
    {ARCH_ROPE_FACTOR, NULL, "{}.rope.scaling.factor",                  META_F32,  ARCH_OPTIONAL_KEY, 0,     0, 0, KEY_ZERO            },
    {ARCH_ROPE_CTX,    NULL, "{}.rope.scaling.original_context_length", META_U32,  ARCH_OPTIONAL_KEY, 0,     0, 0, KEY_ZERO            },
    {ARCH_ROPE_EXT,    NULL, "{}.rope.scaling.yarn_ext_factor",         META_F32,  ARCH_OPTIONAL_KEY, 0,     0, 0, KEY_ZERO            },
    {ARCH_ROPE_ATTN,   NULL, "{}.rope.scaling.yarn_attn_factor",        META_F32,  ARCH_OPTIONAL_KEY, 0,     0, 0, KEY_ZERO | KEY_GIVEN},
    {ARCH_ROPE_ATTN,   NULL, "pare.rope.scaling.attention_factor",      META_F32,  ARCH_OPTIONAL_KEY, 0,     0, 0, KEY_DERIVED         },
    {ARCH_ROPE_FAST,   NULL, "{}.rope.scaling.yarn_beta_fast",          META_F32,  ARCH_OPTIONAL_KEY, 0,     0, 0, KEY_ZERO            },
    {ARCH_ROPE_SLOW,   NULL, "{}.rope.scaling.yarn_beta_slow",          META_F32,  ARCH_OPTIONAL_KEY, 0,     0, 0, KEY_ZERO            },
    {ARCH_ROPE_LOGMUL, NULL, "{}.rope.scaling.yarn_log_multiplier",     META_F32,  ARCH_OPTIONAL_KEY, 0,     0, 0, KEY_ZERO            },
    {ARCH_ROPE_EXACT,  NULL, "pare.rope.scaling.exact",                 META_BOOL, ARCH_OPTIONAL_KEY, 0,     0, 0, KEY_ZERO            },
    {0,                NULL, NULL,                                      0,         0,                 0,     0, 0, 0                   },
};

static const struct {
    const char *name;
    enum arch_rope_scaling type;
    bool in_gguf;
} kinds[] = {
    {"default", ARCH_ROPE_NONE,   false},
    {"none",    ARCH_ROPE_NONE,   false},
    {"linear",  ARCH_ROPE_LINEAR, true },
    {"llama3",  ARCH_ROPE_LLAMA3, false},
    {"yarn",    ARCH_ROPE_YARN,   true },
};

enum { N_KINDS = sizeof(kinds) / sizeof(kinds[0]) };

const char *rope_type_name(const struct arch_params *p)
{
    for (size_t i = 0; i < N_KINDS; i++)
        if (kinds[i].in_gguf && kinds[i].type == arch_int(p, ARCH_ROPE_TYPE, 0))
            return kinds[i].name;
    return NULL;
}

bool rope_writes(const struct arch_params *p, enum arch_param which)
{
    const uint64_t type = arch_int(p, ARCH_ROPE_TYPE, 0);

    switch (which) {
    case ARCH_ROPE_TYPE:
    case ARCH_ROPE_FACTOR:
        return type == ARCH_ROPE_LINEAR || type == ARCH_ROPE_YARN;
    case ARCH_ROPE_CTX:
    case ARCH_ROPE_EXT:
    case ARCH_ROPE_ATTN:
    case ARCH_ROPE_FAST:
    case ARCH_ROPE_SLOW:
    case ARCH_ROPE_LOGMUL:
    case ARCH_ROPE_EXACT:
        return type == ARCH_ROPE_YARN;
    default:
        return true;
    }
}

/* ---- config.json ---------------------------------------------------------------- */

/* Where a message says the key stands. */
struct rope_object {
    const char *name;
    const json_val *v; /* NULL: neither is there */
};

static int find_object(struct rope_object *out, const json_val *config, struct err *err)
{
    static const char *const names[] = {"rope_scaling", "rope_parameters"};

    *out = (struct rope_object){names[0], NULL};
    for (size_t i = 0; i < 2 && !out->v; i++) {
        const json_val *v = json_get(config, names[i]);
        if (json_is_null(v))
            continue;
        if (!json_is_object(v))
            return err_set(err, ERR_FORMAT, "%s: expected an object", names[i]);
        if (json_len(v))
            *out = (struct rope_object){names[i], v};
    }
    return 0;
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

static int get_base(struct arch_params *p, const struct rope_object *o, const json_val *config,
                    struct err *err)
{
    const struct rope_object top = {"config", config};
    const struct rope_object *where = json_is_null(json_get(o->v, "rope_theta")) ? &top : o;

    if (!arch_has(p, ARCH_ROPE_BASE)) /* else: the family's own default */
        param_set(p, ARCH_ROPE_BASE, 10000);
    int rc = get(p, ARCH_ROPE_BASE, where, "rope_theta", false, err);
    if (!rc && !(arch_num(p, ARCH_ROPE_BASE, 0) > 0))
        rc = err_set(err, ERR_FORMAT, "rope_theta: expected a positive number");
    return rc;
}

static int get_type(struct arch_params *p, const struct rope_object *o, struct err *err)
{
    const json_val *v = json_get(o->v, "rope_type");

    if (json_is_null(v))
        v = json_get(o->v, "type");
    const char *name = json_is_null(v) ? "default" : json_str(v);
    if (!name)
        return err_set(err, ERR_FORMAT, "%s.rope_type: expected a string", o->name);
    for (const json_val *m = json_first(o->v); m; m = json_next(m))
        if (json_is_object(m))
            return err_set(err, ERR_UNSUPPORTED, "%s.%s: scaling by kind of layer is not supported",
                           o->name, json_key(m));
    for (size_t i = 0; i < N_KINDS; i++)
        if (!strcmp(kinds[i].name, name)) {
            param_set(p, ARCH_ROPE_TYPE, kinds[i].type);
            return 0;
        }
    return err_set(err, ERR_UNSUPPORTED,
                   "%s.rope_type: \"%.40s\" is not supported, only default, linear, llama3 and yarn",
                   o->name, name);
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

int rope_from_config(struct arch_params *p, const json_val *config, struct err *err)
{
    struct rope_object o;
    int rc = find_object(&o, config, err);

    if (!rc)
        rc = get_base(p, &o, config, err);
    if (!rc)
        rc = get_type(p, &o, err);
    if (rc || arch_int(p, ARCH_ROPE_TYPE, 0) == ARCH_ROPE_NONE)
        return rc;
    rc = get(p, ARCH_ROPE_FACTOR, &o, "factor", true, err);
    if (!rc && arch_int(p, ARCH_ROPE_TYPE, 0) == ARCH_ROPE_YARN)
        rc = get_yarn(p, &o, err);
    if (!rc && arch_int(p, ARCH_ROPE_TYPE, 0) == ARCH_ROPE_LLAMA3)
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
    (void)meta_str(meta, key, &name);
    bool known = false;
    for (size_t i = 0; i < N_KINDS && !known; i++) {
        known = strlen(kinds[i].name) == name.n && !memcmp(kinds[i].name, name.p, name.n);
        if (known)
            param_set(p, ARCH_ROPE_TYPE, kinds[i].type);
    }
    if (!known)
        return err_set(err, ERR_UNSUPPORTED, "%s: \"%.*s\" is not supported", key,
                       name.n > 40 ? 40 : (int)name.n, name.p);
    if (!(arch_num(p, ARCH_ROPE_FACTOR, 0) > 0)) {
        param_set(p, ARCH_ROPE_FACTOR, 1);
        if (arch_int(p, ARCH_ROPE_TYPE, 0) == ARCH_ROPE_LINEAR)
            param_set(p, ARCH_ROPE_TYPE, ARCH_ROPE_NONE);
    }
    if (!(arch_num(p, ARCH_ROPE_CTX, 0) > 0))
        param_set(p, ARCH_ROPE_CTX, arch_num(p, ARCH_N_CTX, 0));
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
    const double base = arch_num(p, ARCH_ROPE_BASE, 0);

    for (size_t i = 0; i < n; i++) {
        const float part = (float)(2 * i) / (float)(2 * n);
        dst[i] = divisor(1.0F / (float)pow((double)(float)base, (double)part), p);
    }
}
