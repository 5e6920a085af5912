#ifndef FORMATS_SOURCE_FIT_H
#define FORMATS_SOURCE_FIT_H

/* How a checkpoint fits the families pare knows, name by name: for messages. Nothing here
 * needs the checkpoint to be right. */

#include "formats/arch/arch.h"
#include "formats/base/buf.h"
#include "formats/base/err.h"
#include "formats/checkpoint.h"

#include <stdbool.h>
#include <stddef.h>

struct source_fit {
    const char *class;       /* config.json's architectures[0]; NULL: it has none */
    const struct arch *arch; /* the class's, or the one whose names fit best; NULL: none fits */
    bool exact;              /* it is the class's */
    size_t n_tensors;        /* of the checkpoint, without those the family ignores */
    size_t n_known;          /* of which the family has a row for the name */
    size_t n_missing;        /* required tensors that are not there */
    struct buf unexpected;   /* names without a row, a line each; the first ones */
    struct buf missing;      /* names that are not there */
};

/* Errors: ERR_NOMEM. On failure *out is empty. */
int source_fit(struct source_fit *out, const struct ckpt *c, struct err *err) WARN_UNUSED;
void source_fit_release(struct source_fit *f); /* accepts an all-zero struct */

#endif /* FORMATS_SOURCE_FIT_H */
