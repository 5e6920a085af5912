#ifndef FORMATS_VOCAB_VOCAB_PARTS_H
#define FORMATS_VOCAB_VOCAB_PARTS_H

/* How a vocabulary is put together from a checkpoint's files: one reader a file,
 * each filling its part of a struct vocab. Seen by formats/vocab only, and by the
 * tests that feed the readers bytes.
 * Source: the reference converter's rules (docs/formats.md, "tokenizers"). */

#include "formats/base/err.h"
#include "formats/base/json.h"
#include "formats/base/log.h"
#include "formats/base/map.h"
#include "formats/checkpoint.h"
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
    const struct vocab_template *extra; /* additional_chat_templates/NAME.jinja, by name */
    size_t n_extra;
    const json_val *slow;   /* vocab.json: {"text": id} */
    const json_val *tekken; /* tekken.json */
    const char *merges;     /* merges.txt */
    size_t merges_bytes;
    const json_val *generation; /* generation_config.json */
    const char *text;           /* tokenizer.json as it is */
    size_t text_bytes;
    size_t n_vocab;                  /* 0: as many as the tokenizer has */
    const char *pre;                 /* NULL: recognise it */
    const struct vocab_rules *rules; /* NULL: none */
    const struct log *log;
};

/* The files themselves, open. */
struct vocab_open {
    struct vocab_files f;
    json_val *tokenizer, *added, *chat, *slow, *tekken; /* owned */
    struct map text, jinja, merges;                     /* owned */
    struct arena arena;                                 /* owned; f.extra */
};

/* Open what the folder has of them; pre, rules, log and n_vocab are the caller's to set.
 * Errors name the file. Release *o also then. */
int vocab_open(struct vocab_open *o, const struct ckpt *c, struct err *err) WARN_UNUSED;
void vocab_open_release(struct vocab_open *o);

/* An empty vocabulary: no ids, nothing said. */
int vocab_new(struct vocab **out, struct err *err) WARN_UNUSED;

/* Make room for n tokens, each without a text, of type UNUSED with this score; and call
 * those that stayed so "[PADi]". */
int vocab_fill(struct vocab *v, size_t n, float score, struct err *err) WARN_UNUSED;
int vocab_pad(struct vocab *v, struct err *err) WARN_UNUSED;

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

/* The same kept as it is: ranked merges, types as the reference gives them. */
int vocab_read_text_bpe(struct vocab *v, const struct vocab_files *f, struct err *err) WARN_UNUSED;

/* Does tokenizer.json describe that kind? */
bool vocab_is_fallback(const json_val *tokenizer);

/* Unigram out of tokenizer.json: pieces, scores, the characters' map. */
int vocab_read_unigram(struct vocab *v, const struct vocab_files *f, struct err *err) WARN_UNUSED;

/* WordPiece out of tokenizer.json: tokens in the spelling a GGUF has. */
int vocab_read_wordpiece(struct vocab *v, const struct vocab_files *f, struct err *err) WARN_UNUSED;

/* Byte-level BPE out of vocab.json, merges.txt and the lists of added tokens. */
int vocab_read_slow(struct vocab *v, const struct vocab_files *f, struct err *err) WARN_UNUSED;

/* Mistral's tekken.json: bytes by rank, and its special tokens. */
int vocab_read_tekken(struct vocab *v, const struct vocab_files *f, struct err *err) WARN_UNUSED;

/* Do model.vocab, added_tokens and model.merges agree? Errors name the token or the
 * merge. That no two tokens share an id is for who places them to see. */
int vocab_check_json(const json_val *tokenizer, struct err *err) WARN_UNUSED;

/* An id from a file, below `limit` when that is not 0; `text` names it in errors. */
int vocab_read_id(size_t *out, const json_val *v, const char *text, size_t limit,
                  struct err *err) WARN_UNUSED;

/* Fill and place model.vocab, {"text": id}, and the added tokens. */
int vocab_read_tokens(struct vocab *v, const struct vocab_files *f, float base, float added_score,
                      struct err *err) WARN_UNUSED;

/* Keep tokenizer.json's own text: v->hf_json. */
int vocab_keep_json(struct vocab *v, const struct vocab_files *f, struct err *err) WARN_UNUSED;

/* Base64; false: it is none. dst has room for 3 bytes for each 4 of the text begun. */
bool vocab_decode64(uint8_t *dst, size_t *n, const char *s);

/* Is it one of tokenizer_config.json's named tokens ("bos_token", ...)? */
bool vocab_named_special(const json_val *config, const char *text);

/* tokenizer.model, a serialized SentencePiece ModelProto. */
int vocab_read_spm(struct vocab *v, const void *data, size_t size, const struct vocab_files *f,
                   struct err *err) WARN_UNUSED;

/* How tokenizer.json's added tokens are found in a text: v->added. */
int vocab_read_added(struct vocab *v, const struct vocab_files *f, struct err *err) WARN_UNUSED;

/* Special ids, add_bos and its kin, chat templates. limit: ids of n_tokens and
 * above are dropped. */
int vocab_read_special(struct vocab *v, const struct vocab_files *f, bool limit,
                       struct err *err) WARN_UNUSED;

/* v->ends out of generation_config.json, or config.json, once eos and its kin are known. */
int vocab_read_ends(struct vocab *v, const struct vocab_files *f, struct err *err) WARN_UNUSED;

/* v->ends out of metadata, once there are tokens; and into it. */
int vocab_get_ends(struct vocab *v, const struct meta *meta, struct err *err) WARN_UNUSED;
int vocab_set_ends(struct meta *meta, const struct vocab *v, struct err *err) WARN_UNUSED;

/* What the class of models asks for; f->rules is not NULL. */
void vocab_apply_rules(struct vocab *v, const struct vocab_files *f);

/* Where the id, or the bool, of a key lives ("eot_token_id", "add_bos_token"); NULL: no
 * such key. */
int32_t *vocab_id_slot(struct vocab *v, const char *key);
int *vocab_bool_slot(struct vocab *v, const char *key);

#endif /* FORMATS_VOCAB_VOCAB_PARTS_H */
