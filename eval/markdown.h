#ifndef EVAL_MARKDOWN_H
#define EVAL_MARKDOWN_H

/* A report as Markdown for a pull request: one line of what was measured, gates, the table of
 * models, details that unfold. GitHub's and GitLab's dialect. The same report gives the same
 * bytes. */

#include "eval/gate.h"
#include "eval/report.h"
#include "formats/base/buf.h"
#include "formats/base/err.h"

/* Append it. gates: NULL for none. */
int markdown_report(struct buf *out, const struct report *r, const struct gate_results *gates,
                    struct err *err) WARN_UNUSED;

/* Append text with the characters that mean something to Markdown, HTML and its tables made
 * harmless. */
void markdown_text(struct buf *out, const char *s);

#endif /* EVAL_MARKDOWN_H */
