/* Any bytes as a cache of targets, as they are and with checksums that are right: an answer, and when it is yes,
 * every row of the first windows is read or refused. */

#include "distill/teacher_impl.h"
#include "distill/teacher_wire.h"
#include "formats/base/rd.h"
#include "formats/tail.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { MOST_TOKENS = 512, ROWS = 16, LEVELS_AT = TEACHER_MAGIC_BYTES + 5 * 4 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_row(const struct loss_target *t)
{
    const struct loss_sparse *s = t->sparse;

    if (!s || t->logits)
        abort();
    for (size_t i = 0; i < s->k; i++)
        if (s->id[i] < 0 || isnan(s->logp[i]) || (i && s->logp[i] > s->logp[i - 1]))
            abort();
}

static void try(const void *data, size_t size, size_t n_tok)
{
    static const int32_t ids[MOST_TOKENS];
    const struct teacher_opts o = {
        .n_vocab = 1 << 24, .n_tok = MOST_TOKENS, .n_rows = ROWS, .par = {1}};
    struct loss_target target[ROWS];
    struct teacher *t;
    struct err err = {0};

    if (teacher_cached_bytes(&t, data, size, &o, &err)) {
        if (t || !err.msg[0])
            abort();
        return;
    }
    for (uint64_t w = 0; w < 4; w++) {
        if (teacher_sequence(t, w, ids, NULL, n_tok, &err))
            continue;
        for (size_t i = 0; i < n_tok; i += ROWS) {
            const size_t n = n_tok - i < ROWS ? n_tok - i : ROWS;
            if (teacher_rows(target, t, i, n, &err))
                continue;
            for (size_t r = 0; r < n; r++)
                check_row(&target[r]);
        }
    }
    teacher_free(t);
}

static uint32_t get32(const uint8_t *p)
{
    struct rd r = rd_init(p, 4);

    return rd_u32(&r);
}

static void put32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> 8 * i);
}

/* b[0, n): the index' bytes. Chunks get the checksums they have, windows those of zeros. */
static void mend_index(uint8_t *b, size_t at, size_t n, size_t n_tok, size_t per_chunk)
{
    static const int32_t ids[MOST_TOKENS];
    const size_t left = n > 24 ? n - 24 : 0;
    const size_t each = TEACHER_CHUNK_BYTES + 4 * (per_chunk ? per_chunk : 1);
    const size_t chunks = (left + each - 1) / each;

    for (size_t i = 0; i < chunks && (i + 1) * TEACHER_CHUNK_BYTES <= left; i++) {
        uint8_t *p = b + at + i * TEACHER_CHUNK_BYTES;
        const size_t from = get32(p), bytes = get32(p + 8);
        if (from <= at && bytes <= at - from)
            put32(p + 16, (uint32_t)crc32(0, b + from, (uInt)bytes));
    }
    for (size_t i = chunks * TEACHER_CHUNK_BYTES; i + 4 <= left; i += 4)
        put32(b + at + i, teacher_window_crc(ids, NULL, n_tok));
    put32(b + at + n + 16, (uint32_t)crc32(0, b + at, (uInt)n));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *b = malloc(size + 1);

    if (!b)
        return 0;
    try(data, size, 1);
    memcpy(b, data, size);
    if (size > TEACHER_HEAD_BYTES + 8 + TAIL_BYTES) {
        const size_t levels =
            get32(b + LEVELS_AT) % ((size - TEACHER_HEAD_BYTES - 4 - TAIL_BYTES) / 4);
        const size_t head = TEACHER_HEAD_BYTES + 4 * levels, room = size - TAIL_BYTES - head - 4;
        const size_t n_tok = 1 + get32(b + TEACHER_MAGIC_BYTES + 12) % 64;
        uint8_t *end = b + size - TAIL_BYTES;
        const size_t at = head + 4 + (room ? get32(end) % room : 0);
        memcpy(b, TEACHER_MAGIC, TEACHER_MAGIC_BYTES);
        put32(b + TEACHER_MAGIC_BYTES, TEACHER_VERSION);
        put32(b + TEACHER_MAGIC_BYTES + 12, (uint32_t)n_tok);
        put32(b + LEVELS_AT, (uint32_t)levels);
        put32(b + head, (uint32_t)crc32(0, b, (uInt)head));
        put32(end, (uint32_t)at);
        put32(end + 4, 0);
        put32(end + 8, (uint32_t)(size - TAIL_BYTES - at));
        put32(end + 12, 0);
        memcpy(end + 20, TAIL_MARK, 4);
        mend_index(b, at, size - TAIL_BYTES - at, n_tok, get32(b + TEACHER_MAGIC_BYTES + 24));
        try(b, size, n_tok);
    }
    free(b);
    return 0;
}
