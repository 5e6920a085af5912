/* FP8: a weight of 8-bit floats and beside it "<weight>_scale_inv" or "<weight>_scale":
 * one for all, one a row, or one a block (weight_block_size, 128 x 128), per matrix of a
 * stack. w = float(code) * scale in F32. Activation and cache scales have no use here.
 * Source: transformers' Fp8Dequantize. */

#include "formats/coded/scheme.h"

#include <string.h>

static const char *const sides[] = {
    ".input_scale",  "activation_scale",  ".k_scale",        ".v_scale",    ".q_scale",
    ".output_scale", ".qscale_act",       ".kv_scale",       ".prob_scale", ".qscale_weight",
    ".weight_scale", ".weight_scale_inv", ".input_scale_ub", NULL,
};

static bool is_f8(const struct st_tensor *t)
{
    return t && (t->type == DTYPE_F8_E4M3 || t->type == DTYPE_F8_E5M2);
}

/* Scales under the weight's name, whatever that is: those of stacked experts. */
static bool is_scale_of_f8(struct look *l)
{
    return (look_ends(l, "_scale_inv") || look_ends(l, "_scale")) &&
           is_f8(ckpt_find(l->ckpt, l->base));
}

static int block_size(uint64_t *bm, uint64_t *bn, const json_val *config, struct err *err)
{
    const json_val *v = json_get(config, "weight_block_size");
    int64_t a, b;

    *bm = *bn = 0;
    if (json_is_null(v))
        return 0;
    if (json_len(v) != 2 || !json_int(json_first(v), &a) ||
        !json_int(json_next(json_first(v)), &b) || a < 1 || b < 1)
        return err_set(err, ERR_FORMAT,
                       "quantization_config: weight_block_size: expected two positive numbers");
    *bm = (uint64_t)a;
    *bn = (uint64_t)b;
    return 0;
}

static const struct st_tensor *find_scale(struct look *l)
{
    const struct st_tensor *s = look_side(l, "_scale_inv");

    if (!s)
        s = look_side(l, "_scale");
    if (!s && look_ends(l, "weight")) {
        s = look_side(l, "qscale_weight");
        (void)look_ends(l, "");
    }
    return s;
}

int fp8_take(enum coded_role *role, struct look *l, struct err *err)
{
    uint64_t bm, bn;

    *role = look_ends_any(l, sides) || is_scale_of_f8(l) ? CODED_SIDE : CODED_PLAIN;
    if (*role == CODED_SIDE || !is_f8(l->st))
        return 0;
    if (!look_ends(l, ""))
        return err_set(err, ERR_FORMAT, "tensor %.100s: its name is too long", l->st->name);
    *role = CODED_HERE;
    const struct st_tensor *scale = find_scale(l);
    if (!scale)
        return err_set(err, ERR_FORMAT, "tensor %s_scale_inv is missing (%s is %s)", l->base,
                       l->st->name, dtype_get(l->st->type)->name);
    int rc = block_size(&bm, &bn, l->config, err);
    if (!rc)
        rc = look_matrix(l, l->st, err);
    l->c.layout = CODED_BYTES;
    l->c.value = l->st->type == DTYPE_F8_E4M3 ? CODED_E4M3 : CODED_E5M2;
    l->c.bits = 8;
    return rc ? rc : look_scale(l, scale, bm, bn, err);
}
