#ifndef FORMATS_SOURCE_DIGEST_H
#define FORMATS_SOURCE_DIGEST_H

/* The digest of source_sha256 in pieces, so that it can be taken while a source is read for
 * something else. */

#include "formats/base/err.h"
#include "formats/base/hash.h"
#include "formats/source.h"

#include <stddef.h>

struct source_digest;

/* `s` must outlive *out. */
int source_digest_new(struct source_digest **out, const struct source *s,
                      struct err *err) WARN_UNUSED;
void source_digest_free(struct source_digest *d); /* accepts NULL */

size_t source_digest_pieces(const struct source_digest *d);
/* Those of tensor i (source_tensor's index) are [*first, end), in the order of its rows. */
size_t source_digest_of(const struct source_digest *d, size_t i, size_t *first);

/* Read the bytes of piece k; several threads may, each another one. Failure shows in
 * source_digest_hex. */
void source_digest_read(struct source_digest *d, size_t k);
/* Let the pages of piece k go. */
void source_digest_forget(const struct source_digest *d, size_t k);

/* The whole, when every piece has been read. */
int source_digest_hex(const struct source_digest *d, char hex[HASH_HEX_BYTES],
                      struct err *err) WARN_UNUSED;

#endif /* FORMATS_SOURCE_DIGEST_H */
