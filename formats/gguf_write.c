#include "formats/gguf_write.h"

#include "formats/base/buf.h"
#include "formats/base/out.h"
#include "formats/base/strmap.h"
#include "formats/gguf_split.h"
#include "formats/meta_wire.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ggml's GGML_MAX_NAME, with the '\0': longer names are refused there. */
enum { NAME_MAX_BYTES = 64 };

/* One file of the result. */
struct part {
    size_t first, end; /* its items */
    struct buf name;
    struct out out;
};

struct gguf_writer {
    const struct meta *meta;       /* borrowed */
    const struct gguf_item *items; /* borrowed */
    size_t n_items;
    size_t *bytes; /* owned; of each item, without padding */
    uint64_t alignment;
    struct part *part; /* owned */
    size_t n_parts;
    uint64_t total; /* bytes of all files */
    size_t item;    /* being written */
    size_t done;    /* bytes of it that were */
    size_t at;      /* its part */
};

static uint64_t padding(uint64_t n, uint64_t alignment)
{
    return (alignment - n % alignment) % alignment;
}

static int check_name(struct strmap *seen, const char *name, struct err *err)
{
    const size_t n = strlen(name);
    bool fresh = false;

    if (n == 0 || n >= NAME_MAX_BYTES)
        return err_set(err, ERR_UNSUPPORTED,
                       "tensor %.100s: a name of %zu bytes, a GGUF holds 1 to %d", name, n,
                       NAME_MAX_BYTES - 1);
    const int rc = strmap_add(&fresh, seen, name, n, 0, err);
    if (!rc && !fresh)
        return err_set(err, ERR_ARG, "two tensors are named %.100s", name);
    return rc;
}

static int measure_items(struct gguf_writer *w, struct err *err)
{
    struct strmap seen = {0};
    int rc = 0;

    for (size_t i = 0; i < w->n_items && !rc; i++) {
        const struct gguf_item *t = &w->items[i];
        rc = check_name(&seen, t->name, err);
        if (rc)
            break;
        rc = gguf_measure(&w->bytes[i], t->type, t->n_dims, t->dims, err);
        if (rc == ERR_FORMAT) /* of what was asked for, not of a file */
            rc = err->code = ERR_ARG;
        if (rc)
            (void)err_wrap(err, "tensor %.100s", t->name);
    }
    strmap_release(&seen);
    return rc;
}

static int read_alignment(struct gguf_writer *w, struct err *err)
{
    w->alignment = GGUF_ALIGNMENT;
    (void)meta_u64(w->meta, "general.alignment", &w->alignment);
    if (!gguf_can_align(w->alignment))
        return err_set(err, ERR_ARG, "general.alignment is %llu, expected a power of two from 8 on",
                       (unsigned long long)w->alignment);
    return 0;
}

/* gguf-split's rule: a new file where the padded data would pass the limit; a tensor
 * larger than that is a file of its own. Or where an item starts one. Returns the number of files, and fills
 * part[] unless it is NULL. */
static size_t cut(const struct gguf_writer *w, uint64_t split_bytes, struct part *part)
{
    size_t n = 1, first = 0;
    uint64_t sum = 0;

    for (size_t i = 0; i < w->n_items; i++) {
        const uint64_t bytes = w->bytes[i] + padding(w->bytes[i], w->alignment);
        const bool full = split_bytes && (sum > split_bytes || bytes > split_bytes - sum);
        if (i > first && (full || w->items[i].starts_part)) {
            if (part)
                part[n - 1].end = i;
            n++;
            first = i;
            sum = 0;
        }
        if (part)
            part[n - 1].first = first;
        sum += bytes;
    }
    if (part)
        part[n - 1].end = w->n_items;
    return n;
}

static int plan(struct gguf_writer *w, uint64_t split_bytes, struct err *err)
{
    const size_t n = cut(w, split_bytes, NULL);

    if (n > GGUF_MAX_PARTS)
        return err_set(err, ERR_ARG, "parts of %llu bytes would be %zu files, expected at most %d",
                       (unsigned long long)split_bytes, n, GGUF_MAX_PARTS);
    w->part = calloc(n, sizeof(*w->part));
    if (!w->part)
        return err_nomem(err);
    w->n_parts = n;
    for (size_t i = 0; i < n; i++)
        out_init(&w->part[i].out);
    (void)cut(w, split_bytes, w->part);
    return 0;
}

