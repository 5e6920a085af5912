#ifndef QUANT_MIX_RULES_H
#define QUANT_MIX_RULES_H

/* The mixes and their rules as tables. Source: llama-quantize's rules, restated in
 * docs/formats.md. */

#include "formats/arch/arch.h"
#include "formats/dtype.h"

#include <stdbool.h>
#include <stdint.h>

struct mix {
    const char *name, *alias; /* alias: NULL or a second name */
    uint64_t set;             /* its bit */
    enum dtype base;          /* where no rule fits */
    uint32_t file_type;       /* general.file_type */
};

extern const struct mix mix_table[]; /* ends with a NULL name */
extern const size_t mix_count;

/* What a tensor counts as; rules name sets of them. */
enum mix_category {
    MIX_OTHER,
    MIX_OUTPUT, /* or the token embedding that serves as one */
    MIX_EMBEDDING,
    MIX_VALUE, /* also fused with query and key, or a latent that gives keys and values */
    MIX_KEY,
    MIX_QUERY,
    MIX_ATTN_OUT,
    MIX_FFN_UP,
    MIX_FFN_GATE,
    MIX_FFN_DOWN,
    MIX_CATEGORY_COUNT
};

/* Tensors of most roles are MIX_OTHER. */
enum mix_category mix_category_of(enum arch_role role);

/* Conditions; a rule's are all to hold. i of L: which layer of how many; for value
 * matrices, which of how many such matrices. */
enum mix_when {
    WHEN_ALWAYS = 0,
    WHEN_EXPERTS_8 = 1 << 0,
    WHEN_EXPERTS_4 = 1 << 1, /* or more */
    WHEN_GQA_4 = 1 << 2,     /* a key-value head for four heads or more */
    WHEN_SEVENTY_B = 1 << 3,
    WHEN_FALCON = 1 << 4,
    WHEN_NOT_FALCON = 1 << 5,
    WHEN_IMPORTANCE = 1 << 6,
    WHEN_NO_IMPORTANCE = 1 << 7,
    WHEN_RAGGED = 1 << 8,         /* a row is no whole number of the base type's blocks */
    WHEN_STACKED = 1 << 9,        /* several matrices, one behind another */
    WHEN_FIRST_2 = 1 << 10,       /* i < 2 */
    WHEN_FIRST_4 = 1 << 11,       /* i < 4 */
    WHEN_FIRST_16TH = 1 << 12,    /* i < L / 16 */
    WHEN_FIRST_8TH = 1 << 13,     /* i < L / 8 */
    WHEN_FIRST_8TH_MET = 1 << 14, /* the same, i counted also where there are experts */
    WHEN_SPREAD = 1 << 15,        /* the first and last eighth, and every third between */
    WHEN_MIDDLE = 1 << 16         /* neither in the first nor in the last eighth */
};

/* The first rule that fits wins; without one the base type stays. */
struct mix_rule {
    unsigned categories; /* bits 1 << category */
    uint64_t mixes;      /* sets of struct mix */
    unsigned when;       /* enum mix_when */
    enum dtype type;     /* DTYPE_NONE: the base type stays */
};

extern const struct mix_rule mix_rules[]; /* ends with no categories */

/* What a type becomes where a row is no whole number of its blocks; DTYPE_NONE: nothing
 * is defined. Types of blocks up to 32 values have no other of smaller blocks. */
enum dtype mix_fallback(enum dtype type);

/* Without an importance matrix a tensor that becomes `type` would be ruined. */
bool mix_type_needs_importance(const struct mix *m, enum dtype type);

/* Tensors that are special by name, wherever they occur: never quantized. */
struct mix_special {
    const char *part;
    bool convert_f32; /* a converter always writes F32 */
};

const struct mix_special *mix_special_of(const char *name); /* NULL: it is not special */

#endif /* QUANT_MIX_RULES_H */
