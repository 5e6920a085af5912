#include "formats/base/arena.h"

#include "formats/base/rd.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGN = 64, CHUNK_BYTES = 64 * 1024 };

/* The header takes one aligned slot; data follows it. */
struct arena_chunk {
    struct arena_chunk *prev;
    size_t used; /* bytes from the chunk's start, header included */
    size_t cap;
};

_Static_assert(sizeof(struct arena_chunk) <= ALIGN, "a header fits one slot");

static struct arena_chunk *chunk_new(struct arena *a, size_t need)
{
    const size_t cap = need > CHUNK_BYTES - ALIGN ? need + ALIGN : CHUNK_BYTES;
    void *p = NULL;

    if (posix_memalign(&p, ALIGN, cap))
        return NULL;
    struct arena_chunk *c = p;
    *c = (struct arena_chunk){.prev = a->last, .used = ALIGN, .cap = cap};
    a->last = c;
    return c;
}

static void *take(struct arena *a, size_t n, size_t align)
{
    struct arena_chunk *c = a->last;

    if (n > SIZE_MAX - 4 * (size_t)ALIGN)
        return NULL;
    size_t at = c ? (c->used + align - 1) / align * align : 0;
    if (!c || at > c->cap || n > c->cap - at) {
        c = chunk_new(a, n);
        at = ALIGN;
    }
    if (!c)
        return NULL;
    c->used = at + n;
    return (char *)c + at;
}

void *arena_alloc(struct arena *a, size_t n)
{
    void *p = take(a, n, ALIGN);

    return p ? memset(p, 0, n) : NULL;
}

void *arena_array(struct arena *a, size_t count, size_t each)
{
    size_t n;

    return mul_ok(&n, count, each) ? arena_alloc(a, n) : NULL;
}

char *arena_strn(struct arena *a, const char *s, size_t n)
{
    char *p = n < SIZE_MAX ? take(a, n + 1, 1) : NULL;

    if (!p)
        return NULL;
    if (n)
        memcpy(p, s, n);
    p[n] = '\0';
    return p;
}

char *arena_str(struct arena *a, const char *s)
{
    return arena_strn(a, s, strlen(s));
}

char *arena_fmt(struct arena *a, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    const int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *p = n < 0 ? NULL : take(a, (size_t)n + 1, 1);
    if (!p)
        return NULL;
    va_start(ap, fmt);
    (void)vsnprintf(p, (size_t)n + 1, fmt, ap);
    va_end(ap);
    return p;
}

void arena_release(struct arena *a)
{
    while (a->last) {
        struct arena_chunk *c = a->last;
        a->last = c->prev;
        free(c);
    }
}
