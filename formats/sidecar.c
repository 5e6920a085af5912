#include "formats/sidecar.h"

#include "formats/base/hash.h"
#include "formats/base/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Keys that the writer of a GGUF sets itself. */
static const char *const last_keys[] = {"general.file_type", "general.quantization_version",
                                        "pare.version", "pare.recipe"};
static const char source_key[] = "pare.source.sha256";

static bool is_last(const char *key)
{
    for (size_t i = 0; i < sizeof(last_keys) / sizeof(last_keys[0]); i++)
        if (!strcmp(key, last_keys[i]))
            return true;
    return false;
}

static bool begins(const char *s, const char *with)
{
    return !strncmp(s, with, strlen(with));
}

/* Keys about the file and not the model; which of them there are is the GGUF's to say. */
static bool is_general(const char *key)
{
    return begins(key, "general.") && strcmp(key, "general.architecture") != 0 &&
           strcmp(key, "general.type") != 0;
}

/* ---- writing -------------------------------------------------------------------------- */

static bool is_text(const char *p, size_t n)
{
    return !memchr(p, '\0', n) && utf8_bad(p, n) == n;
}

static void put_hex(struct json_out *j, const void *data, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *p = data;
    struct buf b = {0};

    buf_str(&b, "");
    for (size_t i = 0; i < n; i++) {
        const char two[] = {digits[p[i] >> 4], digits[p[i] & 15]};
        buf_put(&b, two, 2);
    }
    j->b->bad = j->b->bad || b.bad;
    json_put_str(j, "hex", b.p);
    buf_release(&b);
}

static bool are_texts(const struct meta_array *a)
{
    struct meta_strs it = meta_strs(a);
    struct meta_str s;

    while (meta_strs_next(&it, &s))
        if (!is_text(s.p, s.n))
            return false;
    return true;
}

static void put_array(struct json_out *j, const struct meta_array *a)
{
    json_put_str(j, "of", meta_type_name(a->elem));
    if (a->elem != META_STR || !are_texts(a)) {
        json_put_uint(j, "n", a->n);
        put_hex(j, a->raw, a->raw_bytes);
        return;
    }
    struct meta_strs it = meta_strs(a);
    struct meta_str s;
    json_open(j, "value", '[');
    while (meta_strs_next(&it, &s))
        json_put_strn(j, NULL, s.p, s.n);
    json_close(j, ']');
}

/* Whole numbers of 64 bits as text: JSON's are doubles to many readers. */
static void put_kv(struct json_out *j, const struct meta_kv *kv)
{
    char text[40];
    float f;

    json_open(j, NULL, '{');
    json_put_str(j, "key", kv->key);
    json_put_str(j, "type", meta_type_name(kv->type));
    switch (kv->type) {
    case META_STR:
        if (is_text(kv->v.str.p, kv->v.str.n))
            json_put_strn(j, "value", kv->v.str.p, kv->v.str.n);
        else
            put_hex(j, kv->v.str.p, kv->v.str.n);
        break;
    case META_ARRAY:
        put_array(j, &kv->v.array);
        break;
    case META_F32:
        f = (float)kv->v.f;
        put_hex(j, &f, sizeof(f));
        break;
    case META_F64:
        put_hex(j, &kv->v.f, sizeof(kv->v.f));
        break;
    case META_BOOL:
        json_put_bool(j, "value", kv->v.u != 0);
        break;
    case META_I8:
    case META_I16:
    case META_I32:
    case META_I64:
        (void)snprintf(text, sizeof(text), "%lld", (long long)kv->v.i);
        json_put_str(j, "value", text);
        break;
    default:
        (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)kv->v.u);
        json_put_str(j, "value", text);
    }
    json_close(j, '}');
}

void sidecar_put_meta(struct json_out *j, const struct meta *from, const struct meta *made,
                      bool all)
{
    json_open(j, "metadata", '[');
    for (size_t i = 0; i < from->n; i++) {
        const struct meta_kv *kv = &from->kv[i];
        if (strcmp(kv->key, source_key) != 0 && (all || is_last(kv->key) || is_general(kv->key) ||
                                                 !meta_same(kv, meta_get(made, kv->key))))
            put_kv(j, kv);
    }
    json_close(j, ']');
    json_open(j, "absent", '[');
    for (size_t i = 0; i < made->n; i++)
        if (!is_general(made->kv[i].key) && !is_last(made->kv[i].key) &&
            !meta_get(from, made->kv[i].key))
            json_put_str(j, NULL, made->kv[i].key);
    json_close(j, ']');
}

