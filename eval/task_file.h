#ifndef EVAL_TASK_FILE_H
#define EVAL_TASK_FILE_H

/* A task file: JSON Lines as data sets are downloaded, told apart by their keys, turned into
 * what a model is asked. */

#include "formats/base/arena.h"
#include "formats/base/err.h"
#include "formats/base/hash.h"
#include "formats/base/json.h"

#include <stdbool.h>
#include <stddef.h>

/* How likely is this continuation after this context? */
struct task_request {
    const char *context;      /* "": none */
    const char *continuation; /* with the space before it */
    size_t length;            /* characters that acc_norm divides by; 0: none were left */
};

/* One request alone is a cloze: would the model have written it? */
struct task_item {
    struct task_request *request;
    size_t n, answer; /* answer < n: the right one */
    size_t line;      /* of the file, from 1 */
};

struct task {
    const char *path, *name; /* name: without folder and .jsonl */
    const char *layout;
    char sha256[HASH_HEX_BYTES];
    bool have_norm, have_ppl;
    struct task_item *item; /* owned */
    size_t n;
    struct arena arena; /* owns all else */
};

/* Read at most n_items (0: all) of a file. To be released also after a failure.
 * Errors: ERR_IO; ERR_FORMAT with path, line, column and what was expected. */
int task_load(struct task *out, const char *path, size_t n_items, struct err *err) WARN_UNUSED;

/* The same from memory. */
int task_parse(struct task *out, const char *path, const char *text, size_t n, size_t n_items,
               struct err *err) WARN_UNUSED;
void task_release(struct task *t);

/* ---- layouts ------------------------------------------------------------------------------- */

/* A line of the file while it is read. */
struct task_line {
    const char *text; /* n bytes, not '\0'-terminated */
    size_t n, number; /* number from 1 */
    const json_val *v;
    struct arena *arena; /* of the task */
};

enum { TASK_KEYS = 6 };

struct task_layout {
    const char *name;
    const char *key[TASK_KEYS]; /* what an item must have, and is told apart by */
    bool have_norm, have_ppl;
    int (*read)(struct task_item *out, const struct task_line *in, struct err *err);
};

/* The layout an object has; NULL: none. */
const struct task_layout *task_layout_of(const json_val *object);

/* Row i of the table, or NULL past its end. */
const struct task_layout *task_layout_at(size_t i);

/* ERR_FORMAT "line, column of the value at `path`: ..., found ...". */
int task_bad(const struct task_line *in, const char *path, struct err *err, const char *expected,
             ...) __attribute__((format(printf, 4, 5)));

#endif /* EVAL_TASK_FILE_H */
