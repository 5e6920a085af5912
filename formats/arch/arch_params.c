/* The numbers of one model, and what must hold between them. */

#include "formats/arch/arch_params_impl.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

void arch_params_release(struct arch_params *p)
{
    arena_release(&p->arena);
    memset(p, 0, sizeof(*p));
}

bool arch_has(const struct arch_params *p, enum arch_param which)
{
    return p->p[which].set;
}

/* The windowed layers' own value of a parameter; 0: there is none. */
static enum arch_param in_window(enum arch_param which)
{
    switch (which) {
    case ARCH_HEAD_K:
        return ARCH_HEAD_K_SWA;
    case ARCH_HEAD_V:
        return ARCH_HEAD_V_SWA;
    case ARCH_N_HEAD_KV:
        return ARCH_N_HEAD_KV_SWA;
    case ARCH_N_ROT:
        return ARCH_N_ROT_SWA;
    case ARCH_ROPE_BASE:
        return ARCH_ROPE_BASE_SWA;
    case ARCH_ROPE_TYPE:
        return ARCH_ROPE_TYPE_SWA;
    default:
        return 0;
    }
}

/* The value as it is, without a window's own. */
double param_plain(const struct arch_params *p, enum arch_param which, size_t layer)
{
    const struct arch_value *v = &p->p[which];

    if (!v->set)
        return 0;
    return v->per_layer && layer < arch_int(p, ARCH_N_LAYER, 0) ? v->per_layer[layer] : v->v;
}

double arch_num(const struct arch_params *p, enum arch_param which, size_t layer)
{
    const enum arch_param own = in_window(which);

    if (own && p->p[own].set && layer != ARCH_NO_LAYER && param_plain(p, ARCH_AT_WINDOW, layer) != 0)
        which = own;
    if (which == ARCH_ROPE_BASE && p->p[ARCH_ROPE_BASE_LAYER].set && layer != ARCH_NO_LAYER)
        which = ARCH_ROPE_BASE_LAYER;
    return param_plain(p, which, layer);
}

uint64_t arch_int(const struct arch_params *p, enum arch_param which, size_t layer)
{
    /* ends arch_num's recursion: never per layer */
    const double v = which == ARCH_N_LAYER ? (p->p[which].set ? p->p[which].v : 0)
                                           : arch_num(p, which, layer);

    if (!(v > 0))
        return 0;
    return v < (double)UINT32_MAX ? (uint64_t)v : UINT32_MAX;
}

uint64_t arch_most(const struct arch_params *p, enum arch_param which)
{
    const size_t n = (size_t)arch_int(p, ARCH_N_LAYER, ARCH_NO_LAYER);
    uint64_t most = 0;

    for (size_t l = 0; l < n; l++) {
        const uint64_t v = arch_int(p, which, l);
        most = v > most ? v : most;
    }
    return most;
}

void param_set(struct arch_params *p, enum arch_param which, double v)
{
    p->p[which].set = true;
    p->p[which].v = v;
}

bool key_is_whole(enum meta_type type)
{
    return type != META_F32 && type != META_F64;
}

/* Is v something the key can hold? */
int key_check(const struct arch_key *k, const char *name, double v, struct err *err)
{
    if (!isfinite(v))
        return err_set(err, ERR_FORMAT, "%s: expected a finite number, found %g", name, v);
    if (key_is_whole(k->type) && (v != floor(v) || v < 0 || v > (double)UINT32_MAX))
        return err_set(err, ERR_FORMAT, "%s: expected a whole number below 2^32, found %.17g", name,
                       v);
    if (v <= 0 && !(k->flags & (KEY_ZERO | KEY_AT_ATTENTION | KEY_AT_FFN)))
        return err_set(err, ERR_FORMAT, "%s: expected a positive number, found %.17g", name, v);
    return 0;
}

int params_check_layers(const struct arch_params *p, const char *name, uint64_t most,
                        struct err *err)
{
    const uint64_t n = arch_int(p, ARCH_N_LAYER, 0);

