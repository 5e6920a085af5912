#include "formats/gguf.h"

#include "formats/base/rd.h"
#include "formats/base/strmap.h"
#include "formats/gguf_split.h"
#include "formats/meta_wire.h"

#include <stdlib.h>
#include <string.h>

enum {
    MAX_NAME = 4096,
    MOST_EMPTY = 1 << 24,              /* rows that no byte of the file stands behind */
    INFO_MIN_BYTES = 8 + 1 + 4 + 4 + 8 /* name length, name, dimension count, type, offset */
};

struct gguf {
    struct meta meta;
    uint32_t version;
    uint64_t alignment, file_bytes, data_offset;
    struct map *part; /* owned; n_parts of them, each an owned mapping */
    size_t n_parts;
    struct gguf_tensor *tensor; /* owned */
    size_t n_tensors;
    struct strmap names; /* of the tensors, to their index */
    struct arena arena;  /* the names */
};

/* One file while it is being read. */
struct part {
    struct gguf *g; /* gets its tensors */
    const uint8_t *data;
    size_t size;
    const struct map *map; /* NULL: not mapped */
    struct meta meta;      /* owned */
    uint64_t alignment, data_offset;
    uint64_t n_tensors;
    size_t first; /* index of its first tensor in g->tensor */
};

static int read_head(uint64_t *n_keys, struct part *p, struct rd *r, struct err *err)
{
    const uint8_t *magic = rd_bytes(r, 4);

    if (!magic || memcmp(magic, "GGUF", 4))
        return err_set(err, ERR_FORMAT, "not a GGUF file: it does not begin with \"GGUF\"");
    const uint32_t version = rd_u32(r);
    p->n_tensors = rd_u64(r);
    *n_keys = rd_u64(r);
    if (r->bad)
        return err_set(err, ERR_FORMAT, "the header is cut short: %zu bytes, expected 24 or more",
                       p->size);
    if (version != 0 && (version & 0xffff) == 0)
        return err_set(err, ERR_UNSUPPORTED, "a big-endian GGUF");
    if (version != 2 && version != 3)
        return err_set(err, ERR_UNSUPPORTED, "GGUF version %u, expected 2 or 3", version);
    p->g->version = version;
    return 0;
}

bool gguf_can_align(uint64_t n)
{
    return n >= 8 && n <= 1U << 30 && !(n & (n - 1));
}

static int read_alignment(struct part *p, struct err *err)
{
    const struct meta_kv *kv = meta_get(&p->meta, "general.alignment");

    p->alignment = GGUF_ALIGNMENT;
    if (!kv)
        return 0;
    if (!meta_u64(&p->meta, kv->key, &p->alignment))
        return err_set(err, ERR_FORMAT, "general.alignment is a %s, expected UINT32",
                       meta_type_name(kv->type));
    if (!gguf_can_align(p->alignment))
        return err_set(err, ERR_FORMAT,
                       "general.alignment is %llu, expected a power of two from 8 on",
                       (unsigned long long)p->alignment);
    return 0;
}

static int read_name(const char **out, struct part *p, struct rd *r, uint64_t i, struct err *err)
{
    uint64_t n;
    const char *name = meta_read_str(r, &n);

    if (!name)
        return err_set(err, ERR_FORMAT, "tensor %llu of %llu: the file ends inside its name",
                       (unsigned long long)i, (unsigned long long)p->n_tensors);
    if (n == 0 || n > MAX_NAME || memchr(name, '\0', (size_t)n))
        return err_set(err, ERR_FORMAT,
                       "tensor %llu of %llu: a name of %llu bytes, expected 1 to %d without NUL",
                       (unsigned long long)i, (unsigned long long)p->n_tensors,
                       (unsigned long long)n, MAX_NAME);
    *out = arena_strn(&p->g->arena, name, (size_t)n);
    return *out ? 0 : err_nomem(err);
}

int gguf_measure(size_t *bytes, enum dtype type, int n_dims, const uint64_t *dims, struct err *err)
{
    const struct dtype_info *d = dtype_get(type);
    uint64_t elements = 1;

    if (!d || d->ggml < 0)
        return err_set(err, ERR_UNSUPPORTED, "type %s cannot be in a GGUF", d ? d->name : "none");
    for (int k = 0; k < n_dims; k++)
        if (__builtin_mul_overflow(elements, dims[k], &elements) || elements > INT64_MAX)
            return err_set(err, ERR_FORMAT, "its dimensions are too large together");
    const uint64_t row = n_dims > 0 ? dims[0] : 1;
    if (row % d->block)
        return err_set(err, ERR_FORMAT, "rows of %llu values, expected a multiple of %u for %s",
                       (unsigned long long)row, d->block, d->name);
    if (!mul_ok(bytes, elements / d->block, d->bytes))
        return err_set(err, ERR_FORMAT, "its dimensions are too large together");
    return 0;
}

