#ifndef FORMATS_BASE_OUT_H
#define FORMATS_BASE_OUT_H

/* A file that appears whole or not at all: bytes go to "<path>.part", which is
 * fsynced and renamed on commit. The final name never holds a partial file. */

#include "formats/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct out {
    char *path;     /* owned; the final name */
    char *part;     /* owned; what is being written */
    int fd;         /* -1 when closed */
    uint64_t n;     /* bytes written */
    uint64_t begun; /* of these, on their way to the disk */
    bool synced;    /* all of them are there */
};

/* An `out` that out_abandon accepts before anything was opened. */
void out_init(struct out *o);

/* Start writing. When path names a device (/dev/null, /dev/full) or a pipe, the
 * bytes go there directly. Errors: ERR_IO with the path (also when another process is
 * writing the same file). */
int out_open(struct out *o, const char *path, struct err *err) WARN_UNUSED;

/* The same, but what another writer left in the part file is not lost before out_cut says how much of it stays. */
int out_take_up(struct out *o, const char *path, struct err *err) WARN_UNUSED;
int out_cut(struct out *o, uint64_t n, struct err *err) WARN_UNUSED;

/* Does path name a device or a pipe? Nothing else is written beside one. */
bool out_is_device(const char *path);

/* Append n bytes. Errors: ERR_IO with the path (disk full and the like). */
int out_write(struct out *o, const void *data, size_t n, struct err *err) WARN_UNUSED;

/* n zero bytes. */
int out_pad(struct out *o, size_t n, struct err *err) WARN_UNUSED;

/* Write again n bytes that were written at `offset`. Errors: ERR_IO (also where bytes cannot
 * be taken back: a pipe). */
int out_amend(struct out *o, uint64_t offset, const void *data, size_t n,
              struct err *err) WARN_UNUSED;

/* fsync: what is left for the commit is a rename. Nothing may be written any more. */
int out_sync(struct out *o, struct err *err) WARN_UNUSED;

/* out_sync if need be, rename, close. On failure the part file is removed. */
int out_commit(struct out *o, struct err *err) WARN_UNUSED;

/* Close and remove the part file; nothing after a commit. */
void out_abandon(struct out *o);

/* Close, and leave the part file to who takes it up. */
void out_leave(struct out *o);

/* The whole life in one call. */
int out_file(const char *path, const void *data, size_t n, struct err *err) WARN_UNUSED;

#endif /* FORMATS_BASE_OUT_H */
