/* The numbers of one model: from config.json, from a GGUF's keys, and back. */

#include "formats/arch/arch_rows.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_BYTES = 128 };

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
static double plain(const struct arch_params *p, enum arch_param which, size_t layer)
{
    const struct arch_value *v = &p->p[which];

    if (!v->set)
        return 0;
    return v->per_layer && layer < arch_int(p, ARCH_N_LAYER, 0) ? v->per_layer[layer] : v->v;
}

double arch_num(const struct arch_params *p, enum arch_param which, size_t layer)
{
    const enum arch_param own = in_window(which);

    if (own && p->p[own].set && layer != ARCH_NO_LAYER && plain(p, ARCH_AT_WINDOW, layer) != 0)
        which = own;
    if (which == ARCH_ROPE_BASE && p->p[ARCH_ROPE_BASE_LAYER].set && layer != ARCH_NO_LAYER)
        which = ARCH_ROPE_BASE_LAYER;
    return plain(p, which, layer);
}

uint64_t arch_int(const struct arch_params *p, enum arch_param which, size_t layer)
{
    if (which == ARCH_N_LAYER) /* ends arch_num's recursion: never per layer */
        return p->p[which].set ? (uint64_t)p->p[which].v : 0;
    return (uint64_t)arch_num(p, which, layer);
}

void param_set(struct arch_params *p, enum arch_param which, double v)
{
    p->p[which].set = true;
    p->p[which].v = v;
}

static bool is_whole(enum meta_type type)
{
    return type != META_F32 && type != META_F64;
}

/* Is v something the key can hold? */
static int check_value(const struct arch_key *k, const char *name, double v, struct err *err)
{
    if (!isfinite(v))
        return err_set(err, ERR_FORMAT, "%s: expected a finite number, found %g", name, v);
    if (is_whole(k->type) && (v != floor(v) || v < 0 || v > (double)UINT32_MAX))
        return err_set(err, ERR_FORMAT, "%s: expected a whole number below 2^32, found %.17g", name,
                       v);
    if (v <= 0 && !(k->flags & (KEY_ZERO | KEY_AT_ATTENTION | KEY_AT_FFN)))
        return err_set(err, ERR_FORMAT, "%s: expected a positive number, found %.17g", name, v);
    return 0;
}

/* Room for one value per layer. ARCH_N_LAYER is set already, being the first row. */
static int per_layer(double **out, struct arch_params *p, const char *name, size_t n,
                     struct err *err)
{
    if (n != arch_int(p, ARCH_N_LAYER, 0))
        return err_set(err, ERR_FORMAT,
                       "%s: expected one value for each of %" PRIu64 " layers, found %zu", name,
                       arch_int(p, ARCH_N_LAYER, 0), n);
    *out = arena_array(&p->arena, n, sizeof(**out));
    return *out ? 0 : err_nomem(err);
}

static void set_per_layer(struct arch_params *p, enum arch_param which, const double *v)
{
    param_set(p, which, v[0]);
    p->p[which].per_layer = v;
}

static bool is_end(const struct arch_key *k)
{
    return !k->config && !k->gguf && k->param == ARCH_N_LAYER;
}

/* Does the row work its value out of others where its key is absent or has no name? */
static bool works_out(const struct arch_key *k)
{
    return k->when_absent >= ARCH_SAME_AS;
}

/* A fact of the family: it holds whatever a file says, or where config.json asks. */
static bool is_fact(const struct arch_key *k)
{
    return (!k->config && (!k->gguf || k->when)) || k->flags & KEY_FACT;
}

static void set_derived(struct arch_params *p, enum arch_param which, double v)
{
    param_set(p, which, v);
    p->p[which].derived = true;
}

/* ARCH_SUM, ARCH_DIFFERENCE and ARCH_RATIO. */
static int set_from_two(struct arch_params *p, const struct arch_key *k, const char *name,
                        struct err *err)
{
    const double a = plain(p, k->other, ARCH_NO_LAYER), b = plain(p, k->other2, ARCH_NO_LAYER);

    if (!arch_has(p, k->other) || !arch_has(p, k->other2))
        return 0;
    if (k->when_absent == ARCH_SUM) {
        set_derived(p, k->param, a + b);
        return 0;
    }
    if (k->when_absent == ARCH_DIFFERENCE ? a < b : !(b > 0))
        return err_set(err, ERR_FORMAT, "%s is missing, and cannot be worked out of %.17g and %.17g",
                       name, a, b);
    const double v = k->when_absent == ARCH_DIFFERENCE ? a - b : a / b;
    set_derived(p, k->param, is_whole(k->type) ? floor(v) : v);
    return 0;
}

