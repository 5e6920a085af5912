/* compressed-tensors. Beside weight_scale (one, one a row, one a group of columns, or one
 * a block):
 *  pack-quantized         weight_packed I32 [out, in * bits / 32], dense, code + 2^(bits-1);
 *                         weight_shape; weight_zero_point packed the same way downwards;
 *                         weight_g_idx
 *  int-, float-, naive-   weight I8 or F8; weight_zero_point I8
 *  nvfp4-pack-quantized   weight_packed U8, weight_scale F8 for 16 columns,
 *                         weight_global_scale F32 divides them
 *  mxfp4-, mxfp8-         scales are exponents (U8) for 32 columns
 * w = (code - zero) * scale. The library computes in the scales' type; here it is F32, as
 * in llama.cpp's converter. Source: compressed_tensors 0.20, lifecycle/forward.py. */

#include "formats/coded/scheme.h"

#include <inttypes.h>
#include <string.h>

static bool is_one_of(const char *s, const char *const *list)
{
    for (; *list; list++)
        if (!strcmp(s, *list))
            return true;
    return false;
}

static int check_format(const char *format, struct err *err)
{
    static const char *const known[] = {
        "pack-quantized",
        "int-quantized",
        "float-quantized",
        "naive-quantized",
        "mixed-precision",
        "nvfp4-pack-quantized",
        "mxfp4-pack-quantized",
        "mxfp8-quantized",
        "dense",
        NULL,
    };

    if (format && is_one_of(format, known))
        return 0;
    return err_set(err, ERR_UNSUPPORTED,
                   "quantization_config: format \"%.60s\" is not supported (pare reads "
                   "pack-quantized, int-quantized, float-quantized, naive-quantized, "
                   "nvfp4-pack-quantized, mxfp4-pack-quantized, mxfp8-quantized)",
                   format ? format : "");
}

int compressed_check(const json_val *config, struct err *err)
{
    const char *sparsity = json_str(json_path(config, "sparsity_config.format"));
    const json_val *groups = json_get(config, "config_groups");
    int rc = check_format(json_str(json_get(config, "format")), err);

    if (!rc && sparsity && strcmp(sparsity, "dense") != 0)
        rc = err_set(err, ERR_UNSUPPORTED,
                     "quantization_config: sparsity_config.format \"%.60s\" is not supported",
                     sparsity);
    if (!rc && json_len(json_path(config, "transform_config.config_groups")))
        rc =
            err_set(err, ERR_UNSUPPORTED, "quantization_config: transform_config is not supported");
    if (!rc && !json_is_object(groups))
        rc = err_set(err, ERR_FORMAT, "quantization_config: config_groups is missing");
    for (const json_val *g = json_first(groups); !rc && g; g = json_next(g)) {
        const char *format = json_str(json_get(g, "format"));
        if (format)
            rc = check_format(format, err);
    }
    return rc;
}

static bool packs_to(uint64_t words, uint64_t values, int64_t bits)
{
    return bits >= 1 && bits <= 8 && words == (values * (uint64_t)bits + 31) / 32;
}

/* Bits of the integer group whose packing has as many words as the tensor. */
static unsigned find_bits(const struct look *l, uint64_t words, uint64_t cols)
{
    const json_val *g = json_first(json_get(l->config, "config_groups"));

    for (; g; g = json_next(g)) {
        const char *type = json_str(json_path(g, "weights.type"));
        int64_t bits = 0;
        if (type && strcmp(type, "int") != 0)
            continue;
        if (json_int(json_path(g, "weights.num_bits"), &bits) && packs_to(words, cols, bits))
            return (unsigned)bits;
    }
    return 0;
}

/* Rows and columns that share a scale by a group's config: 0 for all of them. */
static void block_of(uint64_t *bm, uint64_t *bn, const struct coded *c, const json_val *weights)
{
    const json_val *block = json_get(weights, "block_structure");
    int64_t a = 0, b = 0;

    *bm = 1;
    *bn = c->cols;
    if (json_len(block) == 2 && json_int(json_first(block), &a) &&
        json_int(json_next(json_first(block)), &b) && a > 0 && b > 0) {
        *bm = (uint64_t)a;
        *bn = (uint64_t)b;
    } else if (json_int(json_get(weights, "group_size"), &b) && b > 0) {
        *bn = (uint64_t)b;
    }
}

