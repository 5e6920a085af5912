#ifndef TESTS_FUZZ_ROWS_H
#define TESTS_FUZZ_ROWS_H

#include "quant/rows.h"

#include <stdlib.h>

/* Read every row of the tensors that have no more than `most` values; what cannot be read says why. */
static inline void fuzz_rows(const struct source *s, uint64_t most)
{
    struct err err = {0};

    for (size_t i = 0; i < source_n_tensors(s); i++) {
        const struct source_tensor *t = source_tensor(s, i);
        const uint64_t len = source_row_len(t), rows = source_n_rows(t);
        if (len > most || rows > most || len * rows > most)
            continue;
        float *x = malloc((size_t)(len * rows) * sizeof(*x) + 1);
        if (x && rows_read(x, t, 0, rows, &err) && !err.msg[0])
            abort();
        free(x);
    }
}

#endif /* TESTS_FUZZ_ROWS_H */
