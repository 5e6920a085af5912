/* The numbers of one model from a GGUF's keys, and back. */

#include "formats/arch/arch_params_impl.h"

#include <string.h>

static int meta_list(struct arch_params *p, const struct arch_key *k, const char *key,
                     const struct meta_array *a, struct err *err)
{
    double *v = NULL;
    int rc = param_layers(&v, p, key, (size_t)a->n, err);

    if (!rc)
        rc = meta_layer_list(v, key, a, arch_int(p, ARCH_N_LAYER, 0), err);
    for (size_t i = 0; !rc && i < (size_t)a->n; i++)
        rc = key_check(k, key, v[i], err);
    if (!rc)
        param_set_layers(p, k->param, v);
    return rc;
}

static int meta_absent(struct arch_params *p, const struct arch_key *k, const char *key,
                       struct err *err)
{
    if (k->flags & KEY_IN_GGUF)
        return err_set(err, ERR_FORMAT, "%s is missing", key);
    if (key_works_out(k) || k->flags & KEY_GGUF_CONST)
        return key_absent(p, k, key, err);
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
        return key_works_out(k) || (key_is_fact(k) && !k->when) || k->flags & KEY_GGUF_CONST
                   ? key_absent(p, k, key_label(k), err)
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
    const int rc = key_check(k, key, v, err);
    if (!rc)
        param_set(p, k->param, v);
    if (!rc && k->flags & KEY_DERIVED)
        p->p[k->param].derived = true;
    return rc;
}

int arch_params_from_meta(struct arch_params *out, const struct arch *a, const struct meta *meta,
                          uint64_t most_layers, struct err *err)
{
    char key[KEY_BYTES];
    int rc = 0;

    memset(out, 0, sizeof(*out));
    for (const struct arch_key *const *set = a->keys; !rc && *set; set++)
        for (const struct arch_key *k = *set; !rc && !key_is_end(k); k++)
            if (k->type != META_STR && !arch_has(out, k->param) &&
                (!k->gguf_layers || k->gguf_layers == arch_int(out, ARCH_N_LAYER, 0)))
                rc = meta_key(out, k, a, meta, err);
    if (!rc && !key_expand(key, sizeof(key), "{}.block_count", a))
        rc = err_set(err, ERR_UNSUPPORTED, "%s: the name is too long", a->name);
    if (!rc)
        rc = params_check_layers(out, key, most_layers, err);
    if (!rc)
        rc = choices_from_meta(out, a, meta, err);
    if (!rc)
        set_trait_defaults(out, a);
    if (!rc && params_have_rope(out))
        rc = rope_from_meta(out, a, meta, err);
    if (!rc)
        rc = own_from_meta(out, meta, err);
    if (!rc)
        rc = params_check(out, err);
    if (rc)
        arch_params_release(out);
    return rc;
}

/* Numbers worked out of others may be too large for a key. */
static int check_u32(const char *key, double v, struct err *err)
{
    if (v >= 0 && v <= (double)UINT32_MAX)
        return 0;
    return err_set(err, ERR_FORMAT, "%s: expected a whole number below 2^32, found %.17g", key, v);
}

/* Per-layer whole numbers, as gguf-py writes a list of Python integers: INT32. */
static int put_list(struct meta *meta, const char *key, const struct arch_key *k,
                    const struct arch_value *v, size_t n, struct err *err)
{
    struct buf b = {0};
    enum meta_type type = key_is_whole(k->type) ? META_I32 : META_F32;

    if (k->type == META_BOOL)
        type = META_BOOL;
    for (size_t i = 0; i < n; i++) {
        const float f = (float)v->per_layer[i];
        const uint8_t truth = f != 0;
        uint32_t bits;
        memcpy(&bits, &f, sizeof(bits));
        if (type == META_I32 && check_u32(key, v->per_layer[i], err)) {
            buf_release(&b);
            return err->code;
        }
        if (type == META_I32)
            bits = (uint32_t)v->per_layer[i];
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
        return check_u32(key, v->v, err) ? err->code
                                         : meta_set_u32(meta, key, (uint32_t)v->v, err);
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
    const int rc = k->type == META_STR ? 0 : key_absent(&q, k, k->gguf, err);
    return rc ? rc : put(meta, a, k, &q, err);
}

int arch_params_to_meta(struct meta *meta, const struct arch *a, const struct arch_params *p,
                        struct err *err)
{
    int rc = 0;

    for (const struct arch_key *const *set = a->keys; !rc && *set; set++)
        for (const struct arch_key *k = *set; !rc && !key_is_end(k); k++) {
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