static double n_rows(const struct gguf_tensor *t)
{
    return (double)t->dims[1] * (double)t->dims[2] * (double)t->dims[3];
}

static int read_tensor(struct gguf_tensor *t, struct rd *r, struct err *err)
{
    const uint32_t n_dims = rd_u32(r);

    if (!r->bad && n_dims > GGUF_MAX_DIMS)
        return err_set(err, ERR_FORMAT, "%u dimensions, expected at most %d", n_dims,
                       GGUF_MAX_DIMS);
    t->n_dims = (int)n_dims;
    for (uint32_t k = 0; k < GGUF_MAX_DIMS; k++)
        t->dims[k] = k < n_dims ? rd_u64(r) : 1;
    const uint32_t number = rd_u32(r);
    t->offset = rd_u64(r);
    if (r->bad)
        return err_set(err, ERR_FORMAT, "the file ends inside its description");
    t->type = dtype_by_ggml(number);
    if (t->type == DTYPE_NONE)
        return err_set(err, ERR_UNSUPPORTED, "tensor type number %u is not known", number);
    if (!t->dims[0] && n_rows(t) > MOST_EMPTY)
        return err_set(err, ERR_FORMAT, "%.3g rows without values", n_rows(t));
    return gguf_measure(&t->bytes, t->type, t->n_dims, t->dims, err);
}

static int add_tensor(struct part *p, struct rd *r, uint64_t i, struct err *err)
{
    struct gguf *g = p->g;
    struct gguf_tensor *t = &g->tensor[g->n_tensors];
    bool fresh = false;
    int rc = read_name(&t->name, p, r, i, err);

    if (rc)
        return rc;
    t->map = p->map;
    rc = strmap_add(&fresh, &g->names, t->name, strlen(t->name), g->n_tensors, err);
    if (!rc && !fresh)
        rc = err_set(err, ERR_FORMAT, "duplicate tensor %.100s", t->name);
    if (rc)
        return rc;
    rc = read_tensor(t, r, err);
    if (rc)
        return err_wrap(err, "tensor %.100s", t->name);
    g->n_tensors++;
    return 0;
}

static int read_tensors(struct part *p, struct rd *r, struct err *err)
{
    struct gguf *g = p->g;
    size_t n, bytes;

    if (p->n_tensors > rd_left(r) / INFO_MIN_BYTES)
        return err_set(err, ERR_FORMAT, "%llu tensors, but only %zu bytes follow",
                       (unsigned long long)p->n_tensors, rd_left(r));
    p->first = g->n_tensors;
    if (p->n_tensors == 0)
        return 0;
    if (!add_ok(&n, g->n_tensors, (size_t)p->n_tensors) || !mul_ok(&bytes, n, sizeof(*g->tensor)))
        return err_nomem(err);
    struct gguf_tensor *all = realloc(g->tensor, bytes);
    if (!all)
        return err_nomem(err);
    g->tensor = all;
    int rc = strmap_reserve(&g->names, n, err);
    for (uint64_t i = 0; i < p->n_tensors && !rc; i++)
        rc = add_tensor(p, r, i, err);
    return rc;
}

/* Where the data lies, once the section's start is known. */
static int locate(struct gguf_tensor *t, const struct part *p, struct err *err)
{
    const uint64_t left = p->data_offset < p->size ? p->size - p->data_offset : 0;

    if (t->offset % p->alignment)
        return err_set(err, ERR_FORMAT,
                       "tensor %.100s: data offset %llu is not a multiple of the alignment %llu",
                       t->name, (unsigned long long)t->offset, (unsigned long long)p->alignment);
    if (t->offset > left || t->bytes > left - t->offset)
        return err_set(
            err, ERR_FORMAT,
            "tensor %.100s: %zu bytes at offset %llu of the data section, which has %llu", t->name,
            t->bytes, (unsigned long long)t->offset, (unsigned long long)left);
    /* an empty tensor of an empty section points at the file's end */
    t->data = p->data + (t->bytes ? p->data_offset + t->offset : p->size);
    return 0;
}

static int by_offset(const void *a, const void *b)
{
    const struct gguf_tensor *s = *(const struct gguf_tensor *const *)a;
    const struct gguf_tensor *t = *(const struct gguf_tensor *const *)b;

    if (s->offset != t->offset)
        return s->offset < t->offset ? -1 : 1;
    return (s->bytes > t->bytes) - (s->bytes < t->bytes);
}

