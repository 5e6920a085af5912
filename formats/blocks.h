#ifndef FORMATS_BLOCKS_H
#define FORMATS_BLOCKS_H

/* The blocks of the quantized types, as they lie in a file. f16 scales are
 * uint16_t; formulas are beside each codec in quant/ref/.
 * Source: ggml-common.h (layouts), restated in docs/formats.md. */

#include <stdint.h>

enum { QK = 32, QK_K = 256 }; /* values in a legacy block, in a super-block */

struct block_q4_0 {
    uint16_t d;     /* w = d * (code - 8) */
    uint8_t qs[16]; /* byte j: codes of values j (low half) and j + 16 (high half) */
};
_Static_assert(sizeof(struct block_q4_0) == 18, "Q4_0 is 18 bytes on disk");

struct block_q4_1 {
    uint16_t d, m; /* w = d * code + m */
    uint8_t qs[16];
};
_Static_assert(sizeof(struct block_q4_1) == 20, "Q4_1 is 20 bytes on disk");

struct block_q5_0 {
    uint16_t d;     /* w = d * (code - 16) */
    uint8_t qh[4];  /* bit i: the fifth bit of code i */
    uint8_t qs[16]; /* as Q4_0 */
};
_Static_assert(sizeof(struct block_q5_0) == 22, "Q5_0 is 22 bytes on disk");

struct block_q5_1 {
    uint16_t d, m; /* w = d * code + m */
    uint8_t qh[4];
    uint8_t qs[16];
};
_Static_assert(sizeof(struct block_q5_1) == 24, "Q5_1 is 24 bytes on disk");

struct block_q8_0 {
    uint16_t d; /* w = d * code */
    int8_t qs[32];
};
_Static_assert(sizeof(struct block_q8_0) == 34, "Q8_0 is 34 bytes on disk");

struct block_q2_k {
    uint8_t scales[16]; /* of 16 values: s in the low half, m in the high */
    uint8_t qs[64];     /* 128 values per 32 bytes: two bits for each 32 of them */
    uint16_t d, dmin;   /* w = (d * s) * code - dmin * m */
};
_Static_assert(sizeof(struct block_q2_k) == 84, "Q2_K is 84 bytes on disk");

struct block_q3_k {
    uint8_t hmask[32];  /* bit i / 32 of byte i % 32: 4 is not subtracted from code i */
    uint8_t qs[64];     /* as Q2_K */
    uint8_t scales[12]; /* sixteen 6-bit s, packed */
    uint16_t d;         /* w = (d * (s - 32)) * code, s per 16 values */
};
_Static_assert(sizeof(struct block_q3_k) == 110, "Q3_K is 110 bytes on disk");

struct block_q4_k {
    uint16_t d, dmin;   /* w = (d * s) * code - (dmin * m), s and m per 32 values */
    uint8_t scales[12]; /* eight 6-bit s and m, packed */
    uint8_t qs[128];    /* 64 values per 32 bytes: low halves first */
};
_Static_assert(sizeof(struct block_q4_k) == 144, "Q4_K is 144 bytes on disk");

struct block_q5_k {
    uint16_t d, dmin;
    uint8_t scales[12]; /* as Q4_K */
    uint8_t qh[32];     /* bit i / 32 of byte i % 32: the fifth bit of code i */
    uint8_t qs[128];
};
_Static_assert(sizeof(struct block_q5_k) == 176, "Q5_K is 176 bytes on disk");

struct block_q6_k {
    uint8_t ql[128];   /* low four bits */
    uint8_t qh[64];    /* upper two bits */
    int8_t scales[16]; /* w = (d * s) * (code - 32), s per 16 values */
    uint16_t d;
};
_Static_assert(sizeof(struct block_q6_k) == 210, "Q6_K is 210 bytes on disk");

struct block_q1_0 {
    uint16_t d;     /* w = d where bit i % 8 of byte i / 8 is set, else -d */
    uint8_t qs[16]; /* 128 values */
};
_Static_assert(sizeof(struct block_q1_0) == 18, "Q1_0 is 18 bytes on disk");

struct block_q2_0 {
    uint16_t d;     /* w = d * (code - 1) */
    uint8_t qs[16]; /* 64 values, four a byte, the first in the lowest bits */
};
_Static_assert(sizeof(struct block_q2_0) == 18, "Q2_0 is 18 bytes on disk");

struct block_tq1_0 {
    uint8_t qs[48]; /* five base-3 digits a byte: w = d * (digit - 1) */
    uint8_t qh[4];  /* four of them */
    uint16_t d;
};
_Static_assert(sizeof(struct block_tq1_0) == 54, "TQ1_0 is 54 bytes on disk");

