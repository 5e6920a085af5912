#ifndef RECIPES_DISTILL_PAGE_H
#define RECIPES_DISTILL_PAGE_H

/* What a finished run leaves to be looked at. */

#include "distill/distill.h"

/* Write `path`, a page with the curves of the log at `log` (log.csv) and what the run was. o->train as it was
 * used. Errors: ERR_IO, ERR_FORMAT (the log). */
int distill_page(const char *path, const char *log, const struct distill_opts *o,
                 const struct distill_result *r, struct err *err) WARN_UNUSED;

#endif /* RECIPES_DISTILL_PAGE_H */
