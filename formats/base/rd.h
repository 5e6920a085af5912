#ifndef FORMATS_BASE_RD_H
#define FORMATS_BASE_RD_H

/* Bounded reading of little-endian bytes. The cursor is sticky: a read past
 * the end gives 0 and sets `bad`, so a parser checks once per record. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rd {
    const uint8_t *p;   /* borrowed; next unread byte */
    const uint8_t *end; /* one past the last byte */
    bool bad;           /* some read ran past `end` */
};

/* A cursor over data[0, size), and how much of it is unread. */
struct rd rd_init(const void *data, size_t size);
size_t rd_left(const struct rd *r);

/* n bytes in place, or NULL and bad. n = 0 gives the current position. */
const uint8_t *rd_bytes(struct rd *r, uint64_t n);

/* Little-endian numbers. */
uint8_t rd_u8(struct rd *r);
uint16_t rd_u16(struct rd *r);
uint32_t rd_u32(struct rd *r);
uint64_t rd_u64(struct rd *r);
double rd_f64(struct rd *r);

/* *out = a * b (a + b); false, with *out untouched, when it does not fit. */
bool mul_ok(size_t *out, size_t a, size_t b);
bool add_ok(size_t *out, size_t a, size_t b);

#endif /* FORMATS_BASE_RD_H */
