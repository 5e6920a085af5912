#ifndef FORMATS_BASE_LOG_H
#define FORMATS_BASE_LOG_H

/* How a layer speaks while it works: warnings, progress, and the question
 * whether to stop. Layers below tools/ never write to a terminal themselves. */

#include "formats/base/err.h"

#include <stdint.h>

struct log {
    void *arg;
    /* A sentence for a person; NULL drops it. */
    void (*warn)(void *arg, const char *msg);
    /* `done` of `total` units of `what` ("bytes", "tokens"; after a comma, what else is to be shown);
     * NULL is silent. */
    void (*progress)(void *arg, const char *what, uint64_t done, uint64_t total);
    /* Non-zero: stop as soon as convenient. NULL never stops. */
    int (*stop)(void *arg);
};

/* Call the callback when there is one; `log` may be NULL. */
void log_warn(const struct log *log, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void log_progress(const struct log *log, const char *what, uint64_t done, uint64_t total);

/* 0, or ERR_INTERRUPTED when the caller wants us to stop. */
int log_stop(const struct log *log, struct err *err) WARN_UNUSED;

#endif /* FORMATS_BASE_LOG_H */
