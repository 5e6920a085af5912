#ifndef EVAL_FORMATS_H
#define EVAL_FORMATS_H

/* The forms a report can be written in: one row each. */

#include "eval/gate.h"
#include "eval/report.h"
#include "formats/base/buf.h"
#include "formats/base/err.h"

#include <stddef.h>

enum { REPORT_FORMATS_MAX = 8 }; /* room for rows */

struct report_format {
    const char *name; /* of the option and of a recipe's key: "html" */
    const char *what; /* for --help */
    /* Append the report; gates NULL: none were asked for. */
    int (*put)(struct buf *out, const struct report *r, const struct gate_results *gates,
               struct err *err);
};

/* Row i, or NULL past the end; the one of that name, or NULL. */
const struct report_format *report_format_at(size_t i);
const struct report_format *report_format_find(const char *name);

#endif /* EVAL_FORMATS_H */
