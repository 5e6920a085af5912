#ifndef FORMATS_CHECKPOINT_H
#define FORMATS_CHECKPOINT_H

/* A Hugging Face checkpoint: a folder with config.json, safetensors (one file,
 * or shards listed by model.safetensors.index.json) and tokenizer files. */

#include "formats/base/err.h"
#include "formats/base/json.h"
#include "formats/base/map.h"
#include "formats/safetensors.h"

#include <stdbool.h>
#include <stddef.h>

struct ckpt;

/* Map every shard. Errors name the file: ERR_IO (missing shard), ERR_FORMAT (a
 * tensor in two shards, one the index promises and no shard holds). */
int ckpt_open(struct ckpt **out, const char *dir, struct err *err) WARN_UNUSED;
/* The same of a folder whose weights, if it has any, are of no interest: no tensors. */
int ckpt_open_files(struct ckpt **out, const char *dir, struct err *err) WARN_UNUSED;
void ckpt_free(struct ckpt *c); /* accepts NULL */

/* Is `path` a folder with a config.json? */
bool ckpt_is(const char *path);

/* The folder, as it was given. */
const char *ckpt_dir(const struct ckpt *c);

/* Small files, parsed; NULL when absent. config.json is always there. */
const json_val *ckpt_config(const struct ckpt *c);
const json_val *ckpt_generation_config(const struct ckpt *c);
const json_val *ckpt_tokenizer_config(const struct ckpt *c);
const json_val *ckpt_special_tokens_map(const struct ckpt *c);

/* The bytes of another file of the folder ("tokenizer.json", "tokenizer.model",
 * "chat_template.jinja", "README.md"), mapped; *found says whether it exists.
 * On success with *found the map is the caller's to release. */
int ckpt_map(struct map *out, bool *found, const struct ckpt *c, const char *name,
             struct err *err) WARN_UNUSED;

/* Tensors in the reference converter's order: shards by file name, tensors of a shard
 * by name. */
size_t ckpt_n_tensors(const struct ckpt *c);
const struct st_tensor *ckpt_tensor(const struct ckpt *c, size_t i);
const struct st_tensor *ckpt_find(const struct ckpt *c, const char *name); /* hashed; NULL: none */
/* The mapping a tensor lies in, for map_forget; and its file's name. */
const struct map *ckpt_tensor_map(const struct ckpt *c, size_t i);
const char *ckpt_tensor_file(const struct ckpt *c, size_t i);

#endif /* FORMATS_CHECKPOINT_H */