static int check_overlap(const struct part *p, struct err *err)
{
    const size_t n = (size_t)p->n_tensors;
    const struct gguf_tensor **sorted = malloc((n ? n : 1) * sizeof(*sorted));
    int rc = 0;

    if (!sorted)
        return err_nomem(err);
    for (size_t i = 0; i < n; i++)
        sorted[i] = &p->g->tensor[p->first + i];
    qsort(sorted, n, sizeof(*sorted), by_offset);
    for (size_t i = 1; i < n && !rc; i++)
        if (sorted[i - 1]->offset + sorted[i - 1]->bytes > sorted[i]->offset)
            rc = err_set(err, ERR_FORMAT, "tensors %.100s and %.100s overlap at data offset %llu",
                         sorted[i - 1]->name, sorted[i]->name,
                         (unsigned long long)sorted[i]->offset);
    free(sorted);
    return rc;
}

static int read_part(struct part *p, struct err *err)
{
    struct rd r = rd_init(p->data, p->size);
    uint64_t n_keys = 0;
    int rc = read_head(&n_keys, p, &r, err);

    if (!rc)
        rc = meta_read(&p->meta, &r, n_keys, err);
    if (!rc)
        rc = read_alignment(p, err);
    if (!rc)
        rc = read_tensors(p, &r, err);
    if (rc)
        return rc;
    const uint64_t end = (uint64_t)(r.p - p->data);
    p->data_offset = (end + p->alignment - 1) / p->alignment * p->alignment;
    for (size_t i = p->first; i < p->g->n_tensors && !rc; i++)
        rc = locate(&p->g->tensor[i], p, err);
    return rc ? rc : check_overlap(p, err);
}

/* The first file decides what the whole says of itself. */
static void adopt(struct gguf *g, struct part *p)
{
    g->meta = p->meta;
    p->meta = (struct meta){0};
    g->alignment = p->alignment;
    g->data_offset = p->data_offset;
}

int gguf_parse(struct gguf **out, const void *data, size_t size, struct err *err)
{
    *out = NULL;
    if (size == 0)
        return err_set(err, ERR_FORMAT, "not a GGUF file: it is empty");
    struct gguf *g = calloc(1, sizeof(*g));
    if (!g)
        return err_nomem(err);
    struct part p = {.g = g, .data = data, .size = size};
    const int rc = read_part(&p, err);
    if (rc) {
        meta_release(&p.meta);
        gguf_free(g);
        return rc;
    }
    adopt(g, &p);
    g->file_bytes = size;
    g->n_parts = 1;
    *out = g;
    return 0;
}

static int check_split_number(const struct part *p, const char *key, uint64_t want, struct err *err)
{
    uint64_t found;

    if (!meta_u64(&p->meta, key, &found))
        return err_set(err, ERR_FORMAT, "no number under %s, expected %llu", key,
                       (unsigned long long)want);
    if (found != want)
        return err_set(err, ERR_FORMAT, "%s is %llu, expected %llu", key, (unsigned long long)found,
                       (unsigned long long)want);
    return 0;
}

/* Map and read file i, already given room in g->part. */
static int open_part(struct part *p, struct gguf *g, size_t i, const char *path, struct err *err)
{
    struct map *m = &g->part[i];
    int rc = map_open(m, path, err);

    *p = (struct part){.g = g, .data = m->data, .size = m->size, .map = m};
    if (rc)
        return rc;
    g->n_parts = i + 1;
    g->file_bytes += m->size;
    rc = m->size ? read_part(p, err) : err_set(err, ERR_FORMAT, "not a GGUF file: it is empty");
    return rc ? err_wrap(err, "%s", path) : 0;
}

static int open_sibling(struct gguf *g, const char *path, size_t i, size_t n, struct err *err)
{
    struct part p;
    int rc = open_part(&p, g, i, path, err);

    if (!rc && (rc = check_split_number(&p, GGUF_SPLIT_NO, i, err)))
        (void)err_wrap(err, "%s", path);
    if (!rc && (rc = check_split_number(&p, GGUF_SPLIT_COUNT, n, err)))
        (void)err_wrap(err, "%s", path);
    meta_release(&p.meta);
    return rc;
}

static int open_siblings(struct gguf *g, const char *path, size_t prefix_n, size_t n,
                         struct err *err)
{
    int rc = 0;

    for (size_t i = 1; i < n && !rc; i++) {
        struct buf name = {0};
        gguf_split_name(&name, path, prefix_n, i, n);
        rc = buf_check(&name, err);
        if (!rc)
            rc = open_sibling(g, name.p, i, n, err);
        if (rc == ERR_IO)
            rc = err_wrap(err, "part %zu of %zu", i + 1, n);
        buf_release(&name);
    }
    return rc;
}

