#ifndef FORMATS_ARCH_ARCH_H
#define FORMATS_ARCH_ARCH_H

/* Model families as data. A family is one file of rows beside this one: which
 * Hugging Face classes it answers to, which config keys become which metadata
 * keys, which tensors it has and how they change on the way, and traits that say
 * what its layers compute. Converter, quantizer, runtime and trainer read these
 * rows and never compare a family's name.
 *
 * Adding a family: one file in families/ with a `const struct arch arch_<name>` (declared
 * in arch_rows.h), one line in arch.c's table. A parameter, dimension,
 * change or trait nobody has yet is added in one of the headers below, with its formula. */

#include "formats/arch/arch_keys.h"
#include "formats/arch/arch_params.h"
#include "formats/arch/arch_tensors.h"
#include "formats/arch/arch_traits.h"
#include "formats/base/err.h"
#include "formats/base/json.h"
#include "formats/dtype.h"
#include "formats/meta.h"
#include "formats/vocab_rules.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- a family -------------------------------------------------------------- */

/* Rows that share a GGUF name (Llama, Mistral and Mixtral are all "llama") differ in
 * their classes and class defaults. A GGUF of that name belongs to the first row in
 * table order whose gguf_if it has. */
struct arch {
    const char *name;                         /* general.architecture */
    const char *const *classes;               /* config.json "architectures"[0]; ends with NULL */
    const char *model_type;                   /* config.json's of classes[0]; "a|b": of the second too */
    const char *spelling;                     /* part of a checkpoint tensor's name, where a row has several, of the one
                                                 to write; NULL: the one that begins like the embedding's */
    const char *gguf_if;                      /* a GGUF of this row has this key; NULL: any has */
    const char *const *config_if;             /* config.json of this row asks for all of these
                                                 (arch_asks); ends with NULL; NULL: any */
    const struct arch_key *const *keys;       /* key sets, shared between families; ends with NULL.
                                                 A set ends with a row of zeros */
    const struct arch_tensor *const *tensors; /* row sets, the same way */
    const struct arch_only *only;             /* ends with a NULL config */
    const char *const *ignored;               /* checkpoint tensors to skip: "{}" as above, "*" at
                                                 the end for anything; ends with NULL */
    const struct arch_scalar *scalars;        /* ends with a NULL name; NULL: none */
    const struct arch_choice *choices;        /* ends with a row of zeros; NULL: none */
    const char *rope;                         /* JSON: {"rope_parameters": ...} of a config.json that
                                                 has none; NULL: not scaled, theta as it says */
    bool whole_heads;                         /* the class takes no width that is not a multiple of its heads, though
                                                 head_dim says how wide those are */
    bool tied;                                /* tie_word_embeddings where config.json is silent */
    bool mix_falcon;                          /* quantization mixes have exceptions for it */
    unsigned mix_70b;                         /* layers of the size whose value matrices mixes give
                                                 more bits where heads share them; 0: there is none */
    bool no_file_type;                        /* its converter does not write general.file_type */
    struct arch_traits traits;
    const struct vocab_rules *vocab; /* formats/vocab_rules.h; NULL: the general rules only */
};

/* NULL when there is none. arch_by_name: the first row of that name; a GGUF's row is
 * arch_of_meta's. */
const struct arch *arch_by_name(const char *gguf_name);
const struct arch *arch_by_class(const char *hf_class);
/* The first row of the class whose config_if config.json asks for. */
const struct arch *arch_of_config(const char *hf_class, const json_val *config);
const struct arch *arch_of_meta(const struct meta *meta);
/* Every family, in table order; NULL past the end. */
const struct arch *arch_at(size_t i);

/* Read the parameters; errors name the key, what was expected and found
 * (ERR_FORMAT), or the feature that is not supported (ERR_UNSUPPORTED). On failure
 * *out is empty. most_layers: as many as the weights could have, their tensors; what is
 * kept by layer is allocated only for as many. */
int arch_params_from_config(struct arch_params *out, const struct arch *a, const json_val *config,
                            uint64_t most_layers, struct err *err) WARN_UNUSED;
/* The same from a GGUF's keys. */
int arch_params_from_meta(struct arch_params *out, const struct arch *a, const struct meta *meta,
                          uint64_t most_layers, struct err *err) WARN_UNUSED;
/* Accepts an all-zero struct. */
void arch_params_release(struct arch_params *p);

/* Append the family's keys ("llama.block_count", ...), then a "pare.arch.*" key for every
 * parameter and choice that reading those back would not give: class defaults other
 * programs do not know, windows they drop. arch_params_from_meta reads these first. */
int arch_params_to_meta(struct meta *meta, const struct arch *a, const struct arch_params *p,
                        struct err *err) WARN_UNUSED;

/* The value of a dimension formula in `layer`; 0 for DIM_END. */
uint64_t arch_dim(enum arch_dim d, const struct arch_params *p, size_t layer);
/* dims[0, n) of a row in `layer`, as in a GGUF; returns n. */
int arch_dims(uint64_t dims[4], const struct arch_tensor *row, const struct arch_params *p,
              size_t layer);

/* Find the row a name belongs to; *layer and *expert get the numbers in the name
 * (-1 where it has none). NULL: no row has such a name. */
const struct arch_tensor *arch_match_hf(const struct arch *a, const char *name, int *layer,
                                        int *expert);
/* The next row that takes a part of the same checkpoint tensor, or NULL. */
const struct arch_tensor *arch_match_next(const struct arch *a, const struct arch_tensor *row,
                                          const char *name);
/* The same for a GGUF's name. */
const struct arch_tensor *arch_match_gguf(const struct arch *a, const char *name, int *layer);
/* Is it a checkpoint tensor that carries nothing (buffers old versions saved)? */
bool arch_ignores(const struct arch *a, const char *name);

/* Is it a tensor of the ARCH_N_PREDICT layers after the last? */
bool arch_is_beyond(const struct arch_params *p, const char *name);

/* Rows in order, all sets: NULL past the end. */
const struct arch_tensor *arch_row(const struct arch *a, size_t i);
/* Does the row belong to this layer? */
bool arch_is_at(enum arch_where where, const struct arch_params *p, size_t layer);
/* Does config.json ask for this, a row's `when`? "x": sets x to true; "x=false": to that text or
 * number; "a|b=..." either; "x:y|z": a list with the text y or z, or a text of letters with
 * one of them; "!" before it: does not. True for NULL. */
bool arch_asks(const char *when, const json_val *config);
/* Does the name have a "{}"? */
bool arch_in_block(const struct arch_tensor *row);
/* dst[0, size) = the first alternative of `pattern` with its numbers put in; false
 * when it does not fit. */
bool arch_expand(char *dst, size_t size, const char *pattern, int layer, int expert);

/* Is the checkpoint tensor of this name a scalar? Which one, and of which layer. */
bool arch_match_scalar(enum arch_param *which, int *layer, const struct arch *a, const char *name);
/* Put its value among the parameters. */
int arch_set_scalar(struct arch_params *p, enum arch_param which, size_t layer, double v,
                    struct err *err) WARN_UNUSED;
/* A scalar that only some layers gave, or NULL; *layer: one that did not. */
const struct arch_scalar *arch_lacks_scalar(size_t *layer, const struct arch *a,
                                            const struct arch_params *p);

/* Does a TENSOR_MADE row exist in a model with these parameters? */
bool arch_makes(const struct arch_tensor *row, const struct arch_params *p);
/* dst[n] = its values, n the product of its dims. */
void arch_make(float *dst, size_t n, const struct arch_tensor *row, const struct arch_params *p);

#endif /* FORMATS_ARCH_ARCH_H */
