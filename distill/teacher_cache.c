#include "distill/data.h"
#include "distill/teacher_impl.h"
#include "distill/teacher_wire.h"
#include "formats/base/arena.h"
#include "formats/base/map.h"
#include "formats/base/rd.h"
#include "formats/tail.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* deflate packs no better than 1 : 1032 */
enum { MOST_PACKED = 1032 };

struct cached {
    struct teacher base;
    const char *path; /* for messages */
    struct map map;
    const uint8_t *data;
    size_t size;
    struct teacher_head head;
    size_t index;                    /* where chunks end */
    const uint8_t *chunks, *windows; /* in the index */
    size_t n_chunks;
    float *level; /* [n_levels] */
    double *exp_level;

    /* the chunk that is unpacked now */
    size_t chunk;  /* SIZE_MAX: none */
    uint8_t *raw;  /* owned */
    size_t *start; /* owned */
    struct teacher_planes planes;

    size_t row0;                 /* of the sequence, in the chunk */
    struct teacher_coded *coded; /* [n_rows] of k tokens */
    struct loss_sparse *sparse;  /* likewise */
    int32_t *ids;                /* [n_rows, k] */
    float *logp;                 /* likewise */
    uint8_t *failed;             /* [n_rows] */
    struct arena arena;
};

/* ---- opening ------------------------------------------------------------------------ */

static void get_hex(char hex[HASH_HEX_BYTES], struct rd *r)
{
    const uint8_t *p = rd_bytes(r, TEACHER_HEX_BYTES);

    memset(hex, 0, HASH_HEX_BYTES);
    for (size_t i = 0; p && i < TEACHER_HEX_BYTES && p[i]; i++)
        hex[i] = p[i] >= ' ' && p[i] <= '~' ? (char)p[i] : '?';
}

static int check_numbers(const struct teacher_head *h, struct err *err)
{
    const bool good = h->keep <= TEACHER_SAMPLED && h->math < KERN_MATH_COUNT && h->k &&
                      h->k <= TEACHER_K_MAX && h->n_tok && h->n_tok <= INT32_MAX && h->n_vocab &&
                      h->n_vocab <= 1 << 24 && h->n_levels && h->n_levels <= TEACHER_LEVELS_MAX &&
                      h->per_chunk && h->temperature > 0;

    if (!good)
        return err_set(err, ERR_FORMAT,
                       "numbers that no cache has: %u of %u tokens kept, windows of %u, %u levels",
                       (unsigned)h->k, (unsigned)h->n_vocab, (unsigned)h->n_tok,
                       (unsigned)h->n_levels);
    return 0;
}

static int read_head(struct cached *c, struct err *err)
{
    struct rd r = rd_init(c->data, c->size);
    const uint8_t *magic = rd_bytes(&r, TEACHER_MAGIC_BYTES);
    struct teacher_head *h = &c->head;

    if (!magic || memcmp(magic, TEACHER_MAGIC, TEACHER_MAGIC_BYTES) != 0)
        return err_set(err, ERR_FORMAT, "no cache of targets: it does not begin with \"%s\"",
                       TEACHER_MAGIC);
    const uint32_t version = rd_u32(&r);
    if (!r.bad && version != TEACHER_VERSION)
        return err_set(err, ERR_UNSUPPORTED, "a cache of version %u: this program reads %d",
                       (unsigned)version, TEACHER_VERSION);
    const uint32_t kind = rd_u32(&r);
    h->keep = kind & 255;
    h->math = kind >> 8;
    h->k = rd_u32(&r);
    h->n_tok = rd_u32(&r);
    h->n_vocab = rd_u32(&r);
    h->n_levels = rd_u32(&r);
    h->per_chunk = rd_u32(&r);
    const uint8_t *temperature = rd_bytes(&r, sizeof(h->temperature));
    h->n_windows = rd_u64(&r);
    h->seed = rd_u64(&r);
    get_hex(h->model_hex, &r);
    get_hex(h->data_hex, &r);
    get_hex(h->tok_hex, &r);
    if (r.bad)
        return err_set(err, ERR_FORMAT, "cut short: %zu bytes", c->size);
    memcpy(&h->temperature, temperature, sizeof(h->temperature));
    return check_numbers(h, err);
}

