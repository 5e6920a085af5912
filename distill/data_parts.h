#ifndef DISTILL_DATA_PARTS_H
#define DISTILL_DATA_PARTS_H

/* What data_open is made of: files as lists of documents, documents as tokens, tokens as
 * windows. */

#include "distill/data.h"
#include "formats/base/buf.h"
#include "formats/base/hash.h"
#include "formats/base/map.h"
#include "runtime/chat.h"

/* ---- documents in files ---------------------------------------------------------------- */

struct data_doc {
    size_t file;
    size_t at, n; /* bytes of its file: a text, or a line of JSON */
    size_t line;  /* of JSON Lines, from 1; 0: plain text */
};

struct data_source {
    const char *path;
    double weight;
    struct map map;
    bool lines;  /* JSON Lines */
    bool ended;  /* the end-of-text token parts its documents */
    size_t part; /* which stream it goes to */
};

struct data_docs {
    struct data_source *file; /* [n_files] */
    size_t n_files;
    struct data_doc *doc; /* in the order of files and lines */
    size_t n, cap;
    size_t n_parts;
};

/* Map the files and find their documents. To be released also after a failure. */
int data_docs_find(struct data_docs *out, const struct tok *t, const struct data_opts *o,
                   struct err *err) WARN_UNUSED;
void data_docs_release(struct data_docs *d);

/* Add a document before number `at` or (at = n) at the end. */
int data_docs_add(struct data_docs *d, size_t at, const struct data_doc *doc,
                  struct err *err) WARN_UNUSED;

/* (*list)[0, *n_held): the numbers of the documents held back, drawn from all whatever the seed; the rest follow in
 * their order. A share of less than a document: the end of the longest text becomes one. *list is owned. Errors:
 * ERR_ARG (no share, or of a single document). */
int data_choose_held(size_t *n_held, size_t **list, struct data_docs *d, double share,
                     struct err *err) WARN_UNUSED;

/* ---- a document as tokens -------------------------------------------------------------- */

struct data_tokens {
    struct tok_ids ids;
    struct buf answer; /* [ids.n] bytes: 1 the assistant's; empty: not asked for */
    bool chat;         /* messages are among it */
};
void data_tokens_release(struct data_tokens *t); /* accepts zeros */

/* How documents are turned into tokens: constant, shared by threads. */
struct data_coder {
    const struct tok *t;
    bool bare;         /* the tokenizer adds neither BOS nor EOS */
    int32_t end;       /* EOS; -1: none */
    bool answers;      /* tell which tokens are the assistant's */
    struct chat *chat; /* NULL: no_chat says why; owned */
    struct err no_chat;
};

/* t outlives *c. Errors: ERR_NOMEM. */
int data_coder_init(struct data_coder *c, const struct tok *t, const struct data_opts *o,
                    struct err *err) WARN_UNUSED;
void data_coder_release(struct data_coder *c); /* accepts zeros */

/* Append the tokens of messages through the template; cut: nothing follows the last one's content. Errors name
 * the line. */
int data_encode_chat(struct data_tokens *out, const struct data_coder *c, struct tok_memory *m,
                     const json_val *object, bool cut, size_t line, struct err *err) WARN_UNUSED;

/* Append the tokens of `doc`. m: the thread's. Errors name file and line. */
int data_encode(struct data_tokens *out, const struct data_coder *c, struct tok_memory *m,
                const struct data_docs *docs, const struct data_doc *doc,
                struct err *err) WARN_UNUSED;

/* ---- tokens as windows ----------------------------------------------------------------- */

/* Windows one after another. */
struct data_part {
    int32_t *ids;     /* [n, n_tok + 1] the last of each -1 */
    int32_t *label;   /* [n, n_tok]; NULL: ids from the second on */
    int32_t *doc;     /* [n, n_tok]; NULL: one document a window */
    uint8_t *counted; /* [n, n_tok]; NULL: all */
    size_t n;         /* windows */
    size_t first;     /* number of its first window */
    size_t visits;    /* windows of it in an epoch */
};
void data_part_release(struct data_part *p);

struct data {
    size_t n_tok;
    struct data_part *part; /* [n_parts] */
    size_t n_parts;
    struct data_part held;
    uint8_t *all; /* [n_tok] ones */
    size_t n, n_epoch;
    uint64_t seed;
    uint64_t epoch; /* that order is of; UINT64_MAX: none yet */
    size_t *order;  /* [n_epoch] */
    size_t *pass;   /* [the longest part's n] a pass over one part */
    bool given;     /* order is the caller's */
    bool chat;      /* some of it was messages */
    char sha256[HASH_HEX_BYTES];
};

/* Count, number, hash: what is left to do when the parts are there. */
int data_finish(struct data *d, struct err *err) WARN_UNUSED;

#endif /* DISTILL_DATA_PARTS_H */
