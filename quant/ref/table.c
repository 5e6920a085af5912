/* The codecs of one level of processor; CODEC_TABLE, its name, comes from the Makefile. */

#include "quant/ref/ref.h"

#include <math.h>

/* F16 rounds to infinity from here on. */
#define F16_OVERFLOW 65520.0F

/* max: values of this magnitude and above don't fit; chosen so that a scale of
 * any rounding stays below F16's largest. */
const struct codec CODEC_TABLE[DTYPE_COUNT] = {
    [DTYPE_F64] = {DTYPE_F64,     NULL,           f64_decode,     0                  },
    [DTYPE_F32] = {DTYPE_F32,     f32_encode,     f32_decode,     INFINITY           },
    [DTYPE_F16] = {DTYPE_F16,     f16_encode,     f16_decode,     F16_OVERFLOW       },
    [DTYPE_BF16] = {DTYPE_BF16,    bf16_encode,    bf16_decode,    0x1.ffp127F        },
    [DTYPE_F8_E4M3] = {DTYPE_F8_E4M3, NULL,           e4m3_decode,    0                  },
    [DTYPE_F8_E5M2] = {DTYPE_F8_E5M2, NULL,           e5m2_decode,    0                  },
    [DTYPE_I64] = {DTYPE_I64,     NULL,           i64_decode,     0                  },
    [DTYPE_I32] = {DTYPE_I32,     NULL,           i32_decode,     0                  },
    [DTYPE_I16] = {DTYPE_I16,     NULL,           i16_decode,     0                  },
    [DTYPE_I8] = {DTYPE_I8,      NULL,           i8_decode,      0                  },
    [DTYPE_U64] = {DTYPE_U64,     NULL,           u64_decode,     0                  },
    [DTYPE_U32] = {DTYPE_U32,     NULL,           u32_decode,     0                  },
    [DTYPE_U16] = {DTYPE_U16,     NULL,           u16_decode,     0                  },
    [DTYPE_U8] = {DTYPE_U8,      NULL,           u8_decode,      0                  },
    [DTYPE_BOOL] = {DTYPE_BOOL,    NULL,           bool_decode,    0                  },
    [DTYPE_Q4_0] = {DTYPE_Q4_0,    q4_0_encode,    q4_0_decode,    7 * 65504.0F       },
    [DTYPE_Q4_1] = {DTYPE_Q4_1,    q4_1_encode,    q4_1_decode,    65504.0F           },
    [DTYPE_Q5_0] = {DTYPE_Q5_0,    q5_0_encode,    q5_0_decode,    15 * 65504.0F      },
    [DTYPE_Q5_1] = {DTYPE_Q5_1,    q5_1_encode,    q5_1_decode,    65504.0F           },
    [DTYPE_Q8_0] = {DTYPE_Q8_0,    q8_0_encode,    q8_0_decode,    127 * 65504.0F     },
    [DTYPE_Q2_K] = {DTYPE_Q2_K,    q2_k_encode,    q2_k_decode,    15 * 65504.0F      },
    [DTYPE_Q3_K] = {DTYPE_Q3_K,    q3_k_encode,    q3_k_decode,    31 * 65504.0F      },
    [DTYPE_Q4_K] = {DTYPE_Q4_K,    q4_k_encode,    q4_k_decode,    63 * 65504.0F      },
    [DTYPE_Q5_K] = {DTYPE_Q5_K,    q5_k_encode,    q5_k_decode,    63 * 65504.0F      },
    [DTYPE_Q6_K] = {DTYPE_Q6_K,    q6_k_encode,    q6_k_decode,    31 * 65504.0F      },
    [DTYPE_TQ1_0] = {DTYPE_TQ1_0,   tq1_0_encode,   tq1_0_decode,   65504.0F           },
    [DTYPE_TQ2_0] = {DTYPE_TQ2_0,   tq2_0_encode,   tq2_0_decode,   65504.0F           },
    [DTYPE_Q1_0] = {DTYPE_Q1_0,    q1_0_encode,    q1_0_decode,    65504.0F           },
    [DTYPE_Q2_0] = {DTYPE_Q2_0,    q2_0_encode,    q2_0_decode,    65504.0F           },
    [DTYPE_IQ2_XXS] = {DTYPE_IQ2_XXS, iq2_xxs_encode, iq2_xxs_decode, 160 * 65504.0F     },
    [DTYPE_IQ2_XS] = {DTYPE_IQ2_XS,  iq2_xs_encode,  iq2_xs_decode,  160 * 65504.0F     },
    [DTYPE_IQ2_S] = {DTYPE_IQ2_S,   iq2_s_encode,   iq2_s_decode,   160 * 65504.0F     },
    [DTYPE_IQ3_XXS] = {DTYPE_IQ3_XXS, iq3_xxs_encode, iq3_xxs_decode, 470 * 65504.0F     },
    [DTYPE_IQ3_S] = {DTYPE_IQ3_S,   iq3_s_encode,   iq3_s_decode,   460 * 65504.0F     },
    [DTYPE_MXFP4] = {DTYPE_MXFP4,   mxfp4_encode,   mxfp4_decode,   0x1p127F           },
    [DTYPE_NVFP4] = {DTYPE_NVFP4,   nvfp4_encode,   nvfp4_decode,   0x1p127F           },
    [DTYPE_IQ4_NL] = {DTYPE_IQ4_NL,  iq4_nl_encode,  iq4_nl_decode,  113 * 65504.0F     },
    [DTYPE_IQ4_XS] = {DTYPE_IQ4_XS,  iq4_xs_encode,  iq4_xs_decode,  31 * 113 * 65504.0F},
    [DTYPE_IQ1_S] = {DTYPE_IQ1_S,   iq1_s_encode,   iq1_s_decode,   15 * 65504.0F      },
    [DTYPE_IQ1_M] = {DTYPE_IQ1_M,   iq1_m_encode,   iq1_m_decode,   15 * 65504.0F      },
};
