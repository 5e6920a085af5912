#ifndef FORMATS_TAIL_H
#define FORMATS_TAIL_H

/* Files of our own whose index is written last: the index, then its offset and bytes (u64 each), its CRC-32
 * (u32) and "end.", little endian. */

#include "formats/base/buf.h"
#include "formats/base/err.h"
#include "formats/base/out.h"

#include <stddef.h>
#include <stdint.h>

enum { TAIL_BYTES = 8 + 8 + 4 + 4 };
#define TAIL_MARK "end."

/* Append the index and what finds it. Errors: ERR_UNSUPPORTED (more than `most` bytes), those of writing. */
int tail_write(struct out *out, const struct buf *index, uint32_t most,
               struct err *err) WARN_UNUSED;

/* Where the index of data[size) lies, at `first` or later, and its bytes, checked. Errors: ERR_FORMAT (cut short, an
 * index of more than `most` bytes or elsewhere, damaged). */
int tail_find(uint64_t *at, uint64_t *bytes, const uint8_t *data, size_t size, uint64_t first,
              uint32_t most, struct err *err) WARN_UNUSED;

#endif /* FORMATS_TAIL_H */
