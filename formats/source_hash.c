/* One digest of all stored tensors: pieces on every core, then the pieces' digests in
 * order, so that neither threads nor shards change it. */

#include "formats/source.h"

#include <stdlib.h>
#include <string.h>

enum { PIECE = 16 << 20 };

struct piece {
    struct source_part part;
    size_t offset, bytes;
    char hex[HASH_HEX_BYTES];
    int rc;
    struct err err;
};

struct job {
    struct piece *piece;
    size_t n;
    const struct log *log;
};

static void hash_piece(void *arg, size_t i, int thread)
{
    const struct job *j = arg;
    struct piece *p = &j->piece[i];

    (void)thread;
    p->rc = log_stop(j->log, &p->err);
    if (!p->rc)
        p->rc = hash_of(p->part.data + p->offset, p->bytes, p->hex, &p->err);
    if (p->part.map)
        map_forget(p->part.map, (size_t)(p->part.data - p->part.map->data) + p->offset, p->bytes);
}

/* Cut a stretch; without pieces yet, only count. */
static void cut_bytes(struct job *j, const struct source_part *p)
{
    for (size_t at = 0; at < p->bytes; at += PIECE, j->n++)
        if (j->piece)
            j->piece[j->n] = (struct piece){
                .part = *p,
                .offset = at,
                .bytes = p->bytes - at < PIECE ? p->bytes - at : PIECE,
            };
}

/* All bytes of a tensor: of each part, and what belongs to its codes. */
static void cut_tensor(struct job *j, const struct source_tensor *t)
{
    for (size_t k = 0; k < t->n_parts; k++) {
        cut_bytes(j, &t->part[k]);
        const struct coded *c = t->coded && t->part[k].bytes ? t->coded[k].how : NULL;
        for (size_t i = 0; c && i < c->n_side; i++)
            cut_bytes(j, &(struct source_part){c->side[i].data, c->side[i].bytes, c->side[i].map});
    }
}

static size_t pieces_of(const struct source_tensor *t)
{
    struct job j = {0};

    cut_tensor(&j, t);
    return j.n;
}

static int cut(struct job *j, const struct source *s, struct err *err)
{
    size_t n = 0;

    for (size_t i = 0; i < source_n_tensors(s); i++)
        n += pieces_of(source_tensor(s, i));
    j->piece = calloc(n + !n, sizeof(*j->piece));
    if (!j->piece)
        return err_nomem(err);
    for (size_t i = 0; i < source_n_tensors(s); i++)
        cut_tensor(j, source_tensor(s, i));
    return 0;
}

/* The digest over names, types, shapes and pieces. */
static int combine(char hex[HASH_HEX_BYTES], const struct job *j, const struct source *s,
                   struct err *err)
{
    struct hash *h;
    const struct piece *p = j->piece;
    int rc = hash_new(&h, err);

    for (size_t i = 0; !rc && i < source_n_tensors(s); i++) {
        const struct source_tensor *t = source_tensor(s, i);
        hash_str(h, t->stored);
        hash_str(h, dtype_get(t->type)->name);
        hash_add(h, t->dims, (size_t)t->n_dims * sizeof(t->dims[0]));
        if (t->global)
            hash_add(h, t->global, t->n_global * sizeof(*t->global));
        for (size_t n = pieces_of(t); !rc && n; n--, p++) {
            hash_str(h, p->hex);
            if (p->rc) {
                *err = p->err;
                rc = p->rc;
            }
        }
    }
    if (!rc)
        rc = hash_hex(h, hex, err);
    hash_free(h);
    return rc;
}

int source_sha256(char hex[HASH_HEX_BYTES], const struct source *s, const struct par *par,
                  const struct log *log, struct err *err)
{
    struct job j = {.log = log};
    int rc = cut(&j, s, err);

    if (!rc) {
        par_for(par, j.n, hash_piece, &j);
        rc = combine(hex, &j, s, err);
    }
    free(j.piece);
    return rc;
}
