#include "formats/safetensors_write.h"

#include "formats/base/buf.h"
#include "formats/base/json.h"
#include "formats/base/out.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_SHARDS = 99999, HEAD_ALIGN = 8 };

/* One file of the result. */
struct shard {
    size_t first, end; /* its items */
    char file[48];
};

struct st_writer {
    char *dir;                   /* owned */
    const struct st_item *items; /* borrowed */
    size_t n_items;
    uint64_t *bytes;     /* owned; of each item */
    struct shard *shard; /* owned */
    size_t n_shards;
    struct out *out; /* owned; one a shard */
    uint64_t total;
    size_t at, item; /* the shard and the item being written */
    uint64_t done;   /* bytes of it that were */
};

/* ---- planning --------------------------------------------------------------- */

static int measure(struct st_writer *w, struct err *err)
{
    for (size_t i = 0; i < w->n_items; i++) {
        const struct st_item *t = &w->items[i];
        const struct dtype_info *d = dtype_get(t->type);
        if (!d || !d->safetensors || d->block != 1)
            return err_set(err, ERR_UNSUPPORTED, "tensor %s: type %s has no place in safetensors",
                           t->name, d ? d->name : "unknown");
        uint64_t n = d->bytes;
        for (int k = 0; k < t->n_dims; k++)
            if (__builtin_mul_overflow(n, t->dims[k], &n))
                return err_set(err, ERR_FORMAT, "tensor %s: its size overflows", t->name);
        w->bytes[i] = n;
        if (__builtin_add_overflow(w->total, n, &w->total))
            return err_set(err, ERR_FORMAT, "the tensors' size overflows");
    }
    return 0;
}

/* Returns the number of shards, and fills `shard` unless it is NULL. */
static size_t cut(const struct st_writer *w, uint64_t most, struct shard *shard)
{
    size_t n = 1, first = 0;
    uint64_t sum = 0;

    for (size_t i = 0; i < w->n_items; i++) {
        if (most && i > first && (sum > most || w->bytes[i] > most - sum)) {
            if (shard)
                shard[n - 1].end = i;
            n++;
            first = i;
            sum = 0;
        }
        if (shard)
            shard[n - 1].first = first;
        sum += w->bytes[i];
    }
    if (shard)
        shard[n - 1].end = w->n_items;
    return n;
}

static int plan(struct st_writer *w, uint64_t most, struct err *err)
{
    const size_t n = cut(w, most, NULL);

    if (n > MOST_SHARDS)
        return err_set(err, ERR_ARG, "shards of %llu bytes would be %zu files, expected at most %d",
                       (unsigned long long)most, n, MOST_SHARDS);
    w->shard = calloc(n, sizeof(*w->shard));
    w->out = calloc(n, sizeof(*w->out));
    if (!w->shard || !w->out)
        return err_nomem(err);
    w->n_shards = n;
    for (size_t i = 0; i < n; i++) {
        out_init(&w->out[i]);
        if (n == 1)
            (void)snprintf(w->shard[i].file, sizeof(w->shard[i].file), "model.safetensors");
        else
            (void)snprintf(w->shard[i].file, sizeof(w->shard[i].file),
                           "model-%05zu-of-%05zu.safetensors", i + 1, n);
    }
    (void)cut(w, most, w->shard);
    return 0;
}

/* ---- headers ----------------------------------------------------------------- */

/* The JSON of a shard, padded with spaces, behind its length. */
static int head(struct buf *b, const struct st_writer *w, const struct shard *s, struct err *err)
{
    struct buf text = {0};
    struct json_out j = json_out_init(&text, true);
    uint64_t at = 0;

    json_open(&j, NULL, '{');
    json_open(&j, "__metadata__", '{');
    json_put_str(&j, "format", "pt");
    json_close(&j, '}');
    for (size_t i = s->first; i < s->end; i++) {
        const struct st_item *t = &w->items[i];
        json_open(&j, t->name, '{');
        json_put_str(&j, "dtype", dtype_get(t->type)->safetensors);
        json_open(&j, "shape", '[');
        for (int k = 0; k < t->n_dims; k++)
            json_put_uint(&j, NULL, t->dims[k]);
        json_close(&j, ']');
        json_open(&j, "data_offsets", '[');
        json_put_uint(&j, NULL, at);
        at += w->bytes[i];
        json_put_uint(&j, NULL, at);
        json_close(&j, ']');
        json_close(&j, '}');
    }
    json_close(&j, '}');
    while (text.n % HEAD_ALIGN && !text.bad)
        buf_str(&text, " ");
    buf_u64(b, text.n);
    buf_put(b, text.p ? text.p : "", text.n);
    b->bad = b->bad || text.bad;
    buf_release(&text);
    return buf_check(b, err);
}

