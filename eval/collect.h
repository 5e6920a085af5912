#ifndef EVAL_COLLECT_H
#define EVAL_COLLECT_H

/* Importance: how strongly every column of every weight matrix is used on a text, as sums
 * over its tokens of squared inputs. As llama-imatrix (--process-output) collects it; the
 * output matrix's are under its own name, or the token embedding's where that is tied. */

#include "eval/inputs.h"
#include "eval/windows.h"
#include "formats/base/err.h"
#include "formats/base/log.h"
#include "formats/base/map.h"
#include "formats/base/par.h"
#include "formats/imatrix.h"
#include "runtime/model.h"

struct collect {
    const struct model *model;
    const struct windows *text;
    struct par par;
    const struct log *log;
    unsigned cpu;         /* cpu_flag bits collect_moments may use */
    struct inputs inputs; /* filled by collect_sums */
};

/* Run the model over all windows. The sums are the same at any thread count: each column
 * is summed in F64, tokens in order. Warns of experts that no token reached, by name.
 * *out has no data set yet. Errors: ERR_NOMEM, ERR_INTERRUPTED, ERR_FORMAT (activations
 * that are not finite: which weight's), those of a session. */
int collect_sums(struct imatrix **out, struct collect *c, struct err *err) WARN_UNUSED;

/* The same over the windows that `how` cuts of the text, as data set `dataset`; c->text need
 * not be set. With `full`, collect_moments too. Errors: those of windows_cut besides. */
struct collect_text {
    const struct map *text;
    struct windows_opts how;
    const char *dataset;
    const char *full; /* NULL: sums only */
    uint64_t memory;  /* for collect_moments */
};
int collect_from(struct imatrix **out, struct collect *c, const struct collect_text *t,
                 struct err *err) WARN_UNUSED;

/* Also every input's second moment, to a file (formats/moments.h). What there is no room for
 * in `memory` bytes of sums takes more runs over the text, each as far as the last block it
 * needs; the largest matrix is held in any case. Inputs no token reached have none. After
 * collect_sums. Errors as there, ERR_IO. */
int collect_moments(struct collect *c, const char *path, uint64_t memory,
                    struct err *err) WARN_UNUSED;

/* One of several runs, for progress. */
struct collect_pass {
    size_t at, of;
};

/* Run the model over all windows while *watch watches; *found: an error it came upon. */
int collect_run(const struct collect *c, const struct sess_watch *watch, const int *found,
                const struct collect_pass *p, struct err *err) WARN_UNUSED;

void collect_release(struct collect *c); /* the inputs */

#endif /* EVAL_COLLECT_H */
