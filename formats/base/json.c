#include "formats/base/json.h"

#include "formats/base/map.h"
#include "formats/base/utf8.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 64, SORT_FROM = 32 };

static int bad_at(const char *text, const char *at, const char *what, struct err *err)
{
    size_t line = 1;
    const char *begin = text;

    for (const char *p = text; p < at; p++) {
        if (*p != '\n')
            continue;
        line++;
        begin = p + 1;
    }
    return err_set(err, ERR_FORMAT, "line %zu, column %zu: %s", line, (size_t)(at - begin) + 1,
                   what);
}

/* What must be seen before cJSON sees it: nesting (its own limit is 1000) and
 * \u0000, which would silently end a C string. */
static int prescan(const char *text, size_t n, struct err *err)
{
    int depth = 0;
    bool in_string = false;

    for (size_t i = 0; i < n; i++) {
        const char c = text[i];
        if (!c)
            return bad_at(text, text + i, "a NUL byte", err);
        if (in_string && c == '\\') {
            if (n - i > 5 && !memcmp(text + i, "\\u0000", 6))
                return bad_at(text, text + i, "\\u0000 in a string is not supported", err);
            i++;
        } else if (c == '"') {
            in_string = !in_string;
        } else if (!in_string && (c == '{' || c == '[')) {
            if (++depth > DEPTH_MAX)
                return bad_at(text, text + i, "nested more than 64 levels deep", err);
        } else if (!in_string && (c == '}' || c == ']')) {
            depth--;
        }
    }
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int unique_sorted(const json_val *object, size_t n, struct err *err)
{
    const char **names = malloc(n * sizeof(*names));
    int rc = 0;
    size_t i = 0;

    if (!names)
        return err_nomem(err);
    for (const json_val *v = object->child; v; v = v->next)
        names[i++] = v->string;
    qsort(names, n, sizeof(*names), by_name);
    for (i = 1; i < n && !rc; i++)
        if (!strcmp(names[i - 1], names[i]))
            rc = err_set(err, ERR_FORMAT, "duplicate key \"%.100s\"", names[i]);
    free(names);
    return rc;
}

static int unique_small(const json_val *object, struct err *err)
{
    for (const json_val *v = object->child; v; v = v->next)
        for (const json_val *w = v->next; w; w = w->next)
            if (!strcmp(v->string, w->string))
                return err_set(err, ERR_FORMAT, "duplicate key \"%.100s\"", v->string);
    return 0;
}

/* Recursion ends: prescan has bounded the depth. */
static int check_keys(const json_val *v, struct err *err)
{
    int rc = 0;

    if (cJSON_IsObject(v)) {
        const size_t n = json_len(v);
        rc = n < SORT_FROM ? unique_small(v, err) : unique_sorted(v, n, err);
    }
    for (const json_val *c = v->child; c && !rc; c = c->next)
        if (c->child)
            rc = check_keys(c, err);
    return rc;
}

int json_parse(json_val **out, const char *text, size_t n, struct err *err)
{
    const char *end = NULL;

    *out = NULL;
    if (n >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) {
        text += 3;
        n -= 3;
    }
    int rc = prescan(text, n, err);
    if (rc)
        return rc;
    json_val *doc = cJSON_ParseWithLengthOpts(text, n, &end, 0);
    if (!doc)
        return bad_at(text, end && end <= text + n ? end : text, "not valid JSON", err);
    while (end < text + n && strchr(" \t\r\n", *end))
        end++;
    if (end < text + n)
        rc = bad_at(text, end, "more text after the end of the JSON value", err);
    if (!rc)
        rc = check_keys(doc, err);
    if (rc) {
        cJSON_Delete(doc);
        return rc;
    }
    *out = doc;
    return 0;
}

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

void json_free(json_val *doc)
{
    cJSON_Delete(doc);
}

const json_val *json_get(const json_val *object, const char *key)
{
    return object && cJSON_IsObject(object) ? cJSON_GetObjectItemCaseSensitive(object, key) : NULL;
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
        object = json_get(object, key);
        path = dot ? dot + 1 : NULL;
    }
    return object;
}

bool json_is_object(const json_val *v)
{
    return cJSON_IsObject(v);
}

bool json_is_array(const json_val *v)
{
    return cJSON_IsArray(v);
}

bool json_is_null(const json_val *v)
{
    return !v || cJSON_IsNull(v);
}

bool json_is_string(const json_val *v)
{
    return cJSON_IsString(v);
}

bool json_is_number(const json_val *v)
{
    return cJSON_IsNumber(v);
}

bool json_is_bool(const json_val *v)
{
    return cJSON_IsBool(v);
}

const char *json_str(const json_val *v)
{
    return cJSON_IsString(v) ? v->valuestring : NULL;
}

bool json_num(const json_val *v, double *out)
{
    if (!cJSON_IsNumber(v))
        return false;
    *out = v->valuedouble;
    return true;
}

bool json_int(const json_val *v, int64_t *out)
{
    /* not cJSON's valueint: that one saturates at 2^31 - 1 */
    if (!cJSON_IsNumber(v) || !(fabs(v->valuedouble) < 9007199254740992.0) ||
        trunc(v->valuedouble) != v->valuedouble)
        return false;
    *out = (int64_t)v->valuedouble;
    return true;
}

bool json_bool(const json_val *v, bool *out)
{
    if (!cJSON_IsBool(v))
        return false;
    *out = cJSON_IsTrue(v);
    return true;
}

const json_val *json_first(const json_val *v)
{
    return v ? v->child : NULL;
}

const json_val *json_next(const json_val *item)
{
    return item->next;
}

const char *json_key(const json_val *member)
{
    return member->string;
}

size_t json_len(const json_val *v)
{
    size_t n = 0;

    for (const json_val *c = json_first(v); c; c = c->next)
        n++;
    return n;
}

int json_print(struct buf *b, const json_val *v, struct err *err)
{
    char *text = cJSON_PrintUnformatted(v);

    if (!text)
        return err_nomem(err);
    buf_str(b, text);
    cJSON_free(text);
    return buf_check(b, err);
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
