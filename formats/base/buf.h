#ifndef FORMATS_BASE_BUF_H
#define FORMATS_BASE_BUF_H

/* A growing byte buffer. Failure to grow is sticky: the appends need no check,
 * buf_check does it once at the end. */

#include "formats/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
    char *p;  /* owned; p[n] is always '\0' once anything was appended */
    size_t n; /* bytes in use */
    size_t cap;
    bool bad; /* memory ran out; the content is incomplete */
};

/* All zeros is an empty buffer: `struct buf b = {0};`. */
void buf_put(struct buf *b, const void *data, size_t n);
void buf_str(struct buf *b, const char *s);
/* Where n more bytes can be written, which the caller does, adds to b->n, and ends with
 * '\0'; NULL: memory ran out. */
char *buf_room(struct buf *b, size_t n);
void buf_u32(struct buf *b, uint32_t v); /* little endian */
void buf_u64(struct buf *b, uint64_t v);
void buf_f64(struct buf *b, double v);
void buf_fmt(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* 0, or ERR_NOMEM when some append failed. */
int buf_check(const struct buf *b, struct err *err) WARN_UNUSED;

/* Free the bytes and make it empty again. */
void buf_release(struct buf *b);

#endif /* FORMATS_BASE_BUF_H */
