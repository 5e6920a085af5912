#ifndef RUNTIME_TOK_TOK_PARTS_H
#define RUNTIME_TOK_TOK_PARTS_H

/* The parts of a tokenizer: cutting out tokens that stand in the text as such, the
 * models that make ids of words, and the regular expressions of pre-tokenizers. What
 * a GGUF's vocabulary and a tokenizer.json need alike is here; how a tokenizer.json is
 * executed is tok_hf.h. */

#include "formats/base/arena.h"
#include "formats/base/strmap.h"
#include "formats/pretok.h"
#include "runtime/tokenizer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { VOCAB_BYTES = 256, VOCAB_ASCII = 128 };

#define TOK_SPACE "\xe2\x96\x81" /* U+2581 stands for a space in SentencePiece texts */

/* ---- regular expressions ------------------------------------------------------ */

struct tok_regex; /* the compiled patterns of a pre-tokenizer */
struct tok_match; /* what matching needs besides: one a thread */

/* Compile patterns, the last one NULL. Each cuts what the ones before left. */
int tok_regex_new(struct tok_regex **out, const char *const *pattern, struct err *err) WARN_UNUSED;
void tok_regex_free(struct tok_regex *r); /* accepts NULL */

/* Called with every word, in order; together they are the text. */
typedef int tok_word_fn(void *arg, const char *word, size_t n, struct err *err);

/* Cut text[0, n). Bytes that are no UTF-8 count as control characters. */
int tok_regex_split(const struct tok_regex *r, struct tok_match *m, const char *text, size_t n,
                    tok_word_fn *fn, void *arg, struct err *err) WARN_UNUSED;

/* Room for matches; one a thread. Making it takes longer than a match. */
int tok_match_new(struct tok_match **out, struct err *err) WARN_UNUSED;
void tok_match_free(struct tok_match *m); /* accepts NULL */

/* The next match of the first pattern in text[at, n), looking at text[0, n): false when
 * there is none. It may be empty. text: valid UTF-8 (tok_shape). */
bool tok_regex_find(size_t *from, size_t *to, const struct tok_regex *r, struct tok_match *m,
                    const char *text, size_t n, size_t at);

/* Text of the same length as text[0, n) that is valid UTF-8: text itself, or a copy in
 * `owned` where each broken byte is a control character. */
int tok_shape(const char **out, struct buf *owned, const char *text, size_t n,
              struct err *err) WARN_UNUSED;

/* The next match of a common pattern in text[at, n), at < n, without PCRE2: 1, -1 when
 * there is none, 0 when it can't say (a byte above 0x7f has a say in it). */
typedef int tok_scan_fn(size_t *from, size_t *to, const char *text, size_t n, size_t at);

/* NULL: none for this pattern. */
tok_scan_fn *tok_scan_for(const char *pattern);

/* ---- words that were seen before ------------------------------------------------- */

enum { TOK_CACHE_KEY = 22, TOK_CACHE_IDS = 8 };

struct tok_cache_slot {
    uint64_t hash;
    uint8_t n, n_ids; /* n 0: free */
    char key[TOK_CACHE_KEY];
    int32_t id[TOK_CACHE_IDS];
};

/* Ids of short words, in a table of bounded size. All zeros is an empty one. */
struct tok_cache {
    struct tok_cache_slot *slot; /* owned; mask + 1 of them; NULL: none yet */
    size_t mask;
    size_t seen; /* bytes of text so far */
};

/* Room in proportion to the text so far and n bytes more; a table that grows forgets. */
int tok_cache_room(struct tok_cache *c, size_t n, struct err *err) WARN_UNUSED;
void tok_cache_release(struct tok_cache *c);

/* Appends the ids of a word. */
typedef int tok_ids_fn(struct tok_ids *out, const void *model, const char *word, size_t n,
                       struct err *err);

/* Append a word's ids: those that fn found for it before, or finds now. */
int tok_cached(struct tok_cache *c, struct tok_ids *out, tok_ids_fn *fn, const void *model,
               const char *word, size_t n, struct err *err) WARN_UNUSED;

/* ---- merging by rank, inside words -------------------------------------------- */

