/* A template as tokens, and white space around tags as Jinja takes it away. */

#include "runtime/chat/chat_parts.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool chat_same(struct chat_str a, struct chat_str b)
{
    return a.n == b.n && (!a.n || !memcmp(a.p, b.p, a.n));
}

bool chat_is(struct chat_str a, const char *b)
{
    return chat_same(a, (struct chat_str){b, strlen(b)});
}

int chat_bad(struct err *err, enum err_code code, struct chat_str text, size_t at, const char *fmt,
             ...)
{
    char what[256];
    size_t line = 1, column = 1;
    va_list args;

    for (size_t i = 0; i < at && i < text.n; i++, column++)
        if (text.p[i] == '\n') {
            line++;
            column = 0;
        }
    va_start(args, fmt);
    (void)vsnprintf(what, sizeof(what), fmt, args);
    va_end(args);
    return err_set(err, code, "chat template, line %zu, column %zu: %s", line, column, what);
}

struct lexer {
    struct chat_tokens *out;
    struct arena *arena;
    struct chat_str t; /* the template */
    size_t i;
    bool line_start; /* what was read last ended with a line */
    struct err *err;
};

static int add(struct lexer *x, struct chat_token token)
{
    struct chat_tokens *o = x->out;

    if (o->n == o->cap) {
        const size_t cap = o->cap ? 2 * o->cap : 256;
        struct chat_token *p = realloc(o->at, cap * sizeof(*p));
        if (!p)
            return err_nomem(x->err);
        o->at = p;
        o->cap = cap;
    }
    o->at[o->n++] = token;
    return 0;
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool begins(const struct lexer *x, size_t i, const char *s)
{
    const size_t n = strlen(s);

    return x->t.n - i >= n && !memcmp(x->t.p + i, s, n);
}

static void skip_space(struct lexer *x)
{
    while (x->i < x->t.n && is_space(x->t.p[x->i]))
        x->i++;
}

/* ---- outside of tags --------------------------------------------------------------------- */

/* Text [from, to) before a tag that has `sign` after its brackets. */
static int add_text(struct lexer *x, size_t from, size_t to, char sign, bool print)
{
    const char *p = x->t.p;

    if (sign == '-') {
        while (to > from && is_space(p[to - 1]))
            to--;
    } else if (sign != '+' && !print) {
        size_t line = to;
        while (line > from && is_space(p[line - 1]) && p[line - 1] != '\n')
            line--;
        if (line > from ? p[line - 1] == '\n' : x->line_start)
            to = line;
    }
    if (to == from)
        return 0;
    return add(x, (struct chat_token){
                      .kind = CHAT_TOK_TEXT, .text = {p + from, to - from},
                           .at = from
    });
}

/* After the end of a tag that began with sign c ('-', '+' or another). */
static void after_tag(struct lexer *x, char c, bool trim)
{
    const size_t from = x->i;

    if (c == '-')
        skip_space(x);
    else if (c != '+' && trim && x->i < x->t.n && x->t.p[x->i] == '\n')
        x->i++;
    x->line_start = x->i > from && x->t.p[x->i - 1] == '\n';
}

/* At "{%": where "{% <name> %}" ends, or 0. *sign: before its end. */
static size_t tag_end(const struct lexer *x, size_t i, const char *name, char *sign)
{
    i += 2;
    if (i < x->t.n && (x->t.p[i] == '-' || x->t.p[i] == '+'))
        i++;
    while (i < x->t.n && is_space(x->t.p[i]))
        i++;
    if (!begins(x, i, name))
        return 0;
    i += strlen(name);
    while (i < x->t.n && is_space(x->t.p[i]))
        i++;
    *sign = i < x->t.n ? x->t.p[i] : ' ';
    if (*sign == '-' || *sign == '+')
        i++;
    return begins(x, i, "%}") ? i + 2 : 0;
}

static int lex_raw(struct lexer *x, size_t begin, size_t end, char sign)
{
    char ending = ' ';
    size_t next = 0, i = end;

    x->i = end;
    after_tag(x, sign, false);
    end = x->i;
    for (i = end; i < x->t.n; i++)
        if (begins(x, i, "{%") && (next = tag_end(x, i, "endraw", &ending)) != 0)
            break;
    if (!next)
        return chat_bad(x->err, ERR_FORMAT, x->t, begin, "a raw block without an end");
    if (add_text(x, end, i, x->t.p[i + 2], false))
        return x->err->code;
    x->i = next;
    after_tag(x, ending, true);
    return 0;
}

static int lex_comment(struct lexer *x, size_t begin)
{
    size_t i = begin + 2;

    while (i < x->t.n && !begins(x, i, "#}"))
        i++;
    if (i == x->t.n)
        return chat_bad(x->err, ERR_FORMAT, x->t, begin, "a comment without an end");
    x->i = i + 2;
    after_tag(x, i > begin + 2 ? x->t.p[i - 1] : ' ', true);
    return 0;
}

/* ---- inside tags ------------------------------------------------------------------------- */

static bool is_name(char c, bool first)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c & 0x80) ||
           (!first && c >= '0' && c <= '9');
}

