#ifndef FORMATS_GGUF_WRITE_H
#define FORMATS_GGUF_WRITE_H

/* GGUF v3, streamed: header and tensor list first, then the data of each tensor
 * in order, in as many pieces as the caller likes. The final names appear on
 * commit only. Source: ggml/docs/gguf.md, gguf-split. */

#include "formats/base/err.h"
#include "formats/dtype.h"
#include "formats/gguf.h"
#include "formats/meta.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gguf_item {
    const char *name; /* borrowed until the writer is freed */
    enum dtype type;
    int n_dims;
    uint64_t dims[GGUF_MAX_DIMS]; /* fastest first */
    bool starts_part;             /* a new file starts with it */
};

struct gguf_writer;

/* Plan the file(s) and write the first header. split_bytes = 0: one file (but where items
 * start parts); otherwise parts named by gguf-split's rule, each starting a new file when its
 * data would pass split_bytes. path NULL: nothing is written, the sizes are known all the
 * same. `meta` and `items` are borrowed until free.
 * Errors: ERR_IO, ERR_ARG (a row that is no whole number of blocks), ERR_NOMEM. */
int gguf_writer_new(struct gguf_writer **out, const char *path, const struct meta *meta,
                    const struct gguf_item *items, size_t n_items, uint64_t split_bytes,
                    struct err *err) WARN_UNUSED;

/* Append tensor data; pads where a tensor ends. ERR_ARG past the last one. */
int gguf_writer_put(struct gguf_writer *w, const void *data, size_t n, struct err *err) WARN_UNUSED;

/* Another text of the same length for a key of `meta` that is a string, any time before the
 * commit: what is known only when all has been read. Errors: ERR_ARG (no such key, another
 * length), ERR_IO (the output is a pipe). */
int gguf_writer_amend(struct gguf_writer *w, const char *key, const char *text,
                      struct err *err) WARN_UNUSED;

/* Check that every tensor is complete, and see all bytes to the disk: what is left for the
 * commit takes no time. */
int gguf_writer_sync(struct gguf_writer *w, struct err *err) WARN_UNUSED;

/* gguf_writer_sync, then make the files appear. Of several the first comes last, and an
 * earlier one of its name goes first: no set is ever made of two. */
int gguf_writer_commit(struct gguf_writer *w, struct err *err) WARN_UNUSED;

/* Exact bytes of all files together, known from the start. */
uint64_t gguf_writer_bytes(const struct gguf_writer *w);

/* How many files there are. */
size_t gguf_writer_files(const struct gguf_writer *w);

/* Removes what was not committed. Accepts NULL. */
void gguf_writer_free(struct gguf_writer *w);

#endif /* FORMATS_GGUF_WRITE_H */
