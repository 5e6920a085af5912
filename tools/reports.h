#ifndef TOOLS_REPORTS_H
#define TOOLS_REPORTS_H

/* The options that write a report: one for each form (eval/formats.h). */

#include "eval/formats.h"
#include "formats/base/buf.h"
#include "tools/opt.h"

#include <stdbool.h>
#include <stddef.h>

struct reports {
    const char *path[REPORT_FORMATS_MAX]; /* by row of report_format_at; NULL: not wanted */
};

/* Put the options behind the n there are; returns how many that makes. */
size_t reports_options(struct opt *opts, size_t n, struct reports *r);

/* Is any wanted? */
bool reports_any(const struct reports *r);

/* No two may be one file, nor `other` (or NULL), which option `--name` has. Errors: ERR_ARG. */
int reports_apart(const struct reports *r, const char *other, const char *name,
                  struct err *err) WARN_UNUSED;

/* Write those that are wanted. */
int reports_write(const struct reports *r, const struct report *report,
                  const struct gate_results *gates, struct err *err) WARN_UNUSED;

/* Append a command line as a shell would read it: "pare eval m.gguf --text 'my text'". */
void reports_command(struct buf *out, const char *command, int argc, char **argv);

#endif /* TOOLS_REPORTS_H */
