#ifndef EVAL_JUNIT_H
#define EVAL_JUNIT_H

/* Gates as JUnit XML, which CI systems show as tests: a testsuite per model, a testcase per
 * gate. The same results give the same bytes: no times. */

#include "eval/gate.h"
#include "formats/base/buf.h"
#include "formats/base/err.h"

/* Append the document; `name` is of the report. */
int junit_gates(struct buf *out, const char *name, const struct gate_results *g,
                struct err *err) WARN_UNUSED;

#endif /* EVAL_JUNIT_H */
