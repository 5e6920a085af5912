/* Products of stored weights with activations against exact ones in float64: at every
 * CPU level, KERN_F32 is exact but for F32's rounding, and the kernels that round
 * activations lose no more than their rounding does. */

#include "formats/base/buf.h"
#include "formats/base/cpu.h"
#include "formats/base/json.h"
#include "formats/base/map.h"
#include "quant/matmul.h"
#include "tests/tap.h"

#include <stdlib.h>
#include <string.h>

static const char *const levels[] = {"scalar", "avx2", "avx512", "amx"};

/* The manifest and what it points to. */
struct golden {
    json_val *doc;
    const char *root;
    size_t rows, cols, vectors;
    struct map acts;
};

static bool load(struct map *m, const char *root, const char *path)
{
    struct buf b = {0};
    struct err err;

    buf_fmt(&b, "%s/quant/%s", root, path ? path : "");
    const bool good = !buf_check(&b, &err) && !map_open(m, b.p, &err);
    buf_release(&b);
    return good;
}

static size_t num(const json_val *v, const char *key)
{
    int64_t n = 0;

    (void)json_int(json_get(v, key), &n);
    return (size_t)n;
}

static double real(const json_val *v, const char *key)
{
    double d = 0;

    (void)json_num(json_get(v, key), &d);
    return d;
}

/* sum((y - exact)^2) / sum(exact^2) over all vectors. */
static double nmse(const float *y, const double *exact, size_t n)
{
    double err = 0, size = 0;

    for (size_t i = 0; i < n; i++) {
        err += ((double)y[i] - exact[i]) * ((double)y[i] - exact[i]);
        size += exact[i] * exact[i];
    }
    return err / size;
}

/* y[vectors, rows] of one matrix, all vectors at once or one by one. */
static bool products(float *y, const struct golden *g, const struct kern *k, enum kern_math math,
                     const struct matrix *w, bool together)
{
    const struct par par = par_init(1);
    const size_t m = together ? g->vectors : 1;
    void *scratch = malloc(mm_scratch_bytes(k, math, m, g->cols, &par));

    for (size_t i = 0; scratch && i < g->vectors; i += m) {
        const struct mm_job job = {w, y + i * g->rows, g->rows};

        mm(k, math, &job, 1, (const float *)(const void *)g->acts.data + i * g->cols, g->cols, m,
           &par, scratch);
    }
    free(scratch);
    return scratch;
}

/* NMSE of rounded activations, errors spread evenly over a step: of BF16 the step is at most
 * 2^-7 of a value, of 16 bits 2^-15 of the largest of 32, here at most five times their RMS. */
#define LIMIT_BF16  (0x1p-14 / 12)
#define LIMIT_INT16 (25 * 0x1p-30 / 12)

/* One matrix, level and math, both ways. limit: the NMSE that is still good. */
static void check(struct tap *tap, const struct golden *g, const struct kern *k,
                  enum kern_math math, const struct matrix *w, const double *exact, double limit)
{
    static const char *const maths[KERN_MATH_COUNT] = {"f32", "bf16", "int16"};
    const size_t n = g->rows * g->vectors;
    float *y = malloc(n * sizeof(*y));

    for (int together = 0; together < 2 && y; together++) {
        const double e = products(y, g, k, math, w, together) ? nmse(y, exact, n) : 1;
        const bool same = kern_math_for(k, math, w->t->type, together) == math;
        const double most = same ? limit : LIMIT_BF16;

        tap_ok(tap, e <= most, "gemv %s: %s %s, %s: NMSE %.3e, limit %.3e", w->t->name, k->isa,
               maths[math], together ? "together" : "one by one", e, most);
    }
    free(y);
}

/* Every level and math for one type. Limits: F32 sums of 1024 products of either sign
 * err by about 2^-24 each, whose squares are below 1e-12; the weights of BF16 kernels
 * may be cut at 2^-18. Where the reference has BF16 activations too, ours differ in the
 * order of sums only, hence a hundredth more. */
static void check_type(struct tap *tap, const struct golden *g, const json_val *e,
                       const struct matrix *w, const double *exact)
{
    const double peer = real(e, "peer_nmse_four_vectors");
    const char *act = json_str(json_get(e, "peer_activation_format"));

    for (size_t l = 0; l < sizeof(levels) / sizeof(levels[0]); l++) {
        struct err err;
        struct kern k;
        unsigned mask = 0;

        if (cpu_mask(&mask, levels[l], &err) || strcmp(cpu_level(cpu_detect() & mask), levels[l])) {
            tap_skip(tap, levels[l], "this CPU lacks it");
            continue;
        }
        kern_init(&k, cpu_detect() & mask);
        check(tap, g, &k, KERN_F32, w, exact, 1e-12);
        if (act && !strcmp(act, "bf16"))
            check(tap, g, &k, KERN_BF16, w, exact, 1.01 * peer);
        if (k.ints[w->t->type])
            check(tap, g, &k, KERN_INT16, w, exact, LIMIT_INT16);
    }
}

static void run_type(struct tap *tap, const struct golden *g, const json_val *e)
{
    const enum dtype type = dtype_by_ggml((uint32_t)num(e, "ggml_type_id"));
    const char *name = json_str(json_get(e, "type"));
    struct map blocks = {0}, exact = {0};
    struct source_part part = {0};
    struct source_tensor t = {.name = name, .type = type, .n_dims = 2, .n_parts = 1, .part = &part};
    struct arena arena = {0}; /* stays empty */
    struct matrix w;
    struct err err;

    t.dims[0] = g->cols;
    t.dims[1] = g->rows;
    t.dims[2] = t.dims[3] = 1;
    if (type == DTYPE_NONE || matrix_init(&w, &t, &arena, &err)) {
        tap_skip(tap, name ? name : "?", "no codec");
        return;
    }
    if (load(&blocks, g->root, json_str(json_get(e, "blocks_file"))) &&
        load(&exact, g->root, json_str(json_get(e, "exact_file")))) {
        part.data = blocks.data + num(e, "blocks_offset");
        part.bytes = num(e, "blocks_bytes");
        check_type(tap, g, e, &w,
                   (const double *)(const void *)(exact.data + num(e, "exact_offset")));
    } else {
        tap_ok(tap, false, "gemv %s: files", name);
    }
    map_release(&blocks);
    map_release(&exact);
}

int main(void)
{
    struct tap tap = {0};
    struct golden g = {.root = tap_golden()};
    struct buf path = {0};
    struct err err;

    if (!g.root) {
        tap_skip(&tap, "gemv", "no golden data");
        return tap_done(&tap);
    }
    buf_fmt(&path, "%s/quant/gemv/index.json", g.root);
    if (!tap_ok(&tap,
                !buf_check(&path, &err) && !json_load(&g.doc, path.p, &err) &&
                    load(&g.acts, g.root, json_str(json_get(g.doc, "activations"))),
                "gemv: manifest"))
        return tap_done(&tap);
    g.rows = num(g.doc, "rows");
    g.cols = num(g.doc, "row_length");
    g.vectors = num(g.doc, "n_vectors");
    for (const json_val *e = json_first(json_get(g.doc, "types")); e; e = json_next(e))
        run_type(&tap, &g, e);
    map_release(&g.acts);
    json_free(g.doc);
    buf_release(&path);
    return tap_done(&tap);
}
