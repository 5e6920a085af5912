#ifndef TOOLS_INSPECT_H
#define TOOLS_INSPECT_H

/* What `pare inspect` prints of a model's files. */

#include "formats/digest.h"

#include <stdbool.h>
#include <stddef.h>

struct inspect {
    struct gguf *gguf;            /* owned; NULL: a checkpoint */
    struct ckpt *ckpt;            /* owned; NULL: a GGUF */
    struct digest_tensor *tensor; /* owned */
    size_t n_tensors;
};

/* Open either form and list its tensors. The caller releases *m in either case. */
int inspect_open(struct inspect *m, const char *path, struct err *err) WARN_UNUSED;
void inspect_release(struct inspect *m);

/* The parts of the listing, on stdout. */
void inspect_print_head(const struct inspect *m);
int inspect_print_meta(const struct inspect *m, struct err *err) WARN_UNUSED;
void inspect_print_types(const struct inspect *m);
int inspect_print_tensors(const struct inspect *m, struct err *err) WARN_UNUSED; /* and hashes */

/* For a checkpoint: the family it fits, what is missing or unexpected, and its size in each
 * type. A checkpoint that does not convert is no error: the reason is printed. */
int inspect_print_fit(const struct inspect *m, const char *path, const struct par *par,
                      struct err *err) WARN_UNUSED;

/* Every family as rows of a Markdown table. */
void inspect_print_families(void);

/* Compare the hashes with those listed in "<path>.json"; *listed is how many it lists, 0
 * also when there is no such file. ERR_FORMAT names the first tensor that differs. */
int inspect_compare(size_t *listed, const struct inspect *m, const char *path,
                    struct err *err) WARN_UNUSED;

#endif /* TOOLS_INSPECT_H */
