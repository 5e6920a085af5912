/* Values as text: str(), repr() and json.dumps() as Python spells them. */

#include "formats/base/utf8.h"
#include "runtime/chat/chat_parts.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <utf8proc.h>

int chat_put(struct chat_run *r, struct buf *b, const char *p, size_t n)
{
    if (n > CHAT_OUT_MAX || b->n + n > CHAT_OUT_MAX)
        return err_set(r->err, ERR_FORMAT, "chat template: a text of more than %d MiB",
                       CHAT_OUT_MAX >> 20);
    buf_put(b, p, n);
    return b->bad ? err_nomem(r->err) : 0;
}

static int put(struct chat_run *r, struct buf *b, const char *s)
{
    return chat_put(r, b, s, strlen(s));
}

/* The shortest digits that read back the same. */
static int chat_float_text(struct chat_run *r, struct buf *b, double f)
{
    char s[40];
    int most = 1, exponent;

    if (isnan(f) || isinf(f))
        return put(r, b, isnan(f) ? "nan" : f < 0 ? "-inf" : "inf");
    do
        (void)snprintf(s, sizeof(s), "%.*e", most - 1, f);
    while (strtod(s, NULL) != f && most++ < 17);
    const char *e = strchr(s, 'e');
    exponent = (int)strtol(e + 1, NULL, 10);
    if (exponent < -4 || exponent >= 16) { /* 1e+16, 1.5e-07: as printf has it */
        return put(r, b, s);
    }
    (void)snprintf(s, sizeof(s), "%.*f", most - 1 - exponent > 1 ? most - 1 - exponent : 1, f);
    return put(r, b, s);
}

/* ---- repr -------------------------------------------------------------------------------- */

static bool printable(int32_t c)
{
    const utf8proc_category_t k = utf8proc_category(c);

    return k != UTF8PROC_CATEGORY_CN && k != UTF8PROC_CATEGORY_CC && k != UTF8PROC_CATEGORY_CF &&
           k != UTF8PROC_CATEGORY_CS && k != UTF8PROC_CATEGORY_CO && k != UTF8PROC_CATEGORY_ZL &&
           k != UTF8PROC_CATEGORY_ZP && (k != UTF8PROC_CATEGORY_ZS || c == ' ');
}

static int repr_char(struct chat_run *r, struct buf *b, const char *p, size_t n, int32_t c,
                     char quote)
{
    char s[16];

    if (c == quote || c == '\\')
        (void)snprintf(s, sizeof(s), "\\%c", (char)c);
    else if (c == '\n' || c == '\r' || c == '\t')
        (void)snprintf(s, sizeof(s), "\\%c", c == '\n' ? 'n' : c == '\r' ? 'r' : 't');
    else if (printable(c))
        return chat_put(r, b, p, n);
    else
        (void)snprintf(s, sizeof(s),
                       c < 0x100     ? "\\x%02x"
                       : c < 0x10000 ? "\\u%04x"
                                     : "\\U%08x",
                       (unsigned)c);
    return put(r, b, s);
}

static int repr_str(struct chat_run *r, struct buf *b, struct chat_str s)
{
    const bool single = s.n && memchr(s.p, '\'', s.n), both = single && memchr(s.p, '"', s.n);
    const char quote = single && !both ? '"' : '\'';
    int rc = chat_put(r, b, &quote, 1);

    while (!rc && s.n) {
        size_t n;
        const int32_t c = chat_char(s, &n);
        rc = repr_char(r, b, s.p, n, c, quote);
        s.p += n;
        s.n -= n;
    }
    return rc ? rc : chat_put(r, b, &quote, 1);
}

static int repr_items(struct chat_run *r, struct buf *b, struct chat_value v)
{
    const struct chat_list *l = v.u.list;
    const bool tuple = v.type == CHAT_TUPLE;
    int rc = put(r, b, tuple ? "(" : "[");

    for (size_t i = 0; !rc && i < l->n; i++) {
        rc = i ? put(r, b, ", ") : 0;
        if (!rc)
            rc = chat_repr(r, b, l->at[i]);
    }
    return rc ? rc : put(r, b, !tuple ? "]" : l->n == 1 ? ",)" : ")");
}

