/* Looking at one stored tensor: what the schemes have in common. */

#include "formats/coded/scheme.h"

#include "formats/base/rd.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

bool look_ends(struct look *l, const char *suffix)
{
    const size_t n = strlen(l->st->name), k = strlen(suffix);

    if (n < k || n - k >= sizeof(l->base) - 32 || strcmp(l->st->name + n - k, suffix) != 0)
        return false;
    memcpy(l->base, l->st->name, n - k);
    l->base[n - k] = '\0';
    return true;
}

bool look_ends_any(struct look *l, const char *const *suffixes)
{
    for (; *suffixes; suffixes++)
        if (look_ends(l, *suffixes))
            return true;
    return false;
}

void look_named(struct look *l, const char *suffix)
{
    const size_t n = strlen(l->base), k = strlen(suffix);

    if (n + k < sizeof(l->base)) /* look_ends has left room */
        memcpy(l->base + n, suffix, k + 1);
}

static void side_name(char name[600], const struct look *l, const char *suffix)
{
    (void)snprintf(name, 600, "%s%s", l->base, suffix);
}

const struct st_tensor *look_side(struct look *l, const char *suffix)
{
    char name[600];

    side_name(name, l, suffix);
    const struct st_tensor *t = ckpt_find(l->ckpt, name);
    if (t && l->n_sides < CODED_MAX_SIDES)
        l->sides[l->n_sides++] = (struct coded_side){t->data, t->bytes, NULL};
    return t;
}

uint64_t look_values(const struct st_tensor *t)
{
    uint64_t n = 1;

    for (int i = 0; i < t->n_dims; i++)
        n *= t->dims[i];
    return n;
}

int32_t look_i32(const uint8_t *data, uint64_t i)
{
    struct rd r = rd_init(data + 4 * i, 4);

    return (int32_t)rd_u32(&r);
}

static const char *shape(char *dst, size_t size, const uint64_t *dims, int n)
{
    size_t at = 0;

    (void)snprintf(dst, size, "[");
    for (int i = 0; i < n && strlen(dst) < size; i++) {
        at = strlen(dst);
        if (dims[i] == LOOK_ANY)
            (void)snprintf(dst + at, size - at, "%s*", i ? ", " : "");
        else
            (void)snprintf(dst + at, size - at, "%s%" PRIu64, i ? ", " : "", dims[i]);
    }
    at = strlen(dst);
    (void)snprintf(dst + at, size - at, "]");
    return dst;
}

int look_shape(const struct look *l, const struct st_tensor *t, int n_dims, const uint64_t *dims,
               struct err *err)
{
    char a[96], b[200];
    bool same = t->n_dims == n_dims;

    for (int i = 0; same && i < n_dims; i++)
        same = dims[i] == LOOK_ANY || dims[i] == t->dims[i];
    if (same)
        return 0;
    return err_set(err, ERR_FORMAT, "tensor %s: expected shape %s beside %s, found %s", t->name,
                   shape(a, sizeof(a), dims, n_dims), l->st->name,
                   shape(b, sizeof(b), t->dims, t->n_dims));
}

int look_words(const struct look *l, struct err *err)
{
    const uint64_t any[2] = {LOOK_ANY, LOOK_ANY};

    if (l->st->type != DTYPE_I32)
        return err_set(err, ERR_FORMAT, "tensor %s: expected type I32, found %s", l->st->name,
                       dtype_get(l->st->type)->name);
    return look_shape(l, l->st, 2, any, err);
}

int look_need(const struct st_tensor **out, struct look *l, const char *suffix, enum dtype type,
              int n_dims, const uint64_t *dims, struct err *err)
{
    const struct st_tensor *t = look_side(l, suffix);
    char name[600];

    *out = t;
    side_name(name, l, suffix);
    if (!t)
        return err_set(err, ERR_FORMAT, "tensor %s is missing (%s needs it)", name, l->st->name);
    if (t->type != type)
        return err_set(err, ERR_FORMAT, "tensor %s: expected type %s, found %s", name,
                       dtype_get(type)->name, dtype_get(t->type)->name);
    return look_shape(l, t, n_dims, dims, err);
}

int look_float(const struct st_tensor *t, struct err *err)
{
    if (t->type == DTYPE_F16 || t->type == DTYPE_BF16 || t->type == DTYPE_F32)
        return 0;
    return err_set(err, ERR_FORMAT, "tensor %s: expected type F16, BF16 or F32, found %s", t->name,
                   dtype_get(t->type)->name);
}