/* A pair of symbols and what it merges to. Symbols are token ids; from n_tokens on,
 * texts that occur in merges and are no token. */
struct tok_pair {
    int32_t left, right; /* left -1: free slot */
    int32_t rank;        /* lower merges first */
    int32_t to;
};

struct tok_merge {
    struct meta_str left, right;
};

struct tok_bpe_opts {
    bool bytes;                     /* texts are byte-level and symbols bytes; else characters */
    bool whole_words;               /* a word that is a token is not merged */
    bool byte_fallback;             /* a character without a token becomes "<0xAB>" tokens */
    bool fuse_unk;                  /* neighbours without a token make one unk */
    bool last_merge;                /* of equal merges the last one counts */
    bool strict;                    /* a merge of what is no token is refused, not left out */
    int32_t unk;                    /* -1: what has no token is dropped */
    struct meta_str prefix, suffix; /* of a word's further characters, of its last; or empty */
};

/* Where a text can be cut without changing what merges in it. */
struct tok_cuts {
    bool spaces; /* before U+2581 after another character: no token goes on there */
    bool pairs;  /* between a and b of ASCII that follow one another in no token */
    uint64_t joined[VOCAB_ASCII][VOCAB_ASCII / 64]; /* those that do */
};

/* Take note of a token. */
void tok_cuts_add(struct tok_cuts *c, const char *text, size_t n);

/* The end of the piece of text[0, n) that begins at `at`. */
size_t tok_piece_end(const struct tok_cuts *c, const char *text, size_t n, size_t at);

struct tok_bpe {
    struct tok_bpe_opts opts;
    size_t n_tokens;
    struct strmap text;    /* what a token stands for -> id */
    struct tok_pair *pair; /* open addressing, cap a power of two */
    size_t cap;
    struct meta_str *extra; /* texts of the symbols from n_tokens on */
    size_t n_extra;
    struct meta_str *own;       /* what a token stands for, by id; p NULL: another one does */
    int32_t byte[VOCAB_BYTES];  /* symbol of each byte, or its "<0xAB>"; -1: none */
    int32_t ascii[VOCAB_BYTES]; /* symbol of a character below 0x80; -1: none */
    struct tok_cuts cuts;
    struct arena arena;
};

/* Fill an all-zero *b; on failure too, tok_bpe_release frees it. Tokens without text (p NULL)
 * are no part of the model. */
int tok_bpe_init(struct tok_bpe *b, const struct vocab_token *token, size_t n_tokens,
                 const struct tok_merge *merge, size_t n_merges, const struct tok_bpe_opts *opts,
                 struct err *err) WARN_UNUSED;
void tok_bpe_release(struct tok_bpe *b);

/* Append the ids of a word. */
int tok_bpe_word(struct tok_ids *out, const struct tok_bpe *b, const char *word, size_t n,
                 struct err *err) WARN_UNUSED;

/* sym[0, *n) to fewer, by rank, the leftmost of equals first. */
int tok_merge_all(const struct tok_bpe *b, int32_t *sym, size_t *n, struct err *err) WARN_UNUSED;

/* The merge of a pair; NULL: none. */
const struct tok_pair *tok_pair_find(const struct tok_bpe *b, int32_t left, int32_t right);

/* ---- merging by score, over the whole text ------------------------------------- */

struct tok_spm {
    struct arena arena; /* texts that are not the vocabulary's */
    struct strmap text; /* token text -> id */
    size_t longest;     /* bytes of the longest token */
    struct tok_cuts cuts;
    int32_t byte[256]; /* "<0xAB>", or the byte itself; -1: none */
    int32_t unk;       /* for bytes without a token; -1: they are dropped */
};

/* The same for *s. */
int tok_spm_init(struct tok_spm *s, const struct vocab *v, struct err *err) WARN_UNUSED;
void tok_spm_release(struct tok_spm *s);
/* Append the ids of text with U+2581 for spaces. */
int tok_spm_word(struct tok_ids *out, const struct tok_spm *s, const struct vocab *v,
                 const char *text, size_t n, struct err *err) WARN_UNUSED;

