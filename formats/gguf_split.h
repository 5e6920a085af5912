#ifndef FORMATS_GGUF_SPLIT_H
#define FORMATS_GGUF_SPLIT_H

/* Names and keys of split GGUF files: "X-00001-of-0000N.gguf".
 * Source: llama.cpp, tools/gguf-split. */

#include "formats/base/buf.h"

#include <stdbool.h>
#include <stddef.h>

enum { GGUF_MAX_PARTS = 65535 }; /* split.count is a u16 */

#define GGUF_SPLIT_NO      "split.no"            /* u16, from 0 */
#define GGUF_SPLIT_COUNT   "split.count"         /* u16 */
#define GGUF_SPLIT_TENSORS "split.tensors.count" /* i32, of all parts */

/* Append the name of part i (from 0) of n; the prefix is "X", prefix_n bytes long. */
void gguf_split_name(struct buf *b, const char *prefix, size_t prefix_n, size_t i, size_t n);

/* Append the name of file i of the n that are written as `path`: path itself when there is
 * one, else part i of path without its ".gguf". */
void gguf_split_file(struct buf *b, const char *path, size_t i, size_t n);

/* The length of "X" in path; false when path has not the form of a part's name. */
bool gguf_split_prefix(size_t *prefix_n, const char *path);

#endif /* FORMATS_GGUF_SPLIT_H */
