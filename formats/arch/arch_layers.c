/* Choices by layer: which layers are windowed, recurrent, mixtures and so on. */

#include "formats/arch/arch_params_impl.h"
#include "formats/arch/arch_rows.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static int new_choice(double **out, struct arch_params *p, struct err *err)
{
    *out = arena_array(&p->arena, (size_t)arch_int(p, ARCH_N_LAYER, 0), sizeof(**out));
    return *out ? 0 : err_nomem(err);
}

bool arch_is_named(const char *names, const char *text, size_t n)
{
    while (names && *names) {
        const size_t k = strcspn(names, "|");
        if (k == n && !memcmp(names, text, n))
            return true;
        names += k + (names[k] == '|');
    }
    return false;
}

static bool is_number_rule(enum arch_rule rule)
{
    return rule == RULE_LAST || rule == RULE_OFFSET || rule == RULE_FROM || rule == RULE_UPTO ||
           rule == RULE_TAIL;
}

/* 0 or 1 in each layer by a rule that needs no list. */
static void fill(double *v, const struct arch_params *p, const struct arch_choice *c, uint64_t n,
                 uint64_t offset)
{
    for (size_t l = 0; l < (size_t)arch_int(p, ARCH_N_LAYER, 0); l++) {
        bool is = true;
        if (c->rule == RULE_LAST)
            is = l % n == n - 1;
        if (c->rule == RULE_OFFSET)
            is = l % n == offset;
        if (c->rule == RULE_FROM)
            is = l >= n;
        if (c->rule == RULE_TAIL)
            is = l + n >= arch_int(p, ARCH_N_LAYER, 0);
        if (c->rule == RULE_WINDOWED)
            is = arch_num(p, ARCH_WINDOW, l) == 0 || arch_num(p, ARCH_AT_WINDOW, l) != 0;
        if (c->rule == RULE_UPTO)
            is = l <= n;
        if (c->rule == RULE_ZERO)
            is = arch_num(p, c->number, l) == 0;
        v[l] = is ? 1 : 0;
    }
}

/* A parameter that has a choice already is one that this row restricts. */
static void set(struct arch_params *p, const struct arch_choice *c, double *v)
{
    const size_t n = (size_t)arch_int(p, ARCH_N_LAYER, 0);
    const bool has = arch_has(p, c->param);

    for (size_t l = 0; l < n; l++) {
        const bool is = (v[l] != 0) != (c->flags & CHOICE_NOT ? true : false);
        v[l] = is && (!has || arch_num(p, c->param, l) != 0);
    }
    if (c->flags & CHOICE_LAST_NOT)
        v[n - 1] = 0;
    param_set(p, c->param, v[0]);
    p->p[c->param].per_layer = v;
}

/* Rules that divide by their number: 0 means nothing. */
static bool divides(enum arch_rule rule)
{
    return rule == RULE_LAST || rule == RULE_OFFSET;
}

/* Rules of a number n: from the row, or a parameter. Does the row apply? */
static bool by_number(uint64_t *n, const struct arch_params *p, const struct arch_choice *c)
{
    *n = c->number && arch_has(p, c->number) ? arch_int(p, c->number, 0) : c->n;
    return !divides(c->rule) || *n > 0;
}

/* Is c the row that the one before says holds too? */
static bool joins(const struct arch *a, const struct arch_choice *c)
{
    return c > a->choices && c[-1].param == c->param && c[-1].flags & CHOICE_AND;
}

static bool number_missing(const struct arch_params *p, const struct arch_choice *c)
{
    return c->rule == RULE_ZERO && !arch_has(p, c->number);
}

/* ---- config.json ---------------------------------------------------------------- */

static int wrong_length(const char *key, uint64_t want, size_t found, struct err *err)
{
    return err_set(err, ERR_FORMAT, "%s: expected an entry for each of %" PRIu64 " layers, found %zu",
                   key, want, found);
}

