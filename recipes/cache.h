#ifndef RECIPES_CACHE_H
#define RECIPES_CACHE_H

/* Digests of files: FOLDER/.cache/hashes.json of an output folder remembers those of files
 * whose path, size, time and inode have not changed. Any thread may ask for one. */

#include "formats/base/err.h"
#include "formats/base/hash.h"
#include "formats/base/log.h"

#include <stdbool.h>

struct cache;

/* dir: the output folder. With `create` it and its .cache are made and locked against
 * a second run; without, nothing is ever written. A hashes.json that can't be read
 * counts as empty. Errors: ERR_IO (what the system said; another run holds it). */
int cache_open(struct cache **out, const char *dir, bool create, const struct log *log,
               struct err *err) WARN_UNUSED;

/* Write hashes.json when it changed. */
int cache_save(struct cache *c, struct err *err) WARN_UNUSED;
void cache_free(struct cache *c); /* accepts NULL */

/* Digest of a file's bytes. */
int cache_hash_file(char hex[HASH_HEX_BYTES], struct cache *c, const char *path,
                    struct err *err) WARN_UNUSED;

/* Digest of all of a model: a GGUF with its split parts, or what a checkpoint's folder
 * holds (weights, configuration, tokenizer), by file name and content. */
int cache_hash_model(char hex[HASH_HEX_BYTES], struct cache *c, const char *path,
                     struct err *err) WARN_UNUSED;

#endif /* RECIPES_CACHE_H */
