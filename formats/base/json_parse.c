/* JSON text to nodes: one pass over a copy of the text, in which strings are decoded in
 * place; nodes come in blocks. A vocabulary of 150,000 tokens is half a million nodes,
 * and was three times slower with an allocation for each.
 * Source: RFC 8259. */

#include "formats/base/arena.h"
#include "formats/base/json_node.h"

#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 64, HASH_FROM = 32, BLOCK_NODES = 512 };

/* The root comes first: who has it has the document. */
struct document {
    struct json_node root;
    struct arena nodes;
    char *text; /* owned; n + 1 bytes, the last '\0' */
};

struct parser {
    struct document *doc;
    const char *source; /* the text as it was given, for what errors say of it */
    char *p, *end;      /* in doc->text; *end is '\0' */
    struct json_node *block;
    size_t left; /* nodes in it */
    struct err *err;
};

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

/* at: in the copy, whose bytes are where the source's are. */
static int bad(const struct parser *j, const char *at, const char *what)
{
    return bad_at(j->source, j->source + (at - j->doc->text), what, j->err);
}

static int unexpected(const struct parser *j)
{
    return bad(j, j->p, j->p < j->end && !*j->p ? "a NUL byte" : "not valid JSON");
}

static void skip_space(struct parser *j)
{
    while (*j->p == ' ' || *j->p == '\n' || *j->p == '\r' || *j->p == '\t')
        j->p++;
}

static struct json_node *new_node(struct parser *j)
{
    if (!j->left) {
        j->block = arena_array(&j->doc->nodes, BLOCK_NODES, sizeof(*j->block));
        j->left = j->block ? BLOCK_NODES : 0;
    }
    if (!j->left)
        return NULL;
    j->left--;
    return j->block++;
}

/* ---- strings ---------------------------------------------------------------------- */

/* Four hexadecimal digits at s, or -1. */
static int32_t hex4(const char *s)
{
    int32_t v = 0;

    for (int i = 0; i < 4; i++) {
        const char c = s[i];
        int d;
        if (c >= '0' && c <= '9')
            d = c - '0';
        else if (c >= 'a' && c <= 'f')
            d = c - 'a' + 10;
        else if (c >= 'A' && c <= 'F')
            d = c - 'A' + 10;
        else
            return -1;
        v = v << 4 | d;
    }
    return v;
}

