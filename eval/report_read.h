#ifndef EVAL_REPORT_READ_H
#define EVAL_REPORT_READ_H

/* A whole report JSON read back. Nothing in it is taken on trust: types, ranges, lengths of
 * lists, and that figures which follow from others do (the mean of window_kld is kld.mean, to
 * the rounding of sums), so that a file edited by hand is noticed. */

#include "eval/report.h"
#include "formats/base/arena.h"
#include "formats/base/err.h"

#include <stddef.h>

struct report_file {
    struct report report;        /* what it points to is owned by this */
    struct eval_about about;     /* of the report */
    struct report_model *models; /* of the report, the original behind them */
    size_t n_models;             /* of these */
    struct arena arena;
};

/* The texts that came with it are copied. To be released also after a failure, and not to be
 * copied. Errors: ERR_FORMAT with line, column and path of what is wrong, what was expected and
 * what was found; ERR_UNSUPPORTED (another version). */
int report_parse(struct report_file *out, const char *text, size_t n, struct err *err) WARN_UNUSED;

/* The same from a file; errors name it. */
int report_load(struct report_file *out, const char *path, struct err *err) WARN_UNUSED;
void report_file_release(struct report_file *f);

#endif /* EVAL_REPORT_READ_H */
