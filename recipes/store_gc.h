#ifndef RECIPES_STORE_GC_H
#define RECIPES_STORE_GC_H

/* What lies in a store, and how to make it smaller. */

#include "formats/base/arena.h"
#include "formats/base/err.h"
#include "formats/base/hash.h"
#include "recipes/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A record, with the objects it names. */
struct store_entry {
    char key[HASH_HEX_BYTES];
    bool whole;                       /* false: damaged, the texts are "" */
    const char *step, *recipe, *name; /* "quantize", "smollm2", "Q4_K_M" */
    uint64_t bytes;                   /* of the record and its objects */
    int64_t used, used_ns;            /* seconds since 1970, and the rest */
    const char **object;              /* [n_objects] digests */
    size_t n_objects;
};

/* Least recently used first. */
struct store_list {
    struct store_entry *at;
    size_t n;
    uint64_t bytes; /* of all records and objects, each once */
    struct arena arena;
};

/* To be released also after a failure. Errors: ERR_IO (no such folder), ERR_NOMEM. */
int store_list(struct store_list *out, const struct store *s, struct err *err) WARN_UNUSED;
void store_list_release(struct store_list *l);

struct store_gc {
    uint64_t most;        /* bytes to keep; UINT64_MAX: all */
    int64_t oldest;       /* entries last used before that go; INT64_MIN: none for that */
    int64_t now;          /* seconds since 1970 */
    bool dry;             /* only count */
    size_t n, kept;       /* result: entries removed and kept */
    uint64_t bytes, left; /* result: bytes freed and left */
};

/* Remove damaged records, those too old, then the least recently used until the rest fits, and
 * objects and part files that belong to nothing. Steps that are being done stay. */
int store_collect(struct store_gc *gc, const struct store *s, struct err *err) WARN_UNUSED;

#endif /* RECIPES_STORE_GC_H */
