#include "formats/base/json.h"

#include "formats/base/map.h"
#include "formats/base/utf8.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 64, HASH_FROM = 32 };

/* What is parsed, and which line of its file it begins on. */
struct origin {
    const char *text;
    size_t n, line;
};

static int bad_at(const struct origin *from, const char *at, const char *what, struct err *err)
{
    size_t line = from->line;
    const char *begin = from->text;

    for (const char *p = from->text; p < at; p++) {
        if (*p != '\n')
            continue;
        line++;
        begin = p + 1;
    }
    return err_set(err, ERR_FORMAT, "line %zu, column %zu: %s", line, (size_t)(at - begin) + 1,
                   what);
}

/* What prescan looks at: in a string, and outside. */
enum { IN_STRING = 1, OUTSIDE = 2 };
static const uint8_t looked_at[256] = {
    ['\0'] = IN_STRING | OUTSIDE,
    ['"'] = IN_STRING | OUTSIDE,
    ['\\'] = IN_STRING,
    ['{'] = OUTSIDE,
    ['['] = OUTSIDE,
    ['}'] = OUTSIDE,
    [']'] = OUTSIDE,
    ['I'] = OUTSIDE,
};

/* The next place from i on with a character of that kind, or n. */
static size_t skip_plain(const char *text, size_t n, size_t i, unsigned kind)
{
    while (i < n && !(looked_at[(unsigned char)text[i]] & kind))
        i++;
    return i;
}

/* From inside a string to one past its closing quote, or the end. */
static int skip_string(size_t *at, const struct origin *from, struct err *err)
{
    const char *text = from->text;
    const size_t n = from->n;
    size_t i = *at;

    while ((i = skip_plain(text, n, i, IN_STRING)) < n && text[i] != '"') {
        if (!text[i])
            return bad_at(from, text + i, "a NUL byte", err);
        if (n - i > 5 && !memcmp(text + i, "\\u0000", 6))
            return bad_at(from, text + i, "\\u0000 in a string is not supported", err);
        i++;
        if (i < n && !text[i])
            return bad_at(from, text + i, "a NUL byte", err);
        i++;
    }
    *at = i + 1;
    return 0;
}

/* What must be seen before cJSON sees it: nesting (its own limit is 1000) and
 * \u0000, which would silently end a C string. */
static int prescan(bool *infinite, const struct origin *from, struct err *err)
{
    const char *text = from->text;
    const size_t n = from->n;
    int depth = 0, rc = 0;

    *infinite = false;

    for (size_t i = 0; !rc && (i = skip_plain(text, n, i, OUTSIDE)) < n;) {
        const char c = text[i++];
        if (c == '"')
            rc = skip_string(&i, from, err);
        else if (!c)
            rc = bad_at(from, text + i - 1, "a NUL byte", err);
        else if ((c == '{' || c == '[') && ++depth > DEPTH_MAX)
            rc = bad_at(from, text + i - 1, "nested more than 64 levels deep", err);
        else if (c == '}' || c == ']')
            depth--;
        else if (c == 'I')
            *infinite = true;
    }
    return rc;
}

/* Python writes Infinity, which JSON has not: a copy with a number beyond all in its
 * place, as long as it. NULL: no memory. */
static char *with_numbers(const char *text, size_t n)
{
    static const char word[] = "Infinity", number[] = "1e999999";
    char *copy = malloc(n);
    bool in_string = false;

    if (!copy)
        return NULL;
    memcpy(copy, text, n);
    for (size_t i = 0; i < n; i++) {
        if (in_string && text[i] == '\\')
            i++;
        else if (text[i] == '"')
            in_string = !in_string;
        else if (!in_string && n - i >= sizeof(word) - 1 &&
                 !memcmp(text + i, word, sizeof(word) - 1))
            memcpy(copy + i, number, sizeof(word) - 1);
    }
    return copy;
}

/* A table of names by their hash; cap is a power of two, more than the names. */
struct names {
    struct name {
        const char *text; /* NULL: free */
        uint32_t hash;
    } * slot;
    size_t cap;
};

static uint32_t name_hash(const char *s)
{
    uint32_t h = 2166136261U;

    while (*s)
        h = (h ^ (unsigned char)*s++) * 16777619U;
    return h ^ h >> 15;
}

/* false: it is there already. */
static bool name_add(struct names *t, const char *s)
{
    const uint32_t hash = name_hash(s);
    size_t i = hash & (t->cap - 1);

    for (; t->slot[i].text; i = (i + 1) & (t->cap - 1))
        if (t->slot[i].hash == hash && !strcmp(t->slot[i].text, s))
            return false;
    t->slot[i] = (struct name){s, hash};
    return true;
}

static int unique_many(const json_val *object, size_t n, struct err *err)
{
    struct names t = {.cap = 64};
    int rc = 0;

    while (t.cap / 3 < n / 2 + 1) /* at most two thirds full; n nodes are in memory */
        t.cap *= 2;
    t.slot = calloc(t.cap, sizeof(*t.slot));
    if (!t.slot)
        return err_nomem(err);
    for (const json_val *v = object->child; v && !rc; v = v->next)
        if (!name_add(&t, v->string))
            rc = err_set(err, ERR_FORMAT, "duplicate key \"%.100s\"", v->string);
    free(t.slot);
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
        rc = n < HASH_FROM ? unique_small(v, err) : unique_many(v, n, err);
    }
    for (const json_val *c = v->child; c && !rc; c = c->next)
        if (c->child)
            rc = check_keys(c, err);
    return rc;
}

static int parse(json_val **out, const struct origin *from, struct err *err)
{
    const char *text = from->text, *end = NULL;
    const size_t n = from->n;
    bool infinite;
    int rc = prescan(&infinite, from, err);

    *out = NULL;
    if (rc)
        return rc;
    char *copy = infinite ? with_numbers(text, n) : NULL;
    if (infinite && !copy)
        return err_nomem(err);
    json_val *doc = cJSON_ParseWithLengthOpts(copy ? copy : text, n, &end, 0);
    if (copy && end)
        end = text + (end - copy);
    free(copy);
    if (!doc)
        return bad_at(from, end && end <= text + n ? end : text, "not valid JSON", err);
    while (end < text + n && strchr(" \t\r\n", *end))
        end++;
    if (end < text + n)
        rc = bad_at(from, end, "more text after the end of the JSON value", err);
    if (!rc)
        rc = check_keys(doc, err);
    if (rc) {
        cJSON_Delete(doc);
        return rc;
    }
    *out = doc;
    return 0;
}

int json_parse(json_val **out, const char *text, size_t n, struct err *err)
{
    const size_t bom = n >= 3 && !memcmp(text, "\xef\xbb\xbf", 3) ? 3 : 0;
    const struct origin from = {text + bom, n - bom, 1};

    return parse(out, &from, err);
}

int json_parse_line(json_val **out, const char *text, size_t n, size_t line, struct err *err)
{
    const struct origin from = {text, n, line};

    return parse(out, &from, err);
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
    return item ? item->next : NULL;
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

void json_put_val(struct json_out *j, const char *key, const json_val *v)
{
    struct err unused;

    begin_item(j, key);
    j->b->bad = json_print(j->b, v, &unused) || j->b->bad;
}
