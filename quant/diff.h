#ifndef QUANT_DIFF_H
#define QUANT_DIFF_H

/* Two models compared tensor by tensor, those of the same name: how far B's values are from
 * A's. Memory is bounded by a few row groups. */

#include "formats/base/err.h"
#include "formats/base/log.h"
#include "formats/base/par.h"
#include "formats/source.h"

#include <stdint.h>

enum diff_kind {
    DIFF_COMPARED,
    DIFF_UNREADABLE, /* pare has no decoder for one of the types */
    DIFF_SHAPE,      /* of different shapes */
    DIFF_ONLY_A,
    DIFF_ONLY_B
};

struct diff_tensor {
    enum diff_kind kind;
    const struct source_tensor *a, *b; /* NULL: not there */
    uint64_t n;                        /* values compared */
    double err2, sum2;                 /* sums of (a - b)^2 and a^2 */
    double nmse;                       /* err2 / sum2; 0 when all are equal, NaN where values are */
    double cosine;                     /* a . b / (|a| |b|) */
    double max;                        /* largest |a - b| */
};

struct diff {
    struct diff_tensor *t; /* by kind; those compared: the worst NMSE first, then by name */
    size_t n;
};

/* Errors: ERR_NOMEM, ERR_INTERRUPTED. Results do not depend on the number of threads. On
 * success the caller releases *out. */
int diff_models(struct diff *out, const struct source *a, const struct source *b,
                const struct par *par, const struct log *log, struct err *err) WARN_UNUSED;
void diff_release(struct diff *d);

#endif /* QUANT_DIFF_H */