static bool is_shape(const struct st_tensor *s, uint64_t a, uint64_t b)
{
    const int n = s->n_dims;

    if (n >= 2 && s->dims[n - 2] == a && s->dims[n - 1] == b)
        return true;
    return n == 1 && s->dims[0] == a && b == 1;
}

/* The block or group of columns that explains the scales' shape. */
static int find_block(uint64_t *bm, uint64_t *bn, struct look *l, const struct st_tensor *s,
                      struct err *err)
{
    const json_val *groups = json_get(l->config, "config_groups");
    const struct coded *c = &l->c;
    uint64_t want[2];

    *bm = *bn = 0;
    if (look_values(s) == 1)
        return 0;
    for (const json_val *g = json_first(groups); g; g = json_next(g)) {
        block_of(bm, bn, c, json_get(g, "weights"));
        if (is_shape(s, (c->out + *bm - 1) / *bm, (c->cols + *bn - 1) / *bn))
            return 0;
    }
    block_of(bm, bn, c, json_get(json_first(groups), "weights"));
    want[0] = (c->out + *bm - 1) / *bm;
    want[1] = (c->cols + *bn - 1) / *bn;
    return look_shape(l, s, 2, want, err);
}

static int scales(struct look *l, struct err *err)
{
    const struct st_tensor *s = look_side(l, "_scale");
    uint64_t bm, bn;

    if (!s)
        return err_set(err, ERR_FORMAT, "tensor %s_scale is missing (%s needs it)", l->base,
                       l->st->name);
    const int rc = find_block(&bm, &bn, l, s, err);
    return rc ? rc : look_scale(l, s, bm, bn, err);
}

/* Zero points: packed downwards, or a byte beside each scale. */
static int zeros(struct look *l, bool packed, struct err *err)
{
    struct coded *c = &l->c;
    const struct st_tensor *z = look_side(l, "_zero_point");

    c->zero_fixed = packed ? 1 << (c->bits - 1) : 0;
    if (!z)
        return 0;
    c->zero = z->data;
    if (packed && z->type == DTYPE_I32) {
        c->zero_kind = CODED_ZERO_COL_BITS;
        return look_shape(l, z, 2, (uint64_t[]){(c->rows * c->bits + 31) / 32, c->n_groups}, err);
    }
    c->zero_kind = CODED_ZERO_BYTES;
    if (z->type != DTYPE_I8)
        return err_set(err, ERR_FORMAT, "tensor %s: expected type I8, found %s", z->name,
                       dtype_get(z->type)->name);
    const struct st_tensor *s = look_side(l, "_scale");
    if (s && look_values(s) == look_values(z))
        return 0;
    return err_set(err, ERR_FORMAT,
                   "tensor %s: expected %" PRIu64 " values beside %s, found %" PRIu64, z->name,
                   s ? look_values(s) : 0, l->st->name, look_values(z));
}

static int shape_value(uint64_t *out, const struct st_tensor *t, uint64_t i, struct err *err)
{
    const size_t each = dtype_get(t->type)->bytes;
    int64_t v = look_i32(t->data, each == 8 ? 2 * i : i);

    if (each == 8 && look_i32(t->data, 2 * i + 1))
        v = -1;
    if (v < 1)
        return err_set(err, ERR_FORMAT, "tensor %s: expected positive numbers", t->name);
    *out = (uint64_t)v;
    return 0;
}

static int packed_ints(struct look *l, struct err *err)
{
    struct coded *c = &l->c;
    const struct st_tensor *st = l->st, *shape = look_side(l, "_shape");
    const uint64_t two = 2;

    if (!shape)
        return err_set(err, ERR_FORMAT, "tensor %s_shape is missing (%s needs it)", l->base,
                       st->name);
    int rc = shape->type == DTYPE_I64 || shape->type == DTYPE_I32
                 ? look_shape(l, shape, 1, &two, err)
                 : err_set(err, ERR_FORMAT, "tensor %s: expected type I64, found %s", shape->name,
                           dtype_get(shape->type)->name);
    if (!rc)
        rc = shape_value(&c->out, shape, 0, err);
    if (!rc)
        rc = shape_value(&c->cols, shape, 1, err);
    if (!rc)
        rc = look_shape(l, st, 2, (uint64_t[]){c->out, LOOK_ANY}, err);
    if (rc)
        return rc;
    c->rows = c->out;
    c->code = st->data;
    c->layout = CODED_ROW_BITS;
    c->value = CODED_UNSIGNED;
    c->bits = find_bits(l, st->dims[1], c->cols);
    if (!c->bits)
        return err_set(err, ERR_FORMAT,
                       "tensor %s: %" PRIu64 " words a row hold no %" PRIu64
                       " codes of the num_bits in quantization_config",
                       st->name, st->dims[1], c->cols);
    l->n_dims = 2;
    l->dims[0] = c->out;
    l->dims[1] = c->cols;
    l->type = DTYPE_F32;
    return 0;
}

