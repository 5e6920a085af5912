#ifndef RUNTIME_TOKENIZER_H
#define RUNTIME_TOKENIZER_H

/* Text <-> token ids: what a GGUF's vocabulary says by kind and name (byte-level BPE
 * with the pre-tokenizers' patterns, SentencePiece's BPE and Unigram, WordPiece), or a
 * tokenizer.json executed as it is defined. Immutable once built. */

#include "formats/base/buf.h"
#include "formats/base/err.h"
#include "formats/base/json.h"
#include "formats/vocab.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tok;

/* `v` must outlive *out. Errors: ERR_UNSUPPORTED (a pre-tokenizer name without a
 * row), ERR_FORMAT (a vocabulary that can't work: which token or merge). */
int tok_new(struct tok **out, const struct vocab *v, struct err *err) WARN_UNUSED;

/* The tokenizer that `json`, a tokenizer.json, defines; it may be freed afterwards. v: the
 * vocabulary to go with it, which must outlive *out, or NULL for what the file itself says.
 * Errors: ERR_UNSUPPORTED (a step that is not known: which), ERR_FORMAT. */
int tok_new_json(struct tok **out, const struct vocab *v, const json_val *json,
                 struct err *err) WARN_UNUSED;
void tok_free(struct tok *t); /* accepts NULL */

enum tok_flag {
    TOK_ADD_SPECIAL = 1,  /* BOS and EOS as the vocabulary asks */
    TOK_PARSE_SPECIAL = 2 /* control tokens' text stands for the token */
};

struct tok_ids {
    int32_t *id; /* owned */
    size_t n, cap;
};

/* Append the ids of text[0, n), valid UTF-8 or not. */
int tok_encode(struct tok_ids *out, const struct tok *t, const char *text, size_t n, unsigned flags,
               struct err *err) WARN_UNUSED;
void tok_ids_release(struct tok_ids *ids);
/* Append an id. */
int tok_push(struct tok_ids *out, int32_t id, struct err *err) WARN_UNUSED;

/* For many short texts: words that one of them had are known in the next. `t` must outlive
 * *out; one thread at a time. */
struct tok_memory;
int tok_memory_new(struct tok_memory **out, const struct tok *t, struct err *err) WARN_UNUSED;
void tok_memory_free(struct tok_memory *m); /* accepts NULL */
/* As tok_encode, by the memory's tokenizer: the same ids. */
int tok_encode_more(struct tok_ids *out, struct tok_memory *m, const char *text, size_t n,
                    unsigned flags, struct err *err) WARN_UNUSED;

/* Append the bytes a token stands for; control tokens give none unless `special`. */
int tok_decode(struct buf *out, const struct tok *t, int32_t id, bool special,
               struct err *err) WARN_UNUSED;

/* What it was built on. */
const struct vocab *tok_vocab(const struct tok *t);
/* Ends a generation: EOS, EOT. */
bool tok_is_end(const struct tok *t, int32_t id);

#endif /* RUNTIME_TOKENIZER_H */