/* The row's own rule for a value that is not there. */
static int set_absent(struct arch_params *p, const struct arch_key *k, const char *name,
                      struct err *err)
{
    switch (k->when_absent) {
    case ARCH_REQUIRED:
        return err_set(err, ERR_FORMAT, "%s is missing", name);
    case ARCH_OPTIONAL_KEY:
        return 0;
    case ARCH_CONST:
        set_derived(p, k->param, k->value);
        return 0;
    case ARCH_SUM:
    case ARCH_DIFFERENCE:
    case ARCH_RATIO:
        return set_from_two(p, k, name, err);
    case ARCH_TIMES:
        if (!arch_has(p, k->other))
            return 0;
        set_derived(p, k->param, k->value * plain(p, k->other, ARCH_NO_LAYER));
        return 0;
    case ARCH_SAME_AS:
        p->p[k->param] = p->p[k->other];
        p->p[k->param].derived = true;
        return 0;
    case ARCH_SQRT:
        if (plain(p, k->other, ARCH_NO_LAYER) > 0)
            set_derived(p, k->param, k->value * sqrt(plain(p, k->other, ARCH_NO_LAYER)));
        return 0;
    case ARCH_RSQRT:
        if (plain(p, k->other, ARCH_NO_LAYER) > 0)
            set_derived(p, k->param, k->value / sqrt(plain(p, k->other, ARCH_NO_LAYER)));
        return 0;
    case ARCH_PRODUCT:
        if (!arch_has(p, k->other) || !arch_has(p, k->other2))
            return 0;
        set_derived(p, k->param,
                    floor(plain(p, k->other, ARCH_NO_LAYER) * plain(p, k->other2, ARCH_NO_LAYER)));
        return 0;
    case ARCH_CEIL:
        set_derived(p, k->param, ceil(plain(p, k->other, ARCH_NO_LAYER) / k->value));
        return 0;
    case ARCH_QUOTIENT:
        break;
    }
    const double a = plain(p, k->other, ARCH_NO_LAYER), b = plain(p, k->other2, ARCH_NO_LAYER);
    if (!(b > 0) || (fmod(a, b) != 0 && !(k->flags & KEY_FLOOR)))
        return err_set(err, ERR_FORMAT, "%s is missing, and %.17g / %.17g is not a whole number",
                       name, a, b);
    set_derived(p, k->param, floor(a / b));
    return 0;
}

/* ---- config.json ------------------------------------------------------------- */

/* A path; ".*." stands for the first member that has the rest. */
static const json_val *find_one(const json_val *config, char *path)
{
    char *star = strstr(path, ".*.");

    if (!star)
        return json_path(config, path);
    *star = '\0';
    const json_val *all = json_path(config, path);
    for (const json_val *m = json_is_object(all) ? json_first(all) : NULL; m; m = json_next(m)) {
        const json_val *v = json_path(m, star + 3);
        if (v)
            return v;
    }
    return NULL;
}

const json_val *config_find(const json_val *config, const char *paths)
{
    const json_val *null = NULL;

    while (paths) {
        char path[KEY_BYTES];
        const char *bar = strchr(paths, '|');
        const size_t n = bar ? (size_t)(bar - paths) : strlen(paths);
        if (n >= sizeof(path))
            return NULL;
        memcpy(path, paths, n);
        path[n] = '\0';
        const json_val *v = find_one(config, path);
        if (!json_is_null(v))
            return v;
        null = null ? null : v;
        paths = bar ? bar + 1 : NULL;
    }
    return null;
}

/* A JSON value as text for a message. */
static const char *shown(struct buf *b, const json_val *v)
{
    struct err ignored = {0};

    if (json_print(b, v, &ignored) || !b->p)
        return "something else";
    if (b->n > 60)
        memcpy(b->p + 57, "...", 4);
    return b->p;
}

static int wants(const char *name, const char *what, const json_val *found, struct err *err)
{
    struct buf b = {0};

    (void)err_set(err, ERR_FORMAT, "%s: expected %s, found %s", name, what, shown(&b, found));
    buf_release(&b);
    return err->code;
}