/* ---- reading -------------------------------------------------------------------------- */

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool get_hex(struct buf *b, const json_val *v)
{
    const char *s = json_str(v);

    if (!s || strlen(s) % 2)
        return false;
    buf_str(b, "");
    for (; *s; s += 2) {
        if (digit(s[0]) < 0 || digit(s[1]) < 0)
            return false;
        const uint8_t byte = (uint8_t)(digit(s[0]) << 4 | digit(s[1]));
        buf_put(b, &byte, 1);
    }
    return !b->bad;
}

static bool type_named(enum meta_type *out, const json_val *v)
{
    for (int t = 0; json_str(v) && t < META_TYPE_COUNT; t++)
        if (!strcmp(meta_type_name((enum meta_type)t), json_str(v))) {
            *out = (enum meta_type)t;
            return true;
        }
    return false;
}

/* Strings one after another, as in a file. Are they what a file can hold? */
static bool strings_fit(const struct buf *b, uint64_t n)
{
    size_t at = 0;

    for (uint64_t i = 0; i < n; i++) {
        uint64_t k;
        if (b->n - at < sizeof(k))
            return false;
        memcpy(&k, b->p + at, sizeof(k));
        at += sizeof(k);
        if (k > b->n - at)
            return false;
        at += (size_t)k;
    }
    return at == b->n;
}

static int get_array(bool *good, struct meta *m, const char *key, const json_val *e,
                     struct err *err)
{
    enum meta_type of;
    struct buf b = {0};
    int64_t n = (int64_t)json_len(json_get(e, "value"));
    int rc = 0;

    *good = type_named(&of, json_get(e, "of")) && of != META_ARRAY;
    if (*good && json_is_array(json_get(e, "value")) && of == META_STR) {
        for (const json_val *s = json_first(json_get(e, "value")); s; s = json_next(s)) {
            *good = *good && json_str(s);
            buf_u64(&b, json_str(s) ? strlen(json_str(s)) : 0);
            buf_str(&b, json_str(s) ? json_str(s) : "");
        }
    } else if (*good) {
        *good = get_hex(&b, json_get(e, "hex")) && json_int(json_get(e, "n"), &n) && n >= 0 &&
                (of == META_STR
                     ? strings_fit(&b, (uint64_t)n)
                     : b.n / meta_type_bytes(of) == (uint64_t)n && b.n % meta_type_bytes(of) == 0);
    }
    if (*good)
        rc = meta_set_array(m, key, of, (uint64_t)n, b.p ? b.p : "", b.n, err);
    buf_release(&b);
    return rc;
}

static int get_number(bool *good, struct meta *m, const char *key, enum meta_type type,
                      const json_val *e, struct err *err)
{
    struct meta_kv kv = {.key = key, .type = type};
    const char *text = json_str(json_get(e, "value"));
    struct buf b = {0};
    float f;

    *good = true;
    if (type == META_F32 || type == META_F64) {
        *good = get_hex(&b, json_get(e, "hex")) && b.n == (type == META_F32 ? 4 : 8);
        if (*good && type == META_F32) {
            memcpy(&f, b.p, sizeof(f));
            kv.v.f = (double)f;
        } else if (*good) {
            memcpy(&kv.v.f, b.p, sizeof(kv.v.f));
        }
        buf_release(&b);
    } else if (type == META_I8 || type == META_I16 || type == META_I32 || type == META_I64) {
        *good = text;
        kv.v.i = text ? strtoll(text, NULL, 10) : 0;
    } else {
        *good = text;
        kv.v.u = text ? strtoull(text, NULL, 10) : 0;
    }
    return *good ? meta_set_kv(m, &kv, err) : 0;
}

static int get_kv(struct meta *m, const json_val *e, struct err *err)
{
    const char *key = json_str(json_get(e, "key")), *text = json_str(json_get(e, "value"));
    struct buf b = {0};
    enum meta_type type;
    bool good = key && *key && type_named(&type, json_get(e, "type")), truth;
    int rc = 0;

    if (good && type == META_ARRAY) {
        rc = get_array(&good, m, key, e, err);
    } else if (good && type == META_STR) {
        good = text || get_hex(&b, json_get(e, "hex"));
        if (good)
            rc = text ? meta_set_str(m, key, text, err) : meta_set_strn(m, key, b.p, b.n, err);
        buf_release(&b);
    } else if (good && type == META_BOOL) {
        good = json_bool(json_get(e, "value"), &truth);
        if (good)
            rc = meta_set_bool(m, key, truth, err);
    } else if (good) {
        rc = get_number(&good, m, key, type, e, err);
    }
    return good ? rc
                : err_set(err, ERR_FORMAT, "metadata %.100s: its type and value do not fit",
                          key ? key : "without a key");
}

