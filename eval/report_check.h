#ifndef EVAL_REPORT_CHECK_H
#define EVAL_REPORT_CHECK_H

/* What a report's JSON must hold before it is believed: each value's type and range, and
 * that figures which follow from others do. */

#include "eval/report.h"
#include "formats/base/err.h"
#include "formats/base/json.h"

#include <stddef.h>

/* The text, for line and column, and what it was parsed to. */
struct report_text {
    const char *text; /* [n], borrowed */
    size_t n;
    const json_val *doc;
};

/* Types, ranges, lengths of lists. Errors: ERR_FORMAT with line, column, path, what was expected
 * and what was found; ERR_UNSUPPORTED for another version. */
int report_check_types(const struct report_text *t, struct err *err) WARN_UNUSED;

/* Means of windows, errors, exponentials, order of quantiles: of the report read from it. */
int report_check_figures(const struct report_text *t, const struct report *r,
                         struct err *err) WARN_UNUSED;

/* ERR_FORMAT "line L, column C: PATH: <what>"; of a value that isn't there the place where it
 * belongs. */
int report_bad(const struct report_text *t, const char *path, struct err *err, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

#endif /* EVAL_REPORT_CHECK_H */