/* A number, or one of the texts the row knows. */
static int config_value(double *out, const struct arch_key *k, const json_val *v, struct err *err)
{
    const char *text = json_str(v), *at = k->names;
    bool truth;

    if (json_bool(v, &truth)) {
        *out = truth;
        if (!k->names)
            return 0;
        text = truth ? "true" : "false";
    }
    if (!text)
        return json_num(v, out) ? 0 : wants(k->config, "a number", v, err);
    while (at && *at) {
        const size_t n = strcspn(at, "=");
        if (strlen(text) == n && !memcmp(at, text, n)) {
            *out = strtod(at + n + 1, NULL);
            return 0;
        }
        at = strchr(at, '|');
        at = at ? at + 1 : NULL;
    }
    return k->names ? err_set(err, ERR_UNSUPPORTED, "%s: \"%.60s\" is not supported, only %s",
                              k->config, text, k->names)
                    : wants(k->config, "a number", v, err);
}

static int config_list(struct arch_params *p, const struct arch_key *k, const json_val *list,
                       struct err *err)
{
    double *v = NULL;
    size_t i = 0;
    int rc = per_layer(&v, p, k->config, json_len(list), err);

    for (const json_val *item = json_first(list); !rc && item; item = json_next(item)) {
        rc = config_value(&v[i], k, item, err);
        if (!rc)
            rc = check_value(k, k->config, v[i++], err);
    }
    if (!rc)
        set_per_layer(p, k->param, v);
    return rc;
}

static bool is_nothing(const json_val *v)
{
    bool truth;
    double num;

    return json_bool(v, &truth) ? !truth : json_num(v, &num) && num == 0;
}

/* Entries of a list, letters of a text. */
static int config_count(struct arch_params *p, const struct arch_key *k, const json_val *v,
                        struct err *err)
{
    const char *text = json_str(v);
    const size_t n = text ? strlen(text) : json_len(v);

    if (!n || (!text && !json_is_array(v)))
        return wants(k->config, "a list", v, err);
    param_set(p, k->param, (double)n);
    return 0;
}

static int config_key(struct arch_params *p, const struct arch_key *k, const json_val *config,
                      struct err *err)
{
    double num;

    if (k->flags & (KEY_FIXED | KEY_SECTIONS))
        return 0;
    if (!k->config) /* rope's rows are filled by rope_from_config */
        return works_out(k) || is_fact(k) ? set_absent(p, k, k->gguf ? k->gguf : "a parameter", err)
                                          : 0;
    const json_val *v = config_find(config, k->config);

    if (v && json_is_null(v) && k->flags & KEY_NULL_NONE)
        return 0;
    if (k->flags & KEY_ZERO_NONE && is_nothing(v))
        return 0;
    if (json_is_null(v) || (json_str(v) && !strcmp(json_str(v), "auto")))
        return set_absent(p, k, k->config, err);
    if (k->flags & KEY_COUNT)
        return config_count(p, k, v, err);
    if (json_is_array(v) && json_len(v) && k->param != ARCH_N_LAYER)
        return config_list(p, k, v, err);
    int rc = config_value(&num, k, v, err);
    if (!rc && k->flags & KEY_INF_NONE && isinf(num))
        return 0;
    if (!rc && !k->names)
        rc = check_value(k, k->config, num, err);
    if (!rc)
        param_set(p, k->param, num);
    return rc;
}

/* Is v one of "a|b"? */
static bool is_allowed(const json_val *v, const char *allowed)
{
    bool truth;
    double num;
    const char *text = json_str(v);

    if (json_bool(v, &truth))
        text = truth ? "true" : "false";
    while (allowed && *allowed) {
        const size_t n = strcspn(allowed, "|");
        if (text ? strlen(text) == n && !memcmp(text, allowed, n)
                 : json_num(v, &num) && strtod(allowed, NULL) == num)
            return true;
        allowed += n + (allowed[n] == '|');
    }
    return false;
}

static int check_only(const struct arch *a, const json_val *config, struct err *err)
{
    for (const struct arch_only *o = a->only; o && o->config; o++) {
        const json_val *v = json_path(config, o->config);
        if (json_is_null(v) || is_allowed(v, o->allowed))
            continue;
        struct buf b = {0};
        (void)err_set(err, ERR_UNSUPPORTED, "%s: %s is not supported%s%s", o->config, shown(&b, v),
                      *o->allowed ? ", only " : "", o->allowed);
        buf_release(&b);
        return err->code;
    }
    return 0;
}

static bool has_rope(const struct arch_params *p)
{
    const uint64_t position = arch_int(p, ARCH_POSITION, 0);

    return position == POS_ROPE_PAIRS || position == POS_ROPE_HALVES;
}

