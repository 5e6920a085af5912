#ifndef TOOLS_RESULTS_H
#define TOOLS_RESULTS_H

/* What `pare eval` and `pare run` print: one line per model. */

#include "eval/report.h"
#include "formats/base/err.h"

/* The table of a report on stdout, columns aligned. */
int results_print(const struct report *r, struct err *err) WARN_UNUSED;

#endif /* TOOLS_RESULTS_H */
