#include "formats/tail.h"

#include "formats/base/rd.h"

#include <string.h>
#include <zlib.h>

int tail_write(struct out *out, const struct buf *index, uint32_t most, struct err *err)
{
    const uint64_t at = out->n;
    struct buf end = {0};
    int rc = buf_check(index, err);

    if (rc)
        return rc;
    if (index->n > most)
        return err_set(err, ERR_UNSUPPORTED, "an index of %zu bytes", index->n);
    buf_u64(&end, at);
    buf_u64(&end, index->n);
    buf_u32(&end, (uint32_t)crc32(0, (const Bytef *)index->p, (uInt)index->n));
    buf_str(&end, TAIL_MARK);
    rc = buf_check(&end, err);
    if (!rc)
        rc = out_write(out, index->p, index->n, err);
    if (!rc)
        rc = out_write(out, end.p, end.n, err);
    buf_release(&end);
    return rc;
}

int tail_find(uint64_t *at, uint64_t *bytes, const uint8_t *data, size_t size, uint64_t first,
              uint32_t most, struct err *err)
{
    if (size < TAIL_BYTES || size - TAIL_BYTES < first ||
        memcmp(data + size - strlen(TAIL_MARK), TAIL_MARK, strlen(TAIL_MARK)) != 0)
        return err_set(err, ERR_FORMAT, "cut short: it does not end with \"%s\"", TAIL_MARK);
    struct rd r = rd_init(data + size - TAIL_BYTES, TAIL_BYTES);
    const uint64_t left = size - TAIL_BYTES;
    *at = rd_u64(&r);
    *bytes = rd_u64(&r);
    const uint32_t crc = rd_u32(&r);
    if (*at < first || *at > left || *bytes != left - *at || *bytes > most)
        return err_set(err, ERR_FORMAT, "an index of %llu bytes at %llu in a file of %zu",
                       (unsigned long long)*bytes, (unsigned long long)*at, size);
    if (crc32(0, data + *at, (uInt)*bytes) != crc)
        return err_set(err, ERR_FORMAT, "the index is damaged: its checksum differs");
    return 0;
}