/* What must hold between parameters, wherever they come from. */
static int check_params(const struct arch_params *p, struct err *err)
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
    for (size_t l = 0; has_rope(p) && l < arch_int(p, ARCH_N_LAYER, 0); l++)
        if (arch_int(p, ARCH_N_ROT, l) % 2 ||
            arch_num(p, ARCH_N_ROT, l) > arch_num(p, ARCH_HEAD_K, l))
            return err_set(err, ERR_UNSUPPORTED,
                           "%" PRIu64 " rotated values of a head of %" PRIu64
                           ": expected an even part",
                           arch_int(p, ARCH_N_ROT, l), arch_int(p, ARCH_HEAD_K, l));
    return 0;
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
        list[l] = gone ? 0 : plain(p, k->param, l);
        some = some || gone;
    }
    if (some)
        v->per_layer = list;
    return 0;
}

/* Windowed layers' values that a GGUF holds in the parameter's list. */
static int fold_all(struct arch_params *p, const struct arch *a, struct err *err)
{
    const size_t n = (size_t)arch_int(p, ARCH_N_LAYER, 0);

    for (const struct arch_key *const *set = a->keys; *set; set++)
        for (const struct arch_key *k = *set; !is_end(k); k++)
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
static int widen(struct arch_params *p, struct err *err)
{
    const size_t n = (size_t)arch_int(p, ARCH_N_LAYER, 0);
    const uint64_t shared = arch_int(p, ARCH_KV_SHARED, 0);

    if (!arch_int(p, ARCH_FF_WIDE, 0))
        return 0;
    double *list = arena_array(&p->arena, n, sizeof(*list));
    if (!list)
        return err_nomem(err);
    for (size_t l = 0; l < n; l++)
        list[l] = plain(p, ARCH_N_FF, l) * (l + shared >= n ? 2 : 1);
    p->p[ARCH_N_FF].per_layer = list;
    return 0;
}

static int spread_all(struct arch_params *p, const struct arch *a, struct err *err)
{
    int rc = 0;

    for (const struct arch_key *const *set = a->keys; !rc && *set; set++)
        for (const struct arch_key *k = *set; !rc && !is_end(k); k++)
            if (k->flags & (KEY_AT_ATTENTION | KEY_AT_FFN | KEY_LIST) && arch_has(p, k->param))
                rc = spread(p, k, err);
    return rc;
}

/* Does config.json say how positions are rotated? */
static bool says_rope(const json_val *config)
{
    return json_len(json_get(config, "rope_scaling")) ||
           json_len(json_get(config, "rope_parameters"));
}

/* The class's own rope_parameters where it counts, else config.json. */
static int rope_config(const json_val **out, json_val **own, const struct arch *a,
                       const json_val *config, struct err *err)
{
    *out = config;
    if (!a->rope || says_rope(config))
        return 0;
    const int rc = json_parse(own, a->rope, strlen(a->rope), err);
    *out = *own;
    return rc;
}

/* See ARCH_FF_ADJUST. */
static void adjust_ff(struct arch_params *p)
{
    const double multiple = plain(p, ARCH_FF_MULTIPLE, ARCH_NO_LAYER);
    double n = floor(2 * plain(p, ARCH_N_FF, ARCH_NO_LAYER) / 3);

    if (plain(p, ARCH_FF_ADJUST, ARCH_NO_LAYER) == 0)
        return;
    if (arch_has(p, ARCH_FF_FACTOR) && multiple > 0)
        n = multiple *
            ceil(floor(plain(p, ARCH_FF_FACTOR, ARCH_NO_LAYER) * n) / multiple);
    param_set(p, ARCH_N_FF, n);
}

int arch_params_from_config(struct arch_params *out, const struct arch *a, const json_val *config,
                            struct err *err)
{
    const json_val *rope = config;
    json_val *own = NULL;

    memset(out, 0, sizeof(*out));
    int rc = json_is_object(config) ? check_only(a, config, err)
                                    : err_set(err, ERR_FORMAT, "expected an object");

    if (!rc)
        rc = rope_config(&rope, &own, a, config, err);
    for (const struct arch_key *const *set = a->keys; !rc && *set; set++)
        for (const struct arch_key *k = *set; !rc && !is_end(k); k++)
            if (!arch_has(out, k->param) && arch_asks(k->when, config))
                rc = config_key(out, k, k->config && config_find(config, k->config) ? config : rope,
                                err);
    if (!rc)
        adjust_ff(out);
    if (!rc)
        rc = choices_from_config(out, a, config, err);
    if (!rc)
        set_trait_defaults(out, a);
    if (!rc)
        rc = fold_all(out, a, err);
    if (!rc)
        rc = widen(out, err);
    if (!rc)
        rc = spread_all(out, a, err);
    if (!rc && has_rope(out))
        rc = rope_from_config(out, rope, err);
    if (!rc)
        rc = check_params(out, err);
    json_free(own);
    if (rc)
        arch_params_release(out);
    return rc;
}

/* ---- GGUF ---------------------------------------------------------------------- */

static int meta_list(struct arch_params *p, const struct arch_key *k, const char *key,
                     const struct meta_array *a, struct err *err)
{
    double *v = NULL;
    int rc = per_layer(&v, p, key, (size_t)a->n, err);

    if (!rc)
        rc = meta_layer_list(v, key, a, arch_int(p, ARCH_N_LAYER, 0), err);
    for (size_t i = 0; !rc && i < (size_t)a->n; i++)
        rc = check_value(k, key, v[i], err);
    if (!rc)
        set_per_layer(p, k->param, v);
    return rc;
}

static int meta_absent(struct arch_params *p, const struct arch_key *k, const char *key,
                       struct err *err)
{
    if (k->flags & KEY_IN_GGUF)
        return err_set(err, ERR_FORMAT, "%s is missing", key);
    if (works_out(k) || k->flags & KEY_GGUF_CONST)
        return set_absent(p, k, key, err);
    return 0;
}

static int meta_key(struct arch_params *p, const struct arch_key *k, const struct arch *a,
                    const struct meta *meta, struct err *err)
{
    char key[KEY_BYTES];
    double v;

    if (k->flags & KEY_SECTIONS)
        return 0;
    if (!k->gguf)
        return works_out(k) || (is_fact(k) && !k->when) || k->flags & KEY_GGUF_CONST
                   ? set_absent(p, k, k->config ? k->config : "a parameter", err)
                   : 0;
    if (!key_expand(key, sizeof(key), k->gguf, a))
        return err_set(err, ERR_UNSUPPORTED, "%s: the key is too long", k->gguf);
    const struct meta_kv *kv = meta_get(meta, key);
    if (!kv)
        return meta_absent(p, k, key, err);
    if (kv->type == META_ARRAY && kv->v.array.n && k->param != ARCH_N_LAYER)
        return meta_list(p, k, key, &kv->v.array, err);
    bool truth = false;
    if (meta_bool(meta, key, &truth))
        v = truth ? 1 : 0;
    else if (!meta_f64(meta, key, &v))
        return err_set(err, ERR_FORMAT, "%s: expected a number, found %s", key,
                       meta_type_name(kv->type));
    const int rc = check_value(k, key, v, err);
    if (!rc)
        param_set(p, k->param, v);
    if (!rc && k->flags & KEY_DERIVED)
        p->p[k->param].derived = true;
    return rc;
}

int arch_params_from_meta(struct arch_params *out, const struct arch *a, const struct meta *meta,
                          struct err *err)
{
    int rc = 0;

    memset(out, 0, sizeof(*out));
    for (const struct arch_key *const *set = a->keys; !rc && *set; set++)
        for (const struct arch_key *k = *set; !rc && !is_end(k); k++)
            if (k->type != META_STR && !arch_has(out, k->param))
                rc = meta_key(out, k, a, meta, err);
    if (!rc)
        rc = choices_from_meta(out, a, meta, err);
    if (!rc)
        set_trait_defaults(out, a);
    if (!rc && has_rope(out))
        rc = rope_from_meta(out, a, meta, err);
    if (!rc)
        rc = own_from_meta(out, meta, err);
    if (!rc)
        rc = check_params(out, err);
    if (rc)
        arch_params_release(out);
    return rc;
}

/* Per-layer whole numbers, as gguf-py writes a list of Python integers: INT32. */
static int put_list(struct meta *meta, const char *key, const struct arch_key *k,
                    const struct arch_value *v, size_t n, struct err *err)
{
    struct buf b = {0};
    enum meta_type type = is_whole(k->type) ? META_I32 : META_F32;

    if (k->type == META_BOOL)
        type = META_BOOL;
    for (size_t i = 0; i < n; i++) {
        const float f = (float)v->per_layer[i];
        const uint8_t truth = f != 0;
        uint32_t bits = (uint32_t)v->per_layer[i];
        if (type == META_F32)
            memcpy(&bits, &f, sizeof(bits));
        if (type == META_BOOL)
            buf_put(&b, &truth, 1);
        else
            buf_u32(&b, bits);
    }
    int rc = buf_check(&b, err);
    if (!rc)
        rc = meta_set_array(meta, key, type, n, b.p, b.n, err);
    buf_release(&b);
    return rc;
}

static int put(struct meta *meta, const struct arch *a, const struct arch_key *k,
               const struct arch_params *p, struct err *err)
{
    const struct arch_value *v = &p->p[k->param];
    char key[KEY_BYTES];

    if (!key_expand(key, sizeof(key), k->gguf, a))
        return err_set(err, ERR_UNSUPPORTED, "%s: the key is too long", k->gguf);
    if (v->per_layer)
        return put_list(meta, key, k, v, (size_t)arch_int(p, ARCH_N_LAYER, 0), err);
    switch (k->type) {
    case META_STR:
        return meta_set_str(meta, key, k->flags & KEY_FIXED ? k->names : rope_type_name(p), err);
    case META_F32:
        return meta_set_f32(meta, key, (float)v->v, err);
    case META_BOOL:
        return meta_set_bool(meta, key, v->v != 0, err);
    default:
        return meta_set_u32(meta, key, (uint32_t)v->v, err);
    }
}

/* A choice's list of booleans; windows are chosen only where there is one. */
static int put_choice(struct meta *meta, const struct arch *a, const struct arch_choice *c,
                      const struct arch_params *p, struct err *err)
{
    const struct arch_key k = {.gguf = c->gguf, .type = META_BOOL};
    const struct arch_value *v = &p->p[c->param];
    char key[KEY_BYTES];

    if (!v->per_layer || (c->param == ARCH_AT_WINDOW && !arch_has(p, ARCH_WINDOW)))
        return 0;
    if (!key_expand(key, sizeof(key), c->gguf, a))
        return err_set(err, ERR_UNSUPPORTED, "%s: the key is too long", c->gguf);
    return put_list(meta, key, &k, v, (size_t)arch_int(p, ARCH_N_LAYER, 0), err);
}

static int put_sections(struct meta *meta, const struct arch *a, const struct arch_key *k,
                        const struct arch_params *p, struct err *err)
{
    char key[KEY_BYTES];
    struct buf b = {0};

    if (!key_expand(key, sizeof(key), k->gguf, a))
        return err_set(err, ERR_UNSUPPORTED, "%s: the key is too long", k->gguf);
    for (int i = 0; i < 3; i++)
        buf_u32(&b, (uint32_t)arch_int(p, (enum arch_param)((int)k->param + i), ARCH_NO_LAYER));
    buf_u32(&b, 0);
    int rc = buf_check(&b, err);
    if (!rc)
        rc = meta_set_array(meta, key, META_I32, 4, b.p, b.n, err);
    buf_release(&b);
    return rc;
}

/* What a KEY_FIXED row always says, unless another row said something. */
static int put_fixed(struct meta *meta, const struct arch *a, const struct arch_key *k,
                     const struct arch_params *p, struct err *err)
{
    struct arch_params q = *p; /* its lists are borrowed */
    char key[KEY_BYTES];

    if (key_expand(key, sizeof(key), k->gguf, a) && meta_get(meta, key))
        return 0;
    q.p[k->param].per_layer = NULL;
    const int rc = k->type == META_STR ? 0 : set_absent(&q, k, k->gguf, err);
    return rc ? rc : put(meta, a, k, &q, err);
}

int arch_params_to_meta(struct meta *meta, const struct arch *a, const struct arch_params *p,
                        struct err *err)
{
    int rc = 0;

    for (const struct arch_key *const *set = a->keys; !rc && *set; set++)
        for (const struct arch_key *k = *set; !rc && !is_end(k); k++) {
            const struct arch_value *v = &p->p[k->param];
            const unsigned never = KEY_SILENT | (v->derived ? KEY_GIVEN : KEY_DERIVED);
            if (k->flags & KEY_SECTIONS)
                rc = put_sections(meta, a, k, p, err);
            else if (k->flags & KEY_FIXED)
                rc = put_fixed(meta, a, k, p, err);
            else if (k->gguf && v->set && !(k->flags & never) && rope_writes(p, k))
                rc = put(meta, a, k, p, err);
        }
    for (const struct arch_choice *c = a->choices; !rc && c && c->param; c++)
        if (c->gguf && c->rule == RULE_LIST)
            rc = put_choice(meta, a, c, p, err);
    return rc ? rc : own_to_meta(meta, a, p, err);
}
