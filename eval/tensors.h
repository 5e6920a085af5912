#ifndef EVAL_TENSORS_H
#define EVAL_TENSORS_H

/* What each tensor of a file lost when it was coded: the figures of OUT.gguf.json, which
 * pare writes beside what it makes. */

#include "formats/base/arena.h"
#include "formats/base/err.h"
#include "formats/base/json.h"
#include "formats/base/log.h"
#include "formats/source.h"

#include <stddef.h>
#include <stdint.h>

struct tensor_error {
    const char *name, *type;
    double nmse; /* sum (a - b)^2 / sum a^2, a the source's values; NaN: not known */
    uint64_t bytes;
};

/* All zeros is empty. */
struct tensor_errors {
    struct tensor_error *at; /* [n], in the arena, in the file's order */
    size_t n;
    struct arena arena; /* owned (tensor_errors_release) */
};

/* Those of the model at `path`, opened as `s`. Empty where there is no "<path>.json" (of a part: of the
 * whole); one
 * that is broken or of another file is left out with a warning. Errors: ERR_NOMEM. */
int tensor_errors_load(struct tensor_errors *out, const char *path, const struct source *s,
                       const struct log *log, struct err *err) WARN_UNUSED;
void tensor_errors_release(struct tensor_errors *t);

/* Member "tensors" of an object: nothing where there are none. Read back: to be released
 * also after a failure. Errors: ERR_FORMAT saying what was expected. */
void tensor_errors_put(struct json_out *j, const struct tensor_errors *t);
int tensor_errors_get(struct tensor_errors *out, const json_val *v, struct err *err) WARN_UNUSED;

#endif /* EVAL_TENSORS_H */
