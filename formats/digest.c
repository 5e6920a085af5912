#include "formats/digest.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* Hashed, and given back to the kernel, at a time. */
static const size_t slice_bytes = 8 * 1024 * 1024;

static struct digest_tensor *table(size_t n)
{
    return calloc(n ? n : 1, sizeof(struct digest_tensor));
}

int digest_gguf_list(struct digest_tensor **out, const struct gguf *g, struct err *err)
{
    const size_t n = gguf_n_tensors(g);

    *out = table(n);
    if (!*out)
        return err_nomem(err);
    for (size_t i = 0; i < n; i++) {
        const struct gguf_tensor *t = gguf_tensor(g, i);
        struct digest_tensor *d = &(*out)[i];
        *d = (struct digest_tensor){.name = t->name,
                                    .type = t->type,
                                    .n_dims = t->n_dims,
                                    .offset = t->offset,
                                    .data = t->data,
                                    .bytes = t->bytes,
                                    .map = t->map};
        memcpy(d->dims, t->dims, (size_t)t->n_dims * sizeof(*d->dims));
    }
    return 0;
}

int digest_ckpt_list(struct digest_tensor **out, const struct ckpt *c, struct err *err)
{
    const size_t n = ckpt_n_tensors(c);

    *out = table(n);
    if (!*out)
        return err_nomem(err);
    for (size_t i = 0; i < n; i++) {
        const struct st_tensor *t = ckpt_tensor(c, i);
        struct digest_tensor *d = &(*out)[i];
        *d = (struct digest_tensor){.name = t->name,
                                    .type = t->type,
                                    .n_dims = t->n_dims,
                                    .file = ckpt_tensor_file(c, i),
                                    .data = t->data,
                                    .bytes = t->bytes,
                                    .map = ckpt_tensor_map(c, i)};
        memcpy(d->dims, t->dims, (size_t)t->n_dims * sizeof(*d->dims));
    }
    return 0;
}

struct hashing {
    struct digest_tensor *t;
    size_t n;
    const struct log *log;
    uint64_t total;
    _Atomic uint64_t done;
    atomic_bool stop;
    struct err *err; /* one per tensor; owned by digest_hash */
};

static int add_slices(struct hashing *h, const struct digest_tensor *t, struct hash *hash,
                      int thread, struct err *err)
{
    for (size_t at = 0; at < t->bytes; at += slice_bytes) {
        const size_t k = t->bytes - at < slice_bytes ? t->bytes - at : slice_bytes;
        if (atomic_load(&h->stop))
            return err_set(err, ERR_INTERRUPTED, "interrupted");
        hash_add(hash, t->data + at, k);
        if (t->map)
            map_forget(t->map, (size_t)(t->data + at - t->map->data), k);
        const uint64_t done = atomic_fetch_add(&h->done, k) + k;
        if (thread != 0) /* one voice */
            continue;
        log_progress(h->log, "bytes", done, h->total);
        if (log_stop(h->log, err)) {
            atomic_store(&h->stop, true);
            return err->code;
        }
    }
    return 0;
}

static void hash_one(void *arg, size_t i, int thread)
{
    struct hashing *h = arg;
    struct digest_tensor *t = &h->t[i];
    struct hash *hash = NULL;
    int rc = hash_new(&hash, &h->err[i]);

    if (!rc)
        rc = add_slices(h, t, hash, thread, &h->err[i]);
    if (!rc)
        rc = hash_hex(hash, t->hex, &h->err[i]);
    if (rc)
        atomic_store(&h->stop, true);
    hash_free(hash);
}

int digest_hash(struct digest_tensor *t, size_t n, const struct par *par, const struct log *log,
                struct err *err)
{
    struct hashing h = {.t = t, .n = n, .log = log};
    int rc = 0;

    h.err = calloc(n ? n : 1, sizeof(*h.err));
    if (!h.err)
        return err_nomem(err);
    for (size_t i = 0; i < n; i++)
        h.total += t[i].bytes;
    par_for(par, n, hash_one, &h);
    for (size_t i = 0; i < n && !rc; i++) {
        if (h.err[i].code)
            *err = h.err[i];
        rc = h.err[i].code;
    }
    free(h.err);
    return rc;
}
