#ifndef QUANT_MIX_H
#define QUANT_MIX_H

/* Mixes: named rules that give each tensor of a model its type, as data keyed by
 * role. Includes the converter's own rules (F32, F16, BF16, Q8_0 as written by
 * `pare convert`) and the fallback where a row is no whole number of blocks.
 * Source: llama-quantize's rules, restated in docs/formats.md. */

#include "formats/base/err.h"
#include "formats/dtype.h"
#include "formats/source.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mix;

/* NULL when there is none; matched without case; "Q4_K" is Q4_K_M. */
const struct mix *mix_by_name(const char *name);
/* In table order, NULL past the end. */
const struct mix *mix_at(size_t i);
const char *mix_name(const struct mix *m);
uint32_t mix_file_type(const struct mix *m); /* general.file_type */

struct mix_opts {
    bool pure;              /* the base type wherever a tensor is quantized at all */
    enum dtype output_type; /* DTYPE_NONE: the mix decides */
    enum dtype embedding_type;
    bool have_importance;
};

/* types[i] of source_tensor(s, i), as llama-quantize would choose. */
int mix_types(enum dtype *types, const struct mix *m, const struct source *s,
              const struct mix_opts *opts, struct err *err) WARN_UNUSED;

/* types[i] as convert_hf_to_gguf.py --outtype would choose; out_type F32, F16,
 * BF16 or Q8_0. */
int mix_convert_types(enum dtype *types, enum dtype out_type, const struct source *s,
                      struct err *err) WARN_UNUSED;

#endif /* QUANT_MIX_H */
