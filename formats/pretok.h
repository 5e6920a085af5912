#ifndef FORMATS_PRETOK_H
#define FORMATS_PRETOK_H

/* Pre-tokenizers: how a text is cut into words before byte-level BPE merges inside
 * them. A GGUF names one (tokenizer.ggml.pre); a tokenizer.json defines one.
 * Source: the tokenizers library's definitions in published tokenizer.json files, and
 * the names llama.cpp gives them. */

#include "formats/base/buf.h"
#include "formats/base/err.h"
#include "formats/base/json.h"

#include <stdbool.h>
#include <stddef.h>

enum pretok_flag {
    PRETOK_WHOLE_WORDS = 1, /* a word that is a token is not merged (ignore_merges) */
    PRETOK_ADD_BOS = 2,     /* BOS comes first unless the file says otherwise */
    PRETOK_TEXT = 4         /* tokens are text with U+2581 for a space, not bytes: the kind is
                               VOCAB_TEXT_BPE, whatever tokenizer.ggml.model says */
};

struct pretok {
    const char *name;
    const char *const *pattern; /* PCRE2, ends with NULL. Each one cuts the pieces the
                                   one before left: matches and gaps become pieces */
    unsigned flags;
};

/* NULL: no such name. */
const struct pretok *pretok_by_name(const char *name);
/* In table order, NULL past the end. */
const struct pretok *pretok_at(size_t i);

/* The name of what a tokenizer.json defines. `family` (config.json's model_type, or
 * NULL) chooses where several names stand for the same definition. *normalizer: the
 * Unicode form it asks for ("NFC", ...), which no name says, or NULL.
 * Errors: ERR_UNSUPPORTED, with the definition. */
int pretok_recognise(const char **name, const char **normalizer, const json_val *tokenizer,
                     const char *family, struct err *err) WARN_UNUSED;

/* The "pre_tokenizer" of a tokenizer.json that pretok_recognise gives this name, or one that
 * cuts a text in the same way, appended as JSON; *whole_words: model.ignore_merges. */
void pretok_define(struct buf *b, bool *whole_words, const char *name);

#endif /* FORMATS_PRETOK_H */
