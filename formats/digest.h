#ifndef FORMATS_DIGEST_H
#define FORMATS_DIGEST_H

/* What a model's files hold, with a SHA-256 of every tensor: the content of
 * `pare inspect`, and of the golden tests' gguf.json. */

#include "formats/base/buf.h"
#include "formats/base/err.h"
#include "formats/base/hash.h"
#include "formats/base/log.h"
#include "formats/base/map.h"
#include "formats/base/par.h"
#include "formats/checkpoint.h"
#include "formats/dtype.h"
#include "formats/gguf.h"
#include "formats/safetensors.h"

#include <stddef.h>
#include <stdint.h>

/* A tensor as it lies in its file; everything borrowed from the gguf or ckpt. */
struct digest_tensor {
    const char *name;
    enum dtype type;
    int n_dims;
    uint64_t dims[ST_MAX_DIMS]; /* in the file's own order */
    uint64_t offset;            /* GGUF: from the start of the data section */
    const char *file;           /* checkpoint: the shard; else NULL */
    const uint8_t *data;
    size_t bytes;
    const struct map *map;    /* NULL: not mapped */
    char hex[HASH_HEX_BYTES]; /* "" until digest_hash */
};

/* The tensors in file order; *out is owned (free). */
int digest_gguf_list(struct digest_tensor **out, const struct gguf *g, struct err *err) WARN_UNUSED;
int digest_ckpt_list(struct digest_tensor **out, const struct ckpt *c, struct err *err) WARN_UNUSED;

/* Read every byte and fill the hashes; what was read is forgotten (map_forget). */
int digest_hash(struct digest_tensor *t, size_t n, const struct par *par, const struct log *log,
                struct err *err) WARN_UNUSED;

/* Append the JSON of a GGUF: version, alignment, data_offset, file_size, n_kv, n_tensors,
 * metadata, tensors. Numbers of FLOAT32 are the nearest doubles. */
int digest_gguf_json(struct buf *b, const struct gguf *g, const struct digest_tensor *t,
                     struct err *err) WARN_UNUSED;

/* The same of a checkpoint: model_type, n_tensors, tensors with the shard's name. */
int digest_ckpt_json(struct buf *b, const struct ckpt *c, const struct digest_tensor *t,
                     struct err *err) WARN_UNUSED;

#endif /* FORMATS_DIGEST_H */
