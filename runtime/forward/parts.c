/* From traits to code: one table a trait. */

#include "runtime/forward/forward.h"

#include <string.h>

/* Part tables: a NULL part is one the runtime does not have. */
struct part_row {
    const char *name;
    const struct part *p;
};

static const struct part_row mixers[] = {
    [MIXER_NONE] = {"no mixer",                    NULL            },
    [MIXER_ATTENTION] = {"attention",                   &part_attention },
    [MIXER_MLA] = {"multi-head latent attention", &part_mla       },
    [MIXER_MAMBA] = {"Mamba layers",                &part_mamba     },
    [MIXER_MAMBA2] = {"Mamba 2 layers",              &part_mamba2    },
    [MIXER_DELTA_NET] = {"gated delta net layers",      &part_delta_net },
    [MIXER_SHORT_CONV] = {"short convolutions",          &part_short_conv},
};

static const struct part_row ffns[] = {
    [FFN_GATED] = {"gated feed-forward", &part_ffn_gated},
    [FFN_PLAIN] = {"plain feed-forward", &part_ffn_plain},
    [FFN_NONE] = {"no feed-forward",    NULL           },
};

static const struct part_row experts = {"a mixture of experts", &part_experts};

/* ---- norms --------------------------------------------------------------------- */

void norm_rms(const struct model *m, float *y, const float *x, const float *w, const float *bias,
              size_t n)
{
    m->kern.rms_norm(y, x, w ? w : m->ones, n, m->norm_eps);
    bias_add(m, y, bias, n);
}

static void norm_layer(const struct model *m, float *y, const float *x, const float *w,
                       const float *bias, size_t n)
{
    m->kern.layer_norm(y, x, w ? w : m->ones, n, m->norm_eps);
    bias_add(m, y, bias, n);
}

static norm_fn *const norms[] = {[NORM_RMS] = norm_rms, [NORM_LAYER] = norm_layer};

/* ---- weights of no part ---------------------------------------------------------- */

const struct weight_use top_uses[] = {
    {ROLE_TOKEN_EMBD,           0                              },
    {ROLE_TOKEN_EMBD_NORM,      WEIGHT_VECTOR | WEIGHT_OPTIONAL},
    {ROLE_TOKEN_EMBD_NORM_BIAS, WEIGHT_VECTOR | WEIGHT_OPTIONAL},
    {ROLE_POS_EMBD,             WEIGHT_OPTIONAL                },
    {ROLE_OUTPUT,               WEIGHT_OPTIONAL                },
    {ROLE_OUTPUT_BIAS,          WEIGHT_VECTOR | WEIGHT_OPTIONAL},
    {ROLE_OUTPUT_NORM,          WEIGHT_VECTOR | WEIGHT_OPTIONAL},
    {ROLE_OUTPUT_NORM_BIAS,     WEIGHT_VECTOR | WEIGHT_OPTIONAL},
    {ROLE_LAYER_EMBD,           WEIGHT_OPTIONAL                },
    {ROLE_LAYER_EMBD_PROJ,      WEIGHT_OPTIONAL                },
    {ROLE_LAYER_EMBD_NORM,      WEIGHT_VECTOR | WEIGHT_OPTIONAL},
    {ROLE_ROPE_FREQS,           WEIGHT_VECTOR | WEIGHT_OPTIONAL},
    {ROLE_ROPE_LONG,            WEIGHT_VECTOR | WEIGHT_OPTIONAL},
    {ROLE_ROPE_SHORT,           WEIGHT_VECTOR | WEIGHT_OPTIONAL},
    {ROLE_NONE,                 0                              },
};

