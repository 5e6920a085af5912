/* The rules of the mixes go by names; ours by roles: on every golden model both sort its
 * tensors alike. */

#include "quant/mix.h"
#include "tests/models.h"

#include <stdlib.h>
#include <string.h>

/* Q3_K_L's rules give every category they know a type of its own, or another type than the
 * base: what a tensor of this name becomes where all rows are whole blocks of 32. */
static bool as_named(const char *name, enum dtype type, bool experts_8)
{
    static const char *const raised[] = {"attn_qkv.weight", "attn_kv_b.weight", "attn_v.weight",
                                         "ffn_down"};
    const bool base = type == DTYPE_Q3_K || type == DTYPE_Q4_0;

    for (size_t i = 0; i < sizeof(raised) / sizeof(raised[0]); i++)
        if (strstr(name, raised[i]))
            return !base;
    if (strstr(name, "attn_k.weight"))
        return base != experts_8;
    if (strstr(name, "attn_output.weight")) /* Falcon: Q4_K, so Q5_0 */
        return base == experts_8;
    return base;
}

static void check_model(struct tap *t, const json_val *entry, const char *dir, const char *to)
{
    static const struct log silent;
    const char *name = json_str(json_get(entry, "name"));
    const struct source_opts so = {.pre = json_str(json_get(entry, "pre_tokenizer_override")),
                                   .log = &silent};
    const struct mix_opts opts = {.recode = true};
    struct source *s = NULL;
    struct err err = {0};
    size_t bad = 0;

    (void)to;
    if (source_open(&s, dir, &so, &err)) {
        tap_skip(t, name, err.msg);
        return;
    }
    enum dtype *types = calloc(source_n_tensors(s) + 1, sizeof(*types));
    bool ok = types && !mix_types(types, mix_by_name("Q3_K_L"), s, &opts, &err);
    const bool eight = arch_int(source_params(s), ARCH_N_EXPERT, 0) == 8;
    for (size_t i = 0; ok && i < source_n_tensors(s); i++) {
        const struct source_tensor *x = source_tensor(s, i);
        if (types[i] == DTYPE_F32 || types[i] == DTYPE_F16 || types[i] == DTYPE_BF16 ||
            x->layer < 0)
            continue; /* never quantized, or without a type that fits */
        if (as_named(x->name, types[i], eight))
            continue;
        tap_note("%s: %s", x->name, dtype_get(types[i])->name);
        bad++;
    }
    (void)tap_ok(t, ok && !bad, "%s: roles as names", name);
    free(types);
    source_free(s);
}

int main(void)
{
    return models_each("roles", check_model);
}