/* Behind the head: the levels, and a checksum of both. */
static int read_levels(struct cached *c, struct err *err)
{
    struct rd r = rd_init(c->data, c->size);
    const size_t bytes = c->head.n_levels * sizeof(float);

    (void)rd_bytes(&r, TEACHER_HEAD_BYTES);
    const uint8_t *p = rd_bytes(&r, bytes);
    const uint32_t crc = rd_u32(&r);
    if (r.bad)
        return err_set(err, ERR_FORMAT, "cut short: %zu bytes", c->size);
    if (crc32(0, c->data, (uInt)(TEACHER_HEAD_BYTES + bytes)) != crc)
        return err_set(err, ERR_FORMAT, "the head is damaged: its checksum differs");
    c->level = arena_array(&c->arena, c->head.n_levels, sizeof(*c->level));
    c->exp_level = arena_array(&c->arena, c->head.n_levels, sizeof(*c->exp_level));
    if (!c->level || !c->exp_level)
        return err_nomem(err);
    memcpy(c->level, p, bytes);
    for (size_t i = 0; i < c->head.n_levels; i++) {
        if (!(c->level[i] <= 0) || !isfinite(c->level[i]))
            return err_set(err, ERR_FORMAT, "level %zu is %g: no log-probability", i,
                           (double)c->level[i]);
        c->exp_level[i] = exp((double)c->level[i]);
    }
    return 0;
}

static int read_index(struct cached *c, struct err *err)
{
    const size_t head = TEACHER_HEAD_BYTES + c->head.n_levels * sizeof(float) + 4;
    const uint64_t n = c->head.n_windows;
    uint64_t at, bytes;
    int rc;

    rc = tail_find(&at, &bytes, c->data, c->size, head, INT32_MAX, err);
    if (rc)
        return rc;
    if (n > bytes / 4)
        return err_set(err, ERR_FORMAT, "%llu windows in an index of %llu bytes",
                       (unsigned long long)n, (unsigned long long)bytes);
    c->n_chunks = (size_t)((n + c->head.per_chunk - 1) / c->head.per_chunk);
    if (bytes != c->n_chunks * TEACHER_CHUNK_BYTES + n * 4 + 24)
        return err_set(err, ERR_FORMAT, "an index of %llu bytes for %llu windows",
                       (unsigned long long)bytes, (unsigned long long)n);
    c->index = (size_t)at;
    c->chunks = c->data + at;
    c->windows = c->chunks + c->n_chunks * TEACHER_CHUNK_BYTES;
    return 0;
}

static int check_opts(const struct cached *c, const struct teacher_opts *o, struct err *err)
{
    if (c->base.tok_hex[0] && c->head.tok_hex[0] && strcmp(c->base.tok_hex, c->head.tok_hex) != 0)
        return err_set(err, ERR_ARG, "made for the tokenizer %s, this one is %s", c->head.tok_hex,
                       c->base.tok_hex);
    if (c->head.n_vocab > o->n_vocab)
        return err_set(err, ERR_ARG, "made for a vocabulary of %u tokens, this one has %zu",
                       (unsigned)c->head.n_vocab, o->n_vocab);
    if (o->layers && o->n_layers)
        return err_set(err, ERR_ARG, "it holds no residual streams, which hidden losses need");
    return 0;
}

static const char *kept(uint32_t keep)
{
    return keep == TEACHER_SAMPLED ? "drawn" : "most probable";
}

static int check_made(const struct cached *c, const struct teacher_cache_opts *want,
                      const struct data *data, struct err *err)
{
    const uint32_t k = teacher_cache_k(want, c->head.n_vocab);

    if (strcmp(want->model_hex, c->head.model_hex) != 0)
        return err_set(err, ERR_ARG, "made by the teacher %s, this one is %s", c->head.model_hex,
                       want->model_hex);
    if (c->head.keep != want->keep || c->head.k != k)
        return err_set(err, ERR_ARG, "it has %u %s tokens of a row, expected %u %s ones",
                       (unsigned)c->head.k, kept(c->head.keep), (unsigned)k, kept(want->keep));
    if (c->head.math != want->math)
        return err_set(err, ERR_ARG, "made with another teacher-math than this run's");
    if (c->head.temperature != (float)want->temperature)
        return err_set(err, ERR_ARG, "made at temperature %g, this run's is %g",
                       (double)c->head.temperature, want->temperature);
    if (strcmp(data_sha256(data), c->head.data_hex) != 0)
        return err_set(err, ERR_ARG, "made from the data %s, this is %s", c->head.data_hex,
                       data_sha256(data));
    return 0;
}

