#ifndef FORMATS_MOMENTS_WIRE_H
#define FORMATS_MOMENTS_WIRE_H

/* What the reader and the writer of second moments share. */

#include <stdint.h>

#define MOMENTS_MAGIC "pare.xx1"

enum {
    MOMENTS_MAGIC_BYTES = 8,
    MOMENTS_PIECE = 1 << 18 /* values compressed together */
};

#endif /* FORMATS_MOMENTS_WIRE_H */
