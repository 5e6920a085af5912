#ifndef EVAL_HTML_H
#define EVAL_HTML_H

/* A report as one HTML page: nothing is fetched, no script runs, it follows the reader's
 * dark or light setting and fits a phone. The same report gives the same bytes. */

#include "eval/report.h"
#include "formats/base/buf.h"
#include "formats/base/err.h"

/* Append the page. */
int html_report(struct buf *out, const struct report *r, struct err *err) WARN_UNUSED;

#endif /* EVAL_HTML_H */
