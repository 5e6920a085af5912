#ifndef FORMATS_DTYPE_H
#define FORMATS_DTYPE_H

/* Every encoding a tensor can have in a safetensors or GGUF file: names, sizes,
 * wire numbers. What the bits mean is quant/codec.h.
 * Sources: ggml.h (enum ggml_type), the safetensors README. */

#include "formats/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum dtype {
    DTYPE_NONE, /* a hole, so that zeroed memory names no type */
    DTYPE_F64,
    DTYPE_F32,
    DTYPE_F16,
    DTYPE_BF16,
    DTYPE_F8_E4M3,
    DTYPE_F8_E5M2,
    DTYPE_F8_E8M0, /* exponents, for scales */
    DTYPE_I64,
    DTYPE_I32,
    DTYPE_I16,
    DTYPE_I8,
    DTYPE_U64,
    DTYPE_U32,
    DTYPE_U16,
    DTYPE_U8,
    DTYPE_BOOL,
    DTYPE_Q4_0,
    DTYPE_Q4_1,
    DTYPE_Q5_0,
    DTYPE_Q5_1,
    DTYPE_Q8_0,
    DTYPE_Q2_K,
    DTYPE_Q3_K,
    DTYPE_Q4_K,
    DTYPE_Q5_K,
    DTYPE_Q6_K,
    DTYPE_IQ1_S,
    DTYPE_IQ1_M,
    DTYPE_IQ2_XXS,
    DTYPE_IQ2_XS,
    DTYPE_IQ2_S,
    DTYPE_IQ3_XXS,
    DTYPE_IQ3_S,
    DTYPE_IQ4_NL,
    DTYPE_IQ4_XS,
    DTYPE_TQ1_0,
    DTYPE_TQ2_0,
    DTYPE_MXFP4,
    DTYPE_NVFP4,
    DTYPE_Q1_0,
    DTYPE_Q2_0,
    DTYPE_COUNT
};

struct dtype_info {
    const char *name;        /* ggml's published name: "Q4_K" */
    const char *safetensors; /* its name there, or NULL: not in that format */
    int ggml;                /* number in a GGUF file, or -1: not in that format */
    unsigned block;          /* values in a block, >= 1 */
    unsigned bytes;          /* bytes of a block */
};

/* NULL for DTYPE_NONE and numbers outside the enum. */
const struct dtype_info *dtype_get(enum dtype t);

/* DTYPE_NONE when there is no such type. Names are matched without case. */
enum dtype dtype_by_name(const char *name);
enum dtype dtype_by_safetensors(const char *name);
enum dtype dtype_by_ggml(uint32_t number);

/* Numbers as they are, not blocks of codes: what weights are trained and published in. */
bool dtype_is_plain(enum dtype t); /* F32, F16, BF16 */

/* Bytes of a row of n values; false when n is no whole number of blocks or the
 * product does not fit. */
bool dtype_row_bytes(size_t *out, enum dtype t, uint64_t n);

#endif /* FORMATS_DTYPE_H */
