#ifndef EVAL_REPORT_READ_H
#define EVAL_REPORT_READ_H

/* A whole report JSON read back. Nothing in it is taken on trust: types, ranges, lengths of
 * lists, and that figures which follow from others do (the mean of window_kld is kld.mean, to the
 * rounding of the text), so that a file edited by hand is noticed. */

#include "eval/report.h"
#include "formats/base/arena.h"
#include "formats/base/err.h"

#include <stddef.h>

struct report_file {
    const char *path;            /* as told, in the arena */
    struct report report;        /* all it points to is owned by this */
    struct report_model *models; /* [0] the original where there is one */
    size_t n_models;             /* of `models` */
    struct arena arena;
};

/* Errors: ERR_FORMAT with line, column and JSON path of what is wrong, what was expected and what
 * was found; ERR_UNSUPPORTED for another version. To be released also after a failure. */
int report_parse(struct report_file *out, const char *text, size_t n, struct err *err) WARN_UNUSED;

/* The same from a file; errors name it. */
int report_load(struct report_file *out, const char *path, struct err *err) WARN_UNUSED;
void report_file_release(struct report_file *f);

#endif /* EVAL_REPORT_READ_H */
