#include "quant/mix_rules.h"

#include <string.h>

/* ---- the mixes ---------------------------------------------------------------- */

enum {
    I_F32,
    I_F16,
    I_BF16,
    I_Q8_0,
    I_Q6_K,
    I_Q5_K_M,
    I_Q5_K_S,
    I_Q5_1,
    I_Q5_0,
    I_Q4_K_M,
    I_Q4_K_S,
    I_Q4_1,
    I_Q4_0,
    I_IQ4_NL,
    I_IQ4_XS,
    I_MXFP4_MOE,
    I_MXFP4,
    I_NVFP4,
    I_Q3_K_L,
    I_Q3_K_M,
    I_Q3_K_S,
    I_IQ3_M,
    I_IQ3_S,
    I_IQ3_XS,
    I_IQ3_XXS,
    I_Q2_K,
    I_Q2_K_S,
    I_Q2_0,
    I_IQ2_M,
    I_IQ2_S,
    I_IQ2_XS,
    I_IQ2_XXS,
    I_TQ2_0,
    I_TQ1_0,
    I_IQ1_M,
    I_IQ1_S,
    I_Q1_0
};

#define MIX(name) (UINT64_C(1) << I_##name)
#define ANY       UINT64_MAX

/* Named differently from their base: IQ2_S and IQ2_M. MXFP4 and NVFP4 are types that the
 * field has no mix of: what says nothing of them is as for Q4_0. */
const struct mix mix_table[] = {
    {"F32",       NULL,   MIX(F32),       DTYPE_F32,     0 },
    {"F16",       NULL,   MIX(F16),       DTYPE_F16,     1 },
    {"BF16",      NULL,   MIX(BF16),      DTYPE_BF16,    32},
    {"Q8_0",      NULL,   MIX(Q8_0),      DTYPE_Q8_0,    7 },
    {"Q6_K",      NULL,   MIX(Q6_K),      DTYPE_Q6_K,    18},
    {"Q5_K_M",    "Q5_K", MIX(Q5_K_M),    DTYPE_Q5_K,    17},
    {"Q5_K_S",    NULL,   MIX(Q5_K_S),    DTYPE_Q5_K,    16},
    {"Q5_1",      NULL,   MIX(Q5_1),      DTYPE_Q5_1,    9 },
    {"Q5_0",      NULL,   MIX(Q5_0),      DTYPE_Q5_0,    8 },
    {"Q4_K_M",    "Q4_K", MIX(Q4_K_M),    DTYPE_Q4_K,    15},
    {"Q4_K_S",    NULL,   MIX(Q4_K_S),    DTYPE_Q4_K,    14},
    {"Q4_1",      NULL,   MIX(Q4_1),      DTYPE_Q4_1,    3 },
    {"Q4_0",      NULL,   MIX(Q4_0),      DTYPE_Q4_0,    2 },
    {"IQ4_NL",    NULL,   MIX(IQ4_NL),    DTYPE_IQ4_NL,  25},
    {"IQ4_XS",    NULL,   MIX(IQ4_XS),    DTYPE_IQ4_XS,  30},
    {"MXFP4_MOE", NULL,   MIX(MXFP4_MOE), DTYPE_MXFP4,   38},
    {"MXFP4",     NULL,   MIX(MXFP4),     DTYPE_MXFP4,   38},
    {"NVFP4",     NULL,   MIX(NVFP4),     DTYPE_NVFP4,   39},
    {"Q3_K_L",    NULL,   MIX(Q3_K_L),    DTYPE_Q3_K,    13},
    {"Q3_K_M",    "Q3_K", MIX(Q3_K_M),    DTYPE_Q3_K,    12},
    {"Q3_K_S",    NULL,   MIX(Q3_K_S),    DTYPE_Q3_K,    11},
    {"IQ3_M",     NULL,   MIX(IQ3_M),     DTYPE_IQ3_S,   27},
    {"IQ3_S",     NULL,   MIX(IQ3_S),     DTYPE_IQ3_S,   26},
    {"IQ3_XS",    NULL,   MIX(IQ3_XS),    DTYPE_IQ3_S,   22},
    {"IQ3_XXS",   NULL,   MIX(IQ3_XXS),   DTYPE_IQ3_XXS, 23},
    {"Q2_K",      NULL,   MIX(Q2_K),      DTYPE_Q2_K,    10},
    {"Q2_K_S",    NULL,   MIX(Q2_K_S),    DTYPE_Q2_K,    21},
    {"Q2_0",      NULL,   MIX(Q2_0),      DTYPE_Q2_0,    41},
    {"IQ2_M",     NULL,   MIX(IQ2_M),     DTYPE_IQ2_S,   29},
    {"IQ2_S",     NULL,   MIX(IQ2_S),     DTYPE_IQ2_XS,  28},
    {"IQ2_XS",    NULL,   MIX(IQ2_XS),    DTYPE_IQ2_XS,  20},
    {"IQ2_XXS",   NULL,   MIX(IQ2_XXS),   DTYPE_IQ2_XXS, 19},
    {"TQ2_0",     NULL,   MIX(TQ2_0),     DTYPE_TQ2_0,   37},
    {"TQ1_0",     NULL,   MIX(TQ1_0),     DTYPE_TQ1_0,   36},
    {"IQ1_M",     NULL,   MIX(IQ1_M),     DTYPE_IQ1_M,   31},
    {"IQ1_S",     NULL,   MIX(IQ1_S),     DTYPE_IQ1_S,   24},
    {"Q1_0",      NULL,   MIX(Q1_0),      DTYPE_Q1_0,    40},
    {NULL,        NULL,   0,              DTYPE_NONE,    0 },
};

