/* The numbers of one model from config.json. */

#include "formats/arch/arch_params_impl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

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
    int rc = param_layers(&v, p, k->config, json_len(list), err);

    for (const json_val *item = json_first(list); !rc && item; item = json_next(item)) {
        rc = config_value(&v[i], k, item, err);
        if (!rc)
            rc = key_check(k, k->config, v[i++], err);
    }
    if (!rc)
        param_set_layers(p, k->param, v);
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
        return key_works_out(k) || key_is_fact(k) ? key_absent(p, k, key_label(k), err)
                                                  : 0;
    const json_val *v = config_find(config, k->config);

    if (v && json_is_null(v) && k->flags & KEY_NULL_NONE)
        return 0;
    if (k->flags & KEY_ZERO_NONE && is_nothing(v))
        return 0;
    if (json_is_null(v) || (json_str(v) && !strcmp(json_str(v), "auto")))
        return key_absent(p, k, k->config, err);
    if (k->flags & KEY_COUNT)
        return config_count(p, k, v, err);
    if (json_is_array(v) && json_len(v) && k->param != ARCH_N_LAYER)
        return config_list(p, k, v, err);
    int rc = config_value(&num, k, v, err);
    if (!rc && k->flags & KEY_INF_NONE && isinf(num))
        return 0;
    if (!rc && !k->names)
        rc = key_check(k, k->config, num, err);
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
    const double multiple = param_plain(p, ARCH_FF_MULTIPLE, ARCH_NO_LAYER);
    double n = floor(2 * param_plain(p, ARCH_N_FF, ARCH_NO_LAYER) / 3);

    if (param_plain(p, ARCH_FF_ADJUST, ARCH_NO_LAYER) == 0)
        return;
    if (arch_has(p, ARCH_FF_FACTOR) && multiple > 0)
        n = multiple *
            ceil(floor(param_plain(p, ARCH_FF_FACTOR, ARCH_NO_LAYER) * n) / multiple);
    param_set(p, ARCH_N_FF, n);
}

int arch_params_from_config(struct arch_params *out, const struct arch *a, const json_val *config,
                            uint64_t most_layers, struct err *err)
{
    const json_val *rope = config;
    json_val *own = NULL;

    memset(out, 0, sizeof(*out));
    int rc = json_is_object(config) ? check_only(a, config, err)
                                    : err_set(err, ERR_FORMAT, "expected an object");

    if (!rc)
        rc = rope_config(&rope, &own, a, config, err);
    for (const struct arch_key *const *set = a->keys; !rc && *set; set++)
        for (const struct arch_key *k = *set; !rc && !key_is_end(k); k++)
            if (!k->gguf_layers && !arch_has(out, k->param) && arch_asks(k->when, config)) {
                rc = config_key(out, k, k->config && config_find(config, k->config) ? config : rope,
                                err);
                if (!rc && k->param == ARCH_N_LAYER)
                    rc = params_check_layers(out, k->config ? k->config : "layers", most_layers, err);
            }
    if (!rc)
        rc = params_check_layers(out, "config.json", most_layers, err);
    if (!rc)
        adjust_ff(out);
    if (!rc)
        rc = choices_from_config(out, a, config, err);
    if (!rc)
        set_trait_defaults(out, a);
    if (!rc)
        rc = params_fold(out, a, err);
    if (!rc)
        rc = params_widen(out, err);
    if (!rc)
        rc = params_spread(out, a, err);
    if (!rc && params_have_rope(out))
        rc = rope_from_config(out, rope, err);
    if (!rc)
        rc = params_check(out, err);
    json_free(own);
    if (rc)
        arch_params_release(out);
    return rc;
}
