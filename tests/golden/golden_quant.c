/* quant/: blocks of every type decode to the very bits the reference decodes them
 * to, and encoding loses no more than the reference's encoders do. */

#include "formats/base/buf.h"
#include "formats/base/cpu.h"
#include "formats/base/json.h"
#include "formats/base/map.h"
#include "quant/codec.h"
#include "tests/tap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool load(struct map *m, const char *root, const char *path)
{
    struct buf b = {0};
    struct err err;

    buf_fmt(&b, "%s/quant/%s", root, path);
    const bool good = !buf_check(&b, &err) && !map_open(m, b.p, &err);
    buf_release(&b);
    return good;
}

static json_val *load_json(const char *root, const char *path)
{
    struct buf b = {0};
    struct err err = {0};
    json_val *v = NULL;

    buf_fmt(&b, "%s/quant/%s", root, path);
    if (buf_check(&b, &err) || json_load(&v, b.p, &err))
        tap_note("%s", err.msg);
    buf_release(&b);
    return v;
}

static size_t num(const json_val *v, const char *key)
{
    int64_t n = 0;

    (void)json_int(json_get(v, key), &n);
    return (size_t)n;
}

static const char *str(const json_val *v, const char *key)
{
    const char *s = json_str(json_get(v, key));

    return s ? s : "";
}

/* ---- decoding ---------------------------------------------------------------- */

/* The first value that differs, or n. Zeros of either sign are equal. */
static size_t differs(const float *got, const float *want, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (memcmp(&got[i], &want[i], sizeof(float)) && !(got[i] == 0 && want[i] == 0))
            return i;
    return n;
}

static bool decode_one(const char *root, const json_val *e, const struct codec *c)
{
    struct map blocks = {0}, want = {0};
    const size_t n = num(e, "dequant_bytes") / sizeof(float);
    const size_t at = num(e, "offset"), at_want = num(e, "dequant_offset");
    float *got = malloc((n + 1) * sizeof(float)), *copy = malloc((n + 1) * sizeof(float));
    bool good = got && copy && load(&blocks, root, str(e, "file")) &&
                load(&want, root, str(e, "dequant_file")) && at + num(e, "bytes") <= blocks.size &&
                at_want + 4 * n <= want.size;

    if (good) {
        memcpy(copy, want.data + at_want, 4 * n);
        c->dec(got, blocks.data + at, n);
        const size_t i = differs(got, copy, n);
        good = i == n;
        if (!good)
            tap_note("value %zu: got %a, want %a", i, (double)got[i], (double)copy[i]);
    }
    map_release(&blocks);
    map_release(&want);
    free(got);
    free(copy);
    return good;
}

static void decode_all(struct tap *t, const char *root, const json_val *list, const char *what,
                       enum dtype type)
{
    size_t n = 0, bad = 0;

    for (const json_val *e = json_first(list); e; e = json_next(e)) {
        if (dtype_by_name(str(e, "type")) != type || !json_get(e, "file"))
            continue;
        n++;
        if (!decode_one(root, e, codec_get(type, CPU_ALL))) {
            tap_note("%s %s %s differs", dtype_get(type)->name, str(e, "input"), str(e, "variant"));
            bad++;
        }
    }
    if (n)
        (void)tap_ok(t, !bad, "%s: %s decode exactly, %zu pieces", dtype_get(type)->name, what, n);
}

/* ---- encoding ---------------------------------------------------------------- */

/* Squared errors and squares, plain and weighted by importance / its mean. */
struct sums {
    double e, x, we, wx;
    size_t n;
};

static void sums_add(struct sums *to, const struct sums *s)
{
    to->e += s->e;
    to->x += s->x;
    to->we += s->we;
    to->wx += s->wx;
    to->n += s->n;
}

static bool measure(struct sums *out, const char *root, const json_val *set, const struct codec *c,
                    bool with_importance)
{
    const size_t rows = num(set, "rows"), len = num(set, "row_length"), n = rows * len;
    struct map values = {0}, weights = {0};
    float *x = malloc(n * 4), *back = malloc(n * 4), *w = malloc(len * 4);
    size_t row_bytes = 0;
    bool good = x && back && w && dtype_row_bytes(&row_bytes, c->type, len) &&
                load(&values, root, str(set, "file")) &&
                load(&weights, root, str(set, "importance_file")) &&
                num(set, "offset") + n * 4 <= values.size &&
                num(set, "importance_offset") + len * 4 <= weights.size;
    uint8_t *blocks = malloc(row_bytes * rows + 1);

    *out = (struct sums){0};
    if (good && blocks) {
        struct err err;
        double mean = 0;
        memcpy(x, values.data + num(set, "offset"), n * 4);
        memcpy(w, weights.data + num(set, "importance_offset"), len * 4);
        for (size_t i = 0; i < len; i++)
            mean += (double)w[i] / (double)len;
        for (size_t r = 0; r < rows && good; r++) {
            good = !codec_encode_row(c, blocks + r * row_bytes, x + r * len, len,
                                     &(struct codec_how){with_importance ? w : NULL, EFFORT_NORMAL},
                                     &err);
            c->dec(back + r * len, blocks + r * row_bytes, len);
        }
        for (size_t i = 0; i < n && good; i++) {
            const double d = (double)x[i] - (double)back[i], v = (double)x[i];
            const double u = mean > 0 ? (double)w[i % len] / mean : 0;
            sums_add(out, &(struct sums){d * d, v * v, u * d * d, u * v * v, 1});
        }
    }
    map_release(&values);
    map_release(&weights);
    free(x);
    free(back);
    free(w);
    free(blocks);
    return good;
}

