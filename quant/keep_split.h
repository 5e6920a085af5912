#ifndef QUANT_KEEP_SPLIT_H
#define QUANT_KEEP_SPLIT_H

/* Writing a model in as many files as it is read from. */

#include "formats/base/err.h"
#include "formats/source.h"

#include <stdbool.h>
#include <stddef.h>

/* order[source_n_tensors]: indices in writing order, changed so that tensors of one file of
 * the source follow one another, files in the order of their first tensors. starts[i]: does
 * the tensor at order[i] begin a file? A tensor put together from several belongs to the first;
 * one that is made belongs to the file of the tensor before it. */
int keep_split(size_t *order, bool *starts, const struct source *s, struct err *err) WARN_UNUSED;

#endif /* QUANT_KEEP_SPLIT_H */
