#ifndef FORMATS_SAFETENSORS_H
#define FORMATS_SAFETENSORS_H

/* One safetensors file: a JSON header, then tensor bytes.
 * Source: github.com/huggingface/safetensors, README "Format". Checked here: the
 * header's length, every dtype and shape, offsets inside the file that cover the
 * data without overlap or hole, unique names. */

#include "formats/base/err.h"
#include "formats/dtype.h"

#include <stddef.h>
#include <stdint.h>

enum { ST_MAX_DIMS = 8 };

struct st_tensor {
    const char *name; /* in the st's memory */
    enum dtype type;
    int n_dims;                 /* 0 for a scalar */
    uint64_t dims[ST_MAX_DIMS]; /* slowest first, as in the header */
    const uint8_t *data;        /* in place */
    size_t bytes;
};

struct st;

/* Parse a whole file's bytes; `data` must outlive *out. Errors: ERR_FORMAT
 * naming the tensor, ERR_UNSUPPORTED (unknown dtype, more dimensions), ERR_NOMEM. */
int st_parse(struct st **out, const void *data, size_t size, struct err *err) WARN_UNUSED;
void st_free(struct st *st); /* accepts NULL */

/* In header order. */
size_t st_n_tensors(const struct st *st);
const struct st_tensor *st_tensor(const struct st *st, size_t i);

#endif /* FORMATS_SAFETENSORS_H */
