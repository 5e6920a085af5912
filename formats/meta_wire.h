#ifndef FORMATS_META_WIRE_H
#define FORMATS_META_WIRE_H

/* Metadata as bytes: the key-value part of a GGUF header.
 * Source: ggml/docs/gguf.md, "gguf_metadata_kv_t". */

#include "formats/base/buf.h"
#include "formats/base/rd.h"
#include "formats/meta.h"

enum { META_MAX_KEY = 65535, META_MAX_PAIRS = 1 << 14 /* models have some dozens */ };

/* A u64 length and that many bytes, in place; NULL and r->bad past the end. */
const char *meta_read_str(struct rd *r, uint64_t *n);

/* Read n pairs into the empty *m; strings and arrays stay in place, so the bytes must
 * outlive it. Errors name the key: ERR_FORMAT, ERR_UNSUPPORTED (nested arrays), ERR_NOMEM.
 * The caller releases *m in either case. */
int meta_read(struct meta *m, struct rd *r, uint64_t n, struct err *err) WARN_UNUSED;

/* Append a pair. Failure sticks in `b`. */
void meta_write(struct buf *b, const struct meta_kv *kv);

#endif /* FORMATS_META_WIRE_H */
