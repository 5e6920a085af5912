#ifndef TESTS_OOM_ALLOC_H
#define TESTS_OOM_ALLOC_H

/* An allocator whose n-th call fails, put under the library by the linker's --wrap;
 * cJSON is given it through its hooks. (libyaml and OpenSSL keep their own calls.) */

#include "formats/base/err.h"
#include "tests/tap.h"

#include <stddef.h>

/* What is tried: 0 or an error, with nothing left allocated in either case. */
typedef int alloc_try(void *arg, struct err *err);

/* Call `try` with the first, the second, ... allocation failing, once alone and once
 * with all that follow it, until none is hit. Each failure must become an error with a
 * message, the last run must succeed, and nothing may leak (under ASan). One TAP line. */
void alloc_each(struct tap *t, const char *name, alloc_try *try, void *arg);

/* Allocations asked for since `try` began. */
size_t alloc_calls(void);

#endif /* TESTS_OOM_ALLOC_H */
