#include "eval/task_text.h"

#include <stdbool.h>
#include <string.h>
#include <utf8proc.h>

struct task_span task_span(const char *text)
{
    return (struct task_span){text, strlen(text)};
}

/* The code point at the beginning of s, not empty, and its bytes. */
static int32_t first(struct task_span s, size_t *bytes)
{
    utf8proc_int32_t c;
    const utf8proc_ssize_t n =
        utf8proc_iterate((const utf8proc_uint8_t *)s.p, (utf8proc_ssize_t)s.n, &c);

    *bytes = n > 0 ? (size_t)n : 1;
    return n > 0 ? c : -1;
}

static bool is_continuation(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

/* What Python's str.isspace() says: bidirectional class WS, B or S, or category Zs. */
static bool is_space(int32_t c)
{
    if (c < 0)
        return false;
    const utf8proc_property_t *p = utf8proc_get_property(c);
    return p->bidi_class == UTF8PROC_BIDI_CLASS_WS || p->bidi_class == UTF8PROC_BIDI_CLASS_B ||
           p->bidi_class == UTF8PROC_BIDI_CLASS_S || p->category == UTF8PROC_CATEGORY_ZS;
}

struct task_span task_rstrip(struct task_span s)
{
    while (s.n) {
        size_t at = s.n - 1, bytes;
        while (at && is_continuation(s.p[at]))
            at--;
        if (!is_space(first((struct task_span){s.p + at, s.n - at}, &bytes)))
            break;
        s.n = at;
    }
    return s;
}

struct task_span task_strip(struct task_span s)
{
    size_t bytes;

    while (s.n && is_space(first(s, &bytes))) {
        s.p += bytes;
        s.n -= bytes;
    }
    return task_rstrip(s);
}

size_t task_chars(struct task_span s)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++)
        n += !is_continuation(s.p[i]);
    return n;
}

void task_capitalize(struct buf *out, struct task_span s)
{
    for (bool begin = true; s.n; begin = false) {
        utf8proc_uint8_t bytes[4];
        size_t n;
        const int32_t c = first(s, &n);
        if (c < 0)
            buf_put(out, s.p, n);
        else
            buf_put(out, bytes,
                    (size_t)utf8proc_encode_char(begin ? utf8proc_totitle(c) : utf8proc_tolower(c),
                                                 bytes));
        s.p += n;
        s.n -= n;
    }
}

/* ---- HellaSwag ------------------------------------------------------------------------------ */

/* Where the bracket that opens at i closes: the next one on the same line, or the line's end. */
static size_t closing(struct task_span s, size_t i)
{
    while (++i < s.n && s.p[i] != '\n' && s.p[i] != ']')
        ;
    return i;
}

static void without_titles(struct buf *out, struct task_span s)
{
    static const char title[] = " [title]";
    const size_t n = sizeof(title) - 1;

    for (size_t i = 0; i < s.n;) {
        if (s.n - i >= n && !memcmp(s.p + i, title, n)) {
            buf_str(out, ". ");
            i += n;
        } else
            buf_put(out, &s.p[i++], 1);
    }
}

static void without_brackets(struct buf *out, struct task_span s)
{
    size_t close = 0; /* looked for once: none up to there closes another bracket */

    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '[' && i >= close)
            close = closing(s, i);
        if (s.p[i] == '[' && close < s.n && s.p[close] == ']')
            i = close;
        else
            buf_put(out, s.p + i, 1);
    }
}

static void without_doubles(struct buf *out, struct task_span s)
{
    for (size_t i = 0; i < s.n; i++) {
        buf_put(out, s.p + i, 1);
        if (s.p[i] == ' ' && i + 1 < s.n && s.p[i + 1] == ' ')
            i++;
    }
}

void task_clean(struct buf *out, struct task_span s)
{
    struct buf a = {0}, b = {0};

    without_titles(&a, task_strip(s));
    without_brackets(&b, (struct task_span){a.p, a.n});
    without_doubles(out, (struct task_span){b.p, b.n});
    out->bad = out->bad || a.bad || b.bad;
    buf_release(&a);
    buf_release(&b);
}
