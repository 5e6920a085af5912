/* quant/mix: the type each named mix gives each tensor of models of many shapes. */

#include "formats/base/arena.h"
#include "formats/base/buf.h"
#include "formats/base/json.h"
#include "quant/mix.h"
#include "tests/tap.h"

#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    enum arch_role role;
} roles[] = {
    {"output.weight",     ROLE_OUTPUT       },
    {"token_embd.weight", ROLE_TOKEN_EMBD   },
    {"attn_q",            ROLE_ATTN_Q       },
    {"attn_k",            ROLE_ATTN_K       },
    {"attn_v",            ROLE_ATTN_V       },
    {"attn_qkv",          ROLE_ATTN_QKV     },
    {"attn_output",       ROLE_ATTN_OUT     },
    {"ffn_gate",          ROLE_FFN_GATE     },
    {"ffn_up",            ROLE_FFN_UP       },
    {"ffn_down",          ROLE_FFN_DOWN     },
    {"ffn_gate_inp",      ROLE_FFN_ROUTER   },
    {"ffn_gate_exps",     ROLE_FFN_GATE_EXPS},
    {"ffn_up_exps",       ROLE_FFN_UP_EXPS  },
    {"ffn_down_exps",     ROLE_FFN_DOWN_EXPS},
};

static enum arch_role role_of(const char *name)
{
    for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
        if (!strcmp(roles[i].name, name))
            return roles[i].role;
    return ROLE_NONE;
}

static uint64_t whole(const json_val *v, const char *key)
{
    int64_t n = 0;

    (void)json_int(json_get(v, key), &n);
    return (uint64_t)n;
}

/* The tensors of a model, in the order of its roles. */
static bool build(struct mix_model *m, struct arena *arena, const json_val *v)
{
    const json_val *shapes = json_get(v, "role_shapes");
    const char *family = json_str(json_get(v, "architecture"));
    const size_t layers = (size_t)whole(v, "layers");
    struct mix_tensor *t = arena_array(arena, json_len(shapes) * layers + 1, sizeof(*t));
    size_t n = 0;

    if (!t || !family || !arch_by_name(family))
        return false;
    for (const json_val *s = json_first(shapes); s; s = json_next(s)) {
        int64_t len = 0;
        const bool outside = strstr(json_key(s), ".weight") != NULL;
        (void)json_int(json_first(s), &len);
        for (size_t l = 0; l < (outside ? 1 : layers); l++, n++)
            t[n] = (struct mix_tensor){
                .name =
                    outside ? json_key(s) : arena_fmt(arena, "blk.%zu.%s.weight", l, json_key(s)),
                .role = role_of(json_key(s)),
                .layer = outside ? -1 : (int)l,
                .n_dims = (int)json_len(s),
                .row_len = (uint64_t)len,
                .kept = DTYPE_F16,
                .stacked = json_len(s) > 2,
            };
    }
    *m = (struct mix_model){
        .tensors = t,
        .n_tensors = n,
        .n_layer = layers,
        .n_head = whole(v, "heads"),
        .n_head_kv = whole(v, "kv_heads"),
        .n_expert = whole(v, "experts"),
        .falcon = arch_by_name(family)->mix_falcon,
        .seventy_b = arch_by_name(family)->mix_70b,
    };
    return true;
}

/* The type that the manifest gives a tensor; NULL: it is not in there. */
static const char *wanted(const json_val *types, const struct mix_tensor *t)
{
    const json_val *v = NULL;

    if (t->layer < 0)
        return json_str(json_get(json_get(types, "whole_model_tensors"), t->name));
    for (const json_val *r = json_first(json_get(types, "by_role")); r && !v; r = json_next(r))
        if (role_of(json_key(r)) == t->role)
            v = r;
    if (json_str(v))
        return json_str(v);
    for (const json_val *list = json_first(v); list; list = json_next(list))
        for (const json_val *l = json_first(list); l; l = json_next(l)) {
            int64_t layer = -1;
            if (json_int(l, &layer) && layer == t->layer)
                return json_key(list);
        }
    return NULL;
}

/* Types that were chosen, against the manifest's; *needs: would some tensor be ruined? */
static bool same_types(bool *needs, const enum dtype *got, const struct mix_model *m,
                       const struct mix *mix, const json_val *types)
{
    size_t bad = 0;

    *needs = false;
    for (size_t i = 0; i < m->n_tensors; i++) {
        const struct mix_tensor *t = &m->tensors[i];
        const char *want = wanted(types, t);
        const char *is = dtype_get(got[i])->name;
        if (t->role == ROLE_FFN_ROUTER)
            want = "F16"; /* keeps the input's type */
        *needs |= mix_needs_importance(mix, t->role, got[i]);
        if (want && !strcmp(want, is))
            continue;
        if (bad++ < 4)
            tap_note("%s: got %s, want %s", t->name, is, want ? want : "nothing");
    }
    return !bad;
}

static bool compare(const struct mix_model *m, const struct mix *mix, const json_val *types,
                    bool importance)
{
    enum dtype *got = calloc(m->n_tensors + 1, sizeof(*got));
    const struct mix_opts opts = {.have_importance = importance};
    struct err err = {0};
    bool ok = false, needs = false, should = false;

    if (!got)
        return false;
    const int rc = mix_assign(got, mix, m, &opts, &err);
    if (json_str(json_get(types, "error"))) {
        ok = rc == ERR_ARG && strstr(err.msg, mix_name(mix)) != NULL;
    } else if (rc) {
        tap_note("%s", err.msg);
    } else {
        ok = same_types(&needs, got, m, mix, types);
        if (ok && json_bool(json_get(types, "needs_importance"), &should) && should != needs) {
            tap_note("needs importance: got %d, want %d", needs, should);
            ok = false;
        }
    }
    free(got);
    return ok;
}

static void check_model(struct tap *t, const json_val *v)
{
    struct arena arena = {0};
    struct mix_model m;

    if (!tap_ok(t, build(&m, &arena, v), "%s: described", json_key(v)))
        goto done;
    for (const json_val *x = json_first(json_get(v, "mixes")); x; x = json_next(x)) {
        const struct mix *mix = mix_by_name(json_key(x));
        const json_val *plain = json_get(x, "plain"), *with = json_get(x, "with_importance");
        if (!tap_ok(t, mix != NULL, "%s: there is a mix %s", json_key(v), json_key(x)))
            continue;
        if (json_is_object(plain))
            (void)tap_ok(t, compare(&m, mix, plain, false), "%s: %s", json_key(v), json_key(x));
        if (json_is_string(with)) /* "same" */
            with = plain;
        if (json_is_object(with))
            (void)tap_ok(t, compare(&m, mix, with, true), "%s: %s with importance", json_key(v),
                         json_key(x));
    }

done:
    arena_release(&arena);
}

int main(void)
{
    struct tap t = {0};
    struct buf path = {0};
    struct err err = {0};
    json_val *doc = NULL;
    const char *root = tap_golden();

    if (!root) {
        tap_skip(&t, "mixes", "no golden data");
        return tap_done(&t);
    }
    buf_fmt(&path, "%s/quant/mixes.json", root);
    if (!tap_ok(&t, !buf_check(&path, &err) && !json_load(&doc, path.p, &err), "mixes.json"))
        tap_note("%s", err.msg);
    for (const json_val *v = json_first(json_get(doc, "models")); v; v = json_next(v))
        check_model(&t, v);
    json_free(doc);
    buf_release(&path);
    return tap_done(&t);
}