static bool entry(const json_val *v, const char *names)
{
    char number[32];
    const char *text = json_str(v);
    bool truth;
    double num;

    if (json_bool(v, &truth))
        text = truth ? "true" : "false";
    else if (!text && json_num(v, &num)) {
        (void)snprintf(number, sizeof(number), "%.17g", num);
        text = number;
    }
    return text && arch_is_named(names, text, strlen(text));
}

static int from_array(double *v, const struct arch_choice *c, const json_val *list, uint64_t n,
                      struct err *err)
{
    size_t l = 0;
    double num;

    if (!json_is_array(list))
        return err_set(err, ERR_FORMAT, "%s: expected an array", c->config);
    if (c->rule == RULE_LIST && json_len(list) != n)
        return wrong_length(c->config, n, json_len(list), err);
    for (const json_val *e = json_first(list); e; e = json_next(e)) {
        if (c->rule == RULE_LIST)
            v[l++] = entry(e, c->names);
        else if (json_num(e, &num) && num >= 0 && num < (double)n)
            v[(size_t)num] = 1;
        else
            return err_set(err, ERR_FORMAT, "%s: expected numbers of layers below %" PRIu64,
                           c->config, n);
    }
    return 0;
}

static int from_letters(double *v, const struct arch_choice *c, const json_val *text, uint64_t n,
                        struct err *err)
{
    const char *s = json_str(text);

    if (!s)
        return err_set(err, ERR_FORMAT, "%s: expected a string", c->config);
    if (strlen(s) != n)
        return wrong_length(c->config, n, strlen(s), err);
    for (size_t l = 0; l < n; l++)
        v[l] = arch_is_named(c->names, s + l, 1);
    return 0;
}

static int config_choice(struct arch_params *p, const struct arch_choice *c, const json_val *config,
                         struct err *err)
{
    const uint64_t n_layer = arch_int(p, ARCH_N_LAYER, 0);
    const json_val *found = c->config ? config_find(config, c->config) : NULL;
    double *v = NULL, num = 0;
    uint64_t n = 0, offset = c->offset;
    int rc = 0;

    if (c->config ? json_is_null(found) : c->gguf != NULL || number_missing(p, c))
        return 0;
    if (c->rule == RULE_LIST && json_is_array(found) && !json_len(found))
        return 0; /* as if it were absent: Llama 4's no_rope_layers */
    if (is_number_rule(c->rule)) {
        const bool open = c->config && c->rule == RULE_UPTO && json_num(found, &num) && num < 0;
        if (c->config && !open && (!json_num(found, &num) || num < 0 || num > (double)UINT32_MAX))
            return err_set(err, ERR_FORMAT, "%s: expected a whole number", c->config);
        n = open ? UINT64_MAX : (uint64_t)num;
        if (c->config ? divides(c->rule) && !n : !by_number(&n, p, c))
            return 0;
        if (c->offset_key && json_num(json_path(config, c->offset_key), &num) && num >= 0 &&
            num <= (double)UINT32_MAX)
            offset = (uint64_t)num;
    }
    rc = new_choice(&v, p, err);
    if (rc)
        return rc;
    if (c->rule == RULE_LIST || c->rule == RULE_MEMBER)
        rc = from_array(v, c, found, n_layer, err);
    else if (c->rule == RULE_LETTERS)
        rc = from_letters(v, c, found, n_layer, err);
    else
        fill(v, p, c, n, offset);
    if (!rc)
        set(p, c, v);
    return rc;
}

int choices_from_config(struct arch_params *p, const struct arch *a, const json_val *config,
                        struct err *err)
{
    bool wanted = false;
    int rc = 0;

    for (const struct arch_choice *c = a->choices; !rc && c && c->param; c++) {
        wanted = joins(a, c) ? wanted : !arch_has(p, c->param);
        if (wanted)
            rc = config_choice(p, c, config, err);
    }
    return rc;
}

/* ---- GGUF -------------------------------------------------------------------------- */

int meta_layer_list(double *v, const char *key, const struct meta_array *a, uint64_t n,
                    struct err *err)
{
    const size_t each = meta_type_bytes(a->elem);

