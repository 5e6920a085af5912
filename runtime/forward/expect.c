/* What a part computes follows from parameters, and shapes follow from a family's rows: a
 * file whose metadata says otherwise is found here, before anything is read by it. */

#include "runtime/forward/forward.h"

int weights_expect(const struct model *m, size_t layer, const struct weight_want *want, size_t n,
                   struct err *err)
{
    const struct weights *w = &m->layer[layer].w;

    for (size_t i = 0; i < n; i++) {
        const struct matrix *mat = &w->mat[want[i].role];
        const struct source_tensor *t = mat->t;
        size_t rows = mat->rows, cols = mat->cols;
        if (!want[i].rows) {
            t = m->source && w->vec[want[i].role] ? source_role(m->source, want[i].role, (int)layer)
                                                  : NULL;
            rows = 1;
            cols = t ? (size_t)(source_n_rows(t) * source_row_len(t)) : 0;
        }
        if (t && (cols != want[i].cols || rows != (want[i].rows ? want[i].rows : 1)))
            return err_set(
                err, ERR_FORMAT,
                "tensor %s: %zu rows of %zu values, but the metadata asks for %zu of %zu", t->name,
                rows, cols, want[i].rows ? want[i].rows : 1, want[i].cols);
    }
    return 0;
}
