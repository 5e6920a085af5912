#ifndef FORMATS_CODED_H
#define FORMATS_CODED_H

/* Checkpoints whose weights are stored quantized: FP8, GPTQ, AWQ, compressed-tensors,
 * bitsandbytes, MXFP4, NVFP4. Such a weight is several tensors: codes, scales, zero
 * points, column order. Here they become one logical tensor "<module>.weight" with the
 * shape it has in the model, and a struct coded that says where everything lies; what
 * the numbers are is quant/coded.h. docs/formats.md has every scheme's layout.
 *
 * Every scheme is the same three steps, w = table[code] or (code - zero), times scale:
 * they differ in how codes are packed and how scales are laid out. */

#include "formats/base/err.h"
#include "formats/base/map.h"
#include "formats/checkpoint.h"
#include "formats/dtype.h"
#include "formats/safetensors.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How the codes of the matrix [rows, cols] lie. */
enum coded_layout {
    CODED_BYTES,     /* row by row, a byte each */
    CODED_ROW_BITS,  /* row by row, `bits` each from the low end of 32-bit words; a row starts
                        a word, codes may cross words */
    CODED_ROW_PAIRS, /* row by row, two a byte, the low half first */
    CODED_FLAT_HIGH, /* all values in one run, two a byte, the high half first */
    CODED_COL_BITS,  /* GPTQ: 32-bit words [cols * bits / 32, rows], `bits` each downwards */
    CODED_COL_AWQ    /* AWQ: 32-bit words [cols, rows / 8]; row 8 k + j of word k is its
                        nibble 0 4 1 5 2 6 3 7 [j] */
};

/* What a code stands for. */
enum coded_value {
    CODED_UNSIGNED, /* code - zero */
    CODED_SIGNED,   /* a byte as int8, less a signed zero */
    CODED_E4M3,
    CODED_E5M2,
    CODED_E2M1, /* 0 .5 1 1.5 2 3 4 6, and their negatives from code 8 on */
    CODED_NF4,  /* bitsandbytes' tables */
    CODED_FP4
};

/* How zero points lie; with CODED_ZERO_NONE it is `zero_fixed` everywhere. */
enum coded_zero {
    CODED_ZERO_NONE,
    CODED_ZERO_BYTES,    /* int8 [rows, groups] */
    CODED_ZERO_ROW_BITS, /* GPTQ: words [groups, rows * bits / 32], dense; `zero_add` is added,
                            modulo 2^bits */
    CODED_ZERO_AWQ,      /* words [groups, rows / 8] in AWQ's order */
    CODED_ZERO_COL_BITS  /* compressed-tensors: words [rows * bits / 32, groups], dense */
};

/* What a scale is further worked on with. */
enum coded_scale {
    CODED_SCALE_PLAIN,
    CODED_SCALE_TIMES,  /* scale * global */
    CODED_SCALE_OVER,   /* scale / global */
    CODED_SCALE_NESTED, /* nested_table[byte] * nested[block / 256] + global (an offset) */
    CODED_SCALE_127     /* values are multiplied by scale, then by 1 / 127 */
};

struct coded {
    enum coded_layout layout;
    enum coded_value value;
    enum coded_zero zero_kind;
    enum coded_scale scale_kind;
    unsigned bits;       /* of a code */
    uint64_t rows, cols; /* logical; rows of all matrices of a stack together */
    uint64_t out;        /* rows of one matrix */
    const uint8_t *code; /* in place, as everything here */

    /* Scale of (r, c): element (r / out) * scale_matrix + (r % out / rows_per) * scale_row
     * + c / cols_per * scale_col, unless `index` gives column c's group; of CODED_FLAT_HIGH:
     * element (r * cols + c) / cols_per. */
    const uint8_t *scale;
    enum dtype scale_type; /* U8: 2^(byte - 127), or a byte of CODED_SCALE_NESTED */
    uint64_t rows_per, cols_per;
    uint64_t scale_matrix, scale_row, scale_col;
    uint64_t n_groups;    /* along columns */
    const uint8_t *index; /* int32 [cols], checked to be below n_groups; NULL: c / cols_per */

    const uint8_t *zero;
    int zero_fixed, zero_add;

    const uint8_t *global; /* F32; per matrix of a stack when global_each, else one */
    bool global_each;
    float offset;                         /* CODED_SCALE_NESTED's */
    const uint8_t *nested, *nested_table; /* F32 */
    uint64_t nested_per;                  /* blocks that share a nested scale */
    enum dtype round_to;                  /* BF16, F16: the library's result type; else F32 */
    const struct coded_side *side;        /* what else belongs to it, for digests */
    size_t n_side;
};

struct coded_side {
    const uint8_t *data;
    size_t bytes;
    const struct map *map;
};

/* A tensor as the model sees it. */
struct coded_tensor {
    struct st_tensor st;       /* its type when coded: MXFP4, or F32 for what is decoded;
                                  data and bytes are those of the codes */
    const struct map *map;     /* that these lie in */
    const char *file;          /* its name */
    const struct coded *coded; /* NULL: plain */
    bool turned;               /* [.., out, in], also where the model's own weight is [in, out] */
};

struct coded_set;

/* Look at config.json's quantization_config and every tensor. Without one the set is
 * the checkpoint's tensors as they are. Order: MXFP4 weights first, then those under
 * their own name, then those made of differently named tensors: the reference
 * converter's. Errors name config key or file and tensor: ERR_UNSUPPORTED (method, bits,
 * layout), ERR_FORMAT (shapes that disagree, an index out of range). */
int coded_open(struct coded_set **out, const struct ckpt *c, struct err *err) WARN_UNUSED;
void coded_free(struct coded_set *s); /* accepts NULL */

/* The tensors in that order. */
size_t coded_n(const struct coded_set *s);
const struct coded_tensor *coded_at(const struct coded_set *s, size_t i);

/* Do rows lie one after another, so that a stretch of rows is a stretch of bytes? */
bool coded_rowwise(const struct coded *c);

#endif /* FORMATS_CODED_H */
