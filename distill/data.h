#ifndef DISTILL_DATA_H
#define DISTILL_DATA_H

/* Training text as windows of n_tok tokens, in an order that the seed decides. */

#include "formats/base/err.h"
#include "formats/base/log.h"
#include "formats/base/par.h"
#include "runtime/tokenizer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct data_file {
    /* .jsonl, .ndjson (in any case): a line has "text" (with "cut": true it goes on: no EOS; with "special": true
     * the text of control tokens in it stands for them), or "messages" for the chat template (with "cut": true
     * nothing follows the last one's content). Else plain text, whose documents are parted by the text of the
     * end-of-text token or by opts.split; lines broken there, and documents without a byte, are left out. */
    const char *path;
    double weight; /* epochs of it in one epoch of all; 1 */
};

struct data_opts {
    const struct data_file *file;
    size_t n_files;
    size_t n_tok;
    const char *split; /* what parts documents in plain text; NULL: the end-of-text token's text */
    bool apart;        /* documents do not see each other (doc of struct net_batch) */
    bool answers_only; /* of messages, only the assistant's tokens count */
    double held_back;  /* share of documents kept for evaluation, e.g. 0.02; 0: none. The seed does
                             not decide which. Less than a document: the end of the longest text. Of plain
                             text all beyond held_tokens is trained on */
    uint64_t held_tokens; /* most tokens of them; 0: all */
    uint64_t seed;        /* of the order */
    struct par par;       /* n_threads 0: one */
    const struct log *log;
};

struct data;

/* Tokenize and pack. A document is what the tokenizer makes of it with BOS and EOS as it asks; where it asks for
 * neither, or EOS parted the documents, EOS ends each. Files of one weight are packed together, in the order of
 * files and lines; what is left over at the end is dropped. Errors: ERR_IO, ERR_FORMAT (file, line, column), ERR_ARG
 * (fewer tokens than a window: how many there are; nothing counts of the text, or of what is held back). */
int data_open(struct data **out, const struct tok *t, const struct data_opts *o,
              struct err *err) WARN_UNUSED;
/* Of n ids made elsewhere, as windows of n_tok one after another (tests, golden data). */
int data_of_ids(struct data **out, const int32_t *ids, size_t n, size_t n_tok,
                struct err *err) WARN_UNUSED;
void data_free(struct data *d); /* accepts NULL */

struct data_window {
    const int32_t *ids; /* [n_tok] */
    /* [n_tok] the next token; -1: none (the last of a window, and with `apart` of a document). */
    const int32_t *label;
    const int32_t *doc; /* [n_tok] as in struct net_batch; NULL: one document */
    /* [n_tok] 0: takes no part in the loss (with answers_only: the next token is not the assistant's). */
    const uint8_t *counted;
};

size_t data_n_tok(const struct data *d); /* of a window */
/* Windows, each once: data_window takes i < this. */
size_t data_n_windows(const struct data *d);
size_t data_n_epoch(const struct data *d); /* of an epoch: the same, but for weights */
size_t data_n_held(const struct data *d);  /* held back */
/* Good as long as d is. */
struct data_window data_window(const struct data *d, size_t i);
struct data_window data_held(const struct data *d, size_t i); /* i < data_n_held */
/* The window that is number `at` since the start of training: epochs, each shuffled anew from the seed. */
size_t data_order(struct data *d, uint64_t at);
/* From now on order[0, n) instead of that, again and again. Errors: ERR_ARG (no such window). */
int data_order_is(struct data *d, const size_t *order, size_t n, struct err *err) WARN_UNUSED;
/* From now on the windows of ids[0, n) are the ones held back. Errors: as data_of_ids. */
int data_hold_ids(struct data *d, const int32_t *ids, size_t n, struct err *err) WARN_UNUSED;
/* SHA-256 over ids, documents and what counts, in window order, those held back last: says whether a cache or
 * checkpoint belongs to it. The seed and the order have no part in it. */
const char *data_sha256(const struct data *d);

#endif /* DISTILL_DATA_H */
