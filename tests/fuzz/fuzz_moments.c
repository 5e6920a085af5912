/* Any bytes as a file of second moments, as they are and with an end whose lengths and
 * checksum are right: an answer, and when it is yes, every matrix is read or refused. */

#include "formats/moments.h"

#include "formats/base/buf.h"
#include "formats/moments_wire.h"
#include "formats/tail.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_all(const struct moments *m, const struct moments_input *in)
{
    struct err err = {0};
    size_t n;

    if (!moments_values(&n, in->columns) || moments_find(m, in->weight[0]) != in)
        abort();
    for (uint64_t k = 0; k < in->matrices && k < 4; k++) {
        float *v = in->tokens[k] || n < 1 << 20 ? malloc(n * sizeof(*v)) : NULL;
        if (v && moments_read(v, m, in, k, &err) && !err.msg[0])
            abort();
        free(v);
    }
}

static void try(const void *data, size_t size)
{
    struct moments *m;
    struct err err = {0};

    if (moments_parse(&m, data, size, &err)) {
        if (m || !err.msg[0])
            abort();
        return;
    }
    for (size_t i = 0; i < moments_n(m); i++)
        read_all(m, moments_at(m, i));
    moments_free(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const size_t ends = MOMENTS_MAGIC_BYTES + TAIL_BYTES;
    struct buf b = {0};

    try(data, size);
    if (size < ends)
        return 0;
    const size_t left = size - TAIL_BYTES, room = left - MOMENTS_MAGIC_BYTES;
    uint32_t at; /* the low half of the index' offset */
    memcpy(&at, data + left, sizeof(at));
    at = MOMENTS_MAGIC_BYTES + (uint32_t)(at % (room + 1));
    buf_str(&b, MOMENTS_MAGIC);
    buf_put(&b, data + MOMENTS_MAGIC_BYTES, room);
    buf_u64(&b, at);
    buf_u64(&b, left - at);
    buf_u32(&b, (uint32_t)crc32(0, data + at, (uInt)(left - at)));
    buf_str(&b, TAIL_MARK);
    if (!b.bad)
        try(b.p, b.n);
    buf_release(&b);
    return 0;
}