static int lex_name(struct lexer *x)
{
    const size_t from = x->i;

    while (x->i < x->t.n && is_name(x->t.p[x->i], false))
        x->i++;
    return add(x, (struct chat_token){
                      .kind = CHAT_TOK_NAME, .text = {x->t.p + from, x->i - from},
                           .at = from
    });
}

static size_t digits(struct lexer *x, char *out, size_t n, size_t cap)
{
    while (x->i < x->t.n && n < cap) {
        const char c = x->t.p[x->i];
        if (c >= '0' && c <= '9')
            out[n++] = c;
        else if (c != '_')
            break;
        x->i++;
    }
    return n;
}

static bool digit_at(const struct lexer *x, size_t i)
{
    return i < x->t.n && x->t.p[i] >= '0' && x->t.p[i] <= '9';
}

static int lex_number(struct lexer *x)
{
    enum { MOST = 60 };
    struct chat_token token = {.kind = CHAT_TOK_INT, .at = x->i};
    char s[MOST + 8];
    size_t n = digits(x, s, 0, MOST);

    if (x->i + 1 < x->t.n && x->t.p[x->i] == '.' && digit_at(x, x->i + 1)) {
        token.kind = CHAT_TOK_FLOAT;
        s[n++] = x->t.p[x->i++];
        n = digits(x, s, n, MOST + 2);
    }
    if (x->i < x->t.n && (x->t.p[x->i] | 0x20) == 'e') {
        const size_t sign =
            x->i + 1 < x->t.n && (x->t.p[x->i + 1] == '-' || x->t.p[x->i + 1] == '+') ? 1 : 0;
        if (digit_at(x, x->i + 1 + sign)) {
            token.kind = CHAT_TOK_FLOAT;
            for (size_t i = 0; i <= sign; i++)
                s[n++] = x->t.p[x->i++];
            n = digits(x, s, n, MOST + 7);
        }
    }
    s[n] = '\0';
    errno = 0;
    if (token.kind == CHAT_TOK_INT)
        token.u.i = strtoll(s, NULL, 10);
    else
        token.u.f = strtod(s, NULL);
    if ((errno && token.kind == CHAT_TOK_INT) || digit_at(x, x->i))
        return chat_bad(x->err, ERR_FORMAT, x->t, token.at, "too large a number");
    return add(x, token);
}

static size_t put_char(char *out, uint32_t c)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0U | c >> 6);
        out[1] = (char)(0x80U | (c & 0x3fU));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xe0U | c >> 12);
        out[1] = (char)(0x80U | (c >> 6 & 0x3fU));
        out[2] = (char)(0x80U | (c & 0x3fU));
        return 3;
    }
    out[0] = (char)(0xf0U | c >> 18);
    out[1] = (char)(0x80U | (c >> 12 & 0x3fU));
    out[2] = (char)(0x80U | (c >> 6 & 0x3fU));
    out[3] = (char)(0x80U | (c & 0x3fU));
    return 4;
}

/* Up to `most` digits of base 16 or 8 at p[*i, n); false: none. */
static bool number(uint32_t *out, const char *p, size_t n, size_t *i, size_t most, unsigned base)
{
    static const char hex[] = "0123456789abcdef";
    size_t k = 0;

    for (*out = 0; k < most && *i < n; k++, ++*i) {
        const char c = (char)(p[*i] >= 'A' && p[*i] <= 'F' ? p[*i] | 0x20 : p[*i]);
        const char *d = c ? memchr(hex, c, base) : NULL;
        if (!d)
            break;
        *out = *out * base + (uint32_t)(d - hex);
    }
    return base == 8 ? k != 0 : k == most;
}

/* What stands after a backslash, Python's way; 0: nothing is meant by it. */
static size_t escape(char *out, const char *p, size_t n, size_t *i)
{
    static const char from[] = "ntr\\'\"abfv", to[] = "\n\t\r\\'\"\a\b\f\v";
    const char c = p[*i];
    const char *k = strchr(from, c);
    const size_t most = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    uint32_t code;

    if (c && k) {
        out[0] = to[k - from];
        ++*i;
        return 1;
    }
    size_t at = *i + (most ? 1 : 0);
    if (!most && !(c >= '0' && c <= '7'))
        return 0;
    if (!number(&code, p, n, &at, most ? most : 3, most ? 16 : 8) || code > 0x10ffff ||
        (code >= 0xd800 && code < 0xe000))
        return 0;
    *i = at;
    return put_char(out, code);
}

