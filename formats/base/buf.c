#include "formats/base/buf.h"

#include "formats/base/rd.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Room for n more bytes and the final '\0'. */
static bool buf_grow(struct buf *b, size_t n)
{
    size_t want;

    if (n < b->cap - b->n && !b->bad)
        return true;
    if (b->bad)
        return false;
    if (!add_ok(&want, b->n, n) || !add_ok(&want, want, 1)) {
        b->bad = true;
        return false;
    }
    if (want <= b->cap)
        return true;
    size_t cap = b->cap ? b->cap : 64;
    while (cap < want)
        cap = cap > SIZE_MAX / 2 ? want : cap * 2;
    char *p = realloc(b->p, cap);
    if (!p) {
        b->bad = true;
        return false;
    }
    b->p = p;
    b->cap = cap;
    return true;
}

char *buf_room(struct buf *b, size_t n)
{
    return buf_grow(b, n) ? b->p + b->n : NULL;
}

void buf_put(struct buf *b, const void *data, size_t n)
{
    if (!buf_grow(b, n))
        return;
    if (n)
        memcpy(b->p + b->n, data, n);
    b->n += n;
    b->p[b->n] = '\0';
}

void buf_str(struct buf *b, const char *s)
{
    buf_put(b, s, strlen(s));
}

void buf_u32(struct buf *b, uint32_t v)
{
    buf_put(b, &v, sizeof(v));
}

void buf_u64(struct buf *b, uint64_t v)
{
    buf_put(b, &v, sizeof(v));
}

void buf_f64(struct buf *b, double v)
{
    buf_put(b, &v, sizeof(v));
}

void buf_fmt(struct buf *b, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    const int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0 || !buf_grow(b, (size_t)n)) {
        b->bad = true;
        return;
    }
    va_start(ap, fmt);
    (void)vsnprintf(b->p + b->n, (size_t)n + 1, fmt, ap);
    va_end(ap);
    b->n += (size_t)n;
}

int buf_check(const struct buf *b, struct err *err)
{
    return b->bad ? err_nomem(err) : 0;
}

void buf_release(struct buf *b)
{
    free(b->p);
    *b = (struct buf){0};
}
