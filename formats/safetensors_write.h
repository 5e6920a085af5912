#ifndef FORMATS_SAFETENSORS_WRITE_H
#define FORMATS_SAFETENSORS_WRITE_H

/* The weights of a checkpoint's folder, streamed: model.safetensors, or shards with their
 * model.safetensors.index.json. The data of each tensor comes in order, in as many pieces
 * as the caller likes. Source: github.com/huggingface/safetensors, README "Format". */

#include "formats/base/err.h"
#include "formats/dtype.h"
#include "formats/safetensors.h"

#include <stddef.h>
#include <stdint.h>

struct st_item {
    const char *name; /* borrowed until the writer is freed */
    enum dtype type;  /* one that safetensors has */
    int n_dims;
    uint64_t dims[ST_MAX_DIMS]; /* slowest first */
};

struct st_writer;

/* Plan the file(s) in the folder `dir`, which exists, and begin the first. A shard ends
 * where a tensor would pass shard_bytes (0: one file). `items` are borrowed until free.
 * Errors: ERR_IO, ERR_UNSUPPORTED (a type without a name there), ERR_ARG (too many
 * shards), ERR_NOMEM. */
int st_writer_new(struct st_writer **out, const char *dir, const struct st_item *items,
                  size_t n_items, uint64_t shard_bytes, struct err *err) WARN_UNUSED;

/* Append tensor data. ERR_ARG past the last tensor. */
int st_writer_put(struct st_writer *w, const void *data, size_t n, struct err *err) WARN_UNUSED;

/* Check that every tensor is complete, then make the files appear, the index last. */
int st_writer_commit(struct st_writer *w, struct err *err) WARN_UNUSED;

/* Bytes of all tensor data; how many files hold them. */
uint64_t st_writer_bytes(const struct st_writer *w);
size_t st_writer_files(const struct st_writer *w);

/* Removes what was not committed. Accepts NULL. */
void st_writer_free(struct st_writer *w);

#endif /* FORMATS_SAFETENSORS_WRITE_H */
