#ifndef FORMATS_BASE_ERR_H
#define FORMATS_BASE_ERR_H

/* Errors: a status is an int, 0 or a negative code; the sentence for a person
 * travels in a caller-owned struct err. The pointer is never NULL. */

#include <stddef.h>

enum err_code {
    ERR_NONE = 0,
    ERR_IO = -1,          /* the system refused: open, read, write, disk full */
    ERR_FORMAT = -2,      /* bytes that break their format */
    ERR_UNSUPPORTED = -3, /* well-formed, but not something pare handles */
    ERR_NOMEM = -4,
    ERR_ARG = -5,         /* what the user asked for makes no sense */
    ERR_INTERRUPTED = -6, /* SIGINT or SIGTERM asked us to stop */
    ERR_GATE = -7         /* a quality gate was not met */
};

enum { ERR_MSG_BYTES = 512 };

struct err {
    enum err_code code;
    char msg[ERR_MSG_BYTES]; /* outermost context first: "m.gguf: tensor a: past the end" */
};

#define WARN_UNUSED __attribute__((warn_unused_result))

/* Fill `e` and return `code`, so that `return err_set(...)` reads as one act. Of a text
 * that is too long the middle is left out. */
int err_set(struct err *e, enum err_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4), nonnull(1, 3)));

/* Put "<context>: " before the message; returns the code already in `e`. */
int err_wrap(struct err *e, const char *fmt, ...)
    __attribute__((format(printf, 2, 3), nonnull(1, 2)));

/* ERR_IO with "<what>: <strerror(errno)>" (ERR_INTERRUPTED for EINTR). */
int err_errno(struct err *e, const char *what) __attribute__((nonnull(1, 2)));

/* ERR_NOMEM with the one sentence for it. */
int err_nomem(struct err *e) __attribute__((nonnull(1)));

#endif /* FORMATS_BASE_ERR_H */
