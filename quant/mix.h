#ifndef QUANT_MIX_H
#define QUANT_MIX_H

/* Mixes: named rules that give each tensor of a model its type, as data keyed by
 * role. Includes the converter's own rules (F32, F16, BF16, Q8_0 as written by
 * `pare convert`) and the fallback where a row is no whole number of blocks.
 * Source: llama-quantize's rules, restated in docs/formats.md. */

#include "formats/arch/arch.h"
#include "formats/base/err.h"
#include "formats/dtype.h"
#include "formats/source.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mix;

/* NULL when there is none; matched without case; "Q4_K" is Q4_K_M. Types that the field has
 * no mix of (MXFP4, NVFP4) are mixes too. */
const struct mix *mix_by_name(const char *name);
/* The same; ERR_ARG names the nearest and all there are. */
int mix_read(const struct mix **out, const char *name, struct err *err) WARN_UNUSED;
/* One whose base is `type`: pure, every matrix is of that type. The names of IQ2_S and IQ2_M
 * are not those of their base types. NULL: there is none. */
const struct mix *mix_of_type(enum dtype type);
/* In table order, NULL past the end. */
const struct mix *mix_at(size_t i);
const char *mix_name(const struct mix *m);
uint32_t mix_file_type(const struct mix *m); /* general.file_type */

/* A type that a matrix can be given. ERR_ARG names the nearest. */
int mix_read_type(enum dtype *out, const char *name, struct err *err) WARN_UNUSED;

/* Would a tensor of this role be ruined by the type without an importance matrix? */
bool mix_needs_importance(const struct mix *m, enum arch_role role, enum dtype type);

/* A type for every tensor that is quantized at all and whose name a pattern (PCRE2, searched
 * anywhere) finds. */
struct mix_override {
    const char *pattern;
    enum dtype type;
};

struct mix_opts {
    bool pure;              /* the base type wherever a tensor is quantized at all */
    enum dtype output_type; /* DTYPE_NONE: the mix decides */
    enum dtype embedding_type;
    bool have_importance;
    bool recode; /* also tensors that are MXFP4 already, the form some models are published in */
    const struct mix_override *overrides; /* the first that matches wins */
    size_t n_overrides;
};

/* What the rules look at. */
struct mix_tensor {
    const char *name; /* in the GGUF */
    enum arch_role role;
    int layer; /* -1: not in a block */
    int n_dims;
    uint64_t row_len;
    enum dtype kept; /* its type where no rule quantizes it */
    bool stacked;    /* several matrices, one behind another */
};

struct mix_model {
    const struct mix_tensor *tensors;
    size_t n_tensors;
    uint64_t n_layer, n_head, n_head_kv, n_expert;
    bool falcon;        /* the rules' exceptions for that family */
    unsigned seventy_b; /* arch's mix_70b */
};

/* The rules themselves: types[i] of m->tensors[i]. Where a row is no whole number of
 * blocks: a type of smaller blocks. Errors: ERR_ARG (a pattern that does not compile, or finds
 * no tensor that can be quantized; rows that neither the type nor another in its place fits),
 * ERR_NOMEM. */
int mix_assign(enum dtype *types, const struct mix *mix, const struct mix_model *m,
               const struct mix_opts *opts, struct err *err) WARN_UNUSED;

/* types[i] of source_tensor(s, i), as llama-quantize would choose. Errors: those of
 * mix_assign, ERR_UNSUPPORTED (an unknown family has no roles to go by). */
int mix_types(enum dtype *types, const struct mix *m, const struct source *s,
              const struct mix_opts *opts, struct err *err) WARN_UNUSED;

/* types[i] as convert_hf_to_gguf.py --outtype would choose; out_type F32, F16,
 * BF16 or Q8_0. */
int mix_convert_types(enum dtype *types, enum dtype out_type, const struct source *s,
                      struct err *err) WARN_UNUSED;

#endif /* QUANT_MIX_H */
