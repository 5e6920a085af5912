/* One digest of all stored tensors: pieces on every core, then the pieces' digests in
 * order, so that neither threads nor shards change it. */

#include "formats/source_digest.h"

#include "formats/base/hash_many.h"

#include <stdlib.h>
#include <string.h>

enum { PIECE = 16 << 20 };

struct source_digest {
    const struct source *s;
    char (*hex)[HASH_HEX_BYTES]; /* owned; of every piece */
    size_t n;
    size_t *end;                  /* owned; by tensor: one past its last piece */
    struct hash_stretch *stretch; /* owned; the pieces in the order of reading */
    size_t n_cut;
    struct hash_many **reader; /* owned */
    size_t n_readers;
};

/* Pieces of a stretch, the first of them number `at`; without room for them, only count. */
static size_t cut_bytes(struct source_digest *d, const struct source_part *p, size_t at)
{
    for (size_t from = 0; from < p->bytes; from += PIECE, at++)
        if (d->stretch)
            d->stretch[d->n_cut++] = (struct hash_stretch){
                .data = p->data + from,
                .n = p->bytes - from < PIECE ? p->bytes - from : PIECE,
                .map = p->map,
                .hex = d->hex[at],
            };
    return at;
}

/* All bytes of a tensor: of each part, and what belongs to its codes. */
static size_t cut_tensor(struct source_digest *d, const struct source_tensor *t, size_t at)
{
    for (size_t k = 0; k < t->n_parts; k++) {
        at = cut_bytes(d, &t->part[k], at);
        const struct coded *c = t->coded && t->part[k].bytes ? t->coded[k].how : NULL;
        for (size_t i = 0; c && i < c->n_side; i++) {
            const struct source_part side = {c->side[i].data, c->side[i].bytes, c->side[i].map};
            at = cut_bytes(d, &side, at);
        }
    }
    return at;
}

static int cut(struct source_digest *d, const size_t *order, struct err *err)
{
    const size_t n = source_n_tensors(d->s);

    d->end = calloc(n + 1, sizeof(*d->end));
    if (!d->end)
        return err_nomem(err);
    for (size_t i = 0; i < n; i++)
        d->end[i] = d->n = cut_tensor(d, source_tensor(d->s, i), d->n);
    d->hex = calloc(d->n + 1, sizeof(*d->hex));
    d->stretch = calloc(d->n + 1, sizeof(*d->stretch));
    if (!d->hex || !d->stretch)
        return err_nomem(err);
    for (size_t k = 0; k < n; k++) {
        const size_t i = order ? order[k] : k;
        (void)cut_tensor(d, source_tensor(d->s, i), i ? d->end[i - 1] : 0);
    }
    return 0;
}

/* Every reader gets every so-manieth piece. */
static int deal(struct source_digest *d, size_t readers, struct err *err)
{
    struct hash_stretch *share = calloc(d->n + 1, sizeof(*share));
    int rc = 0;

    d->reader = calloc(readers, sizeof(*d->reader));
    if (!share || !d->reader)
        rc = err_nomem(err);
    for (; d->n_readers < readers && !rc; d->n_readers++) {
        size_t n = 0;
        for (size_t k = d->n_readers; k < d->n; k += readers)
            share[n++] = d->stretch[k];
        rc = hash_many_new(&d->reader[d->n_readers], share, n, err);
    }
    free(share);
    return rc;
}

int source_digest_new(struct source_digest **out, const struct source *s, const size_t *order,
                      size_t readers, struct err *err)
{
    struct source_digest *d = calloc(1, sizeof(*d));

    *out = NULL;
    if (!d)
        return err_nomem(err);
    d->s = s;
    int rc = cut(d, order, err);
    if (!rc)
        rc = deal(d, readers, err);
    if (rc) {
        source_digest_free(d);
        return rc;
    }
    *out = d;
    return 0;
}

void source_digest_free(struct source_digest *d)
{
    if (!d)
        return;
    for (size_t i = 0; i < d->n_readers; i++)
        hash_many_free(d->reader[i]);
    free(d->reader);
    free(d->stretch);
    free(d->hex);
    free(d->end);
    free(d);
}

size_t source_digest_readers(int n_threads)
{
    const size_t n = (size_t)n_threads;

    return (n + 1) / 2;
}

bool source_digest_read(struct source_digest *d, size_t reader, uint64_t bytes)
{
    return hash_many_step(d->reader[reader], bytes);
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
            hash_str(h, d->hex[k]);
            if (!d->hex[k][0])
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

static void read_share(void *arg, size_t i, int thread)
{
    const struct whole *w = arg;
    struct err err;

    (void)thread;
    while (!log_stop(w->log, &err) && source_digest_read(w->d, i, PIECE))
        continue;
}

int source_sha256(char hex[HASH_HEX_BYTES], const struct source *s, const struct par *par,
                  const struct log *log, struct err *err)
{
    const size_t readers = (size_t)par->n_threads;
    struct whole w = {.log = log};
    int rc = source_digest_new(&w.d, s, NULL, readers, err);

    if (!rc) {
        par_for(par, readers, read_share, &w);
        rc = log_stop(log, err);
    }
    if (!rc)
        rc = source_digest_hex(w.d, hex, err);
    source_digest_free(w.d);
    return rc;
}
