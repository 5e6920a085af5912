#ifndef TESTS_TINY_H
#define TESTS_TINY_H

/* A tiny Llama checkpoint on disk, for tests: 8 wide, 2 heads of 4, 1 key-value head,
 * 1 layer, 4 tokens, tied. Every value of a matrix is its row's number as 16 bits. */

#include <stddef.h>

enum { TINY_TENSORS = 11 };

struct tiny_tensor {
    const char *name;
    unsigned rows, columns; /* columns 0: a vector of `rows` values */
};

/* What it holds: number i of TINY_TENSORS, in file order. */
struct tiny_tensor tiny_tensor(size_t i);

/* All of these return 0 when the file was written. */
int tiny_put(const char *dir, const char *name, const void *data, size_t n);
/* config.json, with more members after its own. */
int tiny_config(const char *dir, const char *more);
/* model.safetensors without tensor number `skip`, with one more if `extra` has a name. */
int tiny_weights(const char *dir, size_t skip, struct tiny_tensor extra);

/* The folder with all of its files; opens with pre-tokenizer "gpt-2". */
int tiny_make(const char *dir);
/* Remove the folder and every file in it. */
int tiny_remove(const char *dir);

#endif /* TESTS_TINY_H */
