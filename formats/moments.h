#ifndef FORMATS_MOMENTS_H
#define FORMATS_MOMENTS_H

/* Second moments as a file: for every input of a model's weight matrices the sums over
 * tokens of x[i] x[j], of which an importance matrix is the diagonal. Weights that are
 * multiplied with the same input share one entry; compressed. Source: docs/formats.md. */

#include "formats/base/err.h"
#include "formats/base/par.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct moments_input {
    const char **weight; /* n_weights names, of the weights it is the input of */
    size_t n_weights;
    uint64_t columns;
    uint64_t matrices; /* 1, or the experts or heads of stacked weights */
    uint64_t *tokens;  /* [matrices] summed; 0: nothing is stored */
};

/* An opened file. */
struct moments;

/* Errors: ERR_IO, ERR_FORMAT (not of this format, cut short, lengths that disagree),
 * ERR_NOMEM. Of moments_parse, `data` must outlive *out. */
int moments_open(struct moments **out, const char *path, struct err *err) WARN_UNUSED;
int moments_parse(struct moments **out, const void *data, size_t size, struct err *err) WARN_UNUSED;
void moments_free(struct moments *m); /* accepts NULL */

uint32_t moments_chunks(const struct moments *m);     /* windows seen */
uint32_t moments_chunk_size(const struct moments *m); /* tokens in each */
/* Its inputs, in the model's order. */
size_t moments_n(const struct moments *m);
const struct moments_input *moments_at(const struct moments *m, size_t i);
/* The input of a weight; NULL: there is none. */
const struct moments_input *moments_find(const struct moments *m, const char *weight);

/* Values of a matrix's upper triangle: row i has columns i .. columns - 1, rows one after
 * another. false: too many for a size_t. */
bool moments_values(size_t *out, uint64_t columns);

/* Matrix `matrix` of an input into triangle[moments_values]; zeros where nothing is stored.
 * Errors: ERR_FORMAT (does not decompress), ERR_NOMEM. */
int moments_read(float *triangle, const struct moments *m, const struct moments_input *in,
                 uint64_t matrix, struct err *err) WARN_UNUSED;

/* Writing, streamed: an input, then the matrices with tokens of it in order, and so on. The
 * final name appears on commit only. Errors: ERR_IO, ERR_NOMEM, ERR_ARG (a matrix missing,
 * or one too many). */
struct moments_writer;
int moments_writer_new(struct moments_writer **out, const char *path, uint32_t chunks,
                       uint32_t chunk_size, struct err *err) WARN_UNUSED;
int moments_writer_input(struct moments_writer *w, const struct moments_input *in,
                         struct err *err) WARN_UNUSED;
int moments_writer_put(struct moments_writer *w, const float *triangle, const struct par *par,
                       struct err *err) WARN_UNUSED;
int moments_writer_commit(struct moments_writer *w, struct err *err) WARN_UNUSED;
void moments_writer_free(struct moments_writer *w); /* removes what was not committed */

#endif /* FORMATS_MOMENTS_H */
