#ifndef RUNTIME_TOK_TOK_PARTS_H
#define RUNTIME_TOK_TOK_PARTS_H

/* The parts of a tokenizer: cutting out tokens that stand in the text as such, the
 * two kinds of merging, and the regular expressions of pre-tokenizers. */

#include "formats/base/arena.h"
#include "formats/base/strmap.h"
#include "formats/pretok.h"
#include "runtime/tokenizer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- regular expressions ------------------------------------------------------ */

struct tok_regex; /* the compiled patterns of a pre-tokenizer */

/* Compile the patterns of `p`. */
int tok_regex_new(struct tok_regex **out, const struct pretok *p, struct err *err) WARN_UNUSED;
void tok_regex_free(struct tok_regex *r); /* accepts NULL */

/* Called with every word, in order; together they are the text. */
typedef int tok_word_fn(void *arg, const char *word, size_t n, struct err *err);

/* Cut text[0, n). Bytes that are no UTF-8 count as control characters. */
int tok_regex_split(const struct tok_regex *r, const char *text, size_t n, tok_word_fn *fn,
                    void *arg, struct err *err) WARN_UNUSED;

/* ---- merging by rank, inside words -------------------------------------------- */

/* A pair of symbols and what it merges to. Symbols are token ids; from n_tokens on,
 * texts that occur in merges and are no token. */
struct tok_pair {
    int32_t left, right; /* left -1: free slot */
    int32_t rank;        /* lower merges first */
    int32_t to;
};

struct tok_bpe {
    struct strmap bytes;   /* what a token stands for -> id */
    struct tok_pair *pair; /* open addressing, cap a power of two */
    size_t cap;
    struct meta_str *extra; /* texts of the symbols from n_tokens on */
    size_t n_extra;
    int32_t byte[256]; /* symbol of each byte; -1: none */
    struct tok_regex *regex;
    bool whole_words;
    struct arena arena;
};

/* Fill an all-zero *b; on failure too, tok_bpe_release frees it. encode: append the
 * ids of text without tokens in it. */
int tok_bpe_init(struct tok_bpe *b, const struct vocab *v, struct err *err) WARN_UNUSED;
void tok_bpe_release(struct tok_bpe *b);
int tok_bpe_encode(struct tok_ids *out, const struct tok_bpe *b, const struct vocab *v,
                   const char *text, size_t n, struct err *err) WARN_UNUSED;

/* ---- merging by score, over the whole text ------------------------------------- */

struct tok_spm {
    struct strmap text; /* token text -> id */
    size_t longest;     /* bytes of the longest token */
    int32_t byte[256];  /* "<0xAB>", or the byte itself; -1: none */
    int32_t unk;        /* for bytes without a token; -1: they are dropped */
};

/* The same for *s. space_first: a space goes before the text. */
int tok_spm_init(struct tok_spm *s, const struct vocab *v, struct err *err) WARN_UNUSED;
void tok_spm_release(struct tok_spm *s);
int tok_spm_encode(struct tok_ids *out, const struct tok_spm *s, const struct vocab *v,
                   const char *text, size_t n, bool space_first, struct err *err) WARN_UNUSED;

/* ---- tokens that stand in the text ---------------------------------------------- */

/* A stretch of text, or a token found in it. */
struct tok_piece {
    const char *text; /* NULL: the token `id` */
    size_t n;
    int32_t id;
};

struct tok_pieces {
    struct tok_piece *at; /* owned */
    size_t n, cap;
};

struct tok_special {
    int32_t *id; /* longest text first; owned by the arena */
    size_t n;
    uint32_t *first;    /* [257]: ids whose text begins with byte c: by_first[first[c]..] */
    uint32_t *by_first; /* indices into id */
    struct arena arena;
};

/* Collect the tokens of type user and those with control[id]. */
int tok_special_init(struct tok_special *s, const struct vocab *v, const bool *control,
                     struct err *err) WARN_UNUSED;
void tok_special_release(struct tok_special *s);

/* Cut text[0, n) at the tokens in it; `control` ones only when `parse` asks for it. */
int tok_special_split(struct tok_pieces *out, const struct tok_special *s, const struct vocab *v,
                      const bool *control, bool parse, const char *text, size_t n,
                      struct err *err) WARN_UNUSED;
void tok_pieces_release(struct tok_pieces *p);

/* ---- helpers --------------------------------------------------------------------- */

enum { VOCAB_BYTES = 256 };

/* Append an id. */
int tok_push(struct tok_ids *out, int32_t id, struct err *err) WARN_UNUSED;

/* The bytes that byte-level text stands for, appended; false when it holds a
 * character outside GPT-2's byte alphabet. */
bool tok_bytes(struct buf *out, const char *text, size_t n);

#endif /* RUNTIME_TOK_TOK_PARTS_H */
