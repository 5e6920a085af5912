#include "formats/base/json.h"
#include "formats/base/utf8.h"
#include "formats/digest.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Elements of an array that are shown. */
enum { SHOWN = 8 };

/* ---- the text that sha256_json covers: Python's json.dumps with separators "," and ":"
 * and ensure_ascii=False ------------------------------------------------------------- */

static void py_char(struct buf *b, unsigned char c)
{
    static const char from[] = "\"\\\n\r\t\f\b", to[] = "\"\\nrtfb";
    const char *at = c ? strchr(from, c) : NULL;

    if (at)
        buf_fmt(b, "\\%c", to[at - from]);
    else if (c < 0x20)
        buf_fmt(b, "\\u%04x", c);
    else
        buf_put(b, &c, 1);
}

static void py_str(struct buf *b, struct meta_str s)
{
    buf_put(b, "\"", 1);
    while (s.n) {
        bool good;
        const size_t k = utf8_step(&good, s.p, s.n);
        if (!good)
            buf_str(b, "\xef\xbf\xbd");
        else if (k == 1)
            py_char(b, (unsigned char)*s.p);
        else
            buf_put(b, s.p, k);
        s.p += k;
        s.n -= k;
    }
    buf_put(b, "\"", 1);
}

/* repr(v): the fewest digits that read back as v; an exponent below 1e-4 and from 1e16. */
static void py_num(struct buf *b, double v)
{
    char text[40];
    int digits = 0;

    if (!isfinite(v)) {
        buf_str(b, isnan(v) ? "NaN" : v > 0 ? "Infinity" : "-Infinity");
        return;
    }
    if (trunc(v) == v && fabs(v) < 1e15) {
        buf_fmt(b, "%.1f", v);
        return;
    }
    do
        (void)snprintf(text, sizeof(text), "%.*e", digits, v);
    while (strtod(text, NULL) != v && ++digits < 17);
    const long exponent = strtol(strchr(text, 'e') + 1, NULL, 10);
    if (exponent < -4 || exponent >= 16)
        buf_str(b, text);
    else if (exponent >= digits)
        buf_fmt(b, "%.1f", v);
    else
        buf_fmt(b, "%.*f", (int)(digits - exponent), v);
}

/* ---- values ------------------------------------------------------------------------- */

static bool is_signed(enum meta_type t)
{
    return t == META_I8 || t == META_I16 || t == META_I32 || t == META_I64;
}

static void py_value(struct buf *b, const struct meta_kv *kv)
{
    if (kv->type == META_F32 || kv->type == META_F64)
        py_num(b, kv->v.f);
    else if (kv->type == META_BOOL)
        buf_str(b, kv->v.u ? "true" : "false");
    else if (is_signed(kv->type))
        buf_fmt(b, "%lld", (long long)kv->v.i);
    else
        buf_fmt(b, "%llu", (unsigned long long)kv->v.u);
}

static void py_array(struct buf *b, const struct meta_array *a)
{
    struct meta_strs it = meta_strs(a);

    buf_put(b, "[", 1);
    for (uint64_t i = 0; i < a->n && !b->bad; i++) {
        struct meta_str s = {0};
        if (i)
            buf_put(b, ",", 1);
        if (a->elem == META_STR && meta_strs_next(&it, &s)) {
            py_str(b, s);
        } else {
            const struct meta_kv kv = meta_element(a, i);
            py_value(b, &kv);
        }
    }
    buf_put(b, "]", 1);
}

static void put_value(struct json_out *j, const char *key, const struct meta_kv *kv)
{
    if (kv->type == META_STR)
        json_put_strn(j, key, kv->v.str.p, kv->v.str.n);
    else if (kv->type == META_F32 || kv->type == META_F64)
        json_put_num(j, key, kv->v.f);
    else if (kv->type == META_BOOL)
        json_put_bool(j, key, kv->v.u != 0);
    else if (is_signed(kv->type))
        json_put_int(j, key, kv->v.i);
    else
        json_put_uint(j, key, kv->v.u);
}

