#ifndef RECIPES_CURVES_H
#define RECIPES_CURVES_H

/* A training log as a page for a browser: its curves, and a table of the evaluations. */

#include "formats/base/buf.h"
#include "formats/base/err.h"

#include <stddef.h>

struct curves_fact {
    const char *what, *is; /* "teacher", "stories260k, 0.26 M parameters" */
};

struct curves {
    const char *name; /* of what was trained */
    const struct curves_fact *fact;
    size_t n_facts;
    const char *log; /* [n] a log.csv */
    size_t n;
};

/* Errors: ERR_FORMAT (not such a log: line), ERR_NOMEM. */
int curves_page(struct buf *out, const struct curves *c, struct err *err) WARN_UNUSED;

#endif /* RECIPES_CURVES_H */