    if (!n)
        return err_set(err, ERR_FORMAT, "%s: expected a number of layers, found none", name);
    if (n > most)
        return err_set(err, ERR_FORMAT, "%s: %" PRIu64 " layers, but only %" PRIu64 " tensors", name,
                       n, most);
    return 0;
}

/* Room for one value per layer. ARCH_N_LAYER is set already, being the first row. */
int param_layers(double **out, struct arch_params *p, const char *name, size_t n,
                 struct err *err)
{
    if (n != arch_int(p, ARCH_N_LAYER, 0))
        return err_set(err, ERR_FORMAT,
                       "%s: expected one value for each of %" PRIu64 " layers, found %zu", name,
                       arch_int(p, ARCH_N_LAYER, 0), n);
    *out = arena_array(&p->arena, n, sizeof(**out));
    return *out ? 0 : err_nomem(err);
}

void param_set_layers(struct arch_params *p, enum arch_param which, const double *v)
{
    param_set(p, which, v[0]);
    p->p[which].per_layer = v;
}

bool key_is_end(const struct arch_key *k)
{
    return !k->config && !k->gguf && k->param == ARCH_N_LAYER;
}

const char *key_label(const struct arch_key *k)
{
    if (k->config || !k->gguf)
        return k->config ? k->config : "a parameter";
    return strncmp(k->gguf, "{}.", 3) != 0 ? k->gguf : k->gguf + 3;
}

/* Does the row work its value out of others where its key is absent or has no name? */
bool key_works_out(const struct arch_key *k)
{
    return k->when_absent >= ARCH_SAME_AS;
}

/* A fact of the family: it holds whatever a file says, or where config.json asks. */
bool key_is_fact(const struct arch_key *k)
{
    return (!k->config && (!k->gguf || k->when)) || k->flags & KEY_FACT;
}

static void param_set_derived(struct arch_params *p, enum arch_param which, double v)
{
    param_set(p, which, v);
    p->p[which].derived = true;
}

/* ARCH_SUM, ARCH_DIFFERENCE and ARCH_RATIO. */
static int set_from_two(struct arch_params *p, const struct arch_key *k, const char *name,
                        struct err *err)
{
    const double a = param_plain(p, k->other, ARCH_NO_LAYER), b = param_plain(p, k->other2, ARCH_NO_LAYER);

    if (!arch_has(p, k->other) || !arch_has(p, k->other2))
        return 0;
    if (k->when_absent == ARCH_SUM) {
        param_set_derived(p, k->param, a + b);
        return 0;
    }
    if (k->when_absent == ARCH_DIFFERENCE ? a < b : !(b > 0))
        return err_set(err, ERR_FORMAT, "%s is missing, and cannot be worked out of %.17g and %.17g",
                       name, a, b);
    const double v = k->when_absent == ARCH_DIFFERENCE ? a - b : a / b;
    param_set_derived(p, k->param, key_is_whole(k->type) ? floor(v) : v);
    return 0;
}

