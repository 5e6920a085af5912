#ifndef DISTILL_TEACHER_WIRE_H
#define DISTILL_TEACHER_WIRE_H

/* What the reader and the writer of a cache of targets share: docs/formats.md, "Caches of targets". */

#include "distill/teacher.h"
#include "distill/teacher_code.h"
#include "formats/base/buf.h"
#include "formats/base/hash.h"

#include <stdint.h>

#define TEACHER_MAGIC "pare.tch"

enum {
    TEACHER_VERSION = 2,
    TEACHER_MAGIC_BYTES = 8,
    TEACHER_HEX_BYTES = HASH_HEX_BYTES - 1,
    TEACHER_HEAD_BYTES = TEACHER_MAGIC_BYTES + 8 * 4 + 2 * 8 + 3 * TEACHER_HEX_BYTES,
    TEACHER_CHUNK_BYTES = 8 + 4 + 4 + 4, /* in the index: offset, bytes, bytes unpacked, crc32 */
    TEACHER_CHUNK_ROWS = 1024, /* a chunk is as many whole windows as have that many rows, or one */
    TEACHER_ROW_PLANES = 6,    /* bytes of a row: count, rest, least level, 16 bits each */
    TEACHER_TOKEN_PLANES = 5   /* bytes of a token: 24 bits of distance, 16 of level */
};

/* The head, as numbers. */
struct teacher_head {
    uint32_t keep, math; /* enum teacher_keep, enum kern_math: in one number, math * 256 + keep */
    uint32_t k, n_tok, n_vocab, n_levels, per_chunk;
    float temperature;
    uint64_t n_windows, seed;
    char model_hex[HASH_HEX_BYTES], data_hex[HASH_HEX_BYTES], tok_hex[HASH_HEX_BYTES];
};

/* Tokens kept of a row of n_vocab logits. */
static inline uint32_t teacher_cache_k(const struct teacher_cache_opts *o, size_t n_vocab)
{
    return (uint32_t)(o->k < n_vocab || o->keep == TEACHER_SAMPLED ? o->k : n_vocab);
}

/* Append a chunk's rows as planes of bytes: equal parts of all rows or tokens lie together. */
void teacher_pack(struct buf *out, const struct teacher_coded *row, size_t n_rows);

/* A chunk's planes, and where the tokens of each row begin. */
struct teacher_planes {
    const uint8_t *row, *token;
    size_t n_rows, n_tokens;
    const size_t *start; /* [n_rows + 1] */
};

/* start[n_rows + 1]: room for it. Errors: ERR_FORMAT (lengths that disagree). */
int teacher_unpack(struct teacher_planes *out, const uint8_t *bytes, size_t n, size_t n_rows,
                   size_t *start, struct err *err) WARN_UNUSED;

/* Row r into token[], which has room for those that `start` says. Errors: ERR_FORMAT (an id beyond
 * n_vocab, a level beyond n_levels). */
int teacher_unpack_row(struct teacher_coded *out, const struct teacher_planes *p, size_t r,
                       size_t n_vocab, size_t n_levels, struct err *err) WARN_UNUSED;

/* Says whether a window has the tokens and documents it had when the cache was made. */
uint32_t teacher_window_crc(const int32_t *ids, const int32_t *doc, size_t n);

#endif /* DISTILL_TEACHER_WIRE_H */
