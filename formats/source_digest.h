#ifndef FORMATS_SOURCE_DIGEST_H
#define FORMATS_SOURCE_DIGEST_H

/* The digest of source_sha256 bit by bit, so that it can be taken while a source is read for
 * something else. */

#include "formats/base/err.h"
#include "formats/base/hash.h"
#include "formats/source.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct source_digest;

/* For `readers` >= 1 that each take their share, maybe on several threads. order: tensor
 * indices, as they will be read; NULL: as they are. `s` must outlive *out. */
int source_digest_new(struct source_digest **out, const struct source *s, const size_t *order,
                      size_t readers, struct err *err) WARN_UNUSED;
void source_digest_free(struct source_digest *d); /* accepts NULL */

/* How many readers are enough for n threads: one may be faster than they encode. */
size_t source_digest_readers(int n_threads);

/* About that many bytes more of a reader's share. false: it has read all. Pages are let go. */
bool source_digest_read(struct source_digest *d, size_t reader, uint64_t bytes);

/* The whole, when every reader has read all. */
int source_digest_hex(const struct source_digest *d, char hex[HASH_HEX_BYTES],
                      struct err *err) WARN_UNUSED;

#endif /* FORMATS_SOURCE_DIGEST_H */
