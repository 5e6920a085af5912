#ifndef TOOLS_PROGRESS_H
#define TOOLS_PROGRESS_H

/* The log of a command line: warnings on stderr, one progress line with rate and
 * time left on a terminal, and SIGINT/SIGTERM as a request to stop. */

#include "formats/base/log.h"

#include <stdbool.h>
#include <stdint.h>

struct progress {
    const char *name; /* before every warning */
    bool tty;         /* stderr is a terminal */
    bool shown;       /* a progress line stands there */
    double last;      /* seconds; when it was last written */
    struct progress_mark {
        double t; /* seconds; 0: no task running */
        uint64_t done;
    } from, mark; /* the rate is that since `from`, some seconds ago; the next `from` */
};

/* Fills *out with callbacks on `p`, and installs the signal handlers. */
void progress_init(struct progress *p, struct log *out, const char *name);
/* Remove the progress line. */
void progress_end(struct progress *p);

#endif /* TOOLS_PROGRESS_H */
