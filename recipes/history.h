#ifndef RECIPES_HISTORY_H
#define RECIPES_HISTORY_H

/* A log of runs: what each variant of a recipe came to, so that its way can be shown. An
 * SQLite file, which several programs may write at a time. Tables: docs/recipes.md. */

#include "eval/report.h"
#include "eval/stats.h"
#include "formats/base/arena.h"
#include "formats/base/buf.h"
#include "formats/base/err.h"

#include <stddef.h>
#include <stdint.h>

enum { HISTORY_VERSION = 1 };

/* Of one run. */
struct history_run {
    int64_t time;       /* seconds since 1970 */
    const char *recipe; /* its name: r->name of the report */
    const struct report *report;
    size_t n_failed; /* gates */
};

/* Append a run; the file is made where it is missing. Errors: ERR_IO (what SQLite said),
 * ERR_UNSUPPORTED (a file of a later version), ERR_FORMAT (no such file, or a damaged one). */
int history_append(const char *path, const struct history_run *run, struct err *err) WARN_UNUSED;

/* How a variant's KLD moved since the last run that can be compared: the same text, windows,
 * kernels and tokenizer. */
enum history_change {
    HISTORY_UNKNOWN, /* there is none, or a single window */
    HISTORY_SAME,    /* no difference at 95 %, paired by window */
    HISTORY_BETTER,
    HISTORY_WORSE
};

struct history_row {
    int64_t run, time;
    const char *model, *variant, *type, *pare;
    uint64_t bytes;
    struct stats_mean ppl, ppl_ratio, kld, top1;
    int64_t n_failed; /* gates of the run */
    enum history_change change;
    double diff;          /* of the KLD; NaN when unknown */
    int64_t bytes_before; /* -1: unknown */
};

struct history {
    struct history_row *at; /* by run, then as the recipe has them */
    size_t n;
    struct arena arena;
};

/* The last `limit` runs (0: all) of the recipe `model` (NULL: of every one). To be released
 * also after a failure. Errors: as above, ERR_IO (no file). */
int history_read(struct history *out, const char *path, const char *model, size_t limit,
                 struct err *err) WARN_UNUSED;
void history_release(struct history *h);

/* Lines of KLD and size by run, one for each variant: an SVG document. */
int history_svg(struct buf *out, const struct history *h, struct err *err) WARN_UNUSED;

#endif /* RECIPES_HISTORY_H */
