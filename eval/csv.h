#ifndef EVAL_CSV_H
#define EVAL_CSV_H

/* A report as CSV (RFC 4180): a row a model, the original first. Columns: docs/formats.md,
 * "Report CSV". The same report gives the same bytes. */

#include "eval/gate.h"
#include "eval/report.h"
#include "formats/base/buf.h"
#include "formats/base/err.h"

/* Append it. Gates have no place in it. */
int csv_report(struct buf *out, const struct report *r, const struct gate_results *gates,
               struct err *err) WARN_UNUSED;

/* Append a field: in quotes where it has commas, quotes or line breaks. */
void csv_field(struct buf *out, const char *s);

#endif /* EVAL_CSV_H */
