#ifndef EVAL_COMPARE_PAGE_H
#define EVAL_COMPARE_PAGE_H

/* A comparison of two reports as a page (as eval/html.h's: nothing is fetched, dark and
 * light, phone and print) and as Markdown for a pull request. The same comparison gives the same
 * bytes. */

#include "eval/compare.h"
#include "formats/base/buf.h"
#include "formats/base/err.h"

/* Append it. */
int compare_html(struct buf *out, const struct comparison *c, struct err *err) WARN_UNUSED;
int compare_markdown(struct buf *out, const struct comparison *c, struct err *err) WARN_UNUSED;

#endif /* EVAL_COMPARE_PAGE_H */