const size_t mix_count = sizeof(mix_table) / sizeof(mix_table[0]) - 1;

/* ---- the rules ---------------------------------------------------------------- */

static const enum mix_category categories[ROLE_COUNT] = {
    [ROLE_OUTPUT] = MIX_OUTPUT,
    [ROLE_TOKEN_EMBD] = MIX_EMBEDDING,
    [ROLE_LAYER_EMBD] = MIX_EMBEDDING,
    [ROLE_ATTN_V] = MIX_VALUE,
    [ROLE_ATTN_QKV] = MIX_VALUE,
    [ROLE_MLA_KV_B] = MIX_VALUE,
    [ROLE_ATTN_K] = MIX_KEY,
    [ROLE_ATTN_Q] = MIX_QUERY,
    [ROLE_ATTN_OUT] = MIX_ATTN_OUT,
    [ROLE_FFN_UP] = MIX_FFN_UP,
    [ROLE_FFN_UP_EXPS] = MIX_FFN_UP,
    [ROLE_FFN_UP_SHARED] = MIX_FFN_UP,
    [ROLE_FFN_GATE_UP] = MIX_FFN_UP, /* that is its name in a GGUF */
    [ROLE_FFN_GATE] = MIX_FFN_GATE,
    [ROLE_FFN_GATE_EXPS] = MIX_FFN_GATE,
    [ROLE_FFN_GATE_SHARED] = MIX_FFN_GATE,
    [ROLE_FFN_GATE_UP_EXPS] = MIX_FFN_GATE,
    [ROLE_FFN_DOWN] = MIX_FFN_DOWN,
    [ROLE_FFN_DOWN_EXPS] = MIX_FFN_DOWN,
    [ROLE_FFN_DOWN_SHARED] = MIX_FFN_DOWN,
};

enum mix_category mix_category_of(enum arch_role role)
{
    return categories[role];
}

/* Sets of mixes with rules in common. */
#define BITS_1   (MIX(IQ1_S) | MIX(IQ1_M))
#define BITS_2_X (MIX(IQ2_XXS) | MIX(IQ2_XS))
#define BITS_2_S (MIX(IQ2_S) | MIX(IQ2_M))
#define LOW      (BITS_1 | BITS_2_X | BITS_2_S)
#define IQ4      (MIX(IQ4_NL) | MIX(IQ4_XS))

/* Of these the attention's output gains by more bits when there are eight experts. */
#define EIGHT_OUT                                                                                  \
    (IQ4 | MIX(Q2_K) | MIX(IQ3_XS) | MIX(IQ3_XXS) | MIX(IQ3_S) | MIX(IQ3_M) | MIX(Q3_K_S) |        \
     MIX(Q3_K_M) | MIX(Q4_K_S) | MIX(Q4_K_M))

