#ifndef FORMATS_BASE_HASH_MANY_H
#define FORMATS_BASE_HASH_MANY_H

/* SHA-256 of many stretches of memory, some at a time, beside other work. */

#include "formats/base/err.h"
#include "formats/base/hash.h"
#include "formats/base/map.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hash_stretch {
    const uint8_t *data; /* borrowed, until it has been read */
    size_t n;
    const struct map *map; /* that it lies in: pages are let go when read; NULL: nothing is */
    char *hex;             /* [HASH_HEX_BYTES] for the digest; "" when it failed */
};

struct hash_many;

/* They are read in this order. Nothing is yet. */
int hash_many_new(struct hash_many **out, const struct hash_stretch *stretch, size_t n,
                  struct err *err) WARN_UNUSED;
void hash_many_free(struct hash_many *m); /* accepts NULL */

/* Read about that many bytes more: whole stretches, and what that is too much or too little counts
 * the next time. false: all has been read. */
bool hash_many_step(struct hash_many *m, uint64_t bytes);

#endif /* FORMATS_BASE_HASH_MANY_H */
