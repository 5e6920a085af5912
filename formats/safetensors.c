#include "formats/safetensors.h"

#include "formats/base/arena.h"
#include "formats/base/json.h"
#include "formats/base/rd.h"

#include <stdlib.h>
#include <string.h>

/* The reference implementation's limit. */
static const uint64_t max_header = 100000000;

struct st {
    struct st_tensor *tensor; /* in the arena */
    size_t n_tensors;
    struct arena arena;
};

/* The data section: what offsets count from. */
struct section {
    const uint8_t *data;
    size_t size;
};

static int check_metadata(const json_val *v, struct err *err)
{
    if (!json_is_object(v))
        return err_set(err, ERR_FORMAT, "__metadata__ is not an object");
    for (const json_val *m = json_first(v); m; m = json_next(m))
        if (!json_is_string(m))
            return err_set(err, ERR_FORMAT, "__metadata__: %.100s is not a string", json_key(m));
    return 0;
}

static int read_type(struct st_tensor *t, const json_val *v, struct err *err)
{
    const char *name = json_str(v);

    if (!name)
        return err_set(err, ERR_FORMAT, "no string under \"dtype\"");
    t->type = dtype_by_safetensors(name);
    if (t->type == DTYPE_NONE)
        return err_set(err, ERR_UNSUPPORTED, "dtype %.40s is not known", name);
    return 0;
}

static int read_shape(struct st_tensor *t, const json_val *v, struct err *err)
{
    const size_t n = json_len(v);
    int64_t dim;

    if (!json_is_array(v))
        return err_set(err, ERR_FORMAT, "no array under \"shape\"");
    if (n > ST_MAX_DIMS)
        return err_set(err, ERR_UNSUPPORTED, "%zu dimensions, expected at most %d", n, ST_MAX_DIMS);
    for (const json_val *d = json_first(v); d; d = json_next(d)) {
        if (!json_int(d, &dim) || dim < 0)
            return err_set(err, ERR_FORMAT, "dimension %d of its shape is no whole number >= 0",
                           t->n_dims);
        t->dims[t->n_dims++] = (uint64_t)dim;
    }
    return 0;
}

/* Bytes that dtype and shape ask for. */
static int measure(struct st_tensor *t, struct err *err)
{
    t->bytes = dtype_get(t->type)->bytes;
    for (int k = 0; k < t->n_dims; k++)
        if (!mul_ok(&t->bytes, t->bytes, t->dims[k]))
            return err_set(err, ERR_FORMAT, "its dimensions are too large together");
    return 0;
}

static int read_offsets(struct st_tensor *t, const json_val *v, const struct section *s,
                        struct err *err)
{
    const json_val *first = json_is_array(v) && json_len(v) == 2 ? json_first(v) : NULL;
    int64_t begin, end;

    if (!first || !json_int(first, &begin) || !json_int(json_next(first), &end))
        return err_set(err, ERR_FORMAT, "no two whole numbers under \"data_offsets\"");
    if (begin < 0 || end < begin || (uint64_t)end > s->size)
        return err_set(err, ERR_FORMAT, "data_offsets [%lld, %lld] outside the %zu bytes of data",
                       (long long)begin, (long long)end, s->size);
    if ((uint64_t)(end - begin) != t->bytes)
        return err_set(err, ERR_FORMAT,
                       "data_offsets [%lld, %lld] are %lld bytes, dtype and shape ask for %zu",
                       (long long)begin, (long long)end, (long long)(end - begin), t->bytes);
    t->data = s->data + begin;
    return 0;
}

static int read_tensor(struct st_tensor *t, const json_val *v, const struct section *s,
                       struct err *err)
{
    if (!json_is_object(v))
        return err_set(err, ERR_FORMAT, "not an object with dtype, shape and data_offsets");
    int rc = read_type(t, json_get(v, "dtype"), err);
    if (!rc)
        rc = read_shape(t, json_get(v, "shape"), err);
    if (!rc)
        rc = measure(t, err);
    if (!rc)
        rc = read_offsets(t, json_get(v, "data_offsets"), s, err);
    return rc;
}

static int read_members(struct st *st, const json_val *root, const struct section *s,
                        struct err *err)
{
    int rc = 0;

