#ifndef RUNTIME_TOK_TOK_HF_H
#define RUNTIME_TOK_TOK_HF_H

/* A tokenizer.json, executed as it is defined: added tokens, normalizer, pre-tokenizer,
 * model, post-processor, decoder.
 * Source: the tokenizers library's file format and what it does with it. */

#include "formats/base/json.h"
#include "runtime/tokenizer.h"

struct hf;
struct tok_cache;

/* `json` may be freed afterwards. Errors: ERR_UNSUPPORTED (a step that is not known, with
 * its definition), ERR_FORMAT (a vocabulary that can't work). */
int hf_new(struct hf **out, const json_val *json, struct err *err) WARN_UNUSED;
void hf_free(struct hf *h); /* accepts NULL */

/* Append the ids of text[0, n); flags: enum tok_flag. */
int hf_encode(struct tok_ids *out, const struct hf *h, struct tok_cache *cache, const char *text,
              size_t n, unsigned flags, struct err *err) WARN_UNUSED;

/* Append what the decoder makes of a token's text. */
void hf_decode(struct buf *out, const struct hf *h, struct meta_str text);

/* Tokens by id, with types; of the kind VOCAB_NONE. */
const struct vocab *hf_vocab(const struct hf *h);

#endif /* RUNTIME_TOK_TOK_HF_H */