static int index_of(struct look *l, struct err *err)
{
    const struct st_tensor *g = look_side(l, "_g_idx");

    if (!g)
        return 0;
    if (g->type != DTYPE_I32)
        return err_set(err, ERR_FORMAT, "tensor %s: expected type I32, found %s", g->name,
                       dtype_get(g->type)->name);
    const int rc = look_shape(l, g, 1, &l->c.cols, err);
    return rc ? rc : look_index(l, g, err);
}

/* "<module>.weight" in two halves a byte. */
static int packed_floats(struct look *l, struct err *err)
{
    const struct st_tensor *global;
    struct st_tensor wide = *l->st;

    if (!wide.n_dims)
        return err_set(err, ERR_FORMAT, "tensor %s: expected a matrix", wide.name);
    wide.dims[wide.n_dims - 1] *= 2;
    int rc = look_matrix(l, &wide, err);
    if (!rc)
        rc = scales(l, err);
    if (rc)
        return rc;
    l->c.layout = CODED_ROW_PAIRS;
    l->c.value = CODED_E2M1;
    l->c.bits = 4;
    if (l->c.scale_type == DTYPE_U8) {
        l->type = l->c.cols_per == 32 && l->c.cols % 32 == 0 ? DTYPE_MXFP4 : DTYPE_F32;
        return 0;
    }
    global = look_side(l, "_global_scale");
    if (!global)
        return err_set(err, ERR_FORMAT, "tensor %s_global_scale is missing (%s needs it)", l->base,
                       l->st->name);
    return look_global(l, global, CODED_SCALE_OVER, err);
}

static int weight(struct look *l, struct err *err)
{
    const bool ints = l->st->type == DTYPE_I8;
    int rc = look_matrix(l, l->st, err);

    if (!rc)
        rc = scales(l, err);
    l->c.layout = CODED_BYTES;
    l->c.bits = 8;
    l->c.value = ints ? CODED_SIGNED : l->st->type == DTYPE_F8_E4M3 ? CODED_E4M3 : CODED_E5M2;
    if (!rc && ints)
        rc = zeros(l, false, err);
    return rc ? rc : index_of(l, err);
}

int compressed_take(enum coded_role *role, struct look *l, struct err *err)
{
    static const char *const sides[] = {
        ".weight_scale",
        ".weight_zero_point",
        ".weight_shape",
        ".weight_g_idx",
        ".weight_global_scale",
        ".input_scale",
        ".input_zero_point",
        ".input_global_scale",
        ".output_scale",
        ".output_zero_point",
        ".k_scale",
        ".v_scale",
        ".q_scale",
        ".k_zero_point",
        ".v_zero_point",
        ".q_zero_point",
        NULL,
    };
    const enum dtype t = l->st->type;
    int rc = 0;

    *role = look_ends_any(l, sides) ? CODED_SIDE : CODED_PLAIN;
    if (look_ends(l, "_packed")) {
        *role = CODED_LAST;
        if (t == DTYPE_U8)
            return packed_floats(l, err);
        if (t != DTYPE_I32)
            return err_set(err, ERR_FORMAT, "tensor %s: expected type I32 or U8, found %s",
                           l->st->name, dtype_get(t)->name);
        rc = packed_ints(l, err);
        if (!rc)
            rc = scales(l, err);
        if (!rc)
            rc = zeros(l, true, err);
        return rc ? rc : index_of(l, err);
    }
    if ((t == DTYPE_I8 || t == DTYPE_F8_E4M3 || t == DTYPE_F8_E5M2) && *role == CODED_PLAIN &&
        look_ends(l, "")) {
        *role = CODED_HERE;
        rc = weight(l, err);
    }
    return rc;
}
