#include "formats/base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A message is one line, whatever bytes a file's names hold. */
static void one_line(char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7f)
            *s = '?';
}

int err_set(struct err *e, enum err_code code, const char *fmt, ...)
{
    va_list ap;

    e->code = code;
    va_start(ap, fmt);
    (void)vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
    va_end(ap);
    one_line(e->msg);
    return code;
}

int err_wrap(struct err *e, const char *fmt, ...)
{
    char context[ERR_MSG_BYTES];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(context, sizeof(context) - 3, fmt, ap);
    va_end(ap);
    one_line(context);
    size_t n = strlen(context);
    memcpy(context + n, ": ", 3);
    n += 2;

    /* The outermost context matters most: the tail is what gets cut. */
    size_t tail = strlen(e->msg);
    if (tail > sizeof(e->msg) - 1 - n)
        tail = sizeof(e->msg) - 1 - n;
    memmove(e->msg + n, e->msg, tail);
    memcpy(e->msg, context, n);
    e->msg[n + tail] = '\0';
    return e->code;
}

int err_errno(struct err *e, const char *what)
{
    const int saved = errno;
    char why[128];

    if (strerror_r(saved, why, sizeof(why)))
        (void)snprintf(why, sizeof(why), "errno %d", saved);
    return err_set(e, saved == EINTR ? ERR_INTERRUPTED : ERR_IO, "%s: %s", what, why);
}

int err_nomem(struct err *e)
{
    return err_set(e, ERR_NOMEM, "out of memory");
}