/* What part i says of itself; of a single file nothing is added. */
static int part_meta(struct meta *m, const struct gguf_writer *w, size_t i, struct err *err)
{
    const struct meta_kv *alignment = meta_get(w->meta, "general.alignment");
    int rc = i > 0 && alignment ? meta_set_kv(m, alignment, err) : 0;

    if (!rc && w->n_parts > 1)
        rc = meta_set_u16(m, GGUF_SPLIT_NO, (uint16_t)i, err);
    if (!rc && w->n_parts > 1)
        rc = meta_set_u16(m, GGUF_SPLIT_COUNT, (uint16_t)w->n_parts, err);
    if (!rc && w->n_parts > 1)
        rc = meta_set_i32(m, GGUF_SPLIT_TENSORS, (int32_t)w->n_items, err);
    return rc;
}

static void put_info(struct buf *b, const struct gguf_item *t, uint64_t offset)
{
    const uint64_t n = strlen(t->name);

    buf_u64(b, n);
    buf_put(b, t->name, n);
    buf_u32(b, (uint32_t)t->n_dims);
    for (int k = 0; k < t->n_dims; k++)
        buf_u64(b, t->dims[k]);
    buf_u32(b, (uint32_t)dtype_get(t->type)->ggml);
    buf_u64(b, offset);
}

/* The bytes before the data; *data: the bytes that will follow. */
static void put_header(struct buf *b, uint64_t *data, const struct gguf_writer *w, size_t i,
                       const struct meta *own)
{
    const struct part *p = &w->part[i];
    const size_t n_shared = i == 0 ? w->meta->n : 0;
    static const char zeros[64];

    buf_str(b, "GGUF");
    buf_u32(b, 3);
    buf_u64(b, p->end - p->first);
    buf_u64(b, n_shared + own->n);
    for (size_t k = 0; k < n_shared; k++)
        meta_write(b, &w->meta->kv[k]);
    for (size_t k = 0; k < own->n; k++)
        meta_write(b, &own->kv[k]);
    *data = 0;
    for (size_t k = p->first; k < p->end; k++) {
        put_info(b, &w->items[k], *data);
        *data += w->bytes[k] + padding(w->bytes[k], w->alignment);
    }
    /* a file without tensors ends with its metadata, as gguf-py writes it */
    for (uint64_t pad = w->n_items ? padding(b->n, w->alignment) : 0; pad;) {
        const size_t k = pad < sizeof(zeros) ? (size_t)pad : sizeof(zeros);
        buf_put(b, zeros, k);
        pad -= k;
    }
}

/* Open part i and write its header; path NULL: only measure it. */
static int start_part(struct gguf_writer *w, const char *path, size_t i, struct err *err)
{
    struct meta own = {0};
    struct buf *name = &w->part[i].name, head = {0};
    uint64_t data = 0;

    gguf_split_file(name, path ? path : "", i, w->n_parts);
    int rc = buf_check(name, err);
    if (!rc)
        rc = part_meta(&own, w, i, err);
    if (!rc)
        put_header(&head, &data, w, i, &own);
    if (!rc)
        rc = buf_check(&head, err);
    if (!rc && path)
        rc = out_open(&w->part[i].out, name->p, err);
    if (!rc && path)
        rc = out_write(&w->part[i].out, head.p, head.n, err);
    w->total += head.n + data;
    buf_release(&head);
    meta_release(&own);
    return rc;
}

/* Pad and step on where a tensor is complete (at once, when it has no bytes). */
static int settle(struct gguf_writer *w, struct err *err)
{
    while (w->item < w->n_items && w->done == w->bytes[w->item]) {
        const size_t pad = (size_t)padding(w->done, w->alignment);
        const int rc = out_pad(&w->part[w->at].out, pad, err);
        if (rc)
            return rc;
        w->item++;
        w->done = 0;
        if (w->item == w->part[w->at].end && w->at + 1 < w->n_parts)
            w->at++;
    }
    return 0;
}

