/* "pare.arch.<name>": what a family's own metadata keys do not bring back. Other programs
 * ignore these keys; with them a model that pare converted is never read with
 * another window, base, activation or layer pattern than its config.json gave. */

#include "formats/arch/arch_rows.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* The part of a key after "pare.arch."; without a name a parameter is not carried: what
 * the tensors themselves tell. */
static const char *const names[ARCH_PARAM_COUNT] = {
    [ARCH_N_CTX] = "n_ctx",
    [ARCH_N_FF] = "n_ff",
    [ARCH_N_HEAD] = "n_head",
    [ARCH_N_HEAD_KV] = "n_head_kv",
    [ARCH_HEAD_K] = "head_k",
    [ARCH_HEAD_V] = "head_v",
    [ARCH_NORM_EPS] = "norm_eps",
    [ARCH_N_ROT] = "n_rot",
    [ARCH_ROPE_BASE] = "rope_base",
    [ARCH_ROPE_BASE_LAYER] = "rope_base_layer",
    [ARCH_ROPE_TYPE] = "rope_type",
    [ARCH_ROPE_FACTOR] = "rope_factor",
    [ARCH_ROPE_CTX] = "rope_ctx",
    [ARCH_ROPE_ATTN] = "rope_attn_factor",
    [ARCH_ROPE_FAST] = "rope_beta_fast",
    [ARCH_ROPE_SLOW] = "rope_beta_slow",
    [ARCH_ROPE_LOGMUL] = "rope_log_multiplier",
    [ARCH_ROPE_EXACT] = "rope_exact",
    [ARCH_ROPE_TEMP] = "rope_temperature",
    [ARCH_ROPE_TEMP_CTX] = "rope_temperature_ctx",
    [ARCH_WINDOW] = "window",
    [ARCH_KV_SHARED] = "kv_shared",
    [ARCH_N_EMBD_LAYER] = "n_embd_layer",
    [ARCH_N_VOCAB_LAYER] = "n_vocab_layer",
    [ARCH_CHUNK] = "chunk",
    [ARCH_HEAD_K_SWA] = "head_k_swa",
    [ARCH_HEAD_V_SWA] = "head_v_swa",
    [ARCH_N_HEAD_KV_SWA] = "n_head_kv_swa",
    [ARCH_N_ROT_SWA] = "n_rot_swa",
    [ARCH_ROPE_BASE_SWA] = "rope_base_swa",
    [ARCH_ROPE_TYPE_SWA] = "rope_type_swa",
    [ARCH_N_EXPERT] = "n_expert",
    [ARCH_N_EXPERT_USED] = "n_expert_used",
    [ARCH_N_FF_EXPERT] = "n_ff_expert",
    [ARCH_N_EXPERT_SHARED] = "n_expert_shared",
    [ARCH_N_FF_SHARED] = "n_ff_shared",
    [ARCH_EXPERT_GROUPS] = "expert_groups",
    [ARCH_EXPERT_GROUPS_USED] = "expert_groups_used",
    [ARCH_EXPERT_SCALE] = "expert_scale",
    [ARCH_EXPERT_NORM] = "expert_norm",
    [ARCH_EXPERT_GREEDY] = "expert_greedy",
    [ARCH_ROUTER] = "router",
    [ARCH_KV_LORA] = "kv_lora",
    [ARCH_Q_LORA] = "q_lora",
    [ARCH_HEAD_K_MLA] = "head_k_mla",
    [ARCH_HEAD_V_MLA] = "head_v_mla",
    [ARCH_SSM_CONV] = "ssm_conv",
    [ARCH_SSM_STATE] = "ssm_state",
    [ARCH_SSM_INNER] = "ssm_inner",
    [ARCH_SSM_DT_RANK] = "ssm_dt_rank",
    [ARCH_SSM_GROUPS] = "ssm_groups",
    [ARCH_SSM_NORMS] = "ssm_norms",
    [ARCH_SSM_NORM_EPS] = "ssm_norm_eps",
    [ARCH_SSM_NORM_FIRST] = "ssm_norm_first",
    [ARCH_SSM_DT_MIN] = "ssm_dt_min",
    [ARCH_SSM_DT_MAX] = "ssm_dt_max",
    [ARCH_CONV_CACHE] = "conv_cache",
    [ARCH_EMBD_SCALE] = "embd_scale",
    [ARCH_RESIDUAL_SCALE] = "residual_scale",
    [ARCH_LOGIT_SCALE] = "logit_scale",
    [ARCH_LOGIT_DIVISOR] = "logit_divisor",
    [ARCH_LOGIT_CAP] = "logit_cap",
    [ARCH_ATTN_CAP] = "attn_cap",
    [ARCH_ATTN_SCALE] = "attn_scale",
    [ARCH_CLAMP_QKV] = "clamp_qkv",
    [ARCH_ALIBI_MAX] = "alibi_max",
    [ARCH_ACT_LIMIT] = "act_limit",
    [ARCH_XIELU_ALPHA_P] = "xielu_alpha_p",
    [ARCH_XIELU_ALPHA_N] = "xielu_alpha_n",
    [ARCH_XIELU_BETA] = "xielu_beta",
    [ARCH_XIELU_EPS] = "xielu_eps",
    [ARCH_ACT] = "act",
    [ARCH_POSITION] = "position",
    [ARCH_PARALLEL] = "parallel",
    [ARCH_QK_NORM] = "qk_norm",
    [ARCH_AT_WINDOW] = "at_window",
    [ARCH_AT_ROPE] = "at_rope",
    [ARCH_AT_RECURRENT] = "at_recurrent",
    [ARCH_AT_EXPERTS] = "at_experts",
    [ARCH_AT_MIXER] = "at_mixer",
    [ARCH_AT_FFN] = "at_ffn",
};

