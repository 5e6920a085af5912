#ifndef TESTS_SMALL_H
#define TESTS_SMALL_H

/* A llama model of a few thousand random weights, written to a temporary GGUF. */

#include "formats/gguf_write.h"

#include <stddef.h>
#include <stdint.h>

enum {
    SMALL_EMBD = 32,
    SMALL_HEADS = 4,
    SMALL_KV = 2,
    SMALL_HEAD = 8,
    SMALL_FF = 48,
    SMALL_VOCAB = 50,
    SMALL_LAYERS = 2,
    SMALL_CTX = 64,
    SMALL_TENSORS = 3 + SMALL_LAYERS * 11
};

/* More metadata: a number, or one for each layer. */
struct small_num {
    const char *key;
    float v;
    const float *by_layer; /* [SMALL_LAYERS] instead of v; NULL */
};

/* What a test wants to be different. */
struct small_tweak {
    unsigned wide;                /* every width times this; 0: 1 */
    unsigned window;              /* 0: none */
    unsigned n_head_kv;           /* as the metadata says; 0: SMALL_KV */
    const char *leave_out;        /* a tensor of block 1 */
    const struct small_num *nums; /* ends with a NULL key; NULL: none */
};

struct small {
    char path[64];
    char names[SMALL_TENSORS][48];
    struct gguf_item items[SMALL_TENSORS];
    float *data[SMALL_TENSORS]; /* owned */
    size_t n;
};

/* Make the weights and write the file. 0 or an error. */
int small_new(struct small *t, const struct small_tweak *w, struct err *err) WARN_UNUSED;
/* Remove the file. */
void small_free(struct small *t);

/* The values of a tensor ("attn_q.weight" of block 1; layer -1: outside blocks), or NULL. */
const float *small_weight(const struct small *t, int layer, const char *name);

/* ids[n] below SMALL_VOCAB. */
void small_ids(int32_t *ids, size_t n, uint64_t seed);

#endif /* TESTS_SMALL_H */
