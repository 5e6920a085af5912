#include "formats/base/json_node.h"

#include "formats/base/map.h"
#include "formats/base/utf8.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int json_load(json_val **out, const char *path, struct err *err)
{
    struct map m;

    *out = NULL;
    int rc = map_open(&m, path, err);
    if (rc)
        return rc;
    rc = json_parse(out, m.data ? (const char *)m.data : "", m.size, err);
    map_release(&m);
    return rc ? err_wrap(err, "%s", path) : 0;
}

const json_val *json_get(const json_val *object, const char *key)
{
    if (!json_is_object(object))
        return NULL;
    for (const json_val *v = object->v.first; v; v = v->next)
        if (!strcmp(v->key, key))
            return v;
    return NULL;
}

/* Item "0", "1" ... of a list. */
static const json_val *at_index(const json_val *list, const char *digits)
{
    char *end;
    const unsigned long i = strtoul(digits, &end, 10);
    const json_val *item = json_first(list);

    if (end == digits || *end)
        return NULL;
    for (unsigned long k = 0; item && k < i; k++)
        item = json_next(item);
    return item;
}

const json_val *json_path(const json_val *object, const char *path)
{
    while (object && path) {
        char key[128];
        const char *dot = strchr(path, '.');
        const size_t n = dot ? (size_t)(dot - path) : strlen(path);
        if (n >= sizeof(key))
            return NULL;
        memcpy(key, path, n);
        key[n] = '\0';
        object = json_is_array(object) ? at_index(object, key) : json_get(object, key);
        path = dot ? dot + 1 : NULL;
    }
    return object;
}

bool json_is_object(const json_val *v)
{
    return v && v->kind == JSON_OBJECT;
}

bool json_is_array(const json_val *v)
{
    return v && v->kind == JSON_ARRAY;
}

bool json_is_null(const json_val *v)
{
    return !v || v->kind == JSON_NULL;
}

bool json_is_string(const json_val *v)
{
    return v && v->kind == JSON_STRING;
}

bool json_is_number(const json_val *v)
{
    return v && v->kind == JSON_NUMBER;
}

bool json_is_bool(const json_val *v)
{
    return v && (v->kind == JSON_TRUE || v->kind == JSON_FALSE);
}

const char *json_str(const json_val *v)
{
    return json_is_string(v) ? v->v.text : NULL;
}

bool json_num(const json_val *v, double *out)
{
    if (!json_is_number(v))
        return false;
    *out = v->v.number;
    return true;
}

bool json_int(const json_val *v, int64_t *out)
{
    if (!json_is_number(v) || !(fabs(v->v.number) < 9007199254740992.0) ||
        trunc(v->v.number) != v->v.number)
        return false;
    *out = (int64_t)v->v.number;
    return true;
}

bool json_bool(const json_val *v, bool *out)
{
    if (!json_is_bool(v))
        return false;
    *out = v->kind == JSON_TRUE;
    return true;
}

const json_val *json_first(const json_val *v)
{
    return v && v->kind >= JSON_ARRAY ? v->v.first : NULL;
}

const json_val *json_next(const json_val *item)
{
    return item->next;
}

const char *json_key(const json_val *member)
{
    return member->key;
}

size_t json_len(const json_val *v)
{
    return v && v->kind >= JSON_ARRAY ? v->n : 0;
}

struct json_out json_out_init(struct buf *b, bool flat)
{
    return (struct json_out){.b = b, .flat = flat};
}

static void put_char(struct buf *b, unsigned char c)
{
    if (c == '"' || c == '\\')
        buf_fmt(b, "\\%c", c);
    else if (c == '\n')
        buf_str(b, "\\n");
    else if (c == '\t')
        buf_str(b, "\\t");
    else if (c == '\r')
        buf_str(b, "\\r");
    else if (c < 0x20 || c == 0x7f)
        buf_fmt(b, "\\u%04x", c);
    else
        buf_put(b, &c, 1);
}

