#ifndef FORMATS_BASE_OUT_LINES_H
#define FORMATS_BASE_OUT_LINES_H

/* A file of lines that takes long to write: what a run that was stopped left in "<path>.part" is gone on with by the
 * next that would write the same, as "<path>.part.key" tells. */

#include "formats/base/out.h"

struct out_lines {
    struct out out; /* to be written to */
    size_t n;       /* lines that were there */
    char *key;      /* owned; the path of the key; NULL: none */
};

/* One that out_lines_close accepts before anything was opened. */
void out_lines_init(struct out_lines *o);

/* key: a text that differs where the lines would. Of what another run left as many whole lines stay, `most` at most.
 * Errors: as out_open. */
int out_lines_open(struct out_lines *o, const char *path, const char *key, size_t most,
                   struct err *err) WARN_UNUSED;

/* As out_commit. */
int out_lines_commit(struct out_lines *o, struct err *err) WARN_UNUSED;

/* Without a commit: the lines stay for the next run; where there are none nothing does. */
void out_lines_close(struct out_lines *o);

#endif /* FORMATS_BASE_OUT_LINES_H */