static int alloc(struct cached *c, struct err *err)
{
    const size_t rows = c->base.n_rows, k = c->head.k;
    size_t n;

    if (!mul_ok(&n, rows, k))
        return err_nomem(err);
    struct teacher_token *token = arena_array(&c->arena, n, sizeof(*token));
    c->coded = arena_array(&c->arena, rows, sizeof(*c->coded));
    c->sparse = arena_array(&c->arena, rows, sizeof(*c->sparse));
    c->failed = arena_array(&c->arena, rows, sizeof(*c->failed));
    c->ids = arena_array(&c->arena, n, sizeof(*c->ids));
    c->logp = arena_array(&c->arena, n, sizeof(*c->logp));
    if (!token || !c->coded || !c->sparse || !c->failed || !c->ids || !c->logp)
        return err_nomem(err);
    for (size_t i = 0; i < rows; i++) {
        c->coded[i].token = token + i * k;
        c->sparse[i] =
            (struct loss_sparse){.id = c->ids + i * k, .logp = c->logp + i * k, .tempered = true};
    }
    return 0;
}

/* ---- a sequence --------------------------------------------------------------------- */

struct chunk {
    uint64_t offset;
    uint32_t bytes, unpacked, crc;
    size_t n_rows;
};

static struct chunk chunk_at(const struct cached *c, size_t i)
{
    struct rd r = rd_init(c->chunks + i * TEACHER_CHUNK_BYTES, TEACHER_CHUNK_BYTES);
    const uint64_t each = c->head.per_chunk, left = c->head.n_windows - i * each;
    struct chunk k = {0};

    k.offset = rd_u64(&r);
    k.bytes = rd_u32(&r);
    k.unpacked = rd_u32(&r);
    k.crc = rd_u32(&r);
    if (!mul_ok(&k.n_rows, (size_t)(left < each ? left : each), c->head.n_tok))
        k.n_rows = SIZE_MAX;
    return k;
}

static int check_chunk(const struct cached *c, const struct chunk *k, struct err *err)
{
    if (k->offset > c->index || k->bytes > c->index - k->offset)
        return err_set(err, ERR_FORMAT, "%u bytes at %llu, chunks end at %zu", (unsigned)k->bytes,
                       (unsigned long long)k->offset, c->index);
    if (k->unpacked / MOST_PACKED > k->bytes || k->unpacked / TEACHER_ROW_PLANES < k->n_rows)
        return err_set(err, ERR_FORMAT, "%u bytes packed in %u for %zu rows", (unsigned)k->unpacked,
                       (unsigned)k->bytes, k->n_rows);
    const uint32_t crc = (uint32_t)crc32(0, c->data + k->offset, k->bytes);
    if (crc != k->crc)
        return err_set(err, ERR_FORMAT, "its checksum is %08x, not %08x", (unsigned)crc,
                       (unsigned)k->crc);
    return 0;
}

static int unpack(struct cached *c, const struct chunk *k, struct err *err)
{
    uLongf got = k->unpacked;

    c->raw = malloc(k->unpacked);
    c->start = malloc((k->n_rows + 1) * sizeof(*c->start));
    if (!c->raw || !c->start)
        return err_nomem(err);
    if (uncompress(c->raw, &got, c->data + k->offset, k->bytes) != Z_OK || got != k->unpacked)
        return err_set(err, ERR_FORMAT, "its bytes cannot be unpacked");
    const int rc = teacher_unpack(&c->planes, c->raw, k->unpacked, k->n_rows, c->start, err);
    if (rc)
        return rc;
    for (size_t r = 0; r < k->n_rows; r++)
        if (c->start[r + 1] - c->start[r] > c->head.k)
            return err_set(err, ERR_FORMAT, "row %zu has %zu tokens of %u", r,
                           c->start[r + 1] - c->start[r], (unsigned)c->head.k);
    return 0;
}

static int load(struct cached *c, size_t i, struct err *err)
{
    const struct chunk k = chunk_at(c, i);
    const size_t first = i * c->head.per_chunk;

    if (c->chunk == i)
        return 0;
    c->chunk = SIZE_MAX;
    free(c->raw);
    free(c->start);
    c->raw = NULL;
    c->start = NULL;
    int rc = check_chunk(c, &k, err);
    if (!rc)
        rc = unpack(c, &k, err);
    if (rc == ERR_FORMAT)
        return err_wrap(err, "%s: chunk %zu (windows %zu to %zu) is damaged", c->path, i, first,
                        first + k.n_rows / c->head.n_tok - 1);
    if (!rc)
        c->chunk = i;
    return rc;
}

