/* bitsandbytes. 4 bit: "<name>" holds two codes a byte, the high half first, all values in
 * one run; <name>.absmax has one scale a block: F32, or (double quantization) a byte that
 * stands for nested_quant_map[byte] * nested_absmax[block / nested_blocksize] +
 * nested_offset; <name>.quant_state.bitsandbytes__nf4 (or fp4) is JSON with blocksize,
 * shape, dtype and the nested numbers. w = table[code] * absmax, rounded to `dtype` as the
 * library does. 8 bit: I8 and <module>.SCB, one a row: w = code * SCB * (1 / 127).
 * Source: bitsandbytes functional.py (QuantState), backends/default/ops.py. */

#include "formats/coded/scheme.h"

#include <inttypes.h>
#include <string.h>

static bool block_ok(int64_t n)
{
    return n >= 32 && n <= 4096 && !(n & (n - 1));
}

/* What the JSON says. */
struct state {
    int64_t block, nested_block;
    double offset;
};

static enum dtype dtype_of(const char *torch_name)
{
    if (!strcmp(torch_name, "bfloat16"))
        return DTYPE_BF16;
    if (!strcmp(torch_name, "float16"))
        return DTYPE_F16;
    return !strcmp(torch_name, "float32") ? DTYPE_F32 : DTYPE_NONE;
}

static int read_shape(struct look *l, const json_val *shape, struct err *err)
{
    struct coded *c = &l->c;
    uint64_t n = 1;

    l->n_dims = 0;
    for (const json_val *v = json_first(shape); v; v = json_next(v)) {
        int64_t d = 0;
        if (l->n_dims == 3 || !json_int(v, &d) || d < 1 || (uint64_t)d > (1ULL << 40) / n)
            return err_set(err, ERR_FORMAT, "shape: expected two or three positive numbers");
        l->dims[l->n_dims++] = (uint64_t)d;
        n *= (uint64_t)d;
    }
    if (l->n_dims < 2)
        return err_set(err, ERR_FORMAT, "shape: expected two or three positive numbers");
    c->cols = l->dims[l->n_dims - 1];
    c->out = l->dims[l->n_dims - 2];
    c->rows = n / c->cols;
    return 0;
}

static int read_state(struct state *s, struct look *l, const json_val *doc, const char *type,
                      struct err *err)
{
    const char *quant_type = json_str(json_get(doc, "quant_type"));
    const char *dtype = json_str(json_get(doc, "dtype"));

    *s = (struct state){0};
    if (quant_type && strcmp(quant_type, type) != 0)
        return err_set(err, ERR_FORMAT, "quant_type: expected \"%s\", found \"%.20s\"", type,
                       quant_type);
    if (!json_int(json_get(doc, "blocksize"), &s->block) || !block_ok(s->block))
        return err_set(err, ERR_FORMAT, "blocksize: expected a power of two from 32 to 4096");
    l->c.round_to = dtype ? dtype_of(dtype) : DTYPE_NONE;
    if (l->c.round_to == DTYPE_NONE)
        return err_set(err, ERR_FORMAT, "dtype: expected bfloat16, float16 or float32");
    if (!json_is_null(json_get(doc, "nested_blocksize"))) {
        if (!json_int(json_get(doc, "nested_blocksize"), &s->nested_block) ||
            !block_ok(s->nested_block))
            return err_set(err, ERR_FORMAT,
                           "nested_blocksize: expected a power of two from 32 to 4096");
        if (!json_num(json_get(doc, "nested_offset"), &s->offset))
            return err_set(err, ERR_FORMAT, "nested_offset: expected a number");
    }
    return read_shape(l, json_get(doc, "shape"), err);
}

static int load_state(struct state *s, struct look *l, const struct st_tensor *blob,
                      const char *type, struct err *err)
{
    json_val *doc = NULL;
    int rc = json_parse(&doc, (const char *)blob->data, blob->bytes, err);

    if (!rc)
        rc = read_state(s, l, doc, type, err);
    json_free(doc);
    return rc ? err_wrap(err, "tensor %s", blob->name) : 0;
}

