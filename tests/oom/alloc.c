#include "tests/oom/alloc.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/lsan_interface.h>
static int leak_check(void)
{
    return __lsan_do_recoverable_leak_check();
}
#else
static int leak_check(void)
{
    return 0;
}
#endif

/* The linker's names for what it wraps. */
void *__real_malloc(size_t n);
void *__real_calloc(size_t count, size_t each);
void *__real_realloc(void *p, size_t n);
char *__real_strdup(const char *s);
int __real_posix_memalign(void **out, size_t align, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t count, size_t each);
void *__wrap_realloc(void *p, size_t n);
char *__wrap_strdup(const char *s);
int __wrap_posix_memalign(void **out, size_t align, size_t n);

enum { MAX_TRIES = 100000 };

static size_t calls;   /* since the last reset */
static size_t fail_at; /* 0: never */
static bool go_on;     /* those after it fail too */
static bool hit;

static bool fails(void)
{
    calls++;
    if (fail_at == 0 || calls < fail_at || (calls > fail_at && !go_on))
        return false;
    hit = true;
    return true;
}

static void arm(size_t n, bool all)
{
    calls = 0;
    fail_at = n;
    go_on = all;
    hit = false;
}

size_t alloc_calls(void)
{
    return calls;
}

void *__wrap_malloc(size_t n)
{
    return fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t count, size_t each)
{
    return fails() ? NULL : __real_calloc(count, each);
}

void *__wrap_realloc(void *p, size_t n)
{
    return fails() ? NULL : __real_realloc(p, n);
}

char *__wrap_strdup(const char *s)
{
    return fails() ? NULL : __real_strdup(s);
}

int __wrap_posix_memalign(void **out, size_t align, size_t n)
{
    return fails() ? ENOMEM : __real_posix_memalign(out, align, n);
}

static bool each(const char *name, bool all, size_t *n, alloc_try *try, void *arg)
{
    for (*n = 1; *n < MAX_TRIES; ++*n) {
        struct err err = {0};
        arm(*n, all);
        const int rc = try(arg, &err);
        const bool failed = hit;
        arm(0, false);
        if (!failed && rc)
            tap_note("%s: fails without a failing allocation: %s", name, err.msg);
        if (!failed)
            return rc == 0;
        if (rc == 0 || !err.msg[0]) {
            tap_note("%s: allocation %zu failed and nobody noticed", name, *n);
            return false;
        }
    }
    tap_note("%s: no end after %d allocations", name, MAX_TRIES);
    return false;
}

void alloc_each(struct tap *t, const char *name, alloc_try *try, void *arg)
{
    cJSON_Hooks hooks = {.malloc_fn = __wrap_malloc, .free_fn = free};
    size_t once = 0, on = 0;

    cJSON_InitHooks(&hooks);
    const bool good = each(name, false, &once, try, arg) && each(name, true, &on, try, arg);
    const bool leaks = leak_check() != 0;
    (void)tap_ok(t, good && !leaks, "%s: %zu failing allocations%s", name, once + on - 2,
                 leaks ? ", and a leak" : "");
}
