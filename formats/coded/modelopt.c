/* NVIDIA ModelOpt. NVFP4: weight U8 [out, in / 2], two codes a byte, the low half first;
 * weight_scale F8 [out, in / 16]; weight_scale_2 F32, one. w = e2m1 * (scale * scale_2),
 * each product rounded to F32. FP8: weight F8, weight_scale F32, one or one a row.
 * Source: modelopt NVFP4QTensor.dequantize. */

#include "formats/coded/scheme.h"

#include <string.h>

static int nvfp4(struct look *l, struct err *err)
{
    struct st_tensor wide = *l->st;
    const struct st_tensor *scale = look_side(l, "_scale"), *second = look_side(l, "_scale_2");

    if (!scale || !second || scale->type != DTYPE_F8_E4M3)
        return err_set(err, ERR_UNSUPPORTED,
                       "tensor %s: packed, but without the F8_E4M3 %s_scale and the %s_scale_2 of "
                       "NVFP4",
                       l->st->name, l->base, l->base);
    if (!wide.n_dims)
        return err_set(err, ERR_FORMAT, "tensor %s: expected a matrix", wide.name);
    wide.dims[wide.n_dims - 1] *= 2;
    int rc = look_matrix(l, &wide, err);
    if (!rc)
        rc = look_scale(l, scale, 1, 16, err);
    l->c.layout = CODED_ROW_PAIRS;
    l->c.value = CODED_E2M1;
    l->c.bits = 4;
    return rc ? rc : look_global(l, second, CODED_SCALE_TIMES, err);
}

int modelopt_take(enum coded_role *role, struct look *l, struct err *err)
{
    static const char *const sides[] = {
        "_proj_weight_scale", "_proj_weight_scale_2",
        ".weight_scale",      ".weight_scale_2",
        ".input_scale",       ".k_scale",
        ".v_scale",           ".q_scale",
        ".output_scale",      NULL,
    };
    const enum dtype t = l->st->type;

    if (look_ends(l, ".pre_quant_scale"))
        return err_set(err, ERR_UNSUPPORTED, "tensor %s: smoothed inputs are not supported",
                       l->st->name);
    *role = look_ends_any(l, sides) ? CODED_SIDE : CODED_PLAIN;
    if (*role == CODED_SIDE || !look_ends(l, ""))
        return 0;
    if (t == DTYPE_U8) {
        *role = CODED_HERE;
        return nvfp4(l, err);
    }
    return t == DTYPE_F8_E4M3 || t == DTYPE_F8_E5M2 ? fp8_take(role, l, err) : 0;
}
