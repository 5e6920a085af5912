/* MXFP4 experts of gpt-oss: <name>_blocks U8 [experts, out, in / 32, 16], two codes a byte,
 * the low half first, and <name>_scales U8 [experts, out, in / 32], exponents. The logical
 * tensor is <name>.weight [experts, out, in]: not as unquantized checkpoints have it under
 * <name>, [experts, in, out]. w = e2m1 * 2^(scale - 127).
 * Source: transformers' convert_moe_packed_tensors. */

#include "formats/coded/scheme.h"

#include <string.h>

int mxfp4_take(enum coded_role *role, struct look *l, struct err *err)
{
    const struct st_tensor *st = l->st, *scale;
    struct coded *c = &l->c;

    *role = look_ends(l, "_scales") && st->type == DTYPE_U8 ? CODED_SIDE : CODED_PLAIN;
    if (!look_ends(l, "_blocks"))
        return 0;
    *role = CODED_FIRST;
    if (st->type != DTYPE_U8)
        return err_set(err, ERR_FORMAT, "tensor %s: expected type U8, found %s", st->name,
                       dtype_get(st->type)->name);
    int rc = look_shape(l, st, 4, (uint64_t[]){LOOK_ANY, LOOK_ANY, LOOK_ANY, 16}, err);
    if (!rc)
        rc = look_need(&scale, l, "_scales", DTYPE_U8, 3, st->dims, err);
    if (rc)
        return rc;
    struct st_tensor whole = *st;
    whole.n_dims = 3;
    whole.dims[2] = st->dims[2] * 32;
    rc = look_matrix(l, &whole, err);
    if (!rc)
        rc = look_scale(l, scale, 1, 32, err);
    c->layout = CODED_ROW_PAIRS;
    c->value = CODED_E2M1;
    c->bits = 4;
    l->type = DTYPE_MXFP4;
    look_named(l, ".weight");
    return rc;
}
