#include "formats/base/rd.h"

#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "pare reads and writes little-endian files by plain copies");

struct rd rd_init(const void *data, size_t size)
{
    const uint8_t *p = data ? data : (const uint8_t *)""; /* no bytes have an address, too */

    return (struct rd){.p = p, .end = p + size, .bad = false};
}

size_t rd_left(const struct rd *r)
{
    return (size_t)(r->end - r->p);
}

const uint8_t *rd_bytes(struct rd *r, uint64_t n)
{
    const uint8_t *at = r->p;

    if (r->bad || n > rd_left(r)) {
        r->bad = true;
        return NULL;
    }
    r->p += n;
    return at;
}

static uint64_t rd_uint(struct rd *r, size_t n)
{
    const uint8_t *at = rd_bytes(r, n);
    uint64_t v = 0;

    if (at)
        memcpy(&v, at, n);
    return v;
}

uint8_t rd_u8(struct rd *r)
{
    return (uint8_t)rd_uint(r, 1);
}

uint16_t rd_u16(struct rd *r)
{
    return (uint16_t)rd_uint(r, 2);
}

uint32_t rd_u32(struct rd *r)
{
    return (uint32_t)rd_uint(r, 4);
}

uint64_t rd_u64(struct rd *r)
{
    return rd_uint(r, 8);
}

double rd_f64(struct rd *r)
{
    const uint64_t bits = rd_u64(r);
    double v;

    memcpy(&v, &bits, sizeof(v));
    return v;
}

bool mul_ok(size_t *out, size_t a, size_t b)
{
    size_t v;

    if (__builtin_mul_overflow(a, b, &v))
        return false;
    *out = v;
    return true;
}

bool add_ok(size_t *out, size_t a, size_t b)
{
    size_t v;

    if (__builtin_add_overflow(a, b, &v))
        return false;
    *out = v;
    return true;
}
