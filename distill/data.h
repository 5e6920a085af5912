#ifndef DISTILL_DATA_H
#define DISTILL_DATA_H

/* Training text as windows of n_tok tokens, in an order that the seed decides. */

#include "formats/base/err.h"
#include "runtime/tokenizer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct data_file {
    const char *
        path; /* .jsonl: a line has "text", or "messages" for the chat template; else plain text, whose
                         documents are parted by the text of the end-of-text token or by opts.split */
    double weight; /* epochs of it in one epoch of all; 1 */
};

struct data_opts {
    const struct data_file *file;
    size_t n_files;
    size_t n_tok;
    const char *split;    /* what parts documents in plain text; NULL: the whole file is one */
    bool apart;           /* documents do not see each other (doc of struct net_batch) */
    bool answers_only;    /* of messages, only the assistant's tokens count */
    double held_back;     /* share of documents kept for evaluation, e.g. 0.02; 0: none */
    uint64_t held_tokens; /* most tokens of them */
    uint64_t tokens;      /* most training tokens; 0: all */
    uint64_t seed;
};

struct data;

/* Tokenize and pack; t outlives *out. Errors: ERR_IO, ERR_FORMAT (file, line, column), ERR_ARG (fewer tokens than a window:
 * how many there are). */
int data_open(struct data **out, const struct tok *t, const struct data_opts *o,
              struct err *err) WARN_UNUSED;
/* Of ids made elsewhere: n windows of n_tok, one after another (tests, golden data). */
int data_of_ids(struct data **out, const int32_t *ids, size_t n, size_t n_tok,
                struct err *err) WARN_UNUSED;
void data_free(struct data *d); /* accepts NULL */

struct data_window {
    const int32_t *ids;     /* [n_tok] */
    const int32_t *label;   /* [n_tok] the next token; -1: none */
    const int32_t *doc;     /* [n_tok] as in struct net_batch; NULL: one document */
    const uint8_t *counted; /* [n_tok] 0: takes no part in the loss */
};

size_t data_n_tok(const struct data *d);
size_t data_n_windows(const struct data *d); /* of an epoch */
size_t data_n_held(const struct data *d);    /* held back */
struct data_window data_window(const struct data *d, size_t i);
struct data_window data_held(const struct data *d, size_t i);
/* The window that is number `at` since the start of training: epochs, each shuffled anew from the seed. */
size_t data_order(struct data *d, uint64_t at);
/* SHA-256 over ids, documents and what counts, in window order: says whether a cache or checkpoint belongs to it. */
const char *data_sha256(const struct data *d);

#endif /* DISTILL_DATA_H */
