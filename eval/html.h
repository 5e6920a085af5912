#ifndef EVAL_HTML_H
#define EVAL_HTML_H

/* A report as one HTML page: nothing is fetched, it follows the reader's dark or light
 * setting, fits a phone and can be printed. Its only script sorts tables; the page is
 * complete without it. The same report gives the same bytes. */

#include "eval/gate.h"
#include "eval/report.h"
#include "formats/base/buf.h"
#include "formats/base/err.h"

/* Append the page. gates: NULL for none. */
int html_report(struct buf *out, const struct report *r, const struct gate_results *gates,
                struct err *err) WARN_UNUSED;

#endif /* EVAL_HTML_H */
