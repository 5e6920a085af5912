#include "formats/meta_wire.h"

#include "formats/base/strmap.h"

#include <stdlib.h>
#include <string.h>

/* The shortest pair: key length, one byte of key, type, one byte of value. */
enum { KV_MIN_BYTES = 8 + 1 + 4 + 1 };

const char *meta_read_str(struct rd *r, uint64_t *n)
{
    *n = rd_u64(r);
    return (const char *)rd_bytes(r, *n);
}

static int cut_short(struct err *err)
{
    return err_set(err, ERR_FORMAT, "the file ends inside the value");
}

static int read_bool(struct meta_kv *kv, struct rd *r, struct err *err)
{
    kv->v.u = rd_u8(r);
    if (kv->v.u > 1)
        return err_set(err, ERR_FORMAT, "a BOOL of %u, expected 0 or 1", (unsigned)kv->v.u);
    return 0;
}

/* Step over n strings or fixed-size elements. */
static int check_elements(const struct meta_array *a, struct rd *r, struct err *err)
{
    const size_t each = meta_type_bytes(a->elem);
    const size_t least = each ? each : sizeof(uint64_t); /* a string has its length */

    if (a->n > rd_left(r) / least)
        return err_set(err, ERR_FORMAT, "an array of %llu %s, but only %zu bytes follow",
                       (unsigned long long)a->n, meta_type_name(a->elem), rd_left(r));
    const uint8_t *p = each ? rd_bytes(r, a->n * each) : NULL;
    for (uint64_t i = 0; a->elem == META_BOOL && i < a->n; i++)
        if (p[i] > 1)
            return err_set(err, ERR_FORMAT, "a BOOL of %u at index %llu, expected 0 or 1", p[i],
                           (unsigned long long)i);
    for (uint64_t i = 0; a->elem == META_STR && i < a->n; i++) {
        uint64_t n;
        if (!meta_read_str(r, &n))
            return err_set(err, ERR_FORMAT, "string %llu of the array has %llu bytes, past the end",
                           (unsigned long long)i, (unsigned long long)n);
    }
    return 0;
}

static int read_array(struct meta_kv *kv, struct rd *r, struct err *err)
{
    const uint32_t elem = rd_u32(r);
    const uint64_t n = rd_u64(r);

    if (r->bad)
        return cut_short(err);
    if (elem == META_ARRAY)
        return err_set(err, ERR_UNSUPPORTED, "an array of arrays");
    if (elem >= META_TYPE_COUNT)
        return err_set(err, ERR_FORMAT, "array element type %u, expected 0 to 12", elem);
    struct meta_array *a = &kv->v.array;
    *a = (struct meta_array){.elem = (enum meta_type)elem, .n = n, .raw = r->p};
    const int rc = check_elements(a, r, err);
    a->raw_bytes = (size_t)(r->p - a->raw);
    return rc;
}

static float f32_of(uint32_t u)
{
    float f;

    memcpy(&f, &u, sizeof(f));
    return f;
}

static int read_value(struct meta_kv *kv, struct rd *r, struct err *err)
{
    uint64_t n = 0;
    int rc = 0;

    switch (kv->type) {
    case META_U8:
        kv->v.u = rd_u8(r);
        break;
    case META_I8:
        kv->v.i = (int8_t)rd_u8(r);
        break;
    case META_U16:
        kv->v.u = rd_u16(r);
        break;
    case META_I16:
        kv->v.i = (int16_t)rd_u16(r);
        break;
    case META_U32:
        kv->v.u = rd_u32(r);
        break;
    case META_I32:
        kv->v.i = (int32_t)rd_u32(r);
        break;
    case META_F32:
        kv->v.f = (double)f32_of(rd_u32(r));
        break;
    case META_BOOL:
        rc = read_bool(kv, r, err);
        break;
    case META_STR:
        kv->v.str.p = meta_read_str(r, &n);
        kv->v.str.n = (size_t)n;
        break;
    case META_ARRAY:
        rc = read_array(kv, r, err);
        break;
    case META_U64:
        kv->v.u = rd_u64(r);
        break;
    case META_I64:
        kv->v.i = (int64_t)rd_u64(r);
        break;
    case META_F64:
        kv->v.f = rd_f64(r);
        break;
    case META_TYPE_COUNT:
        break;
    }
    if (!rc && r->bad)
        rc = cut_short(err);
    return rc;
}