static int repr_dict(struct chat_run *r, struct buf *b, const struct chat_dict *d)
{
    int rc = put(r, b, "{");

    for (size_t i = 0; !rc && i < d->n; i++) {
        rc = i ? put(r, b, ", ") : 0;
        if (!rc)
            rc = chat_repr(r, b, d->at[i].key);
        if (!rc)
            rc = put(r, b, ": ");
        if (!rc)
            rc = chat_repr(r, b, d->at[i].value);
    }
    return rc ? rc : put(r, b, "}");
}

static int deeper(struct chat_run *r)
{
    if (++r->depth > CHAT_DEPTH_MAX)
        return err_set(r->err, ERR_FORMAT, "chat template: values nested deeper than %d",
                       CHAT_DEPTH_MAX);
    return chat_step(r, 1);
}

static int repr(struct chat_run *r, struct buf *b, struct chat_value v)
{
    char s[80];

    switch (v.type) {
    case CHAT_STR:
        return repr_str(r, b, v.u.s);
    case CHAT_LIST:
    case CHAT_TUPLE:
        return repr_items(r, b, v);
    case CHAT_DICT:
        return repr_dict(r, b, v.u.dict);
    case CHAT_FLOAT:
        return chat_float_text(r, b, v.u.f);
    case CHAT_INT:
        (void)snprintf(s, sizeof(s), "%" PRId64, v.u.i);
        return put(r, b, s);
    case CHAT_BOOL:
        return put(r, b, v.u.b ? "True" : "False");
    case CHAT_NONE:
        return put(r, b, "None");
    case CHAT_UNDEFINED:
        return put(r, b, "Undefined");
    default:
        (void)snprintf(s, sizeof(s), "<%s>", chat_type_name(v));
        return put(r, b, s);
    }
}

int chat_repr(struct chat_run *r, struct buf *b, struct chat_value v)
{
    int rc = deeper(r);

    if (!rc)
        rc = repr(r, b, v);
    r->depth--;
    return rc;
}

int chat_print(struct chat_run *r, struct buf *b, struct chat_value v)
{
    if (v.type == CHAT_STR)
        return chat_put(r, b, v.u.s.p, v.u.s.n);
    return v.type == CHAT_UNDEFINED ? 0 : chat_repr(r, b, v);
}

int chat_to_str(struct chat_str *out, struct chat_run *r, struct chat_value v)
{
    struct chat_value s = v;
    struct buf b = {0};
    int rc = 0;

    if (v.type != CHAT_STR)
        rc = chat_str_take(&s, r, &b, chat_print(r, &b, v));
    if (!rc)
        *out = s.u.s;
    return rc;
}

/* ---- JSON -------------------------------------------------------------------------------- */

static int json_char(struct chat_run *r, struct buf *b, const char *p, size_t n, int32_t c,
                     bool ascii)
{
    static const char from[] = "\"\\\n\r\t\b\f", to[] = "\"\\nrtbf";
    const char *k = c && c < 0x80 ? strchr(from, c) : NULL;
    char s[16];

    if (k)
        (void)snprintf(s, sizeof(s), "\\%c", to[k - from]);
    else if (c < 0x20 || (ascii && c > 0x7e && c < 0x10000 && c != 0x7f))
        (void)snprintf(s, sizeof(s), "\\u%04x", (unsigned)c);
    else if (ascii && c >= 0x10000)
        (void)snprintf(s, sizeof(s), "\\u%04x\\u%04x", 0xd7c0U + ((unsigned)c >> 10),
                       0xdc00U + ((unsigned)c & 0x3ffU));
    else
        return chat_put(r, b, p, n);
    return put(r, b, s);
}

static int json_text(struct chat_run *r, struct buf *b, struct chat_str s, bool ascii)
{
    int rc = put(r, b, "\"");

    while (!rc && s.n) {
        size_t n;
        const int32_t c = chat_char(s, &n);
        rc = json_char(r, b, s.p, n, c, ascii);
        s.p += n;
        s.n -= n;
    }
    return rc ? rc : put(r, b, "\"");
}

static int json_line(struct chat_run *r, struct buf *b, const struct chat_json *how, int64_t level)
{
    int rc = how->indent < 0 ? 0 : put(r, b, "\n");

    for (int64_t i = 0; !rc && i < how->indent * level; i++)
        rc = put(r, b, " ");
    return rc;
}