/* ---- a set of strings, walked byte by byte ---------------------------------------- */

struct tok_edge {
    uint64_t key; /* node << 8 | byte, + 1; 0: free slot */
    uint32_t to;
};

struct tok_trie {
    struct tok_edge *edge; /* owned; open addressing, cap a power of two */
    size_t cap;
    int32_t *value; /* owned; by node; -1: no string ends there */
    uint32_t n, n_cap;
};

enum { TOK_TRIE_ROOT = 0 };

/* All zeros is empty. Of equal strings the last one added counts. */
int tok_trie_add(struct tok_trie *t, const char *text, size_t n, int32_t value,
                 struct err *err) WARN_UNUSED;
void tok_trie_release(struct tok_trie *t);
/* The node one byte on; ROOT: there is none. */
uint32_t tok_trie_step(const struct tok_trie *t, uint32_t node, unsigned char byte);
/* The longest string that text[0, n) begins with: its value, *bytes its length; -1: none. */
int32_t tok_trie_longest(size_t *bytes, const struct tok_trie *t, uint32_t node, const char *text,
                         size_t n);

/* ---- the best sum of scores -------------------------------------------------------- */

struct tok_unigram {
    struct tok_trie trie;
    const double *score; /* by id; borrowed */
    double unk_score;
    int32_t unk;       /* -1: what has no token is dropped */
    int32_t byte[256]; /* "<0xAB>"; -1: none */
    bool byte_fallback, fuse_unk;
};

/* Accepts an all-zero struct. */
void tok_unigram_release(struct tok_unigram *u);
/* Append the ids of text[0, n). Source: Kudo 2018; Viterbi over characters. */
int tok_unigram_word(struct tok_ids *out, const struct tok_unigram *u, const char *text, size_t n,
                     struct err *err) WARN_UNUSED;

/* ---- the longest match first -------------------------------------------------------- */

struct tok_wordpiece {
    struct tok_trie trie;
    uint32_t first, rest;     /* nodes after the prefix of a word's begin, and of what follows */
    bool has_first, has_rest; /* whether any token has that prefix */
    size_t max_chars;         /* longer words are unk */
    int32_t unk;              /* -1: dropped */
};

/* Accepts an all-zero struct. */
void tok_wordpiece_release(struct tok_wordpiece *w);
/* Append the ids of a word. */
int tok_wordpiece_word(struct tok_ids *out, const struct tok_wordpiece *w, const char *text,
                       size_t n, struct err *err) WARN_UNUSED;

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
    struct tok_trie trie;      /* text -> index into added */
    struct vocab_added *added; /* owned; n of them */
    size_t n;
    bool begins[VOCAB_BYTES]; /* whether some text begins with the byte */
};

/* Make one findable. id and flags: SPECIAL ones are found only when `parse` asks. */
int tok_special_add(struct tok_special *s, const char *text, size_t n, struct vocab_added added,
                    struct err *err) WARN_UNUSED;
void tok_special_release(struct tok_special *s);

/* Append text[0, n), cut at the tokens in it: of those that begin first, the longest. */
int tok_special_split(struct tok_pieces *out, const struct tok_special *s, bool parse,
                      const char *text, size_t n, struct err *err) WARN_UNUSED;
void tok_pieces_release(struct tok_pieces *p);

/* ---- characters -------------------------------------------------------------------- */

/* The character that ends before text[at], at > 0, and its bytes. */
int32_t tok_char_before(size_t *bytes, const char *text, size_t at);
/* The character at p[0, n), n >= 1, and its bytes; -1 for a byte that is no UTF-8. */
int32_t tok_char(size_t *bytes, const char *p, size_t n);
/* Append a character. */
void tok_put_char(struct buf *b, int32_t c);

bool tok_is_space(int32_t c);       /* White_Space */
bool tok_is_digit(int32_t c);       /* Nd */
bool tok_is_number(int32_t c);      /* Nd, Nl, No */
bool tok_is_punctuation(int32_t c); /* P, and ASCII's symbols */
bool tok_is_mark(int32_t c);        /* M */
bool tok_is_word(int32_t c);        /* letters, marks, digits, connectors */

