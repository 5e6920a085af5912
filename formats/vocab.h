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
#include "formats/vocab_rules.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* tokenizer.ggml.model */
enum vocab_kind {
    VOCAB_NONE,
    VOCAB_BPE,       /* "gpt2": byte-level BPE, merges by rank */
    VOCAB_SPM,       /* "llama": SentencePiece BPE, merges by score, byte fallback */
    VOCAB_UNIGRAM,   /* "t5": SentencePiece Unigram, the best sum of scores */
    VOCAB_WORDPIECE, /* "bert": longest match first; a word's begin has U+2581 in front, what
                       tokenizer.json writes "##" has nothing */
    VOCAB_TEXT_BPE   /* "gemma4": BPE by rank over characters, U+2581 for space, byte fallback */
};

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
    float score;          /* SPM, Unigram; 0 for BPE */
    enum vocab_type type;
};

/* How an added token is found in a text; the tokenizers library's names. */
enum vocab_flag {
    VOCAB_LSTRIP = 1,      /* takes white space before it along */
    VOCAB_RSTRIP = 2,      /* and after it */
    VOCAB_SINGLE_WORD = 4, /* only where no word character touches it */
    VOCAB_NORMALIZED = 8,  /* is looked for in the normalized text */
    VOCAB_SPECIAL = 16     /* left out where special tokens are not wanted */
};

/* An added token of tokenizer.json. A GGUF has keys for these only where they matter:
 * pare.tokenizer.added, pairs of id and flags. */
struct vocab_added {
    uint32_t id;
    unsigned flags; /* enum vocab_flag */
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
    struct vocab_added *added; /* as tokenizer.json orders them; none when the file does not say */
    size_t n_added;
    int32_t bos, eos, unk, sep, pad, mask, eot, eom; /* -1: none */
    uint32_t *ends; /* what ends a text or a turn, as a checkpoint lists it; the tokenizer's eos is
                       among them. None: the ids above are all that do */
    size_t n_ends;
    int add_bos, add_eos, add_sep; /* 1, 0, or -1: the file does not say */
    int space_prefix;              /* tokenizer.ggml.add_space_prefix; -1: the file does not say */
    bool add_space_prefix;         /* what that amounts to: SPM without a word has one */
    int lowercase, strip_accents;  /* of a normalizer; -1: none */
    int remove_extra_spaces;       /* tokenizer.ggml.remove_extra_whitespaces; -1: not said */
    const uint8_t *charsmap;       /* tokenizer.ggml.precompiled_charsmap; NULL: none */
    size_t charsmap_bytes;
    const char *normalizer; /* pare.tokenizer.normalizer: "NFC", ...: what the definition asks
                               for and the name in `pre` does not say; NULL: nothing */
    const char *hf_json;    /* tokenizer.json's text, where `pre` has no name for it, else NULL */
    size_t hf_json_bytes;
    const char *chat_template; /* NULL: none */
    struct vocab_template *templates;
    size_t n_templates;
    struct arena arena; /* owned; what does not lie in a file */
};

/* n_vocab: config.json's vocab_size; missing ids are padded with "[PADn]".
 * `pre`: a pre-tokenizer name to use instead of recognising it, or NULL.
 * `rules`: of the architecture; NULL: none.
 * Errors: ERR_UNSUPPORTED (no tokenizer files, a tokenizer model or
 * pre-tokenizer definition that pare does not know: which), ERR_FORMAT. */
int vocab_from_checkpoint(struct vocab **out, const struct ckpt *c, size_t n_vocab, const char *pre,
                          const struct vocab_rules *rules, const struct log *log,
                          struct err *err) WARN_UNUSED;

/* `meta` must outlive *out. */
int vocab_from_meta(struct vocab **out, const struct meta *meta, struct err *err) WARN_UNUSED;

/* Append the tokenizer.* keys, as the reference converter would write them. */
int vocab_to_meta(struct meta *meta, const struct vocab *v, struct err *err) WARN_UNUSED;

enum { VOCAB_OWN_ENDS = 3 }; /* eos, eot, eom */

/* *out = the ids that end a text or a turn: v->ends, or what there is of those, in `own`. Returns how many. */
size_t vocab_ends(const uint32_t **out, uint32_t own[VOCAB_OWN_ENDS], const struct vocab *v);

void vocab_free(struct vocab *v); /* accepts NULL */

#endif /* FORMATS_VOCAB_H */
