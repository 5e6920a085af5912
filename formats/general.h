#ifndef FORMATS_GENERAL_H
#define FORMATS_GENERAL_H

/* general.* metadata of a checkpoint: who made it and what it is called, guessed from
 * the folder's name, the model card's front matter and config.json, in the way the
 * reference converter guesses. Source: gguf.md (keys), gguf-py's metadata rules. */

#include "formats/base/arena.h"
#include "formats/base/err.h"
#include "formats/base/log.h"
#include "formats/checkpoint.h"
#include "formats/meta.h"

#include <stdint.h>

/* Values in the model's tensors. */
struct general_size {
    uint64_t total;    /* all of them */
    uint64_t shared;   /* outside expert stacks */
    uint64_t expert;   /* of one expert of each stack */
    uint64_t n_expert; /* 0: no experts */
};

/* Append general.* keys and general.sampling.*. `folder`: the folder's own name;
 * `name`: general.name, or NULL to guess it. A model card that cannot be read is a
 * warning. Errors: ERR_NOMEM, ERR_IO. */
int general_from_checkpoint(struct meta *meta, const struct ckpt *c, const char *folder,
                            const char *name, const struct general_size *size,
                            const struct log *log, struct err *err) WARN_UNUSED;

/* What a model's id says ("org/Name-7B-Instruct-v0.2"). NULL: it does not say. */
struct general_id {
    const char *full, *org, *basename, *finetune, *version, *size_label;
};

/* Take an id apart; texts live in `arena`. n_params: of the model, to tell a size
 * from a context length; 0: not known. */
int general_id_parse(struct general_id *out, struct arena *arena, const char *id, uint64_t n_params,
                     struct err *err) WARN_UNUSED;

/* "tiny-llama-v1.2" -> "Tiny Llama v1.2"; NULL when memory runs out. */
const char *general_title(struct arena *arena, const char *id);

/* "135M": two significant digits at least; NULL when memory runs out. */
const char *general_size_label(struct arena *arena, const struct general_size *size);

#endif /* FORMATS_GENERAL_H */
