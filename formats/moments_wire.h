#ifndef FORMATS_MOMENTS_WIRE_H
#define FORMATS_MOMENTS_WIRE_H

/* What the reader and the writer of second moments share. */

#include <stdint.h>

#define MOMENTS_MAGIC "pare.xx1"

enum {
    MOMENTS_MAGIC_BYTES = 8,
    MOMENTS_END_BYTES = 8 + 8 + 4 + 4, /* index: offset, bytes, crc32; "end." */
    MOMENTS_PIECE = 1 << 18            /* values compressed together */
};

#define MOMENTS_END "end."

#endif /* FORMATS_MOMENTS_WIRE_H */
