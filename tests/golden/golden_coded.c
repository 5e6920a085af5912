/* Quantized checkpoints of every scheme: the values are those their own library decodes
 * (tests/oracle/coded.py), whether read as blocks of rows, one by one or in pieces, and
 * types that can hold them do so without loss. The cases are ours, in tests/coded. */

#include "formats/base/cpu.h"
#include "formats/base/hash.h"
#include "formats/base/json.h"
#include "formats/coded.h"
#include "quant/codec.h"
#include "quant/coded.h"
#include "tests/tap.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char root[] = "tests/coded";

static const struct coded_tensor *find(const struct coded_set *s, const char *name)
{
    for (size_t i = 0; i < coded_n(s); i++)
        if (!strcmp(coded_at(s, i)->st.name, name))
            return coded_at(s, i);
    return NULL;
}

static bool same_shape(const struct coded_tensor *t, const json_val *shape)
{
    int i = 0;

    for (const json_val *v = json_first(shape); v; v = json_next(v), i++) {
        int64_t d;
        if (i >= t->st.n_dims || !json_int(v, &d) || (uint64_t)d != t->st.dims[i])
            return false;
    }
    return i == t->st.n_dims;
}

static size_t values_of(const struct coded_tensor *t)
{
    size_t n = 1;

    for (int i = 0; i < t->st.n_dims; i++)
        n *= (size_t)t->st.dims[i];
    return n;
}

/* Zeros positive, as the manifest's digests have them. */
static bool same_values(const float *x, size_t n, const char *want)
{
    float *plain = malloc(n * sizeof(*plain));
    char hex[HASH_HEX_BYTES] = "";
    struct err err;

    for (size_t i = 0; plain && i < n; i++)
        plain[i] = x[i] + 0.0F;
    const bool same = plain && !hash_of(plain, n * sizeof(*plain), hex, &err) && !strcmp(hex, want);
    free(plain);
    return same;
}

static void show_first(const float *x, const json_val *first)
{
    int i = 0;

    for (const json_val *v = json_first(first); v; v = json_next(v), i++) {
        double want = 0;
        (void)json_num(v, &want);
        tap_note("value %d: expected %.9g, found %.9g", i, want, (double)x[i]);
    }
}

/* Row by row, and in pieces that start anywhere, gives the same. */
static bool same_in_pieces(const struct coded *c, const float *x, float *y)
{
    const size_t cols = (size_t)c->cols, n = (size_t)c->rows * cols;

    for (uint64_t r = 0; r < c->rows; r++)
        coded_rows(y + r * cols, c, r, 1);
    if (memcmp(x, y, n * sizeof(*x)) != 0)
        return false;
    for (uint64_t r = 0; r < c->rows; r++)
        for (size_t at = 0, k; at < cols; at += k) {
            k = cols - at < 37 ? cols - at : 37;
            coded_cells(y + r * cols + at, c, r, at, k);
        }
    return !memcmp(x, y, n * sizeof(*x));
}

static bool exact_in(enum dtype type, const struct coded *c, const float *x, float *y)
{
    const size_t cols = (size_t)c->cols;
    size_t bytes;
    bool good = dtype_row_bytes(&bytes, type, cols);
    uint8_t *row = good ? malloc(bytes) : NULL;

    good = row != NULL;
    for (uint64_t r = 0; good && r < c->rows; r++) {
        good = coded_exact(row, type, c, r, x + r * cols);
        if (good)
            codec_get(type, CPU_ALL)->dec(y, row, cols);
        for (size_t i = 0; good && i < cols; i++)
            good = y[i] >= x[r * cols + i] && y[i] <= x[r * cols + i];
    }
    free(row);
    return good;
}

static void check_exact(struct tap *t, const char *name, const json_val *types,
                        const struct coded *c, const float *x, float *y)
{
    for (const json_val *v = json_first(types); v; v = json_next(v))
        (void)tap_ok(t, exact_in(dtype_by_name(json_str(v)), c, x, y), "%s: exact in %s", name,
                     json_str(v));
}

static void check_tensor(struct tap *t, const char *name, const struct coded_set *s,
                         const json_val *want, const json_val *exact)
{
    const struct coded_tensor *from = find(s, json_str(json_get(want, "name")));

    if (!tap_ok(t,
                from && same_shape(from, json_get(want, "shape")) &&
                    from->st.type == dtype_by_name(json_str(json_get(want, "type"))),
                "%s: %s has its shape and type", name, json_str(json_get(want, "name"))) ||
        !from->coded)
        return;
    const size_t n = values_of(from);
    float *x = malloc(n * sizeof(*x)), *y = malloc(n * sizeof(*y));
    if (x && y) {
        coded_rows(x, from->coded, 0, from->coded->rows);
        if (!tap_ok(t, same_values(x, n, json_str(json_get(want, "sha256"))), "%s: values", name))
            show_first(x, json_get(want, "first"));
        (void)tap_ok(t, same_in_pieces(from->coded, x, y), "%s: in pieces", name);
        check_exact(t, name, exact, from->coded, x, y);
    }
    free(x);
    free(y);
}

static void check_case(struct tap *t, const json_val *one)
{
    const char *name = json_str(json_get(one, "name"));
    struct ckpt *c = NULL;
    struct coded_set *s = NULL;
    struct err err = {0};
    char path[512];

    (void)snprintf(path, sizeof(path), "%s/%s", root, name);
    const bool open = !ckpt_open(&c, path, &err) && !coded_open(&s, c, &err);
    if (tap_ok(t, open, "%s (%s)", name, json_str(json_get(one, "oracle")))) {
        const json_val *tensors = json_get(one, "tensors");
        (void)tap_ok(t, coded_n(s) == json_len(tensors), "%s: %zu tensors", name,
                     json_len(tensors));
        for (const json_val *v = json_first(tensors); v; v = json_next(v))
            check_tensor(t, name, s, v, json_get(one, "exact"));
    } else {
        tap_note("%s", err.msg);
    }
    coded_free(s);
    ckpt_free(c);
}

int main(void)
{
    struct tap t = {0};
    json_val *doc = NULL;
    struct err err = {0};
    char path[512];

    (void)snprintf(path, sizeof(path), "%s/manifest.json", root);
    if (json_load(&doc, path, &err)) {
        (void)tap_ok(&t, false, "%s", err.msg);
        return tap_done(&t);
    }
    for (const json_val *v = json_first(json_get(doc, "cases")); v; v = json_next(v))
        check_case(&t, v);
    json_free(doc);
    return tap_done(&t);
}
