#ifndef FORMATS_IMATRIX_H
#define FORMATS_IMATRIX_H

/* Importance matrices as files: for every weight of a model the sums of squared inputs by
 * column, and over how many tokens. Read and written as a GGUF of llama-imatrix
 * (NAME.in_sum2 [columns, matrices], NAME.counts [1, matrices], imatrix.* keys); the legacy
 * .dat layout is read as well. Source: docs/formats.md. */

#include "formats/base/arena.h"
#include "formats/base/err.h"

#include <stddef.h>
#include <stdint.h>

/* Files that do not know of experts (the legacy layout), and weights whose matrices all
 * see every token (multi-head latent attention's by head), have `matrices` 1 and all
 * matrices' columns one after another: compare columns * matrices with a weight. */
struct imatrix_entry {
    const char *name;  /* of the weight: "blk.0.attn_q.weight" */
    uint64_t columns;  /* of the weight's rows */
    uint64_t matrices; /* 1, or the experts of a stacked weight */
    float *sum2;       /* [matrices, columns]: sums over tokens of squared inputs */
    float *count;      /* [matrices]: tokens summed (legacy: chunks); 0: never used */
};

struct imatrix {
    struct imatrix_entry *entry; /* sorted by name */
    size_t n_entries;
    const char **dataset; /* names of the texts */
    size_t n_datasets;
    uint32_t chunks, chunk_size; /* windows seen; tokens in each, 0: unknown (legacy) */
    struct arena arena;          /* all of the above */
};

/* A new one without sums (all zero), to collect into: names are copied. Errors:
 * ERR_NOMEM, ERR_ARG (a name twice). */
int imatrix_new(struct imatrix **out, const struct imatrix_entry *shapes, size_t n,
                struct err *err) WARN_UNUSED;

/* Read a GGUF, or the legacy layout where the file is no GGUF. Errors name the file and
 * entry: ERR_FORMAT (not of this format, lengths that disagree, NaN, infinite or negative
 * sums or counts), ERR_IO, ERR_NOMEM. */
int imatrix_read(struct imatrix **out, const char *path, struct err *err) WARN_UNUSED;

/* The same from bytes, and one layout of it. */
int imatrix_parse(struct imatrix **out, const void *data, size_t size, struct err *err) WARN_UNUSED;
int imatrix_parse_dat(struct imatrix **out, const void *data, size_t size,
                      struct err *err) WARN_UNUSED;

/* As llama-imatrix does; the final name appears only on success. */
int imatrix_write(const struct imatrix *im, const char *path, struct err *err) WARN_UNUSED;

/* Add the sums, counts, chunks and data sets of `from`. Weights that only one of them has
 * stay as they are. ERR_FORMAT: a weight's lengths differ, or no weight is in both (the
 * message says which). */
int imatrix_merge(struct imatrix *to, const struct imatrix *from, struct err *err) WARN_UNUSED;

/* Give sums that were counted in chunks (chunk_size 0) their tokens. */
void imatrix_count_tokens(struct imatrix *im, uint32_t chunk_size);

/* Append a data set's name (copied). */
int imatrix_add_dataset(struct imatrix *im, const char *name, struct err *err) WARN_UNUSED;

/* NULL: no such entry. */
struct imatrix_entry *imatrix_find(const struct imatrix *im, const char *name);

void imatrix_free(struct imatrix *im); /* accepts NULL */

#endif /* FORMATS_IMATRIX_H */