static int sequence(struct teacher *t, uint64_t key, const int32_t *ids, const int32_t *doc,
                    size_t n, struct err *err)
{
    struct cached *c = (struct cached *)t;

    if (key >= c->head.n_windows || n != c->head.n_tok)
        return err_set(err, ERR_ARG, "window %llu of %zu tokens from a cache of %llu of %u",
                       (unsigned long long)key, n, (unsigned long long)c->head.n_windows,
                       (unsigned)c->head.n_tok);
    struct rd r = rd_init(c->windows + key * 4, 4);
    if (teacher_window_crc(ids, doc, n) != rd_u32(&r))
        return err_set(err, ERR_FORMAT,
                       "%s: window %llu has other tokens than the cache was made from", c->path,
                       (unsigned long long)key);
    c->row0 = (size_t)(key % c->head.per_chunk) * n;
    return load(c, (size_t)(key / c->head.per_chunk), err);
}

/* ---- rows ----------------------------------------------------------------------------- */

static int by_level(const void *a, const void *b)
{
    const struct teacher_token *x = a, *y = b;

    if (x->level != y->level)
        return x->level < y->level ? 1 : -1;
    return (x->id > y->id) - (x->id < y->id);
}

struct batch {
    struct cached *c;
    size_t row0;
};

static int read_row(const struct batch *b, size_t i, struct err *err)
{
    struct cached *c = b->c;
    struct teacher_coded *k = &c->coded[i];
    const int rc = teacher_unpack_row(k, &c->planes, c->row0 + b->row0 + i, c->head.n_vocab,
                                      c->head.n_levels, err);

    if (rc)
        return rc;
    qsort(k->token, k->n, sizeof(*k->token), by_level);
    const double sum = teacher_coded_sum(k, c->exp_level);
    for (size_t j = 0; j < k->n; j++) {
        c->ids[i * c->head.k + j] = k->token[j].id;
        c->logp[i * c->head.k + j] = (float)((double)c->level[k->token[j].level] - sum);
    }
    c->sparse[i].k = k->n;
    c->sparse[i].log_rest = (float)(teacher_coded_rest(k) - sum);
    return 0;
}

static void row_piece(void *arg, size_t i, int thread)
{
    const struct batch *b = arg;
    struct err err = {0};

    (void)thread;
    b->c->failed[i] = read_row(b, i, &err) != 0;
}

static int rows(struct loss_target *out, struct teacher *t, size_t row0, size_t n, struct err *err)
{
    struct cached *c = (struct cached *)t;
    struct batch b = {.c = c, .row0 = row0};

    par_for(&t->par, n, row_piece, &b);
    for (size_t i = 0; i < n; i++) {
        if (c->failed[i] && read_row(&b, i, err))
            return err_wrap(err, "%s: chunk %zu", c->path, c->chunk);
        out[i].logits = NULL;
        out[i].sparse = &c->sparse[i];
    }
    return 0;
}

/* ---- life ------------------------------------------------------------------------------ */

static void cached_free(struct teacher *t)
{
    struct cached *c = (struct cached *)t;

    free(c->raw);
    free(c->start);
    map_release(&c->map);
    arena_release(&c->arena);
    free(c);
}

static const struct teacher_kind kind = {.sequence = sequence, .rows = rows, .free = cached_free};

static int parse(struct cached *c, const struct teacher_opts *o, struct err *err)
{
    int rc = read_head(c, err);

    if (!rc)
        rc = read_levels(c, err);
    if (!rc)
        rc = read_index(c, err);
    if (!rc)
        rc = teacher_init(&c->base, &kind, o, err);
    if (!rc)
        rc = check_opts(c, o, err);
    return rc ? rc : alloc(c, err);
}

int teacher_cached_bytes(struct teacher **out, const void *data, size_t size,
                         const struct teacher_opts *o, struct err *err)
{
    struct cached *c = calloc(1, sizeof(*c));

    *out = NULL;
    if (!c)
        return err_nomem(err);
    c->data = data;
    c->size = size;
    c->chunk = SIZE_MAX;
    c->path = "a cache";
    const int rc = parse(c, o, err);
    if (rc)
        cached_free(&c->base);
    else
        *out = &c->base;
    return rc;
}

int teacher_cached(struct teacher **out, const char *path, const struct teacher_cache_opts *want,
                   const struct data *data, const struct teacher_opts *o, struct err *err)
{
    struct map map;
    int rc = map_open(&map, path, err);

    *out = NULL;
    if (rc)
        return rc;
    rc = teacher_cached_bytes(out, map.data ? (const void *)map.data : "", map.size, o, err);
    if (rc) {
        map_release(&map);
        return err_wrap(err, "%s", path);
    }
    struct cached *c = (struct cached *)*out;
    c->map = map;
    c->path = arena_str(&c->arena, path);
    rc = c->path ? check_made(c, want, data, err) : err_nomem(err);
    if (rc) {
        teacher_free(*out);
        *out = NULL;
        return err_wrap(err, "%s", path);
    }
    return 0;
}
