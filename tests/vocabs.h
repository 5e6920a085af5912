#ifndef TESTS_VOCABS_H
#define TESTS_VOCABS_H

/* Small vocabularies, put together by a test. What can't fail ends the program when it does. */

#include "formats/base/json.h"
#include "formats/vocab.h"
#include "runtime/tokenizer.h"

#include <stdbool.h>
#include <stddef.h>

enum { MADE_TOKENS = 600 };

/* Freed with free(). */
struct made_vocab {
    struct vocab v; /* points into this struct */
    struct vocab_token token[MADE_TOKENS];
    struct meta_str merge[MADE_TOKENS];
    char text[256][8]; /* of the byte tokens */
};

/* Of BPE: 256 byte tokens as GPT-2 spells them. Of SPM: <unk>, <s>, </s> and 256 byte tokens. Of any
 * other kind: <unk>. */
struct made_vocab *made_bpe(const char *pre);
struct made_vocab *made_spm(void);
struct made_vocab *made_kind(enum vocab_kind kind);

/* Texts are borrowed. */
void made_add(struct made_vocab *s, const char *text, float score, enum vocab_type type);
void made_merge(struct made_vocab *s, const char *pair);

/* Its tokenizer. */
struct tok *made_tok(const struct made_vocab *s);

/* Does the text give these n ids? If not, those it gives are printed. */
bool made_ids(const struct tok *t, const char *text, unsigned flags, size_t n, ...);

/* Is token `id` this one? */
bool made_token(const struct vocab *v, size_t id, const char *text, enum vocab_type type);

/* Parsed; freed with json_free. */
json_val *made_json(const char *text);

/* Members of a tokenizer.json. */
#define MADE_BYTES "\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false},"
#define MADE_MODEL(vocab, merges)                                                                  \
    "\"model\":{\"type\":\"BPE\",\"vocab\":{" vocab "},\"merges\":[" merges "]}"

#endif /* TESTS_VOCABS_H */
