/* Filters of single values. Those of lists are in chat_sift.c. */

#include "runtime/chat/chat_filters.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- texts ------------------------------------------------------------------------------- */

static int recase(struct chat_value *out, struct chat_run *r, const struct chat_call *c,
                  enum chat_case how)
{
    struct chat_str s;
    const int rc = chat_self_str(&s, r, c);

    return rc ? rc : chat_recase(out, r, s, how);
}

static int do_upper(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    return recase(out, r, c, CHAT_UPPER);
}

static int do_lower(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    return recase(out, r, c, CHAT_LOWER);
}

static int do_capitalize(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    return recase(out, r, c, CHAT_CAPITALIZE);
}

/* A word begins after white space, "-" and opening brackets: not after an apostrophe. */
static int do_title(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    struct buf b = {0};
    struct chat_str s;
    int rc = chat_self_str(&s, r, c);

    while (!rc && s.n) {
        size_t k = 0, n;
        struct chat_value word;
        while (k < s.n && !strchr("-({[<", s.p[k])) {
            const int32_t ch = chat_char((struct chat_str){s.p + k, s.n - k}, &n);
            if (chat_space(ch))
                break;
            k += n;
        }
        rc = chat_recase(&word, r, (struct chat_str){s.p, k}, CHAT_CAPITALIZE);
        if (!rc)
            rc = chat_put(r, &b, word.u.s.p, word.u.s.n);
        if (!rc && k < s.n) {
            (void)chat_char((struct chat_str){s.p + k, s.n - k}, &n);
            rc = chat_put(r, &b, s.p + k, n);
            k += n;
        }
        s = (struct chat_str){s.p + k, s.n - k};
    }
    return chat_str_take(out, r, &b, rc);
}

static int do_trim(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    struct chat_str s, chars = {0};
    int rc = chat_self_str(&s, r, c);

    if (!rc)
        rc = chat_arg_str(&chars, r, c, 0);
    if (!rc)
        rc = chat_look(r, s.n, chars.n);
    if (!rc)
        *out = chat_text_of(chat_strip(s, true, true, chars));
    return rc;
}

static int do_string(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    struct chat_str s;
    const int rc = chat_self_str(&s, r, c);

    if (!rc)
        *out = chat_text_of(s);
    return rc;
}

static int do_replace(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    struct chat_str s, old = {"", 0}, new_ = {"", 0};
    int64_t most;
    int rc = chat_self_str(&s, r, c);

    if (!rc)
        rc = chat_to_str(&old, r, c->a[0]);
    if (!rc)
        rc = chat_to_str(&new_, r, c->a[1]);
    if (!rc)
        rc = chat_arg_int(&most, r, c, 2, -1);
    return rc ? rc : chat_replace(out, r, s, old, new_, most);
}

static int do_escape(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    static const char from[] = "&<>\"'";
    static const char *const to[] = {"&amp;", "&lt;", "&gt;", "&#34;", "&#39;"};
    struct buf b = {0};
    struct chat_str s;
    int rc = chat_self_str(&s, r, c);

    for (size_t i = 0; !rc && i < s.n; i++) {
        const char *k = s.p[i] ? strchr(from, s.p[i]) : NULL;
        rc = k ? chat_put(r, &b, to[k - from], strlen(to[k - from])) : chat_put(r, &b, s.p + i, 1);
    }
    return chat_str_take(out, r, &b, rc);
}

/* All lines but the first (unless `first`), empty ones not (unless `blank`). */
static int do_indent(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    struct chat_str s, by = {0};
    int64_t width = 0, first = 0, blank = 0;
    struct buf b = {0};
    int rc = chat_self_str(&s, r, c);

    if (!rc && c->a[0].type == CHAT_STR)
        by = c->a[0].u.s;
    else if (!rc)
        rc = chat_arg_int(&width, r, c, 0, 4);
    if (!rc)
        rc = chat_arg_int(&first, r, c, 1, 0);
    if (!rc)
        rc = chat_arg_int(&blank, r, c, 2, 0);
    for (bool line = true, begin = true; !rc; begin = false) {
        const char *eol = s.n ? memchr(s.p, '\n', s.n) : NULL;
        const size_t n = eol ? (size_t)(eol - s.p) : s.n;
        line = begin ? first != 0 : n || blank;
        if (line && by.n)
            rc = chat_put(r, &b, by.p, by.n);
        for (int64_t i = 0; !rc && line && i < width; i++)
            rc = chat_put(r, &b, " ", 1);
        if (!rc)
            rc = chat_put(r, &b, s.p, n + (eol != NULL));
        if (!eol)
            break;
        s = (struct chat_str){eol + 1, s.n - n - 1};
    }
    return chat_str_take(out, r, &b, rc);
}

