#ifndef FORMATS_BASE_STRMAP_H
#define FORMATS_BASE_STRMAP_H

/* A hash table from byte strings to numbers (indices, ids). Keys are borrowed: they
 * must outlive the table. Open addressing, FNV-1a, at most two thirds full. */

#include "formats/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct strmap_slot {
    const char *key; /* borrowed; NULL: free. Need not end with '\0' */
    uint64_t n;      /* bytes of the key */
    size_t value;
    uint64_t hash;
};

struct strmap {
    struct strmap_slot *slot; /* owned; cap of them, a power of two */
    size_t n, cap;
};

/* All zeros is an empty table. */
void strmap_release(struct strmap *m);

/* Make room for n keys in all, so that adding them allocates nothing. */
int strmap_reserve(struct strmap *m, size_t n, struct err *err) WARN_UNUSED;

/* *added is false, and the old value stays, when the key is already there. `key` is
 * not NULL, also when n is 0. */
int strmap_add(bool *added, struct strmap *m, const char *key, uint64_t n, size_t value,
               struct err *err) WARN_UNUSED;

/* false, *value untouched, when there is no such key. */
bool strmap_get(size_t *value, const struct strmap *m, const char *key, uint64_t n);

#endif /* FORMATS_BASE_STRMAP_H */
