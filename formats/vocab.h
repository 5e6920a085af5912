#ifndef FORMATS_VOCAB_H
#define FORMATS_VOCAB_H

/* A tokenizer as data: tokens, scores, merges, special ids. From a checkpoint's
 * tokenizer.json or tokenizer.model, or from a GGUF; written to GGUF metadata.
 * How text becomes ids is runtime/tokenizer.h.
 * Source: gguf.md (tokenizer.ggml.*), the reference converter's rules. */

#include "formats/base/arena.h"
#include "formats/base/err.h"
#include "formats/base/log.h"
#include "formats/checkpoint.h"
#include "formats/meta.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum vocab_kind { VOCAB_NONE, VOCAB_BPE, VOCAB_SPM }; /* "gpt2": byte-level BPE; "llama" */

/* tokenizer.ggml.token_type */
enum vocab_type {
    VOCAB_NORMAL = 1,
    VOCAB_UNKNOWN = 2,
    VOCAB_CONTROL = 3,
    VOCAB_USER = 4,
    VOCAB_UNUSED = 5,
    VOCAB_BYTE = 6
};

struct vocab_token {
    struct meta_str text; /* as GGUF holds it: byte-level text or U+2581 for space */
    float score;          /* SPM; 0 for BPE */
    enum vocab_type type;
};

/* A chat template besides the default one. */
struct vocab_template {
    const char *name; /* [A-Za-z0-9_]+ */
    const char *text;
};

struct vocab {
    enum vocab_kind kind;
    const char *pre;           /* tokenizer.ggml.pre: "llama-bpe", "default" */
    struct vocab_token *token; /* n_tokens */
    size_t n_tokens;
    struct meta_str *merge; /* BPE, by rank: "left right" */
    size_t n_merges;
    int32_t bos, eos, unk, sep, pad, mask, eot, eom; /* -1: none */
    int add_bos, add_eos, add_sep;                   /* 1, 0, or -1: the file does not say */
    int space_prefix;             /* tokenizer.ggml.add_space_prefix; -1: the file does not say */
    bool add_space_prefix;        /* what that amounts to: SPM without a word has one */
    int lowercase, strip_accents; /* of a normalizer; -1: none */
    const char *chat_template;    /* NULL: none */
    struct vocab_template *templates;
    size_t n_templates;
    struct arena arena; /* owned; what does not lie in a file */
};

/* n_vocab: config.json's vocab_size; missing ids are padded with "[PADn]".
 * `pre`: a pre-tokenizer name to use instead of recognising it, or NULL.
 * Errors: ERR_UNSUPPORTED (no tokenizer files, a tokenizer model or
 * pre-tokenizer definition that pare does not know: which), ERR_FORMAT. */
int vocab_from_checkpoint(struct vocab **out, const struct ckpt *c, size_t n_vocab, const char *pre,
                          const struct log *log, struct err *err) WARN_UNUSED;

/* `meta` must outlive *out. */
int vocab_from_meta(struct vocab **out, const struct meta *meta, struct err *err) WARN_UNUSED;

/* Append the tokenizer.* keys, as the reference converter would write them. */
int vocab_to_meta(struct meta *meta, const struct vocab *v, struct err *err) WARN_UNUSED;

void vocab_free(struct vocab *v); /* accepts NULL */

#endif /* FORMATS_VOCAB_H */