static int do_format(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    const struct chat_list args = {c->arg, c->n, c->n};
    struct chat_str s;
    const int rc = chat_self_str(&s, r, c);

    return rc ? rc : chat_printf(out, r, c->node, s, &args);
}

/* ---- JSON -------------------------------------------------------------------------------- */

static int separators(struct chat_json *how, struct chat_run *r, const struct chat_call *c)
{
    const struct chat_value v = c->a[2];

    if (v.type == CHAT_ABSENT || v.type == CHAT_NONE)
        return 0;
    if ((v.type != CHAT_LIST && v.type != CHAT_TUPLE) || v.u.list->n != 2 ||
        v.u.list->at[0].type != CHAT_STR || v.u.list->at[1].type != CHAT_STR)
        return chat_fail(r, c->node, "separators are two texts");
    how->item = v.u.list->at[0].u.s;
    how->key = v.u.list->at[1].u.s;
    return 0;
}

static int do_tojson(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    struct chat_json how = {
        .item = {", ", 2},
          .key = {": ", 2}
    };
    int64_t ascii, sort = 0;
    struct buf b = {0};
    int rc = chat_arg_int(&ascii, r, c, 0, 0);

    if (!rc)
        rc = chat_arg_int(&how.indent, r, c, 1, -1);
    if (!rc)
        rc = chat_arg_int(&sort, r, c, 3, 0);
    if (how.indent >= 0)
        how.item.n = 1;
    if (!rc)
        rc = separators(&how, r, c);
    how.ascii = !rc && ascii != 0;
    how.sort = !rc && sort != 0;
    if (!rc)
        rc = chat_json(r, &b, c->self, &how, 0);
    return chat_str_take(out, r, &b, rc);
}

/* ---- numbers ----------------------------------------------------------------------------- */

/* All of s is a number, white space around it apart. */
static bool read_float(double *out, struct chat_str s)
{
    char copy[64], *end;
    const struct chat_str white = {0};

    s = chat_strip(s, true, true, white);
    if (!s.n || s.n >= sizeof(copy) || memchr(s.p, 'x', s.n) || memchr(s.p, 'X', s.n))
        return false;
    memcpy(copy, s.p, s.n);
    copy[s.n] = '\0';
    *out = strtod(copy, &end);
    return end == copy + s.n;
}

static bool read_int(int64_t *out, struct chat_str s, int base)
{
    char copy[80], *end;
    const struct chat_str white = {0};

    s = chat_strip(s, true, true, white);
    if (!s.n || s.n >= sizeof(copy) || base < 2 || base > 36)
        return false;
    memcpy(copy, s.p, s.n);
    copy[s.n] = '\0';
    errno = 0;
    *out = strtoll(copy, &end, base);
    return end == copy + s.n && !errno;
}

static int do_int(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    int64_t i = 0, base;
    double f = 0;
    const int rc = chat_arg_int(&base, r, c, 1, 10);

    if (rc)
        return rc;
    *out = c->a[0].type == CHAT_ABSENT ? chat_int(0) : c->a[0];
    if (c->self.type == CHAT_INT || c->self.type == CHAT_BOOL) {
        *out = chat_int(c->self.type == CHAT_INT ? c->self.u.i : c->self.u.b);
        return 0;
    }
    if (c->self.type == CHAT_STR && read_int(&i, c->self.u.s, (int)base)) {
        *out = chat_int(i);
        return 0;
    }
    if (c->self.type == CHAT_FLOAT)
        f = c->self.u.f;
    else if (c->self.type != CHAT_STR || !read_float(&f, c->self.u.s))
        return 0;
    if (fabs(f) < 0x1p63)
        *out = chat_int((int64_t)f);
    return 0;
}

static int do_float(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    double f;

    (void)r;
    *out = c->a[0].type == CHAT_ABSENT ? chat_float(0) : c->a[0];
    if (c->self.type == CHAT_FLOAT)
        *out = c->self;
    else if (c->self.type == CHAT_INT || c->self.type == CHAT_BOOL)
        *out = chat_float(c->self.type == CHAT_INT ? (double)c->self.u.i : (double)c->self.u.b);
    else if (c->self.type == CHAT_STR && read_float(&f, c->self.u.s))
        *out = chat_float(f);
    return 0;
}