enum {
    OUTPUT = 1 << MIX_OUTPUT,
    EMBEDDING = 1 << MIX_EMBEDDING,
    VALUE = 1 << MIX_VALUE,
    KEY = 1 << MIX_KEY,
    QUERY = 1 << MIX_QUERY,
    ATTN_OUT = 1 << MIX_ATTN_OUT,
    UP_GATE = 1 << MIX_FFN_UP | 1 << MIX_FFN_GATE,
    DOWN = 1 << MIX_FFN_DOWN,
    EVERY = (1 << MIX_CATEGORY_COUNT) - 1,
    ALWAYS = WHEN_ALWAYS,
    EXPERTS_8 = WHEN_EXPERTS_8,
    SEVENTY = WHEN_SEVENTY_B,
    FALCON = WHEN_FALCON,
    NOT_FALCON = WHEN_NOT_FALCON,
};

const struct mix_rule mix_rules[] = {
    {OUTPUT,      MIX(MXFP4_MOE),                          ALWAYS,                              DTYPE_Q8_0   },
    {EVERY,       MIX(MXFP4_MOE),                          WHEN_STACKED,                        DTYPE_MXFP4  },
    {EVERY,       MIX(MXFP4_MOE),                          ALWAYS,                              DTYPE_Q8_0   },

    {OUTPUT,      ANY,                                     FALCON,                              DTYPE_Q8_0   },
    {OUTPUT,      ANY,                                     WHEN_RAGGED,                         DTYPE_Q8_0   },
    {OUTPUT,      LOW | MIX(IQ3_XXS),                      ALWAYS,                              DTYPE_Q5_K   },
    {OUTPUT,      MIX(Q8_0),                               ALWAYS,                              DTYPE_Q8_0   },
    {OUTPUT,      ANY,                                     ALWAYS,                              DTYPE_Q6_K   },

    {EMBEDDING,   BITS_1 | BITS_2_X,                       ALWAYS,                              DTYPE_Q2_K   },
    {EMBEDDING,   BITS_2_S | MIX(IQ3_XXS),                 ALWAYS,                              DTYPE_IQ3_S  },
    {EMBEDDING,   MIX(NVFP4),                              ALWAYS,                              DTYPE_Q6_K   }, /* no number beside it is read */
    {EMBEDDING,   MIX(TQ1_0) | MIX(TQ2_0) | MIX(Q2_0),     ALWAYS,                              DTYPE_Q4_K   },

    {VALUE,       LOW,                                     WHEN_GQA_4,                          DTYPE_Q4_K   },
    {VALUE,       LOW,                                     WHEN_EXPERTS_4,                      DTYPE_Q4_K   },
    {VALUE,       BITS_2_S,                                ALWAYS,                              DTYPE_IQ3_S  },
    {VALUE,       LOW,                                     ALWAYS,                              DTYPE_Q2_K   },
    {VALUE,       ANY,                                     EXPERTS_8,                           DTYPE_Q8_0   },
    {VALUE,       MIX(Q4_K_M) | MIX(Q5_K_M),               WHEN_SPREAD,                         DTYPE_Q6_K   },
    {VALUE,       MIX(Q2_K) | MIX(Q3_K_S) | MIX(Q3_K_M),   SEVENTY,                             DTYPE_Q5_K   },
    {VALUE,       MIX(IQ3_M) | MIX(Q4_K_S) | MIX(Q4_K_M),  SEVENTY,                             DTYPE_Q5_K   },
    {VALUE,       MIX(Q2_K_S) | MIX(IQ3_XXS),              SEVENTY | WHEN_GQA_4,                DTYPE_Q5_K   },
    {VALUE,       MIX(IQ3_XS) | MIX(IQ3_S),                SEVENTY | WHEN_GQA_4,                DTYPE_Q5_K   },
    {VALUE,       MIX(Q2_K) | MIX(Q2_K_S),                 WHEN_GQA_4,                          DTYPE_Q4_K   },
    {VALUE,       MIX(Q2_K),                               ALWAYS,                              DTYPE_Q3_K   },
    {VALUE,       MIX(IQ3_XXS) | MIX(IQ3_XS) | MIX(IQ3_S), WHEN_GQA_4,                          DTYPE_Q4_K   },
    {VALUE,       MIX(IQ3_XXS),                            WHEN_NO_IMPORTANCE,                  DTYPE_IQ3_S  },
    {VALUE,       MIX(IQ3_M),                              ALWAYS,                              DTYPE_Q4_K   },
    {VALUE,       MIX(Q3_K_M),                             WHEN_FIRST_2,                        DTYPE_Q5_K   },
    {VALUE,       MIX(Q3_K_M),                             ALWAYS,                              DTYPE_Q4_K   },
    {VALUE,       MIX(Q3_K_L),                             ALWAYS,                              DTYPE_Q5_K   },
    {VALUE,       IQ4,                                     WHEN_GQA_4,                          DTYPE_Q5_K   },
    {VALUE,       MIX(Q4_K_S),                             WHEN_FIRST_4,                        DTYPE_Q5_K   },

    {KEY,         LOW,                                     EXPERTS_8,                           DTYPE_Q4_K   },
    {KEY,         ANY,                                     EXPERTS_8,                           DTYPE_Q8_0   },
    {KEY | QUERY, MIX(IQ3_XS),                             ALWAYS,                              DTYPE_IQ3_XXS},
    {KEY | QUERY, MIX(IQ3_XXS),                            ALWAYS,                              DTYPE_IQ2_S  },

    {ATTN_OUT,    LOW,                                     EXPERTS_8,                           DTYPE_Q5_K   },
    {ATTN_OUT,    BITS_1,                                  ALWAYS,                              DTYPE_IQ2_XXS},
    {ATTN_OUT,    BITS_2_S,                                ALWAYS,                              DTYPE_IQ3_S  },
    {ATTN_OUT,    EIGHT_OUT,                               EXPERTS_8 | NOT_FALCON,              DTYPE_Q5_K   },
    {ATTN_OUT,    MIX(Q3_K_L),                             FALCON,                              DTYPE_Q4_K   },
    {ATTN_OUT,    ANY,                                     FALCON,                              DTYPE_NONE   },
    {ATTN_OUT,    MIX(Q3_K_L),                             EXPERTS_8,                           DTYPE_NONE   },
    {ATTN_OUT,    MIX(Q2_K),                               ALWAYS,                              DTYPE_Q3_K   },
    {ATTN_OUT,    MIX(IQ3_XXS),                            ALWAYS,                              DTYPE_IQ3_S  },
    {ATTN_OUT,    MIX(Q3_K_M) | MIX(IQ3_M),                ALWAYS,                              DTYPE_Q4_K   },
    {ATTN_OUT,    MIX(Q3_K_L),                             ALWAYS,                              DTYPE_Q5_K   },

    {DOWN,        BITS_2_S,                                WHEN_FIRST_8TH_MET,                  DTYPE_IQ3_S  },
    {DOWN,        LOW,                                     WHEN_FIRST_8TH_MET,                  DTYPE_Q2_K   },
    {DOWN,        MIX(Q2_K),                               ALWAYS,                              DTYPE_Q3_K   },
    {DOWN,        MIX(Q2_K_S),                             WHEN_FIRST_8TH,                      DTYPE_Q4_K   },
    {DOWN,        MIX(IQ3_XXS),                            WHEN_NO_IMPORTANCE | WHEN_FIRST_8TH, DTYPE_Q4_K   },
    {DOWN,        MIX(IQ3_XXS),                            WHEN_NO_IMPORTANCE,                  DTYPE_Q3_K   },
    {DOWN,        MIX(Q3_K_M),                             WHEN_FIRST_16TH,                     DTYPE_Q5_K   },
    {DOWN,        MIX(Q3_K_M),                             NOT_FALCON,                          DTYPE_Q4_K   },
    {DOWN,        MIX(Q3_K_M),                             WHEN_SPREAD,                         DTYPE_Q4_K   },
    {DOWN,        MIX(Q3_K_L),                             FALCON,                              DTYPE_Q4_K   },
    {DOWN,        MIX(Q3_K_L),                             ALWAYS,                              DTYPE_Q5_K   },
    {DOWN,        MIX(IQ3_M),                              WHEN_FIRST_8TH,                      DTYPE_Q4_K   },
    {DOWN,        MIX(IQ3_M),                              EXPERTS_8 | WHEN_SPREAD,             DTYPE_Q4_K   },
    {DOWN,        MIX(Q4_K_M),                             FALCON | WHEN_FIRST_16TH,            DTYPE_Q6_K   },
    {DOWN,        MIX(Q4_K_M),                             FALCON | WHEN_SPREAD,                DTYPE_Q5_K   },
    {DOWN,        MIX(Q4_K_M),                             NOT_FALCON | WHEN_SPREAD,            DTYPE_Q6_K   },
    {DOWN,        MIX(Q5_K_M),                             WHEN_SPREAD,                         DTYPE_Q6_K   },
    {DOWN,        MIX(Q4_K_S),                             NOT_FALCON | WHEN_FIRST_8TH,         DTYPE_Q5_K   },
    {DOWN,        IQ4,                                     WHEN_NO_IMPORTANCE | WHEN_FIRST_8TH, DTYPE_Q5_K   },
    {DOWN,        MIX(Q4_0),                               WHEN_IMPORTANCE | WHEN_FIRST_8TH,    DTYPE_Q4_1   },
    {DOWN,        MIX(Q5_0),                               WHEN_IMPORTANCE | WHEN_FIRST_8TH,    DTYPE_Q5_1   },

    {UP_GATE,     MIX(IQ3_XS),                             WHEN_MIDDLE,                         DTYPE_IQ3_XXS},
    {0,           0,                                       ALWAYS,                              DTYPE_NONE   },
};

