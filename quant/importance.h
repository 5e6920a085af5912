#ifndef QUANT_IMPORTANCE_H
#define QUANT_IMPORTANCE_H

/* What an importance matrix says of each tensor of a source: a weight of the squared
 * errors for every column, of every expert. */

#include "formats/base/err.h"
#include "formats/base/log.h"
#include "formats/imatrix.h"
#include "formats/source.h"

#include <stddef.h>
#include <stdint.h>

struct importance;

/* Mean squared inputs (sum2 / count) of each tensor that `im` names; an expert that no
 * token used gets all ones, and a warning naming it goes to the log (NULL: none). `path`
 * is the file's, for messages and provenance. `im` and `s` must outlive *out. Errors: ERR_FORMAT
 * (an entry's length or number of matrices is not the tensor's; no name in common: another
 * model's), ERR_NOMEM. */
int importance_new(struct importance **out, const struct imatrix *im, const char *path,
                   const struct source *s, const struct log *log, struct err *err) WARN_UNUSED;
void importance_free(struct importance *imp); /* accepts NULL */

/* Weights [row length] of the columns of row r of tensor i (source_tensor's index); NULL: the
 * file says nothing of that tensor. */
const float *importance_row(const struct importance *imp, size_t i, uint64_t r);

/* Warn of matrices that `types` (by source tensor) quantizes and the file says nothing of.
 * Embeddings and the output matrix may be absent: llama-imatrix never sees the first, and the
 * second only when asked. */
int importance_check(const struct importance *imp, const struct source *s, const enum dtype *types,
                     const struct log *log, struct err *err) WARN_UNUSED;

/* Of the file: for quantize.imatrix.* and pare.imatrix.sha256. */
const struct imatrix *importance_matrix(const struct importance *imp);
const char *importance_path(const struct importance *imp);

#endif /* QUANT_IMPORTANCE_H */
