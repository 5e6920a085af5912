/* GPTQ, as GPTQModel and AutoGPTQ save it: qweight I32 [in * bits / 32, out], codes of a
 * column downwards as one dense run of bits; scales [groups, out]; qzeros I32 [groups,
 * out * bits / 32], the same run along a row, one less than the zero point (v1) or the
 * zero point itself (v2); g_idx I32 [in], the group of each input column.
 * w[out, in] = scale * (code - zero). The libraries compute it in the scales' type (F16);
 * here the product is exact, as in llama.cpp's converter. */

#include "formats/coded/scheme.h"

#include <inttypes.h>
#include <string.h>

static bool bits_ok(int64_t bits)
{
    return bits == 2 || bits == 3 || bits == 4 || bits == 8;
}

int gptq_check(const json_val *config, struct err *err)
{
    const char *format = json_str(json_get(config, "checkpoint_format"));
    int64_t bits = 0;

    if (format && strcmp(format, "gptq") != 0 && strcmp(format, "gptq_v2") != 0)
        return err_set(err, ERR_UNSUPPORTED,
                       "quantization_config: checkpoint_format \"%.60s\" is not supported (pare "
                       "reads gptq, gptq_v2)",
                       format);
    if (!json_int(json_get(config, "bits"), &bits) || !bits_ok(bits))
        return err_set(err, ERR_UNSUPPORTED,
                       "quantization_config: bits: expected 2, 3, 4 or 8, found %" PRId64, bits);
    return 0;
}

static bool is_v2(const json_val *config)
{
    const char *format = json_str(json_get(config, "checkpoint_format"));

    return format && !strcmp(format, "gptq_v2");
}

/* Bits of a code and columns, from g_idx where there is one: "dynamic" gives modules
 * bits of their own. */
static int find_cols(struct look *l, const struct st_tensor **g_idx, struct err *err)
{
    struct coded *c = &l->c;
    const uint64_t words = l->st->dims[0];
    int64_t bits = 0;

    (void)json_int(json_get(l->config, "bits"), &bits);
    *g_idx = look_side(l, ".g_idx");
    if (words > UINT32_MAX)
        return err_set(err, ERR_FORMAT, "tensor %s: %" PRIu64 " rows", l->st->name, words);
    c->cols = words * 32 / (uint64_t)bits;
    if (*g_idx && (*g_idx)->n_dims == 1 && (*g_idx)->dims[0] &&
        json_is_object(json_get(l->config, "dynamic"))) {
        const uint64_t own = words * 32 / (*g_idx)->dims[0];
        if (bits_ok((int64_t)own)) {
            bits = (int64_t)own;
            c->cols = (*g_idx)->dims[0];
        }
    }
    c->bits = (unsigned)bits;
    if (!c->cols || c->cols * c->bits != words * 32)
        return err_set(err, ERR_FORMAT,
                       "tensor %s: expected rows in whole runs of %" PRId64 " bits, found %" PRIu64,
                       l->st->name, bits, words);
    if (*g_idx && (*g_idx)->type != DTYPE_I32)
        return err_set(err, ERR_FORMAT, "tensor %s: expected type I32, found %s", (*g_idx)->name,
                       dtype_get((*g_idx)->type)->name);
    return *g_idx ? look_shape(l, *g_idx, 1, &c->cols, err) : 0;
}

/* scales [groups, out] of any float type; AWQ has the same. */
int gptq_scales(struct look *l, struct err *err)
{
    struct coded *c = &l->c;
    int64_t group = -1;
    const struct st_tensor *s = look_side(l, ".scales");

    if (!s)
        return err_set(err, ERR_FORMAT, "tensor %s.scales is missing (%s needs it)", l->base,
                       l->st->name);
    if (!json_int(json_get(l->config, "group_size"), &group))
        (void)json_int(json_get(l->config, "q_group_size"), &group);
    int rc = look_float(s, err);
    if (rc)
        return rc;
    c->cols_per = group > 0 ? (uint64_t)group : c->cols;
    c->n_groups = (c->cols + c->cols_per - 1) / c->cols_per;
    if (json_is_object(json_get(l->config, "dynamic")) && s->n_dims == 2 && s->dims[0] &&
        c->cols % s->dims[0] == 0) {
        c->n_groups = s->dims[0];
        c->cols_per = c->cols / c->n_groups;
    }
    rc = look_shape(l, s, 2, (uint64_t[]){c->n_groups, c->rows}, err);
    c->scale = s->data;
    c->scale_type = s->type;
    c->rows_per = 1;
    c->scale_row = 1;
    c->scale_col = c->rows;
    return rc;
}

static int zeros(struct look *l, struct err *err)
{
    struct coded *c = &l->c;
    const uint64_t want[2] = {c->n_groups, (c->rows * c->bits + 31) / 32};
    const struct st_tensor *t;
    const int rc = look_need(&t, l, ".qzeros", DTYPE_I32, 2, want, err);

    if (rc)
        return rc;
    c->zero_kind = CODED_ZERO_ROW_BITS;
    c->zero = t->data;
    c->zero_add = is_v2(l->config) ? 0 : 1;
    return 0;
}

int gptq_take(enum coded_role *role, struct look *l, struct err *err)
{
    static const char *const sides[] = {".qzeros", ".scales", ".g_idx", NULL};
    const struct st_tensor *st = l->st, *g_idx;

    *role = look_ends_any(l, sides) ? CODED_SIDE : CODED_PLAIN;
    if (!look_ends(l, ".qweight"))
        return 0;
    *role = CODED_LAST;
    int rc = look_words(l, err);
    if (rc)
        return rc;
    l->c.layout = CODED_COL_BITS;
    l->c.value = CODED_UNSIGNED;
    l->c.code = st->data;
    l->c.rows = l->c.out = st->dims[1];
    rc = find_cols(l, &g_idx, err);
    if (!rc)
        rc = gptq_scales(l, err);
    if (!rc)
        rc = zeros(l, err);
    if (!rc && g_idx)
        rc = look_index(l, g_idx, err);
    look_named(l, ".weight");
    l->n_dims = 2;
    l->dims[0] = l->c.rows;
    l->dims[1] = l->c.cols;
    l->type = DTYPE_F32;
    return rc;
}
