#include "formats/base/err.h"

#include "formats/base/utf8.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Holds any path, and what is said about it. */
enum { TEXT_BYTES = 8192 };

/* A message is one line of UTF-8, whatever bytes a file's names hold. */
static void one_line(char *s)
{
    for (size_t n = strlen(s), k; n; s += k, n -= k) {
        bool good;
        k = utf8_step(&good, s, n);
        if (!good || (unsigned char)*s < 0x20 || *s == 0x7f)
            memset(s, '?', k);
    }
}

/* Of a text too long for a message the middle goes: the file's name stands at its
 * start, what was found at its end. Paths can be thousands of bytes. */
static void squeeze(struct err *e, const char *text)
{
    enum { HEAD = 200, DOTS = 3, TAIL = ERR_MSG_BYTES - 1 - HEAD - DOTS };
    const size_t n = strlen(text);

    if (n < sizeof(e->msg)) {
        memcpy(e->msg, text, n + 1);
    } else {
        memcpy(e->msg, text, HEAD);
        memcpy(e->msg + HEAD, "...", DOTS);
        memcpy(e->msg + HEAD + DOTS, text + n - TAIL, TAIL + 1);
    }
    one_line(e->msg);
}

int err_set(struct err *e, enum err_code code, const char *fmt, ...)
{
    char text[TEXT_BYTES];
    va_list ap;

    e->code = code;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    squeeze(e, text);
    return code;
}

int err_wrap(struct err *e, const char *fmt, ...)
{
    char text[TEXT_BYTES + ERR_MSG_BYTES + 2];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, TEXT_BYTES, fmt, ap);
    va_end(ap);
    const size_t n = strlen(text);
    memcpy(text + n, ": ", 2);
    memcpy(text + n + 2, e->msg, strlen(e->msg) + 1);
    squeeze(e, text);
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