const struct weight_use block_uses[] = {
    {ROLE_ATTN_NORM,        WEIGHT_VECTOR | WEIGHT_OPTIONAL},
    {ROLE_ATTN_NORM_BIAS,   WEIGHT_VECTOR | WEIGHT_OPTIONAL},
    {ROLE_ATTN_NORM_2,      WEIGHT_VECTOR | WEIGHT_OPTIONAL},
    {ROLE_ATTN_NORM_2_BIAS, WEIGHT_VECTOR | WEIGHT_OPTIONAL},
    {ROLE_ATTN_POST_NORM,   WEIGHT_VECTOR | WEIGHT_OPTIONAL},
    {ROLE_FFN_NORM,         WEIGHT_VECTOR | WEIGHT_OPTIONAL},
    {ROLE_FFN_NORM_BIAS,    WEIGHT_VECTOR | WEIGHT_OPTIONAL},
    {ROLE_FFN_POST_NORM,    WEIGHT_VECTOR | WEIGHT_OPTIONAL},
    {ROLE_LAYER_IN_GATE,    WEIGHT_OPTIONAL                },
    {ROLE_LAYER_IN_OUT,     WEIGHT_OPTIONAL                },
    {ROLE_LAYER_IN_NORM,    WEIGHT_VECTOR | WEIGHT_OPTIONAL},
    {ROLE_LAYER_SCALE,      WEIGHT_VECTOR | WEIGHT_OPTIONAL},
    {ROLE_NONE,             0                              },
};

/* ---- plans ------------------------------------------------------------------------- */

/* A parameter that config.json may set in place of a trait. */
static int trait(const struct model *m, enum arch_param which, int otherwise)
{
    return arch_has(m->params, which) ? (int)arch_int(m->params, which, 0) : otherwise;
}

int plan_model(struct model *m, struct err *err)
{
    struct arch_traits *t = &m->traits;

    *t = source_arch(m->source)->traits;
    t->act = (enum arch_act)trait(m, ARCH_ACT, (int)t->act);
    t->position = (enum arch_position)trait(m, ARCH_POSITION, (int)t->position);
    t->parallel = trait(m, ARCH_PARALLEL, t->parallel);
    t->qk_norm = (enum arch_qk_norm)trait(m, ARCH_QK_NORM, (int)t->qk_norm);
    if ((unsigned)t->position > POS_NONE || (unsigned)t->qk_norm > QK_L2)
        return err_set(err, ERR_UNSUPPORTED, "the runtime has no positions %d or norms %d",
                       (int)t->position, (int)t->qk_norm);
    m->norm = norms[t->norm];
    m->act = act_of(t->act);
    return m->act ? 0
                  : err_set(err, ERR_UNSUPPORTED, "the runtime has no activation %d", (int)t->act);
}

static int take(const struct part **out, const struct part_row *row, struct err *err)
{
    *out = row->p;
    return row->p ? 0 : err_set(err, ERR_UNSUPPORTED, "the runtime does not compute %s", row->name);
}

int plan_layer(struct model *m, size_t i, struct err *err)
{
    const struct arch_traits *t = &m->traits;
    struct layer *l = &m->layer[i];
    const bool recurrent = arch_int(m->params, ARCH_AT_RECURRENT, i) != 0;
    const bool mixes = arch_int(m->params, ARCH_AT_MIXER, i) != 0;
    int rc = 0;

    if (mixes && (!recurrent || t->both) && t->mixer != MIXER_NONE)
        rc = take(&l->mixer, &mixers[t->mixer], err);
    if (!rc && mixes && (recurrent || t->both))
        rc = take(&l->recurrent, &mixers[t->recurrent], err);
    if (rc || !arch_int(m->params, ARCH_AT_FFN, i))
        return rc;
    if (arch_int(m->params, ARCH_AT_EXPERTS, i))
        return take(&l->ffn, &experts, err);
    return t->ffn == FFN_NONE ? 0 : take(&l->ffn, &ffns[t->ffn], err);
}

size_t layer_parts(const struct part **parts, const struct layer *l)
{
    size_t n = 0;

    if (l->mixer)
        parts[n++] = l->mixer;
    if (l->recurrent)
        parts[n++] = l->recurrent;
    if (l->ffn)
        parts[n++] = l->ffn;
    return n;
}
