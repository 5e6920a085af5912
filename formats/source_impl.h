#ifndef FORMATS_SOURCE_IMPL_H
#define FORMATS_SOURCE_IMPL_H

/* What source.c and source_ckpt.c share. */

#include "formats/base/arena.h"
#include "formats/base/strmap.h"
#include "formats/checkpoint.h"
#include "formats/sidecar.h"
#include "formats/source.h"

struct source {
    char *path;              /* owned */
    struct gguf *gguf;       /* owned; NULL for a checkpoint */
    struct ckpt *ckpt;       /* owned; NULL for a GGUF */
    struct coded_set *coded; /* owned; the tensors of ckpt as the model sees them */
    struct vocab *vocab;     /* owned; NULL: none */
    const struct arch *arch;
    struct arch_params params;
    struct meta made;    /* a checkpoint's metadata */
    struct sidecar told; /* what an export left beside it */
    struct source_tensor *tensor;
    size_t n, cap;
    struct strmap names; /* GGUF name -> index */
    size_t *role;        /* [layer + 1][role]: index + 1, 0 for none */
    size_t n_layer;      /* rows of `role` less one */
    struct arena arena;  /* names, parts, made and permuted data */
};

/* Append a tensor; its name must be new. */
int source_add(struct source *s, const struct source_tensor *t, struct err *err) WARN_UNUSED;

/* One stretch of rows in the source's memory, or NULL. */
struct source_part *source_part_new(struct source *s, size_t n);

/* Every row of the family that must be there is there. `config`: NULL for a GGUF. */
int source_check_complete(const struct source *s, const json_val *config,
                          struct err *err) WARN_UNUSED;

/* Fill arch, params, tensors, vocab and metadata from s->ckpt. */
int source_from_ckpt(struct source *s, const struct source_opts *opts, struct err *err) WARN_UNUSED;

/* Is a GGUF's tensor the scale of another one? Then it is none of the model's own. */
bool source_is_global(const struct source *s, const struct gguf_tensor *g);
/* Give it to its weight, which is there already. Errors: ERR_FORMAT (type, shape, no number). */
int source_add_global(struct source *s, const struct gguf_tensor *g, struct err *err) WARN_UNUSED;

/* Weights of a checkpoint that are stored as NVFP4 get that type and their number. */
int source_keep_nvfp4(struct source *s, struct err *err) WARN_UNUSED;

/* "[3, 4]" of dims[0, n), or of their reverse. */
const char *source_shape(char *dst, size_t size, const uint64_t *dims, int n, bool reverse);

#endif /* FORMATS_SOURCE_IMPL_H */
