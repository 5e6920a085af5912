#include "formats/meta.h"

#include "formats/base/rd.h"

#include <stdlib.h>
#include <string.h>

/* {published name, bytes of one value} */
static const struct {
    const char *name;
    size_t bytes;
} types[META_TYPE_COUNT] = {
    [META_U8] = {"UINT8",   1},
      [META_I8] = {"INT8",    1},
      [META_U16] = {"UINT16",  2},
    [META_I16] = {"INT16",   2},
      [META_U32] = {"UINT32",  4},
      [META_I32] = {"INT32",   4},
    [META_F32] = {"FLOAT32", 4},
      [META_BOOL] = {"BOOL",    1},
      [META_STR] = {"STRING",  0},
    [META_ARRAY] = {"ARRAY",   0},
      [META_U64] = {"UINT64",  8},
      [META_I64] = {"INT64",   8},
    [META_F64] = {"FLOAT64", 8},
};

const char *meta_type_name(enum meta_type t)
{
    return (unsigned)t < META_TYPE_COUNT ? types[t].name : NULL;
}

size_t meta_type_bytes(enum meta_type t)
{
    return (unsigned)t < META_TYPE_COUNT ? types[t].bytes : 0;
}

void meta_release(struct meta *m)
{
    free(m->kv);
    arena_release(&m->arena);
    *m = (struct meta){0};
}

static struct meta_kv *find(const struct meta *m, const char *key)
{
    for (size_t i = 0; i < m->n; i++)
        if (!strcmp(m->kv[i].key, key))
            return &m->kv[i];
    return NULL;
}

const struct meta_kv *meta_get(const struct meta *m, const char *key)
{
    return find(m, key);
}

static bool is_unsigned(enum meta_type t)
{
    return t == META_U8 || t == META_U16 || t == META_U32 || t == META_U64;
}

static bool is_signed(enum meta_type t)
{
    return t == META_I8 || t == META_I16 || t == META_I32 || t == META_I64;
}

static bool is_float(enum meta_type t)
{
    return t == META_F32 || t == META_F64;
}

bool meta_u64(const struct meta *m, const char *key, uint64_t *out)
{
    const struct meta_kv *kv = find(m, key);

    if (kv && is_unsigned(kv->type)) {
        *out = kv->v.u;
    } else if (kv && is_signed(kv->type) && kv->v.i >= 0) {
        *out = (uint64_t)kv->v.i;
    } else if (kv && is_float(kv->type) && kv->v.f >= 0 && kv->v.f < 9007199254740992.0 &&
               (double)(uint64_t)kv->v.f == kv->v.f) {
        *out = (uint64_t)kv->v.f;
    } else {
        return false;
    }
    return true;
}

bool meta_f64(const struct meta *m, const char *key, double *out)
{
    const struct meta_kv *kv = find(m, key);

    if (kv && is_float(kv->type))
        *out = kv->v.f;
    else if (kv && is_unsigned(kv->type))
        *out = (double)kv->v.u;
    else if (kv && is_signed(kv->type))
        *out = (double)kv->v.i;
    else
        return false;
    return true;
}

bool meta_bool(const struct meta *m, const char *key, bool *out)
{
    const struct meta_kv *kv = find(m, key);

    if (!kv || kv->type != META_BOOL)
        return false;
    *out = kv->v.u != 0;
    return true;
}

bool meta_str(const struct meta *m, const char *key, struct meta_str *out)
{
    const struct meta_kv *kv = find(m, key);

    if (!kv || kv->type != META_STR)
        return false;
    *out = kv->v.str;
    return true;
}

const struct meta_array *meta_array(const struct meta *m, const char *key, enum meta_type elem)
{
    const struct meta_kv *kv = find(m, key);

    return kv && kv->type == META_ARRAY && kv->v.array.elem == elem ? &kv->v.array : NULL;
}

struct meta_strs meta_strs(const struct meta_array *a)
{
    return (struct meta_strs){.p = a->raw, .left = a->n};
}

bool meta_strs_next(struct meta_strs *it, struct meta_str *out)
{
    uint64_t n;

    if (!it->left)
        return false;
    memcpy(&n, it->p, sizeof(n));
    *out = (struct meta_str){.p = (const char *)it->p + sizeof(n), .n = (size_t)n};
    it->p += sizeof(n) + n;
    it->left--;
    return true;
}

struct meta_kv meta_element(const struct meta_array *a, uint64_t i)
{
    const size_t each = types[a->elem].bytes;
    struct meta_strs it = meta_strs(a);
    struct meta_kv kv = {.type = a->elem};
    float f;

    if (a->elem == META_STR) {
        for (uint64_t k = 0; k <= i; k++)
            (void)meta_strs_next(&it, &kv.v.str);
        return kv;
    }
    /* little endian: a short number fills the low bytes of a wide one */
    memcpy(&kv.v, a->raw + i * each, each);
    if (a->elem == META_F32) {
        memcpy(&f, a->raw + i * each, sizeof(f));
        kv.v.f = (double)f;
    } else if (a->elem == META_I8) {
        kv.v.i = (int8_t)kv.v.u;
    } else if (a->elem == META_I16) {
        kv.v.i = (int16_t)kv.v.u;
    } else if (a->elem == META_I32) {
        kv.v.i = (int32_t)kv.v.u;
    }
    return kv;
}