static int begin(struct st_writer *w, struct err *err)
{
    const struct shard *s = &w->shard[w->at];
    struct buf path = {0}, b = {0};

    buf_fmt(&path, "%s/%s", w->dir, s->file);
    int rc = buf_check(&path, err);
    if (!rc)
        rc = head(&b, w, s, err);
    if (!rc)
        rc = out_open(&w->out[w->at], path.p, err);
    if (!rc)
        rc = out_write(&w->out[w->at], b.p, b.n, err);
    buf_release(&b);
    buf_release(&path);
    return rc;
}

int st_writer_new(struct st_writer **out, const char *dir, const struct st_item *items,
                  size_t n_items, uint64_t shard_bytes, struct err *err)
{
    struct st_writer *w = calloc(1, sizeof(*w));
    int rc = 0;

    *out = NULL;
    if (!w)
        return err_nomem(err);
    w->items = items;
    w->n_items = n_items;
    w->dir = strdup(dir);
    w->bytes = calloc(n_items + 1, sizeof(*w->bytes));
    if (!w->dir || !w->bytes)
        rc = err_nomem(err);
    if (!rc)
        rc = measure(w, err);
    if (!rc)
        rc = plan(w, shard_bytes, err);
    if (!rc)
        rc = begin(w, err);
    if (rc) {
        st_writer_free(w);
        return rc;
    }
    *out = w;
    return 0;
}

/* ---- data -------------------------------------------------------------------- */

int st_writer_put(struct st_writer *w, const void *data, size_t n, struct err *err)
{
    const uint8_t *p = data;

    while (n) {
        while (w->item < w->n_items && w->done == w->bytes[w->item]) {
            w->item++;
            w->done = 0;
        }
        if (w->item == w->n_items)
            return err_set(err, ERR_ARG, "%s: data past the last tensor", w->dir);
        if (w->item >= w->shard[w->at].end) {
            w->at++;
            const int rc = begin(w, err);
            if (rc)
                return rc;
        }
        const uint64_t left = w->bytes[w->item] - w->done;
        const size_t k = n < left ? n : (size_t)left;
        const int rc = out_write(&w->out[w->at], p, k, err);
        if (rc)
            return rc;
        w->done += k;
        p += k;
        n -= k;
    }
    return 0;
}

static int write_index(const struct st_writer *w, struct err *err)
{
    struct buf b = {0}, path = {0};
    struct json_out j = json_out_init(&b, false);

    json_open(&j, NULL, '{');
    json_open(&j, "metadata", '{');
    json_put_uint(&j, "total_size", w->total);
    json_close(&j, '}');
    json_open(&j, "weight_map", '{');
    for (size_t s = 0; s < w->n_shards; s++)
        for (size_t i = w->shard[s].first; i < w->shard[s].end; i++)
            json_put_str(&j, w->items[i].name, w->shard[s].file);
    json_close(&j, '}');
    json_close(&j, '}');
    buf_str(&b, "\n");
    buf_fmt(&path, "%s/model.safetensors.index.json", w->dir);
    int rc = buf_check(&b, err);
    if (!rc)
        rc = buf_check(&path, err);
    if (!rc)
        rc = out_file(path.p, b.p, b.n, err);
    buf_release(&b);
    buf_release(&path);
    return rc;
}

/* Shards and items of which nothing more will come: those without a byte. */
static int skip_empty(struct st_writer *w, struct err *err)
{
    int rc = 0;

    while (!rc && w->item < w->n_items && w->done == w->bytes[w->item]) {
        w->item++;
        w->done = 0;
        if (w->item < w->n_items && w->item >= w->shard[w->at].end) {
            w->at++;
            rc = begin(w, err);
        }
    }
    return rc;
}

int st_writer_commit(struct st_writer *w, struct err *err)
{
    int rc = skip_empty(w, err);

    if (!rc && w->item != w->n_items)
        rc = err_set(err, ERR_ARG, "tensor %s: %llu of %llu bytes written", w->items[w->item].name,
                     (unsigned long long)w->done, (unsigned long long)w->bytes[w->item]);
    for (size_t i = 0; i < w->n_shards && !rc; i++)
        rc = out_commit(&w->out[i], err);
    return !rc && w->n_shards > 1 ? write_index(w, err) : rc;
}

uint64_t st_writer_bytes(const struct st_writer *w)
{
    return w->total;
}

size_t st_writer_files(const struct st_writer *w)
{
    return w->n_shards;
}

void st_writer_free(struct st_writer *w)
{
    if (!w)
        return;
    for (size_t i = 0; i < w->n_shards; i++)
        out_abandon(&w->out[i]);
    free(w->out);
    free(w->shard);
    free(w->bytes);
    free(w->dir);
    free(w);
}