static int scales(struct look *l, const struct state *s, struct err *err)
{
    struct coded *c = &l->c;
    const uint64_t n = c->rows * c->cols,
                   blocks = (n + (uint64_t)s->block - 1) / (uint64_t)s->block;
    const uint64_t codes = 256;
    const struct st_tensor *t;
    const enum dtype type = s->nested_block ? DTYPE_U8 : DTYPE_F32;
    int rc = look_need(&t, l, ".absmax", type, 1, &blocks, err);

    if (rc)
        return rc;
    c->scale = t->data;
    c->scale_type = type;
    c->cols_per = (uint64_t)s->block;
    c->rows_per = 1;
    if (!s->nested_block)
        return 0;
    const uint64_t n2 = (blocks + (uint64_t)s->nested_block - 1) / (uint64_t)s->nested_block;
    c->scale_kind = CODED_SCALE_NESTED;
    c->nested_per = (uint64_t)s->nested_block;
    c->offset = (float)s->offset;
    rc = look_need(&t, l, ".nested_absmax", DTYPE_F32, 1, &n2, err);
    if (rc)
        return rc;
    c->nested = t->data;
    rc = look_need(&t, l, ".nested_quant_map", DTYPE_F32, 1, &codes, err);
    if (rc)
        return rc;
    c->nested_table = t->data;
    return 0;
}

static int four_bit(struct look *l, const struct st_tensor *blob, const char *type, struct err *err)
{
    struct coded *c = &l->c;
    struct state s;
    const int rc = load_state(&s, l, blob, type, err);

    if (rc)
        return rc;
    if (l->st->bytes != (c->rows * c->cols + 1) / 2)
        return err_set(err, ERR_FORMAT,
                       "tensor %s: expected %" PRIu64 " bytes by its quant_state, found %zu",
                       l->st->name, (c->rows * c->cols + 1) / 2, l->st->bytes);
    c->layout = CODED_FLAT_HIGH;
    c->value = !strcmp(type, "nf4") ? CODED_NF4 : CODED_FP4;
    c->bits = 4;
    c->code = l->st->data;
    l->type = DTYPE_F32;
    return scales(l, &s, err);
}

static int eight_bit(struct look *l, const struct st_tensor *scb, struct err *err)
{
    int rc = look_matrix(l, l->st, err);

    if (rc)
        return rc;
    const struct st_tensor *format = look_side(l, ".weight_format");
    if (format && format->bytes && format->data[0])
        return err_set(err, ERR_UNSUPPORTED, "tensor %s: expected format 0 (row), found %u",
                       format->name, format->data[0]);
    if (scb->type != DTYPE_F32)
        return err_set(err, ERR_FORMAT, "tensor %s: expected type F32, found %s", scb->name,
                       dtype_get(scb->type)->name);
    l->c.layout = CODED_BYTES;
    l->c.value = CODED_SIGNED;
    l->c.bits = 8;
    l->c.scale_kind = CODED_SCALE_127;
    rc = look_shape(l, scb, 1, &l->c.rows, err);
    if (!rc)
        rc = look_scale(l, scb, 1, 0, err);
    look_named(l, ".weight");
    return rc;
}

int bnb_take(enum coded_role *role, struct look *l, struct err *err)
{
    static const char *const sides[] = {
        ".absmax",
        ".quant_map",
        ".nested_absmax",
        ".nested_quant_map",
        ".SCB",
        ".weight_format",
        ".quant_state.bitsandbytes__nf4",
        ".quant_state.bitsandbytes__fp4",
        NULL,
    };
    static const char *const types[] = {"nf4", "fp4"};
    static const char *const blobs[] = {".quant_state.bitsandbytes__nf4",
                                        ".quant_state.bitsandbytes__fp4"};

    *role = look_ends_any(l, sides) ? CODED_SIDE : CODED_PLAIN;
    if (*role == CODED_SIDE || !look_ends(l, ""))
        return 0;
    for (int i = 0; i < 2; i++) {
        const struct st_tensor *blob = look_side(l, blobs[i]);
        if (!blob)
            continue;
        *role = CODED_HERE;
        return four_bit(l, blob, types[i], err);
    }
    if (l->st->type != DTYPE_I8 || !look_ends(l, ".weight"))
        return 0;
    const struct st_tensor *scb = look_side(l, ".SCB");
    *role = CODED_HERE;
    return scb ? eight_bit(l, scb, err)
               : err_set(err, ERR_FORMAT, "tensor %s.SCB is missing (%s needs it)", l->base,
                         l->st->name);
}
