#include "formats/base/log.h"

#include <stdarg.h>
#include <stdio.h>

void log_warn(const struct log *log, const char *fmt, ...)
{
    char msg[ERR_MSG_BYTES];
    va_list ap;

    if (!log || !log->warn)
        return;
    va_start(ap, fmt);
    (void)vsnprintf(msg, sizeof(msg), fmt, ap);
    va_end(ap);
    log->warn(log->arg, msg);
}

void log_progress(const struct log *log, const char *what, uint64_t done, uint64_t total)
{
    if (log && log->progress)
        log->progress(log->arg, what, done, total);
}

int log_stop(const struct log *log, struct err *err)
{
    if (log && log->stop && log->stop(log->arg))
        return err_set(err, ERR_INTERRUPTED, "interrupted");
    return 0;
}
