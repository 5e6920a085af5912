#include "formats/dtype.h"

#include "formats/base/rd.h"

#include <string.h>
#include <strings.h>

/* {name, safetensors name, ggml number, values per block, bytes per block} */
static const struct dtype_info dtypes[DTYPE_COUNT] = {
    [DTYPE_F64] = {"F64",     "F64",     28, 1,   8  },
    [DTYPE_F32] = {"F32",     "F32",     0,  1,   4  },
    [DTYPE_F16] = {"F16",     "F16",     1,  1,   2  },
    [DTYPE_BF16] = {"BF16",    "BF16",    30, 1,   2  },
    [DTYPE_F8_E4M3] = {"F8_E4M3", "F8_E4M3", -1, 1,   1  },
    [DTYPE_F8_E5M2] = {"F8_E5M2", "F8_E5M2", -1, 1,   1  },
    [DTYPE_F8_E8M0] = {"F8_E8M0", "F8_E8M0", -1, 1,   1  },
    [DTYPE_I64] = {"I64",     "I64",     27, 1,   8  },
    [DTYPE_I32] = {"I32",     "I32",     26, 1,   4  },
    [DTYPE_I16] = {"I16",     "I16",     25, 1,   2  },
    [DTYPE_I8] = {"I8",      "I8",      24, 1,   1  },
    [DTYPE_U64] = {"U64",     "U64",     -1, 1,   8  },
    [DTYPE_U32] = {"U32",     "U32",     -1, 1,   4  },
    [DTYPE_U16] = {"U16",     "U16",     -1, 1,   2  },
    [DTYPE_U8] = {"U8",      "U8",      -1, 1,   1  },
    [DTYPE_BOOL] = {"BOOL",    "BOOL",    -1, 1,   1  },
    [DTYPE_Q4_0] = {"Q4_0",    NULL,      2,  32,  18 },
    [DTYPE_Q4_1] = {"Q4_1",    NULL,      3,  32,  20 },
    [DTYPE_Q5_0] = {"Q5_0",    NULL,      6,  32,  22 },
    [DTYPE_Q5_1] = {"Q5_1",    NULL,      7,  32,  24 },
    [DTYPE_Q8_0] = {"Q8_0",    NULL,      8,  32,  34 },
    [DTYPE_Q2_K] = {"Q2_K",    NULL,      10, 256, 84 },
    [DTYPE_Q3_K] = {"Q3_K",    NULL,      11, 256, 110},
    [DTYPE_Q4_K] = {"Q4_K",    NULL,      12, 256, 144},
    [DTYPE_Q5_K] = {"Q5_K",    NULL,      13, 256, 176},
    [DTYPE_Q6_K] = {"Q6_K",    NULL,      14, 256, 210},
    [DTYPE_IQ1_S] = {"IQ1_S",   NULL,      19, 256, 50 },
    [DTYPE_IQ1_M] = {"IQ1_M",   NULL,      29, 256, 56 },
    [DTYPE_IQ2_XXS] = {"IQ2_XXS", NULL,      16, 256, 66 },
    [DTYPE_IQ2_XS] = {"IQ2_XS",  NULL,      17, 256, 74 },
    [DTYPE_IQ2_S] = {"IQ2_S",   NULL,      22, 256, 82 },
    [DTYPE_IQ3_XXS] = {"IQ3_XXS", NULL,      18, 256, 98 },
    [DTYPE_IQ3_S] = {"IQ3_S",   NULL,      21, 256, 110},
    [DTYPE_IQ4_NL] = {"IQ4_NL",  NULL,      20, 32,  18 },
    [DTYPE_IQ4_XS] = {"IQ4_XS",  NULL,      23, 256, 136},
    [DTYPE_TQ1_0] = {"TQ1_0",   NULL,      34, 256, 54 },
    [DTYPE_TQ2_0] = {"TQ2_0",   NULL,      35, 256, 66 },
    [DTYPE_MXFP4] = {"MXFP4",   NULL,      39, 32,  17 },
    [DTYPE_NVFP4] = {"NVFP4",   NULL,      40, 64,  36 },
    [DTYPE_Q1_0] = {"Q1_0",    NULL,      41, 128, 18 },
    [DTYPE_Q2_0] = {"Q2_0",    NULL,      42, 64,  18 },
};

const struct dtype_info *dtype_get(enum dtype t)
{
    return t > DTYPE_NONE && t < DTYPE_COUNT ? &dtypes[t] : NULL;
}

enum dtype dtype_by_name(const char *name)
{
    for (int t = DTYPE_NONE + 1; t < DTYPE_COUNT; t++)
        if (!strcasecmp(dtypes[t].name, name))
            return (enum dtype)t;
    return DTYPE_NONE;
}

enum dtype dtype_by_safetensors(const char *name)
{
    for (int t = DTYPE_NONE + 1; t < DTYPE_COUNT; t++)
        if (dtypes[t].safetensors && !strcmp(dtypes[t].safetensors, name))
            return (enum dtype)t;
    return DTYPE_NONE;
}

enum dtype dtype_by_ggml(uint32_t number)
{
    for (int t = DTYPE_NONE + 1; t < DTYPE_COUNT; t++)
        if (dtypes[t].ggml >= 0 && (uint32_t)dtypes[t].ggml == number)
            return (enum dtype)t;
    return DTYPE_NONE;
}

bool dtype_is_plain(enum dtype t)
{
    return t == DTYPE_F32 || t == DTYPE_F16 || t == DTYPE_BF16;
}

bool dtype_row_bytes(size_t *out, enum dtype t, uint64_t n)
{
    const struct dtype_info *d = dtype_get(t);

    return d && n % d->block == 0 && mul_ok(out, n / d->block, d->bytes);
}
