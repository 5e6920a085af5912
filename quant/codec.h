#ifndef QUANT_CODEC_H
#define QUANT_CODEC_H

/* Rows of numbers <-> blocks of a type. The table's encoders and decoders are
 * plain C and give the same bytes on every machine; they are the definition.
 * Adding a type: block in formats/blocks.h, row in formats/dtype.c, a file in
 * quant/ref/, a row in codec.c. */

#include "formats/base/err.h"
#include "formats/dtype.h"

#include <stddef.h>
#include <stdint.h>

/* dst: blocks of one row; src: n values, n a whole number of blocks, all finite;
 * importance: n weights >= 0 of the squared errors, or NULL for none. */
typedef void codec_enc_fn(void *dst, const float *src, size_t n, const float *importance);

/* dst: n values; src: their blocks. */
typedef void codec_dec_fn(float *dst, const void *src, size_t n);

struct codec {
    enum dtype type;
    codec_enc_fn *enc; /* NULL: can be read, not written */
    codec_dec_fn *dec;
    float max; /* enc: smallest magnitude that does not fit any more */
};

/* NULL: pare cannot compute with this type. */
const struct codec *codec_get(enum dtype t);

/* Encode one row after checking it: ERR_FORMAT with the index when a value is NaN
 * or infinite (or becomes infinite in F16). The caller adds tensor and row. */
int codec_encode_row(const struct codec *c, void *dst, const float *src, size_t n,
                     const float *importance, struct err *err) WARN_UNUSED;

#endif /* QUANT_CODEC_H */
