#ifndef RECIPES_STORE_H
#define RECIPES_STORE_H

/* What finished steps left, by the SHA-256 of all that went into them: a small record each,
 * KEY.step, and where a cache is shared by several output folders the files themselves,
 * objects/SHA256. Several programs may use one at a time. Nothing in it is taken on trust:
 * records and objects carry digests, and one that does not match counts as absent. */

#include "formats/base/buf.h"
#include "formats/base/err.h"
#include "formats/base/hash.h"
#include "formats/base/json.h"
#include "formats/base/log.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store;

/* dir: made where it is missing when `create`. objects: keep files too. Errors: ERR_IO. */
int store_open(struct store **out, const char *dir, bool objects, bool create,
               struct err *err) WARN_UNUSED;
void store_free(struct store *s); /* accepts NULL */
const char *store_dir(const struct store *s);

/* mkdir -p; path is as it was when this returns. */
int store_make_folders(char *path, struct err *err) WARN_UNUSED;

/* The record of a step, owned; *out is NULL when there is none, or none that is whole. It
 * counts as used now. Errors: ERR_NOMEM. */
int store_get(json_val **out, const struct store *s, const char *key, struct err *err) WARN_UNUSED;

/* The same without using it. */
int store_peek(json_val **out, const struct store *s, const char *key, struct err *err) WARN_UNUSED;

/* `record` is JSON text, and stands when this returns. */
int store_put(struct store *s, const char *key, const struct buf *record,
              struct err *err) WARN_UNUSED;

/* Keep the file at `path`, whose digest is `hex`; nothing without objects. */
int store_keep(struct store *s, const char *path, const char *hex, struct err *err) WARN_UNUSED;

/* Is there such an object? It may be damaged. */
bool store_has(const struct store *s, const char *hex);

/* Put the object `hex` to `path`; *found is false, and nothing is there, when the store has no
 * such object, or one that is damaged (it is removed). Errors: ERR_IO, ERR_INTERRUPTED. */
int store_fetch(bool *found, struct store *s, const char *hex, const char *path,
                const struct log *log, struct err *err) WARN_UNUSED;

/* Locks on keys, so that no two programs, nor two threads of one, do the same step. */
struct store_locks {
    int *fd;     /* owned, each held */
    char **path; /* owned, each too */
    size_t n;
};

/* Wait until all n are held; they are taken in one order, whatever the order given. waiting
 * (NULL: nobody) is called once, when another holds one. Errors: ERR_IO, ERR_INTERRUPTED as
 * `log` asks. To be released also after a failure. */
int store_lock(struct store_locks *out, const struct store *s, const char *const *key, size_t n,
               void (*waiting)(void *arg), void *arg, const struct log *log,
               struct err *err) WARN_UNUSED;
void store_unlock(struct store_locks *l);

/* One key, without waiting: *held is false when another has it. */
int store_try_lock(bool *held, struct store_locks *out, const struct store *s, const char *key,
                   struct err *err) WARN_UNUSED;

#endif /* RECIPES_STORE_H */
