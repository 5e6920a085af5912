#ifndef FORMATS_VOCAB_VOCAB_PARTS_H
#define FORMATS_VOCAB_VOCAB_PARTS_H

/* How a vocabulary is put together from a checkpoint's files: one reader a file,
 * each filling its part of a struct vocab. Seen by formats/vocab only, and by the
 * tests that feed the readers bytes.
 * Source: the reference converter's rules (docs/formats.md, "tokenizers"). */

#include "formats/base/err.h"
#include "formats/base/json.h"
#include "formats/base/log.h"
#include "formats/vocab.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* More tokens than any tokenizer has: what a file asks beyond is a mistake. */
enum { VOCAB_MAX_TOKENS = 1 << 22 };

/* A checkpoint's files about its tokenizer; what is absent is NULL. All borrowed. */
struct vocab_files {
    const json_val *tokenizer;        /* tokenizer.json */
    const json_val *tokenizer_config; /* tokenizer_config.json */
    const json_val *added_tokens;     /* added_tokens.json: {"text": id} */
    const json_val *config;           /* config.json */
    const json_val *chat_json;        /* chat_template.json */
    const char *chat_jinja;           /* chat_template.jinja */
    size_t chat_jinja_bytes;
    size_t n_vocab;  /* 0: as many as the tokenizer has */
    const char *pre; /* NULL: recognise it */
    const struct log *log;
};

/* An empty vocabulary: no ids, nothing said. */
int vocab_new(struct vocab **out, struct err *err) WARN_UNUSED;

/* Make room for n tokens, each "[PADi]" of type UNUSED with this score. */
int vocab_fill(struct vocab *v, size_t n, float score, struct err *err) WARN_UNUSED;

/* Set token `id` (below n_tokens) to a copy of text[0, n). */
int vocab_put(struct vocab *v, size_t id, const char *text, size_t n, float score,
              enum vocab_type type, struct err *err) WARN_UNUSED;

/* The same for an added token: control when it is special or looks so, else
 * user-defined, where U+2581 stands for a space. */
int vocab_put_added(struct vocab *v, size_t id, const char *text, bool special, float score,
                    struct err *err) WARN_UNUSED;

/* Is it "<0xAB>"? */
bool vocab_is_byte(const char *text, size_t n);

/* Byte-level BPE out of tokenizer.json: tokens, merges, pre. */
int vocab_read_bpe(struct vocab *v, const struct vocab_files *f, struct err *err) WARN_UNUSED;

/* BPE over characters with byte fallback, as tokenizer.json has it, made into what
 * SentencePiece would hold. */
int vocab_read_fallback(struct vocab *v, const struct vocab_files *f, struct err *err) WARN_UNUSED;

/* Does tokenizer.json describe that kind? */
bool vocab_is_fallback(const json_val *tokenizer);

/* tokenizer.model, a serialized SentencePiece ModelProto. */
int vocab_read_spm(struct vocab *v, const void *data, size_t size, const struct vocab_files *f,
                   struct err *err) WARN_UNUSED;

/* Special ids, add_bos and its kin, chat templates. limit: ids of n_tokens and
 * above are dropped. */
int vocab_read_special(struct vocab *v, const struct vocab_files *f, bool limit,
                       struct err *err) WARN_UNUSED;

#endif /* FORMATS_VOCAB_VOCAB_PARTS_H */
