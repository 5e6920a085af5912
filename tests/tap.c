#include "tests/tap.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

bool tap_ok(struct tap *t, bool good, const char *fmt, ...)
{
    va_list ap;

    t->n++;
    t->failed += !good;
    printf("%s %d - ", good ? "ok" : "not ok", t->n);
    va_start(ap, fmt);
    (void)vprintf(fmt, ap);
    va_end(ap);
    printf("\n");
    return good;
}

void tap_skip(struct tap *t, const char *name, const char *reason)
{
    t->n++;
    printf("ok %d - %s # SKIP %s\n", t->n, name, reason);
}

void tap_note(const char *fmt, ...)
{
    va_list ap;

    printf("# ");
    va_start(ap, fmt);
    (void)vprintf(fmt, ap);
    va_end(ap);
    printf("\n");
}

int tap_done(const struct tap *t)
{
    printf("1..%d\n", t->n);
    return t->failed ? 1 : 0;
}

const char *tap_golden(void)
{
    struct stat st;
    const char *root = getenv("PARE_GOLDEN");

    if (!root)
        root = "../shared/golden";
    return stat(root, &st) || !S_ISDIR(st.st_mode) ? NULL : root;
}