/* The row's own rule for a value that is not there. */
int key_absent(struct arch_params *p, const struct arch_key *k, const char *name,
               struct err *err)
{
    switch (k->when_absent) {
    case ARCH_REQUIRED:
        return err_set(err, ERR_FORMAT, "%s is missing", name);
    case ARCH_OPTIONAL_KEY:
        return 0;
    case ARCH_CONST:
        param_set_derived(p, k->param, k->value);
        return 0;
    case ARCH_SUM:
    case ARCH_DIFFERENCE:
    case ARCH_RATIO:
        return set_from_two(p, k, name, err);
    case ARCH_TIMES:
        if (!arch_has(p, k->other))
            return 0;
        param_set_derived(p, k->param, k->value * param_plain(p, k->other, ARCH_NO_LAYER));
        return 0;
    case ARCH_SAME_AS:
        p->p[k->param] = p->p[k->other];
        p->p[k->param].derived = true;
        return 0;
    case ARCH_SQRT:
        if (param_plain(p, k->other, ARCH_NO_LAYER) > 0)
            param_set_derived(p, k->param, k->value * sqrt(param_plain(p, k->other, ARCH_NO_LAYER)));
        return 0;
    case ARCH_RSQRT:
        if (param_plain(p, k->other, ARCH_NO_LAYER) > 0)
            param_set_derived(p, k->param, k->value / sqrt(param_plain(p, k->other, ARCH_NO_LAYER)));
        return 0;
    case ARCH_PRODUCT:
        if (!arch_has(p, k->other) || !arch_has(p, k->other2))
            return 0;
        param_set_derived(p, k->param,
                          floor(param_plain(p, k->other, ARCH_NO_LAYER) * param_plain(p, k->other2, ARCH_NO_LAYER)));
        return 0;
    case ARCH_CEIL:
        param_set_derived(p, k->param, ceil(param_plain(p, k->other, ARCH_NO_LAYER) / k->value));
        return 0;
    case ARCH_QUOTIENT:
        break;
    }
    const double a = param_plain(p, k->other, ARCH_NO_LAYER), b = param_plain(p, k->other2, ARCH_NO_LAYER);
    if (!(b > 0) || (fmod(a, b) != 0 && !(k->flags & KEY_FLOOR)))
        return err_set(err, ERR_FORMAT, "%s is missing, and %.17g / %.17g is not a whole number",
                       name, a, b);
    param_set_derived(p, k->param, floor(a / b));
    return 0;
}

bool params_have_rope(const struct arch_params *p)
{
    const uint64_t position = arch_int(p, ARCH_POSITION, 0);

    return position == POS_ROPE_PAIRS || position == POS_ROPE_HALVES;
}

/* Sizes that all layers share: a list of them, as a file may have, says the same each time. */
static int check_shared(const struct arch_params *p, struct err *err)
{
    static const struct {
        enum arch_param param;
        const char *name;
    } shared[] = {
        {ARCH_N_EMBD,        "the model's width"            },
        {ARCH_N_VOCAB,       "the vocabulary"               },
        {ARCH_N_CTX,         "the context"                  },
        {ARCH_N_EMBD_LAYER,  "the layers' own inputs"       },
        {ARCH_N_VOCAB_LAYER, "the layers' own vocabulary"   },
        {ARCH_KV_SHARED,     "layers that borrow their keys"},
        {ARCH_CONV_CACHE,    "the convolution's width"      },
        {ARCH_SSM_CONV,      "the convolution's width"      },
        {ARCH_SSM_STATE,     "the state's size"             },
        {ARCH_SSM_INNER,     "the inner width"              },
        {ARCH_SSM_DT_RANK,   "the rank or heads of the step"},
        {ARCH_SSM_GROUPS,    "the groups"                   },
    };

    for (size_t i = 0; i < sizeof(shared) / sizeof(shared[0]); i++)
        for (size_t l = 1; p->p[shared[i].param].per_layer && l < arch_int(p, ARCH_N_LAYER, 0); l++)
            if (arch_int(p, shared[i].param, l) != arch_int(p, shared[i].param, 0))
                return err_set(err, ERR_UNSUPPORTED,
                               "%s: expected one value for all layers, found %" PRIu64 " and %" PRIu64,
                               shared[i].name, arch_int(p, shared[i].param, 0),
                               arch_int(p, shared[i].param, l));
    return 0;
}

