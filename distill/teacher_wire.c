#include "distill/teacher_wire.h"

#include <zlib.h>

/* ---- writing ----------------------------------------------------------------------- */

static uint32_t least_level(const struct teacher_coded *c)
{
    uint32_t least = c->n ? c->token[0].level : 0;

    for (size_t i = 1; i < c->n; i++)
        least = c->token[i].level < least ? c->token[i].level : least;
    return least;
}

/* plane[i * n + at] = byte i of v, the lowest first. */
static void put_planes(uint8_t *plane, size_t n, size_t at, uint32_t v, int n_planes)
{
    for (int i = 0; i < n_planes; i++)
        plane[(size_t)i * n + at] = (uint8_t)(v >> (8 * i));
}

static uint32_t get_planes(const uint8_t *plane, size_t n, size_t at, int n_planes)
{
    uint32_t v = 0;

    for (int i = 0; i < n_planes; i++)
        v |= (uint32_t)plane[(size_t)i * n + at] << (8 * i);
    return v;
}

void teacher_pack(struct buf *out, const struct teacher_coded *row, size_t n_rows)
{
    size_t total = 0, at = 0;

    for (size_t r = 0; r < n_rows; r++)
        total += row[r].n;
    const size_t bytes = n_rows * TEACHER_ROW_PLANES + total * TEACHER_TOKEN_PLANES;
    uint8_t *p = (uint8_t *)buf_room(out, bytes);
    if (!p)
        return;
    uint8_t *t = p + n_rows * TEACHER_ROW_PLANES;
    for (size_t r = 0; r < n_rows; r++) {
        const uint32_t least = least_level(&row[r]);
        int32_t id = -1;
        put_planes(p, n_rows, r, (uint32_t)row[r].n, 2);
        put_planes(p + 2 * n_rows, n_rows, r, row[r].rest, 2);
        put_planes(p + 4 * n_rows, n_rows, r, least, 2);
        for (size_t i = 0; i < row[r].n; i++, at++) {
            const struct teacher_token *k = &row[r].token[i];
            put_planes(t, total, at, (uint32_t)(k->id - id - 1), 3);
            put_planes(t + 3 * total, total, at, k->level - least, 2);
            id = k->id;
        }
    }
    out->n += bytes;
    out->p[out->n] = '\0';
}

uint32_t teacher_window_crc(const int32_t *ids, const int32_t *doc, size_t n)
{
    uLong crc = crc32(0, NULL, 0);

    for (size_t i = 0; i < n; i++) {
        const uint32_t v[2] = {(uint32_t)ids[i], doc ? (uint32_t)doc[i] : 0};
        uint8_t b[8];
        put_planes(b, 1, 0, v[0], 4);
        put_planes(b + 4, 1, 0, v[1], 4);
        crc = crc32(crc, b, sizeof(b));
    }
    return (uint32_t)crc;
}

/* ---- reading ----------------------------------------------------------------------- */

int teacher_unpack(struct teacher_planes *out, const uint8_t *bytes, size_t n, size_t n_rows,
                   size_t *start, struct err *err)
{
    size_t total = 0;

    for (size_t r = 0; r < n_rows; r++) {
        start[r] = total;
        total += get_planes(bytes, n_rows, r, 2);
    }
    start[n_rows] = total;
    if (n != n_rows * TEACHER_ROW_PLANES + total * TEACHER_TOKEN_PLANES)
        return err_set(err, ERR_FORMAT, "%zu bytes of %zu rows with %zu tokens", n, n_rows, total);
    *out = (struct teacher_planes){.row = bytes,
                                   .token = bytes + n_rows * TEACHER_ROW_PLANES,
                                   .n_rows = n_rows,
                                   .n_tokens = total,
                                   .start = start};
    return 0;
}

int teacher_unpack_row(struct teacher_coded *out, const struct teacher_planes *p, size_t r,
                       size_t n_vocab, size_t n_levels, struct err *err)
{
    const uint32_t least = get_planes(p->row + 4 * p->n_rows, p->n_rows, r, 2);
    size_t next = 0; /* the least id that may come */

    out->n = p->start[r + 1] - p->start[r];
    out->rest = get_planes(p->row + 2 * p->n_rows, p->n_rows, r, 2);
    for (size_t i = 0; i < out->n; i++) {
        const size_t at = p->start[r] + i;
        const size_t id = next + get_planes(p->token, p->n_tokens, at, 3);
        const uint32_t level = least + get_planes(p->token + 3 * p->n_tokens, p->n_tokens, at, 2);
        if (id >= n_vocab || level >= n_levels)
            return err_set(err, ERR_FORMAT, "row %zu: token %zu of %zu at level %u of %zu", r, id,
                           n_vocab, (unsigned)level, n_levels);
        out->token[i] = (struct teacher_token){.id = (int32_t)id, .level = level};
        next = id + 1;
    }
    return 0;
}