/* ---- rows that do not fit, and tensors of their own kind ------------------------- */

static const enum dtype fallbacks[DTYPE_COUNT] = {
    [DTYPE_IQ1_S] = DTYPE_IQ4_NL,  [DTYPE_IQ1_M] = DTYPE_IQ4_NL,  [DTYPE_IQ2_XXS] = DTYPE_IQ4_NL,
    [DTYPE_IQ2_XS] = DTYPE_IQ4_NL, [DTYPE_IQ2_S] = DTYPE_IQ4_NL,  [DTYPE_IQ3_XXS] = DTYPE_IQ4_NL,
    [DTYPE_IQ3_S] = DTYPE_IQ4_NL,  [DTYPE_IQ4_XS] = DTYPE_IQ4_NL, [DTYPE_Q2_0] = DTYPE_Q4_0,
    [DTYPE_Q2_K] = DTYPE_Q4_0,     [DTYPE_Q3_K] = DTYPE_Q4_0,     [DTYPE_TQ1_0] = DTYPE_Q4_0,
    [DTYPE_TQ2_0] = DTYPE_Q4_0,    [DTYPE_Q4_K] = DTYPE_Q5_0,     [DTYPE_Q5_K] = DTYPE_Q5_1,
    [DTYPE_Q6_K] = DTYPE_Q8_0,
};