static void key_of(char *dst, size_t size, enum arch_param which)
{
    (void)snprintf(dst, size, "pare.arch.%s", names[which]);
}

/* ---- writing ------------------------------------------------------------------------ */

static double in_layer(const struct arch_value *v, size_t l)
{
    if (!v->set)
        return 0;
    return v->per_layer ? v->per_layer[l] : v->v;
}

/* As numbers of 32 bits: what metadata holds. */
static bool is_same(const struct arch_params *p, const struct arch_params *q, enum arch_param which)
{
    for (size_t l = 0; l < (size_t)arch_int(p, ARCH_N_LAYER, 0); l++) {
        const float a = (float)in_layer(&p->p[which], l), b = (float)in_layer(&q->p[which], l);
        if (a < b || a > b)
            return false;
    }
    return true;
}

/* Divisors among the tensors stand for these. */
static bool in_tensors(const struct arch_params *p, enum arch_param which)
{
    const uint64_t type = arch_int(p, ARCH_ROPE_TYPE, ARCH_NO_LAYER);

    return (type == ARCH_ROPE_LLAMA3 || type == ARCH_ROPE_TABLE) &&
           (which == ARCH_ROPE_TYPE || which == ARCH_ROPE_FACTOR || which == ARCH_ROPE_CTX);
}

static int put_layers(struct meta *meta, const char *key, const struct arch_value *v, size_t n,
                      struct err *err)
{
    struct buf b = {0};

    for (size_t l = 0; l < n; l++) {
        const float f = (float)v->per_layer[l];
        uint32_t bits;
        memcpy(&bits, &f, sizeof(bits));
        buf_u32(&b, bits);
    }
    int rc = buf_check(&b, err);
    if (!rc)
        rc = meta_set_array(meta, key, META_F32, n, b.p, b.n, err);
    buf_release(&b);
    return rc;
}

static int put_own(struct meta *meta, const struct arch_params *p, enum arch_param which,
                   struct err *err)
{
    const struct arch_value *v = &p->p[which];
    const double x = v->set ? v->v : 0;
    char key[64];

    key_of(key, sizeof(key), which);
    if (v->set && v->per_layer)
        return put_layers(meta, key, v, (size_t)arch_int(p, ARCH_N_LAYER, 0), err);
    if (x >= 0 && x <= (double)UINT32_MAX && x == floor(x))
        return meta_set_u32(meta, key, (uint32_t)x, err);
    return meta_set_f32(meta, key, (float)x, err);
}

int own_to_meta(struct meta *meta, const struct arch *a, const struct arch_params *p,
                struct err *err)
{
    const struct arch *reader = arch_of_meta(meta);
    struct arch_params q;
    int rc = arch_params_from_meta(&q, reader ? reader : a, meta, UINT64_MAX, err);

    for (int i = 0; !rc && i < ARCH_PARAM_COUNT; i++)
        if (names[i] && !in_tensors(p, (enum arch_param)i) && !is_same(p, &q, (enum arch_param)i))
            rc = put_own(meta, p, (enum arch_param)i, err);
    arch_params_release(&q);
    return rc;
}

/* ---- reading ------------------------------------------------------------------------ */

/* Counts, sizes, angles and traits are no less than 0; what a value is multiplied by may be. */
static bool in_range(enum arch_param which, double v)
{
    const bool factor = (which >= ARCH_EMBD_SCALE && which <= ARCH_XIELU_EPS) ||
                        which == ARCH_ROPE_LOGMUL || which == ARCH_ROPE_TEMP;

    return isfinite(v) && v <= (double)UINT32_MAX && v >= (factor ? -(double)UINT32_MAX : 0);
}

static int get_own(struct arch_params *p, enum arch_param which, const struct meta *meta,
                   struct err *err)
{
    const uint64_t n = arch_int(p, ARCH_N_LAYER, 0);
    char key[64];
    double v;

    key_of(key, sizeof(key), which);
    const struct meta_kv *kv = meta_get(meta, key);
    if (!kv)
        return 0;
    if (kv->type == META_ARRAY) {
        double *list = arena_array(&p->arena, (size_t)n, sizeof(*list));
        if (!list)
            return err_nomem(err);
        const int rc = meta_layer_list(list, key, &kv->v.array, n, err);
        for (size_t l = 0; !rc && l < (size_t)n; l++)
            if (!in_range(which, list[l]))
                return err_set(err, ERR_FORMAT, "%s: %g is out of range", key, list[l]);
        if (!rc) {
            param_set(p, which, list[0]);
            p->p[which].per_layer = list;
        }
        return rc;
    }
    if (!meta_f64(meta, key, &v))
        return err_set(err, ERR_FORMAT, "%s: expected a number, found %s", key,
                       meta_type_name(kv->type));
    if (!in_range(which, v))
        return err_set(err, ERR_FORMAT, "%s: %g is out of range", key, v);
    p->p[which] = (struct arch_value){.set = v != 0 || which >= ARCH_ACT, .v = v};
    return 0;
}

int own_from_meta(struct arch_params *p, const struct meta *meta, struct err *err)
{
    int rc = 0;

    for (int i = 0; !rc && i < ARCH_PARAM_COUNT; i++)
        if (names[i])
            rc = get_own(p, (enum arch_param)i, meta, err);
    return rc;
}