    if (a->n != n)
        return wrong_length(key, n, (size_t)a->n, err);
    if (a->elem != META_BOOL && a->elem != META_U32 && a->elem != META_I32 && a->elem != META_F32)
        return err_set(err, ERR_FORMAT, "%s: expected numbers of 32 bits or booleans, found %s", key,
                       meta_type_name(a->elem));
    for (size_t i = 0; i < (size_t)n; i++) {
        uint32_t bits = a->raw[i * each];
        float f;
        if (each == sizeof(bits))
            memcpy(&bits, a->raw + i * each, sizeof(bits));
        memcpy(&f, &bits, sizeof(f));
        v[i] = (double)bits;
        if (a->elem == META_F32)
            v[i] = (double)f;
        if (a->elem == META_I32)
            v[i] = (double)(int32_t)bits;
    }
    return 0;
}

static int meta_choice(struct arch_params *p, const struct arch_choice *c, const struct arch *a,
                       const struct meta *meta, struct err *err)
{
    char key[128] = "";
    const struct meta_kv *kv = NULL;
    double *v = NULL, num = 0;
    uint64_t n = 0;
    int rc = 0;

    if (c->gguf && !key_expand(key, sizeof(key), c->gguf, a))
        return err_set(err, ERR_UNSUPPORTED, "%s: the key is too long", c->gguf);
    if (c->gguf)
        kv = meta_get(meta, key);
    if (c->gguf ? !kv : c->config != NULL || number_missing(p, c))
        return 0;
    if (is_number_rule(c->rule)) {
        if (kv && (!meta_f64(meta, key, &num) || num < 0 || num > (double)UINT32_MAX))
            return err_set(err, ERR_FORMAT, "%s: expected a whole number", key);
        n = (uint64_t)num;
        if (kv ? divides(c->rule) && !n : !by_number(&n, p, c))
            return 0;
    }
    rc = new_choice(&v, p, err);
    if (rc)
        return rc;
    if (kv && c->rule == RULE_LIST && kv->type != META_ARRAY)
        return err_set(err, ERR_FORMAT, "%s: expected an array", key);
    if (kv && c->rule == RULE_LIST)
        rc = meta_layer_list(v, key, &kv->v.array, arch_int(p, ARCH_N_LAYER, 0), err);
    else
        fill(v, p, c, n, c->offset);
    if (!rc)
        set(p, c, v);
    return rc;
}

int choices_from_meta(struct arch_params *p, const struct arch *a, const struct meta *meta,
                      struct err *err)
{
    bool wanted = false;
    int rc = 0;

    for (const struct arch_choice *c = a->choices; !rc && c && c->param; c++) {
        wanted = joins(a, c) ? wanted : !arch_has(p, c->param);
        if (wanted)
            rc = meta_choice(p, c, a, meta, err);
    }
    return rc;
}

/* ---- what no row said ------------------------------------------------------------------ */

static void set_default(struct arch_params *p, enum arch_param which, double v)
{
    if (arch_has(p, which))
        return;
    param_set(p, which, v);
    p->p[which].derived = true;
}

void set_trait_defaults(struct arch_params *p, const struct arch *a)
{
    const struct arch_traits *t = &a->traits;

    set_default(p, ARCH_ACT, t->act);
    set_default(p, ARCH_POSITION, t->position);
    set_default(p, ARCH_PARALLEL, t->parallel);
    set_default(p, ARCH_QK_NORM, t->qk_norm);
    set_default(p, ARCH_ROUTER, t->router ? t->router : ROUTER_SOFTMAX);
    set_default(p, ARCH_AT_WINDOW, 1);
    set_default(p, ARCH_AT_ROPE, 1);
    set_default(p, ARCH_AT_RECURRENT, 0);
    set_default(p, ARCH_AT_EXPERTS, arch_int(p, ARCH_N_EXPERT, 0) > 0);
    set_default(p, ARCH_AT_MIXER, t->mixer != MIXER_NONE || t->recurrent != MIXER_NONE);
    set_default(p, ARCH_AT_FFN, t->ffn != FFN_NONE);
}