static int read_meta(struct sidecar *s, struct err *err)
{
    int rc = 0;

    for (const json_val *e = json_first(json_get(s->doc, "metadata")); !rc && e; e = json_next(e)) {
        const char *key = json_str(json_get(e, "key"));
        rc = get_kv(key && is_last(key) ? &s->last : &s->set, e, err);
    }
    return rc;
}

/* Is every file what the export wrote? */
static int check_files(struct sidecar *s, const struct ckpt *c, const struct log *log,
                       struct err *err)
{
    const json_val *files = json_get(s->doc, "files");
    char hex[HASH_HEX_BYTES];
    int rc = 0;

    if (files && !json_is_object(files))
        return err_set(err, ERR_FORMAT, "files: expected an object");
    for (const json_val *f = json_first(files); !rc && f; f = json_next(f)) {
        struct map m;
        bool found;
        if (strchr(json_key(f), '/'))
            continue;
        rc = ckpt_map(&m, &found, c, json_key(f), err);
        if (!rc && found)
            rc = hash_of(m.data ? (const char *)m.data : "", m.size, hex, err);
        if (!rc && (!found || !json_str(f) || strcmp(hex, json_str(f)) != 0)) {
            if (!s->changed)
                log_warn(log,
                         "%s/" SIDECAR_FILE ": %s has changed since the export: of the metadata "
                         "only names are taken from it",
                         ckpt_dir(c), json_key(f));
            s->changed = true;
        }
        if (found)
            map_release(&m);
    }
    return rc;
}

int sidecar_open(struct sidecar *out, const struct ckpt *c, const struct log *log, struct err *err)
{
    struct map m;
    bool found = false;

    *out = (struct sidecar){0};
    int rc = ckpt_map(&m, &found, c, SIDECAR_FILE, err);
    if (rc || !found)
        return rc;
    rc = json_parse(&out->doc, m.data ? (const char *)m.data : "", m.size, err);
    map_release(&m);
    if (!rc)
        rc = read_meta(out, err);
    if (!rc)
        rc = check_files(out, c, log, err);
    if (rc) {
        sidecar_release(out);
        return err_wrap(err, "%s/" SIDECAR_FILE, ckpt_dir(c));
    }
    const char *type = json_str(json_get(out->doc, "type"));
    out->type = type ? dtype_by_name(type) : DTYPE_NONE;
    out->folder = json_str(json_get(out->doc, "tensors_sha256"));
    out->original = json_str(json_get(out->doc, "source_sha256"));
    (void)json_bool(json_get(out->doc, "no_vocabulary"), &out->no_vocab);
    return 0;
}

void sidecar_release(struct sidecar *s)
{
    json_free(s->doc);
    meta_release(&s->set);
    meta_release(&s->last);
    *s = (struct sidecar){0};
}

int sidecar_apply(struct meta *m, const struct sidecar *s, struct err *err)
{
    int rc = 0;

    if (!s->doc)
        return 0;
    for (size_t i = m->n; i-- > 0;)
        if (is_general(m->kv[i].key) && !is_last(m->kv[i].key) && !meta_get(&s->set, m->kv[i].key))
            meta_remove(m, m->kv[i].key);
    for (const json_val *k = json_first(json_get(s->doc, "absent")); k && !s->changed;
         k = json_next(k))
        if (json_str(k))
            meta_remove(m, json_str(k));
    for (size_t i = 0; !rc && i < s->set.n; i++)
        if (!s->changed || is_general(s->set.kv[i].key))
            rc = meta_set_kv(m, &s->set.kv[i], err);
    return rc;
}

bool sidecar_has(const struct sidecar *s, const char *prefix)
{
    for (size_t i = 0; i < s->set.n && !s->changed; i++)
        if (begins(s->set.kv[i].key, prefix))
            return true;
    for (const json_val *k = json_first(json_get(s->doc, "absent")); k && !s->changed;
         k = json_next(k))
        if (json_str(k) && begins(json_str(k), prefix))
            return true;
    return false;
}

bool sidecar_values(float *dst, size_t n, const struct sidecar *s, const char *tensor)
{
    struct buf b = {0};
    const bool good = !s->changed && get_hex(&b, json_get(json_get(s->doc, "tensors"), tensor)) &&
                      b.n == n * sizeof(*dst);

    if (good)
        memcpy(dst, b.p, b.n);
    buf_release(&b);
    return good;
}

enum dtype sidecar_type(const struct sidecar *s, const char *tensor)
{
    const char *name = json_str(json_get(json_get(s->doc, "types"), tensor));

    return name && !s->changed ? dtype_by_name(name) : DTYPE_NONE;
}
