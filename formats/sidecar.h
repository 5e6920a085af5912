#ifndef FORMATS_SIDECAR_H
#define FORMATS_SIDECAR_H

/* pare.json: what a checkpoint's folder that was exported from a GGUF cannot say of it, so
 * that converting the folder gives the GGUF again. Metadata that conversion would not derive,
 * keys it would add, rotary divisors its formula does not give, and where the GGUF came from.
 * It holds while the folder's other files are what the export wrote. */

#include "formats/base/buf.h"
#include "formats/base/err.h"
#include "formats/base/json.h"
#include "formats/base/log.h"
#include "formats/checkpoint.h"
#include "formats/dtype.h"
#include "formats/meta.h"

#include <stdbool.h>
#include <stddef.h>

#define SIDECAR_FILE "pare.json"

/* Reading; all zeros: there is none. */
struct sidecar {
    json_val *doc;        /* owned; NULL: no such file */
    struct meta set;      /* keys and values to set */
    struct meta last;     /* those the writer sets last, for conversion to `type` */
    enum dtype type;      /* the GGUF's own; DTYPE_NONE: it has several, or coded ones */
    const char *folder;   /* digest of the folder's tensors ... */
    const char *original; /* ... and what it stands for: the GGUF's pare.source.sha256; or NULL */
    bool no_vocab;        /* the GGUF had none */
    bool changed;         /* a file is another than it was: only general.* keys count */
};

/* Errors: ERR_FORMAT naming the file and the key. A changed folder is a warning. */
int sidecar_open(struct sidecar *out, const struct ckpt *c, const struct log *log,
                 struct err *err) WARN_UNUSED;
void sidecar_release(struct sidecar *s); /* accepts an all-zero struct */

/* Set and remove keys. Of general.* ones only those are kept that the GGUF had. */
int sidecar_apply(struct meta *m, const struct sidecar *s, struct err *err) WARN_UNUSED;

/* Does it change a key that begins so? */
bool sidecar_has(const struct sidecar *s, const char *prefix);

/* dst[n] = the values of a tensor that conversion makes; false: the formula's stand. */
bool sidecar_values(float *dst, size_t n, const struct sidecar *s, const char *tensor);

/* The type of a tensor in the GGUF where conversion would choose another, or DTYPE_NONE. */
enum dtype sidecar_type(const struct sidecar *s, const char *tensor);

/* Writing: members of the one object, in order. `from`: the GGUF's metadata; `made`: what
 * conversion of the folder gives; all: every key,
 * whatever that gives. */
void sidecar_put_meta(struct json_out *j, const struct meta *from, const struct meta *made,
                      bool all);

#endif /* FORMATS_SIDECAR_H */