struct block_tq2_0 {
    uint8_t qs[64]; /* w = d * (code - 1); 128 values per 32 bytes, four a byte */
    uint16_t d;
};
_Static_assert(sizeof(struct block_tq2_0) == 66, "TQ2_0 is 66 bytes on disk");

struct block_mxfp4 {
    uint8_t e;      /* w = 2^(e - 127) * e2m1[code] */
    uint8_t qs[16]; /* as Q4_0 */
};
_Static_assert(sizeof(struct block_mxfp4) == 17, "MXFP4 is 17 bytes on disk");

struct block_nvfp4 {
    uint8_t scales[4]; /* unsigned E4M3 of each run of 16 values: w = scale * e2m1[code] */
    uint8_t qs[32];    /* of each run 8 bytes: value j in the low half, j + 8 in the high */
};
_Static_assert(sizeof(struct block_nvfp4) == 36, "NVFP4 is 36 bytes on disk");

struct block_iq4_nl {
    uint16_t d;     /* w = d * number[code], numbers in quant/ref/iq4_fit.c */
    uint8_t qs[16]; /* as Q4_0 */
};
_Static_assert(sizeof(struct block_iq4_nl) == 18, "IQ4_NL is 18 bytes on disk");

struct block_iq4_xs {
    uint16_t d;          /* w = (d * (s - 32)) * number[code], s of each run of 32 values */
    uint16_t scales_h;   /* upper two bits of s of run k: bits 2 k and 2 k + 1 */
    uint8_t scales_l[4]; /* low four bits: run k in half k % 2 of byte k / 2 */
    uint8_t qs[128];     /* of each run 16 bytes as Q4_0 */
};
_Static_assert(sizeof(struct block_iq4_xs) == 136, "IQ4_XS is 136 bytes on disk");

/* The codebook types: w = d * (1/2 + s) * unit * entry * sign with a 4-bit s. */
struct block_iq2_xxs {
    uint16_t d;
    uint8_t qs[64]; /* per 32 values four indices and a word: 7 bits of signs each, s on top */
};
_Static_assert(sizeof(struct block_iq2_xxs) == 66, "IQ2_XXS is 66 bytes on disk");

struct block_iq2_xs {
    uint16_t d;
    uint16_t qs[32];   /* per 8 values nine bits of index, seven of signs */
    uint8_t scales[8]; /* s per 16 values, low half first */
};
_Static_assert(sizeof(struct block_iq2_xs) == 74, "IQ2_XS is 74 bytes on disk");

struct block_iq2_s {
    uint16_t d;
    uint8_t qs[32], signs[32]; /* per 8 values */
    uint8_t qh[8];             /* bits 8 and 9 of four indices */
    uint8_t scales[8];         /* as IQ2_XS */
};
_Static_assert(sizeof(struct block_iq2_s) == 82, "IQ2_S is 82 bytes on disk");

struct block_iq3_xxs {
    uint16_t d;
    uint8_t qs[64];    /* per 4 values */
    uint8_t words[32]; /* per 32 values as IQ2_XXS */
};
_Static_assert(sizeof(struct block_iq3_xxs) == 98, "IQ3_XXS is 98 bytes on disk");

struct block_iq3_s {
    uint16_t d;
    uint8_t qs[64];    /* per 4 values */
    uint8_t qh[8];     /* bit 8 of eight indices */
    uint8_t signs[32]; /* per 8 values */
    uint8_t scales[4]; /* s per 32 values, low half first */
};
_Static_assert(sizeof(struct block_iq3_s) == 110, "IQ3_S is 110 bytes on disk");
struct block_iq1_s {
    uint16_t d;     /* w = d * (2 s + 1) * (entry + delta), entries in quant/grid_iq1.h */
    uint8_t qs[32]; /* low bits of the entry of each eight values */
    uint16_t qh[8]; /* of 32 values: 4 x 3 upper bits, 3 bits s, bit 15: delta is -1/8, not 1/8 */
};
_Static_assert(sizeof(struct block_iq1_s) == 50, "IQ1_S is 50 bytes on disk");

struct block_iq1_m {
    uint8_t qs[32];     /* as IQ1_S, but s of 16 values and delta of eight */
    uint8_t qh[16];     /* half a byte for eight values: 3 upper bits, the sign of delta */
    uint16_t scales[4]; /* four s, and on top four bits of the F16 d, lowest first */
};
_Static_assert(sizeof(struct block_iq1_m) == 56, "IQ1_M is 56 bytes on disk");

#endif /* FORMATS_BLOCKS_H */