static int do_abs(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    const struct chat_value v = c->self;

    if (v.type == CHAT_FLOAT)
        *out = chat_float(fabs(v.u.f));
    else if (v.type == CHAT_BOOL)
        *out = chat_int(v.u.b);
    else if (v.type == CHAT_INT && v.u.i != INT64_MIN)
        *out = chat_int(v.u.i < 0 ? -v.u.i : v.u.i);
    else
        return chat_fail(r, c->node, "\"%s\" has no absolute value", chat_type_name(v));
    return 0;
}

/* Of the exact decimal value, halves to even: as printf and Python do. */
static int do_round(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    struct chat_str method = {"common", 6};
    int64_t digits;
    char s[400];
    int rc = chat_arg_int(&digits, r, c, 0, 0);

    if (!rc)
        rc = chat_arg_str(&method, r, c, 1);
    if (rc)
        return rc;
    const struct chat_value v = c->self;
    if (v.type != CHAT_INT && v.type != CHAT_FLOAT && v.type != CHAT_BOOL)
        return chat_fail(r, c->node, "\"%s\" cannot be rounded", chat_type_name(v));
    if (digits < 0 || digits > 30)
        return chat_fail(r, c->node, "rounding to %lld digits", (long long)digits);
    const double f = v.type == CHAT_FLOAT ? v.u.f : v.type == CHAT_INT ? (double)v.u.i : v.u.b;
    const double scale = pow(10, (double)digits);
    if (chat_is(method, "ceil")) {
        *out = chat_float(ceil(f * scale) / scale);
    } else if (chat_is(method, "floor")) {
        *out = chat_float(floor(f * scale) / scale);
    } else if (v.type != CHAT_FLOAT) {
        *out = chat_int(v.type == CHAT_INT ? v.u.i : v.u.b);
    } else {
        (void)snprintf(s, sizeof(s), "%.*f", (int)digits, f);
        *out = chat_float(strtod(s, NULL));
    }
    return 0;
}

/* ---- any value --------------------------------------------------------------------------- */

static int do_default(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    const bool falsy = c->a[1].type != CHAT_ABSENT && chat_true(c->a[1]);

    (void)r;
    *out = c->self;
    if (c->self.type == CHAT_UNDEFINED || (falsy && !chat_true(c->self)))
        *out = c->a[0].type == CHAT_ABSENT ? chat_text_of((struct chat_str){"", 0}) : c->a[0];
    return 0;
}

static int do_length(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    size_t n = 0;

    switch (c->self.type) {
    case CHAT_STR:
        n = chat_chars(c->self.u.s);
        if (chat_step(r, c->self.u.s.n / 16))
            return r->err->code;
        break;
    case CHAT_LIST:
    case CHAT_TUPLE:
        n = c->self.u.list->n;
        break;
    case CHAT_DICT:
        n = c->self.u.dict->n;
        break;
    case CHAT_UNDEFINED:
        break;
    default:
        return chat_fail(r, c->node, "\"%s\" has no length", chat_type_name(c->self));
    }
    *out = chat_int((int64_t)n);
    return 0;
}

static int do_attr(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    struct chat_str name = {"", 0};
    const int rc = chat_arg_str(&name, r, c, 0);

    return rc ? rc : chat_get_attr(out, r, c->node, c->self, name);
}

const struct chat_func *chat_filter(struct chat_str name)
{
    static const struct chat_func rows[] = {
        {"abs",        do_abs,        "",                                         0},
        {"attr",       do_attr,       "name",                                     1},
        {"capitalize", do_capitalize, "",                                         0},
        {"count",      do_length,     "",                                         0},
        {"d",          do_default,    "default_value boolean",                    0},
        {"default",    do_default,    "default_value boolean",                    0},
        {"e",          do_escape,     "",                                         0},
        {"escape",     do_escape,     "",                                         0},
        {"float",      do_float,      "default",                                  0},
        {"format",     do_format,     "*",                                        0},
        {"indent",     do_indent,     "width first blank",                        0},
        {"int",        do_int,        "default base",                             0},
        {"length",     do_length,     "",                                         0},
        {"lower",      do_lower,      "",                                         0},
        {"replace",    do_replace,    "old new count",                            2},
        {"round",      do_round,      "precision method",                         0},
        {"safe",       do_string,     "",                                         0},
        {"string",     do_string,     "",                                         0},
        {"title",      do_title,      "",                                         0},
        {"tojson",     do_tojson,     "ensure_ascii indent separators sort_keys", 0},
        {"trim",       do_trim,       "chars",                                    0},
        {"upper",      do_upper,      "",                                         0},
    };

    const struct chat_func *f = chat_row(rows, sizeof(rows) / sizeof(rows[0]), name);
    return f ? f : chat_sift(name);
}
