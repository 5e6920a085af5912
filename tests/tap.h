#ifndef TESTS_TAP_H
#define TESTS_TAP_H

/* TAP for test programs that are no cmocka unit tests (golden, check, oom). */

#include <stdbool.h>

struct tap {
    int n, failed;
};

/* "ok N - name" or "not ok N - name"; returns `good`. */
bool tap_ok(struct tap *t, bool good, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void tap_skip(struct tap *t, const char *name, const char *reason);
/* A line for a person: "# ...". */
void tap_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Prints the plan; the exit status of the program. */
int tap_done(const struct tap *t);

/* $PARE_GOLDEN, or NULL when that folder does not exist. */
const char *tap_golden(void);

#endif /* TESTS_TAP_H */
