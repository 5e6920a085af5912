/* Any bytes as an importance matrix of either layout: an answer, and when it is yes, all of
 * it is finite, is found by name and can be merged with itself. */

#include "formats/imatrix.h"

#include <math.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct imatrix *im)
{
    for (size_t i = 0; i < im->n_entries; i++) {
        const struct imatrix_entry *e = &im->entry[i];
        if (imatrix_find(im, e->name) != e)
            abort();
        for (size_t k = 0; k < e->matrices; k++)
            if (!(e->count[k] >= 0))
                abort();
        for (size_t k = 0; k < e->matrices * e->columns; k++)
            if (!(e->sum2[k] >= 0) || isinf(e->sum2[k]))
                abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct imatrix *im, *more;
    struct err err = {0};

    if (imatrix_parse(&im, data, size, &err)) {
        if (im || !err.msg[0])
            abort();
        return 0;
    }
    check(im);
    if (imatrix_parse(&more, data, size, &err) || imatrix_merge(more, im, &err))
        abort();
    if (more->n_entries != im->n_entries || more->n_datasets != 2 * im->n_datasets)
        abort();
    imatrix_free(more);
    imatrix_free(im);
    return 0;
}