/* A file that says it is one of several must be the first, under its proper name. */
static int check_first(size_t *prefix_n, const char *path, const struct part *p, uint64_t count,
                       struct err *err)
{
    uint64_t no = 0;
    struct buf name = {0};

    (void)meta_u64(&p->meta, GGUF_SPLIT_NO, &no);
    if (count > GGUF_MAX_PARTS)
        return err_set(err, ERR_FORMAT, "%s: split.count is %llu, expected at most %d", path,
                       (unsigned long long)count, GGUF_MAX_PARTS);
    const bool named = gguf_split_prefix(prefix_n, path);
    gguf_split_name(&name, path, named ? *prefix_n : 0, 0, (size_t)count);
    int rc = buf_check(&name, err);
    if (!rc && no != 0)
        rc = err_set(err, ERR_FORMAT, "%s: part %llu of %llu of a split model, open the first: %s",
                     path, (unsigned long long)no + 1, (unsigned long long)count, name.p);
    else if (!rc && (!named || strcmp(name.p, path)))
        rc =
            err_set(err, ERR_FORMAT,
                    "%s: the first of %llu parts, its name should end with \"-00001-of-%05u.gguf\"",
                    path, (unsigned long long)count, (unsigned)count);
    buf_release(&name);
    return rc;
}

static int open_split(struct gguf *g, const char *path, struct part *first, size_t n,
                      struct err *err)
{
    size_t prefix_n = 0;
    int rc = check_first(&prefix_n, path, first, n, err);

    if (rc)
        return rc;
    struct map *parts = calloc(n, sizeof(*parts));
    if (!parts)
        return err_nomem(err);
    parts[0] = g->part[0];
    free(g->part);
    g->part = parts;
    for (size_t i = 0; i < g->n_tensors; i++)
        g->tensor[i].map = &parts[0];
    rc = open_siblings(g, path, prefix_n, n, err);
    if (!rc && meta_get(&first->meta, GGUF_SPLIT_TENSORS) &&
        (rc = check_split_number(first, GGUF_SPLIT_TENSORS, g->n_tensors, err)))
        (void)err_wrap(err, "%s", path);
    return rc;
}

static int open_all(struct gguf *g, const char *path, struct err *err)
{
    struct part first = {0};
    uint64_t count = 0;
    int rc;

    g->part = calloc(1, sizeof(*g->part));
    if (!g->part)
        return err_nomem(err);
    rc = open_part(&first, g, 0, path, err);
    if (rc)
        goto out;
    if (meta_u64(&first.meta, GGUF_SPLIT_COUNT, &count) && count > 1)
        rc = open_split(g, path, &first, (size_t)count, err);
    if (rc)
        goto out;
    adopt(g, &first);
    meta_remove(&g->meta, GGUF_SPLIT_NO);
    meta_remove(&g->meta, GGUF_SPLIT_COUNT);
    meta_remove(&g->meta, GGUF_SPLIT_TENSORS);
out:
    meta_release(&first.meta);
    return rc;
}

int gguf_open(struct gguf **out, const char *path, struct err *err)
{
    *out = NULL;
    struct gguf *g = calloc(1, sizeof(*g));
    if (!g)
        return err_nomem(err);
    const int rc = open_all(g, path, err);
    if (rc) {
        gguf_free(g);
        return rc;
    }
    *out = g;
    return 0;
}

void gguf_free(struct gguf *g)
{
    if (!g)
        return;
    meta_release(&g->meta);
    for (size_t i = 0; g->part && i < g->n_parts; i++)
        map_release(&g->part[i]);
    free(g->part);
    free(g->tensor);
    strmap_release(&g->names);
    arena_release(&g->arena);
    free(g);
}

const struct meta *gguf_meta(const struct gguf *g)
{
    return &g->meta;
}

uint32_t gguf_version(const struct gguf *g)
{
    return g->version;
}

uint64_t gguf_alignment(const struct gguf *g)
{
    return g->alignment;
}

uint64_t gguf_file_bytes(const struct gguf *g)
{
    return g->file_bytes;
}

uint64_t gguf_data_offset(const struct gguf *g)
{
    return g->data_offset;
}

size_t gguf_n_parts(const struct gguf *g)
{
    return g->n_parts;
}

size_t gguf_n_tensors(const struct gguf *g)
{
    return g->n_tensors;
}

const struct gguf_tensor *gguf_tensor(const struct gguf *g, size_t i)
{
    return &g->tensor[i];
}

const struct gguf_tensor *gguf_find(const struct gguf *g, const char *name)
{
    size_t i;

    return strmap_get(&i, &g->names, name, strlen(name)) ? &g->tensor[i] : NULL;
}
