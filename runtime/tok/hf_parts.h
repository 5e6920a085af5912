#ifndef RUNTIME_TOK_HF_PARTS_H
#define RUNTIME_TOK_HF_PARTS_H

/* What executing a tokenizer.json is made of: steps read from it, and one text's state
 * while they work on it. Source: the tokenizers library. */

#include "formats/base/json.h"
#include "runtime/tok/tok_hf.h"
#include "runtime/tok/tok_parts.h"

enum { HF_MOST_STEPS = 16 };

enum hf_behavior { HF_REMOVED, HF_ISOLATED, HF_WITH_PREVIOUS, HF_WITH_NEXT, HF_CONTIGUOUS };

enum hf_flag {
    HF_INVERT = 1, /* what does not match is what matches */
    HF_PREFIX_SPACE = 2,
    HF_USE_REGEX = 4,
    HF_RAW = 8,     /* ByteLevel as the last step: words stay bytes */
    HF_SPLIT = 16,  /* Metaspace cuts */
    HF_FIRST = 32,  /* Metaspace puts its mark before the beginning of the text */
    HF_ALWAYS = 64, /* before every piece */
    HF_LEFT = 128,  /* Strip */
    HF_RIGHT = 256,
    HF_SINGLE = 512 /* Digits one by one */
};

struct hf;
struct hf_step;
struct hf_run;

/* A stretch of a text on its way through the steps. */
struct hf_piece {
    const char *text;
    size_t n;
    bool start; /* its first character stands where the whole text begins */
};

/* Append the normal form of *p to out; p->start: as the result has it. */
typedef int hf_norm_fn(struct buf *out, struct hf_run *r, const struct hf_step *s,
                       struct hf_piece *p, struct err *err);
/* Cut *p and hand each piece to step k + 1. */
typedef int hf_pre_fn(struct hf_run *r, int k, struct hf_piece p, struct err *err);

/* One normalizer or pre-tokenizer, or decoder. */
struct hf_step {
    hf_norm_fn *norm;                                    /* of a normalizer */
    hf_pre_fn *pre;                                      /* of a pre-tokenizer */
    struct meta_str find;                                /* owned by the arena: a literal pattern */
    struct meta_str put;                                 /* what goes in its place, or in front */
    struct tok_regex *regex;                             /* owned; a pattern that is not literal */
    bool (*matches)(int32_t c, const struct hf_step *s); /* a character that is a match */
    enum hf_behavior behavior;
    unsigned flags; /* enum hf_flag; of BertNormalizer enum tok_bert */
    struct tok_charsmap charsmap;
};

struct hf_steps {
    struct hf_step step[HF_MOST_STEPS];
    int n;
};

/* What a step of a type in tokenizer.json is, and how its settings are read (NULL: it has
 * none). */
struct hf_kind {
    const char *type;
    hf_norm_fn *norm; /* of a normalizer */
    hf_pre_fn *pre;   /* of a pre-tokenizer */
    int (*read)(struct hf *h, struct hf_step *s, const json_val *v, struct err *err);
};

struct hf_kinds {
    const struct hf_kind *at;
    size_t n;
    const char *what, *list; /* "normalizer"; the array of a Sequence: "normalizers" */
};

enum hf_model { HF_BPE, HF_UNIGRAM, HF_WORDPIECE, HF_WORDLEVEL };

struct hf {
    struct arena arena;
    struct vocab own; /* token texts and types */
    struct hf_steps norm, pre;
    enum hf_model model;
    struct tok_bpe bpe;
    struct tok_unigram unigram;
    struct tok_wordpiece wordpiece;
    struct strmap word; /* WordLevel */
    int32_t unk;
    struct tok_special raw, normal; /* added tokens, by what they are looked for in */
    int32_t *first, *last;          /* owned by the arena; put around a text */
    size_t n_first, n_last;
    struct hf_steps decode; /* find and put only */
    bool decode_bytes, decode_fallback;
    struct meta_str continuing; /* WordPiece's decoder; p NULL: another one */
};

/* One text. */
struct hf_run {
    const struct hf *h;
    struct tok_ids *out;
    struct tok_cache *cache;
    struct tok_match *match;                       /* owned */
    struct buf a[HF_MOST_STEPS], b[HF_MOST_STEPS]; /* what a step makes of its piece */
    struct buf shape[HF_MOST_STEPS];
    struct buf norm[2];
};

/* Accepts an all-zero struct. */
void hf_run_release(struct hf_run *r);

/* Hand a piece to pre-tokenizer k; past the last one it is a word. */
int hf_next(struct hf_run *r, int k, struct hf_piece p, struct err *err) WARN_UNUSED;

/* Read "normalizer", "pre_tokenizer"; null and absent ones have no steps. */
int hf_read_norm(struct hf *h, const json_val *v, struct err *err) WARN_UNUSED;
int hf_read_pre(struct hf *h, const json_val *v, struct err *err) WARN_UNUSED;
/* "decoder", "post_processor", "added_tokens", "model". */
int hf_read_decoder(struct hf *h, const json_val *v, int depth, struct err *err) WARN_UNUSED;
int hf_read_post(struct hf *h, const json_val *v, int depth, struct err *err) WARN_UNUSED;
int hf_read_added(struct hf *h, const json_val *v, struct err *err) WARN_UNUSED;
int hf_read_model(struct hf *h, const json_val *v, struct err *err) WARN_UNUSED;

/* Is the step a ByteLevel pre-tokenizer? */
bool hf_is_byte_level(const struct hf_step *s);

/* Append the steps of a definition: null, one step, or Sequences of them. */
int hf_read_steps(struct hf *h, struct hf_steps *out, const struct hf_kinds *kinds,
                  const json_val *v, int depth, struct err *err) WARN_UNUSED;

/* The normal form of *p in *out, through all normalizers. */
int hf_normalize(const char **out, size_t *n, struct hf_run *r, struct hf_piece *p,
                 struct err *err) WARN_UNUSED;

/* The next match of a step's pattern in text[at, n), as the regex library finds them:
 * an empty one is passed over where the last match ended. *last: SIZE_MAX at first. */
struct hf_find {
    const struct hf_step *s;
    struct hf_run *r;
    const char *text;  /* as it is */
    const char *shape; /* valid UTF-8 of the same length */
    size_t n, at, last;
};
int hf_find_init(struct hf_find *f, struct hf_run *r, const struct hf_step *s, struct buf *shape,
                 struct hf_piece p, struct err *err) WARN_UNUSED;
bool hf_find_next(size_t *from, size_t *to, struct hf_find *f);

/* s->find, or s->regex, out of {"String": ...} or {"Regex": ...}. */
int hf_read_pattern(struct hf *h, struct hf_step *s, const json_val *v,
                    struct err *err) WARN_UNUSED;

/* A regular expression of Oniguruma in PCRE2's syntax. Errors: ERR_UNSUPPORTED. */
int hf_regex_translate(struct buf *out, const char *regex, struct err *err) WARN_UNUSED;

/* A copy in the arena of a string member; p NULL with *rc 0 when it is absent. */
int hf_string(struct meta_str *out, struct hf *h, const json_val *v, struct err *err) WARN_UNUSED;
bool hf_on(const json_val *v, const char *key, bool otherwise);
int hf_unknown(const char *what, const json_val *v, struct err *err) WARN_UNUSED;

#endif /* RUNTIME_TOK_HF_PARTS_H */