/* Keys of other types become strings. */
static int json_name(struct chat_run *r, struct buf *b, struct chat_value key, bool ascii)
{
    static const struct chat_json plain = {.indent = -1};
    int rc;

    if (key.type == CHAT_STR)
        return json_text(r, b, key.u.s, ascii);
    rc = put(r, b, "\"");
    if (!rc)
        rc = chat_json(r, b, key, &plain, 0);
    return rc ? rc : put(r, b, "\"");
}

static int json_members(struct chat_run *r, struct buf *b, const struct chat_dict *d,
                        const struct chat_json *how, int64_t level)
{
    int rc = put(r, b, "{");

    for (size_t i = 0; !rc && i < d->n; i++) {
        rc = i ? chat_put(r, b, how->item.p, how->item.n) : 0;
        if (!rc)
            rc = json_line(r, b, how, level + 1);
        if (!rc)
            rc = json_name(r, b, d->at[i].key, how->ascii);
        if (!rc)
            rc = chat_put(r, b, how->key.p, how->key.n);
        if (!rc)
            rc = chat_json(r, b, d->at[i].value, how, level + 1);
    }
    if (!rc && d->n)
        rc = json_line(r, b, how, level);
    return rc ? rc : put(r, b, "}");
}

static int compare_keys(const void *a, const void *b)
{
    const struct chat_pair *x = a, *y = b;
    const struct chat_str p = x->key.u.s, q = y->key.u.s;
    const size_t n = p.n < q.n ? p.n : q.n;
    const int d = n ? memcmp(p.p, q.p, n) : 0;

    return d ? d : p.n < q.n ? -1 : p.n > q.n;
}

static int json_dict(struct chat_run *r, struct buf *b, const struct chat_dict *d,
                     const struct chat_json *how, int64_t level)
{
    struct chat_value sorted;
    bool texts = true;
    int rc;

    for (size_t i = 0; i < d->n; i++)
        texts = texts && d->at[i].key.type == CHAT_STR;
    if (!how->sort || !texts || !d->n)
        return json_members(r, b, d, how, level);
    rc = chat_dict_new(&sorted, r, d->n);
    if (rc)
        return rc;
    memcpy(sorted.u.dict->at, d->at, d->n * sizeof(*d->at));
    sorted.u.dict->n = d->n;
    qsort(sorted.u.dict->at, d->n, sizeof(*d->at), compare_keys);
    return json_members(r, b, sorted.u.dict, how, level);
}

static int json_items(struct chat_run *r, struct buf *b, const struct chat_list *l,
                      const struct chat_json *how, int64_t level)
{
    int rc = put(r, b, "[");

    for (size_t i = 0; !rc && i < l->n; i++) {
        rc = i ? chat_put(r, b, how->item.p, how->item.n) : 0;
        if (!rc)
            rc = json_line(r, b, how, level + 1);
        if (!rc)
            rc = chat_json(r, b, l->at[i], how, level + 1);
    }
    if (!rc && l->n)
        rc = json_line(r, b, how, level);
    return rc ? rc : put(r, b, "]");
}

static int json_value(struct chat_run *r, struct buf *b, struct chat_value v,
                      const struct chat_json *how, int64_t level)
{
    switch (v.type) {
    case CHAT_STR:
        return json_text(r, b, v.u.s, how->ascii);
    case CHAT_LIST:
    case CHAT_TUPLE:
        return json_items(r, b, v.u.list, how, level);
    case CHAT_DICT:
        return json_dict(r, b, v.u.dict, how, level);
    case CHAT_BOOL:
        return put(r, b, v.u.b ? "true" : "false");
    case CHAT_NONE:
        return put(r, b, "null");
    case CHAT_FLOAT:
        if (isnan(v.u.f) || isinf(v.u.f))
            return put(r, b, isnan(v.u.f) ? "NaN" : v.u.f < 0 ? "-Infinity" : "Infinity");
        return chat_float_text(r, b, v.u.f);
    case CHAT_INT:
        return chat_repr(r, b, v);
    default:
        return err_set(r->err, ERR_FORMAT, "chat template: \"%s\" cannot be written as JSON",
                       chat_type_name(v));
    }
}

int chat_json(struct chat_run *r, struct buf *b, struct chat_value v, const struct chat_json *how,
              int64_t level)
{
    int rc = deeper(r);

    if (!rc)
        rc = json_value(r, b, v, how, level);
    r->depth--;
    return rc;
}