static int read_key(const char **out, struct meta *m, struct rd *r, struct err *err)
{
    uint64_t n;
    const char *key = meta_read_str(r, &n);

    if (!key)
        return err_set(err, ERR_FORMAT, "a key of %llu bytes, past the end of the file",
                       (unsigned long long)n);
    if (n == 0 || n > META_MAX_KEY)
        return err_set(err, ERR_FORMAT, "a key of %llu bytes, expected 1 to %d",
                       (unsigned long long)n, META_MAX_KEY);
    if (memchr(key, '\0', (size_t)n))
        return err_set(err, ERR_FORMAT, "key \"%.100s\" holds a NUL byte", key);
    *out = arena_strn(&m->arena, key, (size_t)n);
    return *out ? 0 : err_nomem(err);
}

static int read_pair(struct meta *m, struct strmap *seen, struct rd *r, struct err *err)
{
    struct meta_kv kv = {0};
    bool fresh = false;
    int rc = read_key(&kv.key, m, r, err);

    if (rc)
        return rc;
    rc = strmap_add(&fresh, seen, kv.key, strlen(kv.key), m->n, err);
    if (rc)
        return rc;
    if (!fresh)
        return err_set(err, ERR_FORMAT, "duplicate key \"%.100s\"", kv.key);
    const uint32_t type = rd_u32(r);
    if (!r->bad && type >= META_TYPE_COUNT)
        return err_set(err, ERR_FORMAT, "key %.100s: value type %u, expected 0 to 12", kv.key,
                       type);
    kv.type = (enum meta_type)type;
    rc = r->bad ? cut_short(err) : read_value(&kv, r, err);
    if (rc)
        return err_wrap(err, "key %.100s", kv.key);
    m->kv[m->n++] = kv;
    return 0;
}

int meta_read(struct meta *m, struct rd *r, uint64_t n, struct err *err)
{
    struct strmap seen = {0};
    int rc = 0;

    if (n > rd_left(r) / KV_MIN_BYTES)
        return err_set(err, ERR_FORMAT, "%llu metadata keys, but only %zu bytes follow",
                       (unsigned long long)n, rd_left(r));
    if (n > META_MAX_PAIRS) /* finding one looks at all */
        return err_set(err, ERR_UNSUPPORTED, "%llu metadata keys, expected at most %d",
                       (unsigned long long)n, META_MAX_PAIRS);
    if (n == 0)
        return 0;
    m->kv = calloc((size_t)n, sizeof(*m->kv));
    if (!m->kv)
        return err_nomem(err);
    m->cap = (size_t)n;
    rc = strmap_reserve(&seen, (size_t)n, err);
    for (uint64_t i = 0; i < n && !rc; i++)
        rc = read_pair(m, &seen, r, err);
    strmap_release(&seen);
    return rc;
}

static void write_fixed(struct buf *b, const struct meta_kv *kv)
{
    if (kv->type == META_F32) {
        const float f = (float)kv->v.f;
        buf_put(b, &f, sizeof(f));
    } else {
        /* little endian: the low bytes of the widest number come first */
        buf_put(b, &kv->v, meta_type_bytes(kv->type));
    }
}

void meta_write(struct buf *b, const struct meta_kv *kv)
{
    const uint64_t n = strlen(kv->key);

    buf_u64(b, n);
    buf_put(b, kv->key, n);
    buf_u32(b, (uint32_t)kv->type);
    if (kv->type == META_STR) {
        buf_u64(b, kv->v.str.n);
        buf_put(b, kv->v.str.p, kv->v.str.n);
    } else if (kv->type == META_ARRAY) {
        buf_u32(b, (uint32_t)kv->v.array.elem);
        buf_u64(b, kv->v.array.n);
        buf_put(b, kv->v.array.raw, kv->v.array.raw_bytes);
    } else {
        write_fixed(b, kv);
    }
}