int gguf_writer_new(struct gguf_writer **out, const char *path, const struct meta *meta,
                    const struct gguf_item *items, size_t n_items, uint64_t split_bytes,
                    struct err *err)
{
    *out = NULL;
    struct gguf_writer *w = calloc(1, sizeof(*w));
    if (!w)
        return err_nomem(err);
    w->meta = meta;
    w->items = items;
    w->n_items = n_items;
    w->bytes = calloc(n_items ? n_items : 1, sizeof(*w->bytes));
    int rc = w->bytes ? measure_items(w, err) : err_nomem(err);
    if (!rc)
        rc = read_alignment(w, err);
    if (!rc)
        rc = plan(w, split_bytes, err);
    for (size_t i = 0; i < w->n_parts && !rc; i++)
        rc = start_part(w, path, i, err);
    if (!rc && path)
        rc = settle(w, err);
    if (rc)
        goto fail;
    *out = w;
    return 0;

fail:
    gguf_writer_free(w);
    return rc;
}

int gguf_writer_put(struct gguf_writer *w, const void *data, size_t n, struct err *err)
{
    const char *p = data;

    while (n) {
        if (w->item == w->n_items)
            return err_set(err, ERR_ARG, "%zu bytes more than the tensors hold", n);
        const size_t left = w->bytes[w->item] - w->done;
        const size_t k = n < left ? n : left;
        int rc = out_write(&w->part[w->at].out, p, k, err);
        w->done += k;
        p += k;
        n -= k;
        if (!rc)
            rc = settle(w, err);
        if (rc)
            return rc;
    }
    return 0;
}

/* Where in the first file the pair `kv` of its metadata ends. */
static int end_of_pair(uint64_t *end, const struct meta *m, const struct meta_kv *kv,
                       struct err *err)
{
    enum { HEAD_BYTES = 24 }; /* magic, version, two counts */
    struct buf b = {0};

    for (const struct meta_kv *k = m->kv; k <= kv; k++)
        meta_write(&b, k);
    *end = HEAD_BYTES + b.n;
    const int rc = buf_check(&b, err);
    buf_release(&b);
    return rc;
}

int gguf_writer_amend(struct gguf_writer *w, const char *key, const char *text, struct err *err)
{
    const struct meta_kv *kv = meta_get(w->meta, key);
    const size_t n = strlen(text);
    uint64_t end;

    if (!kv || kv->type != META_STR || kv->v.str.n != n)
        return err_set(err, ERR_ARG, "%s: no text of %zu bytes to replace", key, n);
    const int rc = end_of_pair(&end, w->meta, kv, err);
    return rc ? rc : out_amend(&w->part[0].out, end - n, text, n, err);
}

int gguf_writer_sync(struct gguf_writer *w, struct err *err)
{
    int rc = 0;

    if (w->item < w->n_items)
        return err_set(err, ERR_ARG, "tensor %.100s: %zu bytes were written, expected %zu",
                       w->items[w->item].name, w->done, w->bytes[w->item]);
    for (size_t i = 0; i < w->n_parts && !rc; i++)
        rc = out_sync(&w->part[i].out, err);
    return rc;
}

int gguf_writer_commit(struct gguf_writer *w, struct err *err)
{
    const int all = gguf_writer_sync(w, err);

    if (all)
        return all;
    /* the first part last: whoever sees it finds the others, and no older ones */
    if (w->n_parts > 1)
        (void)unlink(w->part[0].name.p);
    for (size_t i = w->n_parts; i-- > 0;) {
        const int rc = out_commit(&w->part[i].out, err);
        if (!rc)
            continue;
        /* no part without the others */
        for (size_t k = i + 1; k < w->n_parts; k++)
            (void)unlink(w->part[k].name.p);
        return rc;
    }
    return 0;
}

uint64_t gguf_writer_bytes(const struct gguf_writer *w)
{
    return w->total;
}

size_t gguf_writer_files(const struct gguf_writer *w)
{
    return w->n_parts;
}

void gguf_writer_free(struct gguf_writer *w)
{
    if (!w)
        return;
    for (size_t i = 0; i < w->n_parts; i++) {
        out_abandon(&w->part[i].out);
        buf_release(&w->part[i].name);
    }
    free(w->part);
    free(w->bytes);
    free(w);
}