int look_matrix(struct look *l, const struct st_tensor *st, struct err *err)
{
    if (st->n_dims < 2 || st->n_dims > 3 || !look_values(st))
        return err_set(err, ERR_FORMAT,
                       "tensor %s: expected a matrix or a stack of them, found "
                       "%d dimensions and %" PRIu64 " values",
                       st->name, st->n_dims, look_values(st));
    l->n_dims = st->n_dims;
    memcpy(l->dims, st->dims, (size_t)st->n_dims * sizeof(l->dims[0]));
    l->type = DTYPE_F32;
    l->c.cols = st->dims[st->n_dims - 1];
    l->c.out = st->dims[st->n_dims - 2];
    l->c.rows = look_values(st) / l->c.cols;
    l->c.code = st->data;
    return 0;
}

/* How many rows (columns) one of `parts` scales stands for; 0: it does not fit. */
static uint64_t per_scale(uint64_t all, uint64_t parts, uint64_t block)
{
    if (block && parts == (all + block - 1) / block)
        return block;
    if (parts == 1)
        return all;
    if (!block && parts && all % parts == 0)
        return all / parts;
    return 0;
}

int look_scale(struct look *l, const struct st_tensor *s, uint64_t bm, uint64_t bn, struct err *err)
{
    struct coded *c = &l->c;
    const uint64_t n_matrices = c->rows / c->out;
    const bool each = n_matrices > 1 && s->n_dims && s->dims[0] == n_matrices;
    const int first = each ? 1 : 0, left = s->n_dims - first;
    const uint64_t a = left > 0 ? s->dims[first] : 1, b = left > 1 ? s->dims[first + 1] : 1;
    const int rc = s->type == DTYPE_U8 || s->type == DTYPE_F8_E8M0 || s->type == DTYPE_F8_E4M3
                       ? 0
                       : look_float(s, err);

    if (rc)
        return rc;
    c->scale = s->data;
    c->scale_type = s->type == DTYPE_F8_E8M0 ? DTYPE_U8 : s->type;
    c->rows_per = per_scale(c->out, a, bm);
    c->cols_per = per_scale(c->cols, b, bn);
    if (left > 2 || !c->rows_per || !c->cols_per) {
        const uint64_t want[2] = {bm ? (c->out + bm - 1) / bm : c->out,
                                  bn ? (c->cols + bn - 1) / bn : 1};
        return look_shape(l, s, 2, want, err) ? ERR_FORMAT
                                              : err_set(err, ERR_FORMAT,
                                                        "tensor %s: scales of a stack of %" PRIu64
                                                        " matrices have no dimension for them",
                                                        s->name, n_matrices);
    }
    c->scale_matrix = each ? a * b : 0;
    c->scale_row = a > 1 ? b : 0;
    c->scale_col = b > 1 ? 1 : 0;
    c->n_groups = b;
    return 0;
}

int look_global(struct look *l, const struct st_tensor *global, enum coded_scale kind,
                struct err *err)
{
    const uint64_t n = look_values(global), matrices = l->c.rows / l->c.out;

    if (global->type != DTYPE_F32)
        return err_set(err, ERR_FORMAT, "tensor %s: expected type F32, found %s", global->name,
                       dtype_get(global->type)->name);
    if (n != 1 && n != matrices)
        return err_set(err, ERR_FORMAT, "tensor %s: expected 1 value beside %s, found %" PRIu64,
                       global->name, l->st->name, n);
    l->c.scale_kind = kind;
    l->c.global = global->data;
    l->c.global_each = n > 1;
    return 0;
}

static bool all_unset(const uint8_t *index, uint64_t n)
{
    uint64_t i = 0;

    while (i < n && look_i32(index, i) == -1)
        i++;
    return i == n;
}

int look_index(struct look *l, const struct st_tensor *index, struct err *err)
{
    struct coded *c = &l->c;
    bool usual = true;

    c->index = NULL;
    if (all_unset(index->data, c->cols))
        return 0;
    for (uint64_t i = 0; i < c->cols; i++) {
        const int32_t g = look_i32(index->data, i);
        if (g < 0 || (uint64_t)g >= c->n_groups)
            return err_set(err, ERR_FORMAT,
                           "tensor %s: column %" PRIu64 ": expected a group below %" PRIu64
                           ", found %" PRId32,
                           index->name, i, c->n_groups, g);
        usual = usual && (uint64_t)g == i / c->cols_per;
    }
    if (!usual)
        c->index = index->data;
    return 0;
}