enum dtype mix_fallback(enum dtype type)
{
    return fallbacks[type];
}

bool mix_type_needs_importance(const struct mix *m, enum dtype type)
{
    static const bool always[DTYPE_COUNT] = {
        [DTYPE_IQ1_S] = true,  [DTYPE_IQ1_M] = true, [DTYPE_IQ2_XXS] = true,
        [DTYPE_IQ2_XS] = true, [DTYPE_IQ2_S] = true, [DTYPE_IQ3_XXS] = true,
    };

    return always[type] || (type == DTYPE_Q2_K && (m->set & MIX(Q2_K_S)));
}

static const struct mix_special specials[] = {
    {"_norm.weight",              true },
    {"ffn_gate_inp.weight",       true },
    {"ffn_gate_inp_shexp.weight", true },
    {"ffn_gate_tid2eid.weight",   false},
    {"position_embd.weight",      true },
    {"token_types.weight",        true },
    {"ssm_conv1d",                true },
    {"shortconv.conv.weight",     true },
    {"time_mix_first",            false},
    {"time_mix_w",                false},
    {"time_mix_v0",               false},
    {"time_mix_v1",               false},
    {"time_mix_v2",               false},
    {"time_mix_a",                false},
    {"time_mix_g1",               false},
    {"time_mix_g2",               false},
    {"time_mix_decay_w",          false},
    {"time_mix_lerp_fused",       false},
    {"attn_rel_b.weight",         false},
    {"altup",                     false},
    {"laurel",                    false},
    {"per_layer_model_proj",      false},
    {"indexer.k_proj.weight",     false},
    {"indexer.q_proj.weight",     false},
    {".position_embd",            false},
    {"sam.pos_embd",              false},
    {"sam.neck.",                 false},
    {"sam.net_",                  false},
    {".rel_pos",                  false},
    {".patch_embd",               false},
    {".patch_merger",             false},
    {"a.rvq.codebook",            false},
    {"mm.a.code_embd",            false},
};

const struct mix_special *mix_special_of(const char *name)
{
    for (size_t i = 0; i < sizeof(specials) / sizeof(specials[0]); i++)
        if (strstr(name, specials[i].part))
            return &specials[i];
    return NULL;
}