/* Ours over theirs; the reference's own figures are rounded in the last digits of a
 * binary64, hence the hair. */
static bool no_worse(double *ratio, const struct sums *s, const json_val *theirs, bool weighted)
{
    double want;

    if (weighted && json_num(json_get(theirs, "weighted_rel_rmse"), &want))
        *ratio = sqrt(s->we / s->wx) / want;
    else if (json_num(json_get(theirs, "rel_rmse"), &want))
        *ratio = sqrt(s->e / s->x) / want;
    else
        return true;
    if (want == 0)
        *ratio = s->e > 0 ? (double)INFINITY : 1;
    return *ratio <= 1 + 1e-9;
}

enum { CLASSES_MAX = 64 };
struct pool {
    const char *name;
    struct sums s;
};

static void encode_sets(struct tap *t, const char *root, const json_val *index,
                        const json_val *theirs, const struct codec *c, bool importance,
                        struct pool pool[CLASSES_MAX])
{
    const char *name = dtype_get(c->type)->name;
    const char *variant = importance ? "importance" : "plain";
    size_t n = 0, bad = 0;
    double worst = 0;

    for (const json_val *set = json_first(json_get(index, "input_sets")); set;
         set = json_next(set)) {
        const char *class = str(set, "input_class");
        struct sums s;
        double ratio = 0;
        size_t row_bytes, k = 0;
        const json_val *per_set = json_get(json_get(theirs, "per_set"), str(set, "name"));
        if (!dtype_row_bytes(&row_bytes, c->type, num(set, "row_length")))
            continue;
        if (!measure(&s, root, set, c, importance)) {
            tap_note("%s %s: could not encode", name, str(set, "name"));
            bad++;
            continue;
        }
        while (k + 1 < CLASSES_MAX && pool[k].name && strcmp(pool[k].name, class))
            k++;
        pool[k].name = class;
        sums_add(&pool[k].s, &s);
        if (!per_set)
            continue;
        n++;
        if (!no_worse(&ratio, &s, json_get(per_set, variant), importance)) {
            tap_note("%s %s %s: %.6f times the reference's error", name, variant, str(set, "name"),
                     ratio);
            bad++;
        }
        worst = ratio > worst ? ratio : worst;
    }
    (void)tap_ok(t, !bad, "%s %s: error of %zu sets no worse, at most %.4f times the reference's",
                 name, variant, n, worst);
}

static void encode_all(struct tap *t, const char *root, const json_val *index, const json_val *rmse,
                       const struct codec *c)
{
    const char *name = dtype_get(c->type)->name;
    const json_val *theirs = json_get(json_get(rmse, "types"), name);

    if (!theirs || !c->enc)
        return;
    for (int importance = 0; importance < 2; importance++) {
        const char *variant = importance ? "importance" : "plain";
        struct pool pool[CLASSES_MAX] = {{0}};
        encode_sets(t, root, index, theirs, c, importance, pool);
        for (size_t k = 0; k < CLASSES_MAX && pool[k].name; k++) {
            const json_val *class = json_get(json_get(theirs, "per_class"), pool[k].name);
            double ratio = 1;
            if (!class)
                continue;
            const bool good = no_worse(&ratio, &pool[k].s, json_get(class, variant), importance);
            (void)tap_ok(t, good, "%s %s %s: %.4f times the reference's error", name, variant,
                         pool[k].name, ratio);
        }
    }
}

int main(void)
{
    struct tap t = {0};
    const char *root = tap_golden();

    if (!root) {
        tap_skip(&t, "quant", "no golden data");
        return tap_done(&t);
    }
    json_val *index = load_json(root, "index.json"), *rmse = load_json(root, "rmse.json");
    json_val *random = load_json(root, "random/index.json");
    if (!index || !rmse || !random)
        (void)tap_ok(&t, false, "quant: manifests can be read");
    for (const json_val *m = json_first(json_get(rmse, "types")); m; m = json_next(m)) {
        const struct codec *c = codec_get(dtype_by_name(json_key(m)), CPU_ALL);
        if (!c) {
            tap_skip(&t, json_key(m), "no codec for this type yet");
            continue;
        }
        decode_all(&t, root, json_get(index, "tensors"), "encoded blocks", c->type);
        decode_all(&t, root, json_get(random, "entries"), "random blocks", c->type);
        encode_all(&t, root, index, rmse, c);
    }
    json_free(index);
    json_free(rmse);
    json_free(random);
    return tap_done(&t);
}