    st->tensor = arena_array(&st->arena, json_len(root), sizeof(*st->tensor));
    if (!st->tensor)
        return err_nomem(err);
    for (const json_val *v = json_first(root); v && !rc; v = json_next(v)) {
        if (!strcmp(json_key(v), "__metadata__")) {
            rc = check_metadata(v, err);
            continue;
        }
        struct st_tensor *t = &st->tensor[st->n_tensors++];
        t->name = arena_str(&st->arena, json_key(v));
        if (!t->name)
            return err_nomem(err);
        rc = read_tensor(t, v, s, err);
        if (rc)
            rc = err_wrap(err, "tensor %.100s", t->name);
    }
    return rc;
}

static int by_place(const void *a, const void *b)
{
    const struct st_tensor *s = *(const struct st_tensor *const *)a;
    const struct st_tensor *t = *(const struct st_tensor *const *)b;

    if (s->data != t->data)
        return s->data < t->data ? -1 : 1;
    return (s->bytes > t->bytes) - (s->bytes < t->bytes);
}

/* The tensors, side by side, must be the whole section. */
static int check_tiling(const struct st *st, const struct section *s, struct err *err)
{
    const size_t n = st->n_tensors;
    const struct st_tensor **sorted = malloc((n ? n : 1) * sizeof(*sorted));
    size_t at = 0;
    int rc = 0;

    if (!sorted)
        return err_nomem(err);
    for (size_t i = 0; i < n; i++)
        sorted[i] = &st->tensor[i];
    qsort(sorted, n, sizeof(*sorted), by_place);
    for (size_t i = 0; i < n && !rc; i++) {
        const size_t begin = (size_t)(sorted[i]->data - s->data);
        if (begin != at)
            rc =
                err_set(err, ERR_FORMAT, "tensor %.100s: its data begins at %zu, expected %zu (%s)",
                        sorted[i]->name, begin, at, begin < at ? "an overlap" : "a hole");
        at = begin + sorted[i]->bytes;
    }
    if (!rc && at != s->size)
        rc = err_set(err, ERR_FORMAT, "the tensors end at byte %zu of the data, which has %zu", at,
                     s->size);
    free(sorted);
    return rc;
}

/* *n: bytes of the header's JSON, without the spaces that may follow it. */
static int read_length(size_t *n, uint64_t *header, const uint8_t *data, size_t size,
                       struct err *err)
{
    struct rd r = rd_init(data, size);

    *header = rd_u64(&r);
    if (r.bad)
        return err_set(err, ERR_FORMAT, "not a safetensors file: %zu bytes, expected 8 or more",
                       size);
    if (*header > max_header || *header > rd_left(&r))
        return err_set(err, ERR_FORMAT,
                       "not a safetensors file: a header of %llu bytes, but %zu follow",
                       (unsigned long long)*header, rd_left(&r));
    *n = (size_t)*header;
    while (*n && data[8 + *n - 1] == ' ')
        (*n)--;
    if (*n < 2 || data[8] != '{' || data[8 + *n - 1] != '}')
        return err_set(err, ERR_FORMAT, "not a safetensors file: its header is no JSON object");
    return 0;
}

int st_parse(struct st **out, const void *data, size_t size, struct err *err)
{
    const uint8_t *bytes = data;
    json_val *root = NULL;
    uint64_t header = 0;
    size_t n = 0;

    *out = NULL;
    if (size == 0)
        return err_set(err, ERR_FORMAT, "not a safetensors file: it is empty");
    struct st *st = calloc(1, sizeof(*st));
    if (!st)
        return err_nomem(err);
    int rc = read_length(&n, &header, bytes, size, err);
    if (rc)
        goto fail;
    rc = json_parse(&root, (const char *)bytes + 8, n, err);
    if (rc) {
        rc = err_wrap(err, "header");
        goto fail;
    }
    const struct section s = {.data = bytes + 8 + header, .size = size - 8 - (size_t)header};
    rc = read_members(st, root, &s, err);
    if (!rc)
        rc = check_tiling(st, &s, err);
    if (rc)
        goto fail;
    json_free(root);
    *out = st;
    return 0;

fail:
    json_free(root);
    st_free(st);
    return rc;
}

void st_free(struct st *st)
{
    if (!st)
        return;
    arena_release(&st->arena);
    free(st);
}

size_t st_n_tensors(const struct st *st)
{
    return st->n_tensors;
}

const struct st_tensor *st_tensor(const struct st *st, size_t i)
{
    return &st->tensor[i];
}
