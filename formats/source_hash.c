/* One digest of all stored tensors: pieces on every core, then the pieces' digests in
 * order, so that neither threads nor shards change it. */

#include "formats/source_digest.h"

#include <stdlib.h>
#include <string.h>

enum { PIECE = 16 << 20 };

struct piece {
    const uint8_t *data;   /* in place */
    const struct map *map; /* NULL: nothing to forget */
    size_t bytes;
    char hex[HASH_HEX_BYTES]; /* "": not read, or it failed */
};

struct source_digest {
    const struct source *s;
    struct piece *piece; /* owned */
    size_t n;
    size_t *end; /* owned; by tensor: one past its last piece */
};

/* Cut a stretch; without pieces yet, only count. */
static void cut_bytes(struct source_digest *d, const struct source_part *p)
{
    for (size_t at = 0; at < p->bytes; at += PIECE, d->n++)
        if (d->piece)
            d->piece[d->n] = (struct piece){
                .data = p->data + at,
                .map = p->map,
                .bytes = p->bytes - at < PIECE ? p->bytes - at : PIECE,
            };
}

/* All bytes of a tensor: of each part, and what belongs to its codes. */
static void cut_tensor(struct source_digest *d, const struct source_tensor *t)
{
    for (size_t k = 0; k < t->n_parts; k++) {
        cut_bytes(d, &t->part[k]);
        const struct coded *c = t->coded && t->part[k].bytes ? t->coded[k].how : NULL;
        for (size_t i = 0; c && i < c->n_side; i++)
            cut_bytes(d, &(struct source_part){c->side[i].data, c->side[i].bytes, c->side[i].map});
    }
}

static void cut(struct source_digest *d)
{
    d->n = 0;
    for (size_t i = 0; i < source_n_tensors(d->s); i++) {
        cut_tensor(d, source_tensor(d->s, i));
        d->end[i] = d->n;
    }
}

int source_digest_new(struct source_digest **out, const struct source *s, struct err *err)
{
    struct source_digest *d = calloc(1, sizeof(*d));

    *out = NULL;
    if (!d)
        return err_nomem(err);
    d->s = s;
    d->end = calloc(source_n_tensors(s) + 1, sizeof(*d->end));
    if (!d->end)
        goto fail;
    cut(d);
    d->piece = calloc(d->n + !d->n, sizeof(*d->piece));
    if (!d->piece)
        goto fail;
    cut(d);
    *out = d;
    return 0;

fail:
    source_digest_free(d);
    return err_nomem(err);
}

void source_digest_free(struct source_digest *d)
{
    if (!d)
        return;
    free(d->piece);
    free(d->end);
    free(d);
}

size_t source_digest_pieces(const struct source_digest *d)
{
    return d->n;
}

size_t source_digest_of(const struct source_digest *d, size_t i, size_t *first)
{
    *first = i ? d->end[i - 1] : 0;
    return d->end[i];
}

void source_digest_read(struct source_digest *d, size_t k)
{
    struct piece *p = &d->piece[k];
    struct err err;

    if (hash_of(p->data, p->bytes, p->hex, &err))
        p->hex[0] = '\0';
}

void source_digest_forget(const struct source_digest *d, size_t k)
{
    const struct piece *p = &d->piece[k];

    if (p->map)
        map_forget(p->map, (size_t)(p->data - p->map->data), p->bytes);
}

int source_digest_hex(const struct source_digest *d, char hex[HASH_HEX_BYTES], struct err *err)
{
    struct hash *h;
    size_t k = 0;
    int rc = hash_new(&h, err);

    for (size_t i = 0; !rc && i < source_n_tensors(d->s); i++) {
        const struct source_tensor *t = source_tensor(d->s, i);
        hash_str(h, t->stored);
        hash_str(h, dtype_get(t->type)->name);
        hash_add(h, t->dims, (size_t)t->n_dims * sizeof(t->dims[0]));
        if (t->global)
            hash_add(h, t->global, t->n_global * sizeof(*t->global));
        for (; !rc && k < d->end[i]; k++) {
            hash_str(h, d->piece[k].hex);
            if (!d->piece[k].hex[0])
                rc = err_set(err, ERR_NOMEM, "tensor %s: SHA-256 failed", t->name);
        }
    }
    if (!rc)
        rc = hash_hex(h, hex, err);
    hash_free(h);
    return rc;
}

struct whole {
    struct source_digest *d;
    const struct log *log;
};

static void read_piece(void *arg, size_t k, int thread)
{
    const struct whole *w = arg;
    struct err err;

    (void)thread;
    if (log_stop(w->log, &err))
        return;
    source_digest_read(w->d, k);
    source_digest_forget(w->d, k);
}

int source_sha256(char hex[HASH_HEX_BYTES], const struct source *s, const struct par *par,
                  const struct log *log, struct err *err)
{
    struct whole w = {.log = log};
    int rc = source_digest_new(&w.d, s, err);

    if (!rc) {
        par_for(par, w.d->n, read_piece, &w);
        rc = log_stop(log, err);
    }
    if (!rc)
        rc = source_digest_hex(w.d, hex, err);
    source_digest_free(w.d);
    return rc;
}