/* Room for one more pair. */
static int grow(struct meta *m, struct err *err)
{
    size_t cap, bytes;

    if (m->n < m->cap)
        return 0;
    if (!mul_ok(&cap, m->cap ? m->cap : 16, 2) || !mul_ok(&bytes, cap, sizeof(*m->kv)))
        return err_nomem(err);
    struct meta_kv *kv = realloc(m->kv, bytes);
    if (!kv)
        return err_nomem(err);
    m->kv = kv;
    m->cap = cap;
    return 0;
}

/* Put *kv, whose value already lies in the arena, under a key of its own. */
static int put(struct meta *m, const char *key, struct meta_kv kv, struct err *err)
{
    struct meta_kv *old = find(m, key);

    if (old) {
        kv.key = old->key;
        *old = kv;
        return 0;
    }
    kv.key = arena_str(&m->arena, key);
    if (!kv.key)
        return err_nomem(err);
    int rc = grow(m, err);
    if (rc)
        return rc;
    m->kv[m->n++] = kv;
    return 0;
}

int meta_set_u16(struct meta *m, const char *key, uint16_t v, struct err *err)
{
    return put(m, key, (struct meta_kv){.type = META_U16, .v.u = v}, err);
}

int meta_set_u32(struct meta *m, const char *key, uint32_t v, struct err *err)
{
    return put(m, key, (struct meta_kv){.type = META_U32, .v.u = v}, err);
}

int meta_set_u64(struct meta *m, const char *key, uint64_t v, struct err *err)
{
    return put(m, key, (struct meta_kv){.type = META_U64, .v.u = v}, err);
}

int meta_set_i32(struct meta *m, const char *key, int32_t v, struct err *err)
{
    return put(m, key, (struct meta_kv){.type = META_I32, .v.i = v}, err);
}

int meta_set_f32(struct meta *m, const char *key, float v, struct err *err)
{
    return put(m, key, (struct meta_kv){.type = META_F32, .v.f = (double)v}, err);
}

int meta_set_bool(struct meta *m, const char *key, bool v, struct err *err)
{
    return put(m, key, (struct meta_kv){.type = META_BOOL, .v.u = v}, err);
}

int meta_set_str(struct meta *m, const char *key, const char *s, struct err *err)
{
    return meta_set_strn(m, key, s, strlen(s), err);
}

int meta_set_strn(struct meta *m, const char *key, const char *s, size_t n, struct err *err)
{
    const char *copy = arena_strn(&m->arena, s, n);

    if (!copy)
        return err_nomem(err);
    return put(m, key,
               (struct meta_kv){
                   .type = META_STR, .v.str = {.p = copy, .n = n}
    },
               err);
}

int meta_set_array(struct meta *m, const char *key, enum meta_type elem, uint64_t n,
                   const void *raw, size_t raw_bytes, struct err *err)
{
    const size_t each = meta_type_bytes(elem);
    size_t want = raw_bytes;

    if ((!each && elem != META_STR) || (each && !mul_ok(&want, n, each)) || want != raw_bytes)
        return err_set(err, ERR_ARG, "key %s: %llu elements are not %zu bytes", key,
                       (unsigned long long)n, raw_bytes);
    void *copy = arena_alloc(&m->arena, raw_bytes);
    if (!copy)
        return err_nomem(err);
    if (raw_bytes)
        memcpy(copy, raw, raw_bytes);
    const struct meta_array a = {.elem = elem, .n = n, .raw = copy, .raw_bytes = raw_bytes};
    return put(m, key, (struct meta_kv){.type = META_ARRAY, .v.array = a}, err);
}

int meta_set_kv(struct meta *m, const struct meta_kv *kv, struct err *err)
{
    const struct meta_array *a = &kv->v.array;

    if (kv->type == META_STR)
        return meta_set_strn(m, kv->key, kv->v.str.p, kv->v.str.n, err);
    if (kv->type == META_ARRAY)
        return meta_set_array(m, kv->key, a->elem, a->n, a->raw, a->raw_bytes, err);
    return put(m, kv->key, *kv, err);
}

void meta_remove(struct meta *m, const char *key)
{
    struct meta_kv *kv = find(m, key);

    if (!kv)
        return;
    const size_t after = (size_t)(m->kv + m->n - (kv + 1));
    memmove(kv, kv + 1, after * sizeof(*kv));
    m->n--;
}

static bool same_bytes(const void *a, size_t n, const void *b, size_t m)
{
    return n == m && (!n || !memcmp(a, b, n));
}

bool meta_same(const struct meta_kv *a, const struct meta_kv *b)
{
    if (!a || !b || a->type != b->type)
        return !a && !b;
    switch (a->type) {
    case META_STR:
        return same_bytes(a->v.str.p, a->v.str.n, b->v.str.p, b->v.str.n);
    case META_ARRAY:
        return a->v.array.elem == b->v.array.elem && a->v.array.n == b->v.array.n &&
               same_bytes(a->v.array.raw, a->v.array.raw_bytes, b->v.array.raw,
                          b->v.array.raw_bytes);
    case META_F32:
    case META_F64:
        return !memcmp(&a->v.f, &b->v.f, sizeof(a->v.f));
    default:
        return a->v.u == b->v.u;
    }
}