/* What must hold between parameters, wherever they come from. */
int params_check(const struct arch_params *p, struct err *err)
{
    for (size_t l = 0; l < arch_int(p, ARCH_N_LAYER, 0); l++) {
        const uint64_t heads = arch_int(p, ARCH_N_HEAD, l), kv = arch_int(p, ARCH_N_HEAD_KV, l);
        if (kv && heads % kv)
            return err_set(err, ERR_FORMAT,
                           "%" PRIu64 " query heads are no multiple of %" PRIu64 " key-value heads",
                           heads, kv);
        if (!p->p[ARCH_N_HEAD].per_layer && !p->p[ARCH_N_HEAD_KV].per_layer)
            break;
    }
    for (size_t l = 0; params_have_rope(p) && l < arch_int(p, ARCH_N_LAYER, 0); l++)
        if (arch_int(p, ARCH_N_ROT, l) % 2 ||
            arch_num(p, ARCH_N_ROT, l) > arch_num(p, ARCH_HEAD_K, l))
            return err_set(err, ERR_UNSUPPORTED,
                           "%" PRIu64 " rotated values of a head of %" PRIu64
                           ": expected an even part",
                           arch_int(p, ARCH_N_ROT, l), arch_int(p, ARCH_HEAD_K, l));
    return check_shared(p, err);
}

/* Keys that are lists because some layers lack what they count. */
static int spread(struct arch_params *p, const struct arch_key *k, struct err *err)
{
    const size_t n = (size_t)arch_int(p, ARCH_N_LAYER, 0);
    struct arch_value *v = &p->p[k->param];
    bool some = k->flags & KEY_LIST;
    double *list = arena_array(&p->arena, n, sizeof(*list));

    if (!list)
        return err_nomem(err);
    for (size_t l = 0; l < n; l++) {
        const bool gone = (k->flags & KEY_AT_ATTENTION && !arch_is_at(AT_ATTENTION, p, l)) ||
                          (k->flags & KEY_AT_FFN && !arch_is_at(AT_FFN, p, l));
        list[l] = gone ? 0 : param_plain(p, k->param, l);
        some = some || gone;
    }
    if (some)
        v->per_layer = list;
    return 0;
}

/* Windowed layers' values that a GGUF holds in the parameter's list. */
int params_fold(struct arch_params *p, const struct arch *a, struct err *err)
{
    const size_t n = (size_t)arch_int(p, ARCH_N_LAYER, 0);

    for (const struct arch_key *const *set = a->keys; *set; set++)
        for (const struct arch_key *k = *set; !key_is_end(k); k++)
            for (int i = 0; k->flags & KEY_FOLD && i < ARCH_PARAM_COUNT; i++) {
                const enum arch_param which = (enum arch_param)i;
                if (in_window(which) != k->param || !p->p[k->param].set)
                    continue;
                double *list = arena_array(&p->arena, n, sizeof(*list));
                bool differ = false;
                if (!list)
                    return err_nomem(err);
                for (size_t l = 0; l < n; l++) {
                    list[l] = arch_num(p, which, l);
                    differ = differ || list[l] < list[0] || list[l] > list[0];
                }
                p->p[k->param].set = false;
                param_set(p, which, list[0]);
                p->p[which].per_layer = differ ? list : NULL;
            }
    return 0;
}

/* Feed-forwards of layers that share keys and values may be twice as wide. */
int params_widen(struct arch_params *p, struct err *err)
{
    const size_t n = (size_t)arch_int(p, ARCH_N_LAYER, 0);
    const uint64_t shared = arch_int(p, ARCH_KV_SHARED, 0);

    if (!arch_int(p, ARCH_FF_WIDE, 0))
        return 0;
    double *list = arena_array(&p->arena, n, sizeof(*list));
    if (!list)
        return err_nomem(err);
    for (size_t l = 0; l < n; l++)
        list[l] = param_plain(p, ARCH_N_FF, l) * (l + shared >= n ? 2 : 1);
    p->p[ARCH_N_FF].per_layer = list;
    return 0;
}

int params_spread(struct arch_params *p, const struct arch *a, struct err *err)
{
    int rc = 0;

    for (const struct arch_key *const *set = a->keys; !rc && *set; set++)
        for (const struct arch_key *k = *set; !rc && !key_is_end(k); k++)
            if (k->flags & (KEY_AT_ATTENTION | KEY_AT_FFN | KEY_LIST) && arch_has(p, k->param))
                rc = spread(p, k, err);
    return rc;
}