static int lex_string(struct lexer *x)
{
    const size_t begin = x->i;
    const char *p = x->t.p + begin + 1, quote = x->t.p[begin];
    size_t n = 0, k = 0;

    while (begin + 1 + n < x->t.n && p[n] != quote)
        n += p[n] == '\\' && begin + 2 + n < x->t.n ? 2 : 1;
    if (begin + 1 + n >= x->t.n)
        return chat_bad(x->err, ERR_FORMAT, x->t, begin, "a string without an end");
    char *s = arena_alloc(x->arena, n + 1);
    if (!s)
        return err_nomem(x->err);
    for (size_t i = 0; i < n;) {
        if (p[i] == '\\' && i + 1 < n) {
            i++;
            if (p[i] == '\n') {
                i++;
                continue;
            }
            const size_t m = escape(s + k, p, n, &i);
            k += m;
            if (m)
                continue;
            s[k++] = '\\';
        }
        s[k++] = p[i++];
    }
    x->i = begin + n + 2;
    return add(x, (struct chat_token){
                      .kind = CHAT_TOK_STRING, .text = {s, k},
                           .at = begin
    });
}

static int lex_op(struct lexer *x)
{
    static const char *const ops[] = {"//", "**", "==", "!=", ">=", "<=", "+", "-", "*",
                                      "/",  "%",  "~",  ">",  "<",  "=",  "|", ".", ",",
                                      ":",  ";",  "(",  ")",  "[",  "]",  "{", "}"};

    for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
        if (begins(x, x->i, ops[i])) {
            const size_t at = x->i;
            x->i += strlen(ops[i]);
            return add(x, (struct chat_token){
                              .kind = CHAT_TOK_OP, .text = {ops[i], strlen(ops[i])},
                                   .at = at
            });
        }
    return chat_bad(x->err, ERR_FORMAT, x->t, x->i, "a character that means nothing here: \"%.*s\"",
                    1, x->t.p + x->i);
}

/* Does the tag end here? Then past it. */
static bool lex_end(struct lexer *x, bool print)
{
    const char *end = print ? "}}" : "%}";
    const char c = x->t.p[x->i];
    const bool sign = c == '-' || (c == '+' && !print);

    if (!begins(x, x->i + (sign ? 1 : 0), end))
        return false;
    x->i += sign ? 3 : 2;
    after_tag(x, sign ? c : ' ', !print);
    return true;
}

static int lex_tag(struct lexer *x, size_t begin, bool print)
{
    size_t open = 0;
    int rc =
        add(x, (struct chat_token){.kind = print ? CHAT_TOK_PRINT : CHAT_TOK_BLOCK, .at = begin});

    while (!rc) {
        skip_space(x);
        if (x->i >= x->t.n)
            return chat_bad(x->err, ERR_FORMAT, x->t, begin, "a tag without an end");
        const char c = x->t.p[x->i];
        const size_t at = x->i;
        if (!open && lex_end(x, print))
            return add(x, (struct chat_token){
                              .kind = print ? CHAT_TOK_PRINT_END : CHAT_TOK_BLOCK_END, .at = at});
        if (c == '"' || c == '\'')
            rc = lex_string(x);
        else if (c >= '0' && c <= '9')
            rc = lex_number(x);
        else if (is_name(c, true))
            rc = lex_name(x);
        else
            rc = lex_op(x);
        if (c && strchr("([{", c))
            open++;
        else if (c && strchr(")]}", c) && open)
            open--;
    }
    return rc;
}

/* ---- all of it --------------------------------------------------------------------------- */

static int lex_next(struct lexer *x)
{
    const size_t from = x->i;
    size_t i = from, end;
    char sign;

    while (i < x->t.n &&
           !(x->t.p[i] == '{' && i + 1 < x->t.n && strchr("%{#", x->t.p[i + 1]) && x->t.p[i + 1]))
        i++;
    if (i == x->t.n) {
        x->i = i;
        return add_text(x, from, i, '+', true);
    }
    const char kind = x->t.p[i + 1], c = i + 2 < x->t.n ? x->t.p[i + 2] : ' ';
    if (add_text(x, from, i, c, kind == '{'))
        return x->err->code;
    x->line_start = false;
    if (kind == '#')
        return lex_comment(x, i);
    if (kind == '%' && (end = tag_end(x, i, "raw", &sign)) != 0)
        return lex_raw(x, i, end, sign);
    x->i = i + (c == '-' || c == '+' ? 3 : 2);
    return lex_tag(x, i, kind == '{');
}

int chat_lex(struct chat_tokens *out, struct arena *arena, struct chat_str text, struct err *err)
{
    struct lexer x = {.out = out, .arena = arena, .t = text, .line_start = true, .err = err};
    int rc = 0;

    while (!rc && x.i < text.n)
        rc = lex_next(&x);
    return rc ? rc : add(&x, (struct chat_token){.kind = CHAT_TOK_END, .at = text.n});
}
