/* AWQ, GEMM layout, as AutoAWQ saves it: qweight I32 [in, out / 8], eight 4-bit codes of
 * neighbouring rows a word, in the order 0 2 4 6 1 3 5 7 from the low end; qzeros I32
 * [groups, out / 8] the same way; scales [groups, out].
 * w[out, in] = (code - zero) * scale, exact here (AutoAWQ rounds to F16). */

#include "formats/coded/scheme.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

int awq_check(const json_val *config, struct err *err)
{
    const char *version = json_str(json_get(config, "version"));
    int64_t bits = 0;

    if (!version)
        version = json_str(json_get(config, "format"));
    if (version && strcasecmp(version, "gemm") != 0)
        return err_set(err, ERR_UNSUPPORTED,
                       "quantization_config: version \"%.60s\" is not supported (pare reads gemm)",
                       version);
    if (!json_int(json_get(config, "bits"), &bits))
        (void)json_int(json_get(config, "w_bit"), &bits);
    if (bits != 4)
        return err_set(err, ERR_UNSUPPORTED,
                       "quantization_config: bits: expected 4, found %" PRId64, bits);
    return 0;
}

int awq_take(enum coded_role *role, struct look *l, struct err *err)
{
    static const char *const sides[] = {".qzeros", ".scales", NULL};
    const struct st_tensor *st = l->st, *zero;
    struct coded *c = &l->c;

    *role = look_ends_any(l, sides) ? CODED_SIDE : CODED_PLAIN;
    if (!look_ends(l, ".qweight"))
        return 0;
    *role = CODED_LAST;
    int rc = look_words(l, err);
    if (rc)
        return rc;
    if (!st->dims[0] || !st->dims[1] || st->dims[1] > UINT32_MAX)
        return err_set(err, ERR_FORMAT, "tensor %s: no values", st->name);
    *c = (struct coded){
        .layout = CODED_COL_AWQ,
        .value = CODED_UNSIGNED,
        .zero_kind = CODED_ZERO_AWQ,
        .bits = 4,
        .rows = st->dims[1] * 8,
        .out = st->dims[1] * 8,
        .cols = st->dims[0],
        .code = st->data,
    };
    rc = gptq_scales(l, err);
    if (!rc)
        rc = look_need(&zero, l, ".qzeros", DTYPE_I32, 2, (uint64_t[]){c->n_groups, st->dims[1]},
                       err);
    if (rc)
        return rc;
    c->zero = zero->data;
    look_named(l, ".weight");
    l->n_dims = 2;
    l->dims[0] = c->rows;
    l->dims[1] = c->cols;
    l->type = DTYPE_F32;
    return 0;
}