/* What is no UTF-8 becomes U+FFFD: a JSON text must be valid. */
static void put_text(struct buf *b, const char *s, size_t n)
{
    buf_put(b, "\"", 1);
    while (n) {
        bool good;
        const size_t k = utf8_step(&good, s, n);
        if (!good)
            buf_str(b, "\xef\xbf\xbd");
        else if (k == 1)
            put_char(b, (unsigned char)*s);
        else
            buf_put(b, s, k);
        s += k;
        n -= k;
    }
    buf_put(b, "\"", 1);
}

static void new_line(struct json_out *j)
{
    if (j->flat)
        return;
    buf_put(j->b, "\n", 1);
    for (int i = 0; i < j->depth; i++)
        buf_put(j->b, "  ", 2);
}

static void begin_item(struct json_out *j, const char *key)
{
    if (j->has_item)
        buf_put(j->b, ",", 1);
    if (j->depth)
        new_line(j);
    if (key) {
        put_text(j->b, key, strlen(key));
        buf_str(j->b, j->flat ? ":" : ": ");
    }
    j->has_item = true;
}

void json_open(struct json_out *j, const char *key, char bracket)
{
    begin_item(j, key);
    buf_put(j->b, &bracket, 1);
    j->depth++;
    j->has_item = false;
}

void json_close(struct json_out *j, char bracket)
{
    j->depth--;
    if (j->has_item)
        new_line(j);
    buf_put(j->b, &bracket, 1);
    j->has_item = true;
}

void json_put_strn(struct json_out *j, const char *key, const char *s, size_t n)
{
    begin_item(j, key);
    put_text(j->b, s, n);
}

void json_put_str(struct json_out *j, const char *key, const char *s)
{
    if (s) {
        json_put_strn(j, key, s, strlen(s));
        return;
    }
    begin_item(j, key);
    buf_str(j->b, "null");
}

void json_put_int(struct json_out *j, const char *key, int64_t v)
{
    begin_item(j, key);
    buf_fmt(j->b, "%lld", (long long)v);
}

void json_put_uint(struct json_out *j, const char *key, uint64_t v)
{
    begin_item(j, key);
    buf_fmt(j->b, "%llu", (unsigned long long)v);
}

void json_put_num(struct json_out *j, const char *key, double v)
{
    char text[40];

    begin_item(j, key);
    if (!isfinite(v)) {
        buf_str(j->b, "null");
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        (void)snprintf(text, sizeof(text), "%.*g", digits, v);
        if (strtod(text, NULL) == v)
            break;
    }
    buf_str(j->b, text);
}

void json_put_bool(struct json_out *j, const char *key, bool v)
{
    begin_item(j, key);
    buf_str(j->b, v ? "true" : "false");
}

/* Recursion ends: a parsed document is at most 64 deep. */
static void print_value(struct json_out *j, const json_val *v)
{
    switch (v->kind) {
    case JSON_OBJECT:
    case JSON_ARRAY:
        json_open(j, v->key, v->kind == JSON_OBJECT ? '{' : '[');
        for (const json_val *c = v->v.first; c; c = c->next)
            print_value(j, c);
        json_close(j, v->kind == JSON_OBJECT ? '}' : ']');
        break;
    case JSON_STRING:
        json_put_str(j, v->key, v->v.text);
        break;
    case JSON_NUMBER:
        json_put_num(j, v->key, v->v.number);
        break;
    case JSON_NULL:
        json_put_str(j, v->key, NULL);
        break;
    default:
        json_put_bool(j, v->key, v->kind == JSON_TRUE);
    }
}

int json_print(struct buf *b, const json_val *v, struct err *err)
{
    struct json_out j = json_out_init(b, true);
    struct json_node top = v ? *v : (struct json_node){.kind = JSON_NULL};

    top.key = NULL; /* the value alone, also of a member */
    print_value(&j, &top);
    return buf_check(b, err);
}