/* Unicode's normal forms of text[0, n), appended; bytes that are no UTF-8 stay. compat:
 * NFKC, NFKD. Linear in n. */
int tok_normal_form(struct buf *out, const char *text, size_t n, bool compose, bool compat,
                    struct err *err) WARN_UNUSED;

/* ---- normalizers --------------------------------------------------------------------- */

enum tok_bert {
    TOK_BERT_CLEAN = 1,   /* control characters go, white space becomes a space */
    TOK_BERT_CHINESE = 2, /* spaces around ideographs */
    TOK_BERT_STRIP = 4,   /* accents go */
    TOK_BERT_LOWER = 8,
    TOK_BERT_GGUF = 16 /* where they differ, as llama.cpp has it, not the tokenizers library */
};

/* BERT's normal form of text[0, n), appended. */
int tok_bert_normal(struct buf *out, const char *text, size_t n, unsigned what,
                    struct err *err) WARN_UNUSED;
/* Does TOK_BERT_CLEAN leave this character out? */
bool tok_bert_drops(int32_t c);
/* text[0, n) cut at white space, which goes, and around every punctuation character. */
int tok_bert_split(const char *text, size_t n, tok_word_fn *fn, void *arg,
                   struct err *err) WARN_UNUSED;

/* SentencePiece's table of replacements: a double array of the strings to be replaced,
 * then what they become. */
struct tok_charsmap {
    const uint8_t *unit; /* borrowed; n_units of 4 bytes, little endian */
    size_t n_units;
    const char *text; /* borrowed; ends with '\0' each */
    size_t n_text;
};

/* Errors: ERR_FORMAT. No bytes: nothing is replaced. */
int tok_charsmap_init(struct tok_charsmap *c, const void *data, size_t n,
                      struct err *err) WARN_UNUSED;
/* The longest (or shortest) replaced string that text[0, n) begins with: its bytes, 0 for
 * none; *to, *n_to: what it becomes. */
size_t tok_charsmap_find(const char **to, size_t *n_to, const struct tok_charsmap *c,
                         const char *text, size_t n, bool longest);

/* ---- a vocabulary's own kind ---------------------------------------------------------- */

/* What encoding one text needs besides. */
struct tok_run {
    struct tok_cache *cache;
    struct tok_match *match; /* owned; NULL: not needed so far */
    const struct tok_model *model;
    struct tok_ids *out;
};

/* How words of struct vocab's kinds become ids: what a GGUF says, without tokenizer.json. */
struct tok_model {
    const struct vocab *v; /* borrowed */
    const struct tok_kind *kind;
    struct tok_bpe bpe;
    struct tok_spm spm;
    struct tok_unigram unigram;
    struct tok_wordpiece wordpiece;
    struct tok_charsmap charsmap;
    struct tok_regex *regex; /* owned */
    double *score;           /* owned; Unigram's, by id */
};

/* Errors: ERR_UNSUPPORTED (no such kind, an unknown pre-tokenizer), ERR_FORMAT. */
int tok_model_init(struct tok_model *m, const struct vocab *v, struct err *err) WARN_UNUSED;
void tok_model_release(struct tok_model *m);
/* The kind's normal form of a stretch of text, appended. */
int tok_model_normal(struct buf *out, const struct tok_model *m, const char *text, size_t n,
                     struct err *err) WARN_UNUSED;
/* Append the ids of text in that form to r->out. */
int tok_model_encode(struct tok_run *r, const char *text, size_t n, struct err *err) WARN_UNUSED;

/* ---- helpers --------------------------------------------------------------------- */

/* The bytes that byte-level text stands for, appended; false when it holds a
 * character outside GPT-2's byte alphabet. */
bool tok_bytes(struct buf *out, const char *text, size_t n);
/* The other way. */
void tok_put_bytes(struct buf *out, const char *data, size_t n);

/* A text that tokenizers disagree about; NULL past the last one. */
const char *tok_hard(size_t i);

/* The byte that "<0xAB>" names; -1: it is no such text. */
int tok_byte_of(struct meta_str text);

#endif /* RUNTIME_TOK_TOK_PARTS_H */