static void put_first(struct json_out *j, const struct meta_array *a)
{
    json_open(j, "first8", '[');
    for (uint64_t i = 0; i < a->n && i < SHOWN; i++) {
        const struct meta_kv kv = meta_element(a, i);
        put_value(j, NULL, &kv);
    }
    json_close(j, ']');
}

static int put_array(struct json_out *j, const struct meta_array *a, struct err *err)
{
    char hex[HASH_HEX_BYTES];
    struct buf text = {0};

    json_put_str(j, "type", "ARRAY");
    json_put_str(j, "elem", meta_type_name(a->elem));
    json_put_uint(j, "len", a->n);
    put_first(j, a);
    int rc = hash_of(a->raw, a->raw_bytes, hex, err);
    if (rc)
        return rc;
    json_put_str(j, "sha256_raw", hex);
    py_array(&text, a);
    rc = buf_check(&text, err);
    if (!rc)
        rc = hash_of(text.p, text.n, hex, err);
    if (!rc)
        json_put_str(j, "sha256_json", hex);
    buf_release(&text);
    return rc;
}

static int put_metadata(struct json_out *j, const struct meta *m, struct err *err)
{
    int rc = 0;

    json_open(j, "metadata", '[');
    for (size_t i = 0; i < m->n && !rc; i++) {
        const struct meta_kv *kv = &m->kv[i];
        json_open(j, NULL, '{');
        json_put_str(j, "key", kv->key);
        if (kv->type == META_ARRAY) {
            rc = put_array(j, &kv->v.array, err);
        } else {
            json_put_str(j, "type", meta_type_name(kv->type));
            put_value(j, "value", kv);
        }
        json_close(j, '}');
    }
    json_close(j, ']');
    return rc;
}

static void put_tensor(struct json_out *j, const struct digest_tensor *t)
{
    json_open(j, NULL, '{');
    json_put_str(j, "name", t->name);
    json_open(j, "shape", '[');
    for (int k = 0; k < t->n_dims; k++)
        json_put_uint(j, NULL, t->dims[k]);
    json_close(j, ']');
    json_put_str(j, "type", dtype_get(t->type)->name);
    if (t->file)
        json_put_str(j, "file", t->file);
    else
        json_put_uint(j, "offset", t->offset);
    json_put_uint(j, "nbytes", t->bytes);
    if (t->hex[0])
        json_put_str(j, "sha256", t->hex);
    json_close(j, '}');
}

static void put_tensors(struct json_out *j, const struct digest_tensor *t, size_t n)
{
    json_open(j, "tensors", '[');
    for (size_t i = 0; i < n; i++)
        put_tensor(j, &t[i]);
    json_close(j, ']');
}

int digest_gguf_json(struct buf *b, const struct gguf *g, const struct digest_tensor *t,
                     struct err *err)
{
    struct json_out j = json_out_init(b, false);

    json_open(&j, NULL, '{');
    json_put_uint(&j, "version", gguf_version(g));
    json_put_uint(&j, "alignment", gguf_alignment(g));
    json_put_uint(&j, "data_offset", gguf_data_offset(g));
    json_put_uint(&j, "file_size", gguf_file_bytes(g));
    json_put_uint(&j, "n_kv", gguf_meta(g)->n);
    json_put_uint(&j, "n_tensors", gguf_n_tensors(g));
    const int rc = put_metadata(&j, gguf_meta(g), err);
    if (rc)
        return rc;
    put_tensors(&j, t, gguf_n_tensors(g));
    json_close(&j, '}');
    buf_str(b, "\n");
    return buf_check(b, err);
}

int digest_ckpt_json(struct buf *b, const struct ckpt *c, const struct digest_tensor *t,
                     struct err *err)
{
    struct json_out j = json_out_init(b, false);

    json_open(&j, NULL, '{');
    json_put_str(&j, "model_type", json_str(json_get(ckpt_config(c), "model_type")));
    json_put_uint(&j, "n_tensors", ckpt_n_tensors(c));
    put_tensors(&j, t, ckpt_n_tensors(c));
    json_close(&j, '}');
    buf_str(b, "\n");
    return buf_check(b, err);
}
