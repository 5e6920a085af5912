#ifndef TESTS_PLAIN_H
#define TESTS_PLAIN_H

/* A forward pass in double over tests/small.h's model, as plain as it can be written:
 * what the runtime is compared with. */

#include "tests/small.h"

#include <stdbool.h>

enum { PLAIN_MAX = SMALL_CTX };

/* What is different from a Llama. Zeros: as there. */
struct plain {
    int window, chunk; /* positions; 0: none */
    bool only_first;   /* window and chunk hold in block 0 only */
    bool alibi;        /* instead of rotation, largest bias `alibi_max` */
    bool skip_rope;    /* block 1 is not rotated */
    bool l2;           /* queries and keys of rotated blocks are normalised */
    bool parallel;
    double alibi_max, cap, scale, clamp, embd_scale, residual_scale, logit_scale, logit_cap;
    double temp, temp_ctx, base; /* base 0: 10000 */
    double (*act)(double);       /* NULL: SiLU */
};

/* logits[n, SMALL_VOCAB], n <= PLAIN_MAX */
void plain_run(double *logits, const struct small *t, const int32_t *ids, int n,
               const struct plain *how);

#endif /* TESTS_PLAIN_H */