static char *put_utf8(char *to, uint32_t c)
{
    if (c < 0x80) {
        *to++ = (char)c;
    } else if (c < 0x800) {
        *to++ = (char)(0xc0 | c >> 6);
        *to++ = (char)(0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
        *to++ = (char)(0xe0 | c >> 12);
        *to++ = (char)(0x80 | (c >> 6 & 0x3f));
        *to++ = (char)(0x80 | (c & 0x3f));
    } else {
        *to++ = (char)(0xf0 | c >> 18);
        *to++ = (char)(0x80 | (c >> 12 & 0x3f));
        *to++ = (char)(0x80 | (c >> 6 & 0x3f));
        *to++ = (char)(0x80 | (c & 0x3f));
    }
    return to;
}

/* "\uXXXX", perhaps two of them, at j->p; *to moves past its UTF-8, which is shorter. */
static int unicode_escape(char **to, struct parser *j)
{
    const char *at = j->p;
    int32_t c = hex4(j->p + 2), low;

    if (!c)
        return bad(j, at, "\\u0000 in a string is not supported");
    if (c < 0)
        return bad(j, at, "not valid JSON");
    j->p += 6;
    if (c >= 0xd800 && c < 0xe000) {
        low = j->p[0] == '\\' && j->p[1] == 'u' ? hex4(j->p + 2) : -1;
        if (c >= 0xdc00 || low < 0xdc00 || low > 0xdfff)
            return bad(j, at, "half a surrogate pair");
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
        j->p += 6;
    }
    *to = put_utf8(*to, (uint32_t)c);
    return 0;
}

static int escape(char **to, struct parser *j)
{
    static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
    const char *which = j->p[1] ? strchr(from, j->p[1]) : NULL;

    if (j->p[1] == 'u')
        return unicode_escape(to, j);
    if (!which)
        return bad(j, j->p, j->p + 1 < j->end && !j->p[1] ? "a NUL byte" : "not valid JSON");
    *(*to)++ = into[which - from];
    j->p += 2;
    return 0;
}

/* A string whose opening quote is at j->p; *out is decoded and ends with '\0'. */
static int string(const char **out, struct parser *j)
{
    char *to;
    int rc = 0;

    *out = ++j->p;
    while (*j->p != '"' && *j->p != '\\' && *j->p)
        j->p++;
    to = j->p;
    while (*j->p != '"' && !rc) {
        if (*j->p == '\\')
            rc = escape(&to, j);
        else if (!*j->p)
            rc = bad(j, j->p, j->p < j->end ? "a NUL byte" : "not valid JSON");
        else
            *to++ = *j->p++;
    }
    if (!rc) {
        *to = '\0';
        j->p++;
    }
    return rc;
}

/* ---- numbers ---------------------------------------------------------------------- */

static char *skip_digits(char *p)
{
    while (*p >= '0' && *p <= '9')
        p++;
    return p;
}

/* One past a number at p by the grammar, or NULL. */
static char *number_end(char *p)
{
    p += *p == '-';
    char *digits = p;

    p = skip_digits(p);
    if (p == digits || (*digits == '0' && p > digits + 1))
        return NULL;
    if (*p == '.') {
        digits = ++p;
        p = skip_digits(p);
        if (p == digits)
            return NULL;
    }
    if (*p == 'e' || *p == 'E') {
        p++;
        p += *p == '+' || *p == '-';
        digits = p;
        p = skip_digits(p);
        if (p == digits)
            return NULL;
    }
    return p;
}

static int number(struct json_node *node, struct parser *j)
{
    char *end = number_end(j->p);
    int64_t whole = 0;

    if (!end)
        return unexpected(j);
    node->kind = JSON_NUMBER;
    const char *first = j->p + (*j->p == '-');
    if (end - first > 15 || first + strspn(first, "0123456789") < end) {
        node->v.number = strtod(j->p, NULL);
    } else {
        for (const char *p = first; p < end; p++)
            whole = whole * 10 + (*p - '0');
        node->v.number = (double)whole;
        node->v.number = first > j->p ? -node->v.number : node->v.number;
    }
    j->p = end;
    return 0;
}

/* ---- a key only once -------------------------------------------------------------- */

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

static int duplicate(const char *key, struct err *err)
{
    return err_set(err, ERR_FORMAT, "duplicate key \"%.100s\"", key);
}

static int unique_many(const struct json_node *object, struct err *err)
{
    struct names t = {.cap = 64};
    int rc = 0;

    while (t.cap / 3 < object->n / 2 + 1) /* at most two thirds full */
        t.cap *= 2;
    t.slot = calloc(t.cap, sizeof(*t.slot));
    if (!t.slot)
        return err_nomem(err);
    for (const struct json_node *v = object->v.first; v && !rc; v = v->next)
        if (!name_add(&t, v->key))
            rc = duplicate(v->key, err);
    free(t.slot);
    return rc;
}

static int unique(const struct json_node *object, struct err *err)
{
    if (object->n >= HASH_FROM)
        return unique_many(object, err);
    for (const struct json_node *v = object->v.first; v; v = v->next)
        for (const struct json_node *w = v->next; w; w = w->next)
            if (!strcmp(v->key, w->key))
                return duplicate(v->key, err);
    return 0;
}

/* ---- values ----------------------------------------------------------------------- */

static int value(struct json_node *node, struct parser *j, int depth);

/* "key": before a member. */
static int member_key(struct json_node *node, struct parser *j)
{
    skip_space(j);
    if (*j->p != '"')
        return unexpected(j);
    int rc = string(&node->key, j);
    if (rc)
        return rc;
    skip_space(j);
    if (*j->p != ':')
        return unexpected(j);
    j->p++;
    return 0;
}

/* Members or items, after the opening bracket and up to the closing one. */
static int list(struct json_node *node, struct parser *j, char close, int depth)
{
    struct json_node **tail = &node->v.first;
    int rc = 0;

    j->p++;
    skip_space(j);
    if (*j->p == close) {
        j->p++;
        return 0;
    }
    for (bool more = true; more && !rc;) {
        struct json_node *item = new_node(j);
        if (!item)
            return err_nomem(j->err);
        if (close == '}')
            rc = member_key(item, j);
        if (!rc)
            rc = value(item, j, depth);
        if (rc)
            return rc;
        *tail = item;
        tail = &item->next;
        node->n++;
        skip_space(j);
        more = *j->p == ',';
        if (!more && *j->p != close)
            rc = unexpected(j);
        else
            j->p++;
    }
    if (!rc && close == '}')
        rc = unique(node, j->err);
    return rc;
}

static int word(struct json_node *node, struct parser *j, const char *text, enum json_kind kind)
{
    const size_t n = strlen(text);

    if ((size_t)(j->end - j->p) < n || memcmp(j->p, text, n) != 0)
        return unexpected(j);
    node->kind = kind;
    j->p += n;
    return 0;
}

/* depth: brackets around it. */
static int value(struct json_node *node, struct parser *j, int depth)
{
    skip_space(j);
    switch (*j->p) {
    case '{':
    case '[':
        if (depth == DEPTH_MAX)
            return bad(j, j->p, "nested more than 64 levels deep");
        node->kind = *j->p == '{' ? JSON_OBJECT : JSON_ARRAY;
        return list(node, j, *j->p == '{' ? '}' : ']', depth + 1);
    case '"':
        node->kind = JSON_STRING;
        return string(&node->v.text, j);
    case 't':
        return word(node, j, "true", JSON_TRUE);
    case 'f':
        return word(node, j, "false", JSON_FALSE);
    case 'n':
        return word(node, j, "null", JSON_NULL);
    default:
        return number(node, j);
    }
}

void json_free(json_val *doc)
{
    struct document *d = (struct document *)(void *)doc;

    if (!d)
        return;
    arena_release(&d->nodes);
    free(d->text);
    free(d);
}

int json_parse(json_val **out, const char *text, size_t n, struct err *err)
{
    struct document *doc = calloc(1, sizeof(*doc));

    *out = NULL;
    if (!doc)
        return err_nomem(err);
    if (n >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) {
        text += 3;
        n -= 3;
    }
    doc->text = n < UINT32_MAX ? malloc(n + 1) : NULL;
    int rc = doc->text ? 0 : err_nomem(err);
    if (rc)
        goto fail;
    if (n)
        memcpy(doc->text, text, n);
    doc->text[n] = '\0';
    struct parser j = {
        .doc = doc, .source = text, .p = doc->text, .end = doc->text + n, .err = err};
    rc = value(&doc->root, &j, 0);
    if (!rc) {
        skip_space(&j);
        if (j.p < j.end)
            rc = bad(&j, j.p, *j.p ? "more text after the end of the JSON value" : "a NUL byte");
    }
    if (rc)
        goto fail;
    *out = &doc->root;
    return 0;

fail:
    json_free(&doc->root);
    return rc;
}
