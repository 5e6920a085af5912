#ifndef QUANT_CODEC_H
#define QUANT_CODEC_H

/* Rows of numbers <-> blocks of a type. The encoders and decoders are plain C, compiled
 * once for each level of processor (quant/ref/, see the Makefile); no level computes
 * anything else, or in another order, than the plain one, which is the definition.
 * Adding a type: block in formats/blocks.h, row in formats/dtype.c, a file in
 * quant/ref/, a row in quant/ref/table.c. */

#include "formats/base/err.h"
#include "formats/dtype.h"

#include <stddef.h>
#include <stdint.h>

/* How hard an encoder looks for the codes of least error. */
enum codec_effort { EFFORT_NORMAL, EFFORT_FAST, EFFORT_BEST, EFFORT_COUNT };

struct codec_how {
    const float *importance; /* a weight >= 0 of each column's squared errors; NULL: all alike */
    enum codec_effort effort;
};

/* dst: blocks of one row; src: n values, n a whole number of blocks, all finite. */
typedef void codec_enc_fn(void *dst, const float *src, size_t n, const struct codec_how *how);

/* dst: n values; src: their blocks. */
typedef void codec_dec_fn(float *dst, const void *src, size_t n);

struct codec {
    enum dtype type;
    codec_enc_fn *enc; /* NULL: can be read, not written */
    codec_dec_fn *dec;
    float max; /* enc: smallest magnitude that does not fit any more */
};

/* Compiled for a processor with the flags `cpu` (formats/base/cpu.h), as far as this one
 * has them. NULL: pare cannot compute with this type. */
const struct codec *codec_get(enum dtype t, unsigned cpu);

/* "fast", "normal" or "best". Errors: ERR_ARG naming them. */
int codec_effort_by_name(enum codec_effort *out, const char *name, struct err *err) WARN_UNUSED;

/* Encode one row after checking it: ERR_FORMAT with the index when a value is NaN
 * or infinite (or becomes infinite in F16). The caller adds tensor and row. */
int codec_encode_row(const struct codec *c, void *dst, const float *src, size_t n,
                     const struct codec_how *how, struct err *err) WARN_UNUSED;

#endif /* QUANT_CODEC_H */
