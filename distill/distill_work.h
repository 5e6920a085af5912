#ifndef DISTILL_DISTILL_WORK_H
#define DISTILL_DISTILL_WORK_H

/* The folder OUT.train that a run works in: whose it is, and how it goes when the run is over. Seen by distill
 * only. */

#include "formats/base/buf.h"
#include "formats/base/err.h"

#include <stdbool.h>

struct distill_work {
    const char *out;
    int fd;                                     /* of the folder, locked; -1: not claimed */
    struct buf dir, start, log, identity, made; /* OUT.train, and files in it */
    struct buf out_log, page;                   /* OUT.log.csv, OUT.report.html */
};

/* The names. Errors: ERR_NOMEM. */
int distill_work_init(struct distill_work *w, const char *out, struct err *err) WARN_UNUSED;
void distill_work_release(struct distill_work *w); /* after init, whatever it said */

/* It is made, or gone on with when it was left by a run with this identity. anew: what another run left goes; otherwise
 * a checkpoint of another is refused, with ERR_ARG. ERR_IO: another process works there. */
int distill_work_claim(struct distill_work *w, const char *id, bool anew,
                       struct err *err) WARN_UNUSED;

/* OUT as a folder, which unlike a file is not replaced, is made once: said before it appears, with its type, and asked by
 * the run that goes on. */
int distill_work_making(const struct distill_work *w, const char *type,
                        struct err *err) WARN_UNUSED;
bool distill_work_made(const struct distill_work *w, const char *type);

/* The log becomes OUT.log.csv, the rest goes; keep: it stays. */
int distill_work_end(const struct distill_work *w, bool keep, struct err *err) WARN_UNUSED;

/* A run that failed before its first step: what it made goes, unless there is a checkpoint. Nothing where it was not
 * claimed. */
void distill_work_abandon(const struct distill_work *w);

#endif /* DISTILL_DISTILL_WORK_H */
