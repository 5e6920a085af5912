#ifndef FORMATS_GGUF_H
#define FORMATS_GGUF_H

/* GGUF v2 and v3, reading; split files ("-00001-of-0000N.gguf") as one.
 * Source: ggml/docs/gguf.md, gguf-split. */

#include "formats/base/err.h"
#include "formats/base/map.h"
#include "formats/dtype.h"
#include "formats/meta.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { GGUF_MAX_DIMS = 4, GGUF_ALIGNMENT = 32 };

struct gguf_tensor {
    const char *name; /* '\0'-terminated, in the gguf's memory */
    enum dtype type;
    int n_dims;
    uint64_t dims[GGUF_MAX_DIMS]; /* fastest first; 1 beyond n_dims */
    const uint8_t *data;          /* in place; `bytes` long, checked to lie in the file */
    size_t bytes;
    uint64_t offset;       /* of data, from the start of the data section of its part */
    const struct map *map; /* the part's mapping, for map_forget; NULL from gguf_parse */
};

/* An opened model file. Opaque; owns its mappings. */
struct gguf;

/* Map a file, and its sibling parts when it is the first of a split.
 * Errors: ERR_IO, ERR_FORMAT (broken or truncated, what and where),
 * ERR_UNSUPPORTED (version, big endian, unknown tensor type), ERR_NOMEM. */
int gguf_open(struct gguf **out, const char *path, struct err *err) WARN_UNUSED;

/* The same on bytes of a single file; `data` must outlive *out. */
int gguf_parse(struct gguf **out, const void *data, size_t size, struct err *err) WARN_UNUSED;

void gguf_free(struct gguf *g); /* accepts NULL */

/* Of a split, the first part's without the split.* keys. */
const struct meta *gguf_meta(const struct gguf *g);
uint32_t gguf_version(const struct gguf *g);
uint64_t gguf_alignment(const struct gguf *g);
uint64_t gguf_file_bytes(const struct gguf *g);  /* of all parts */
uint64_t gguf_data_offset(const struct gguf *g); /* of the first part's data section */
size_t gguf_n_parts(const struct gguf *g);

/* In file order, parts one after another. */
size_t gguf_n_tensors(const struct gguf *g);
const struct gguf_tensor *gguf_tensor(const struct gguf *g, size_t i);
/* NULL when there is none. Hashed: fine in a loop. */
const struct gguf_tensor *gguf_find(const struct gguf *g, const char *name);

/* May tensors begin at multiples of n? At those of less than 8, which the format rules out,
 * the numbers of a block would not lie where a processor may want them. */
bool gguf_can_align(uint64_t n);

/* Bytes of a tensor of this type and these dimensions (fastest first). Errors: ERR_FORMAT
 * (a row that is no whole number of blocks, an overflow), ERR_UNSUPPORTED (no GGUF type). */
int gguf_measure(size_t *bytes, enum dtype type, int n_dims, const uint64_t *dims,
                 struct err *err) WARN_UNUSED;

#endif /* FORMATS_GGUF_H */
