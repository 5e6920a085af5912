#ifndef DISTILL_PRUNE_H
#define DISTILL_PRUNE_H

/* A narrower or shallower model cut out of another one. What each dimension formula is made of (channels,
 * neurons, heads, layers) is data; a tensor is cut by the formulas of its row, whatever it is for. Seen by
 * distill only. */

#include "formats/arch/arch.h"
#include "formats/base/arena.h"
#include "formats/base/err.h"
#include "formats/base/log.h"
#include "formats/meta.h"
#include "formats/source.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum prune_axis {
    PRUNE_EMBD,  /* channels of the residual stream: the same in all layers */
    PRUNE_FF,    /* neurons of the feed-forward */
    PRUNE_HEAD,  /* query heads */
    PRUNE_KV,    /* key-value heads */
    PRUNE_LAYER, /* blocks, in tensors that hold a part for each */
    PRUNE_AXES
};

/* Kept ones, rising. */
struct prune_list {
    const uint32_t *at; /* NULL: all */
    size_t n;
};

/* Sizes of the student; 0: as the teacher. */
struct prune_sizes {
    uint64_t hidden, ffn, heads, kv_heads;
};

struct prune {
    const struct source *s;  /* the teacher; borrowed */
    struct arch_params q;    /* the student's */
    struct prune_sizes want; /* all are set */
    size_t n_layer;          /* the student's */
    const uint32_t *layer;   /* [n_layer] of the teacher, rising */
    struct prune_list *list; /* [teacher's layers + 1, PRUNE_AXES], row 0 outside blocks */
    struct arena arena;
};

/* The student's numbers: layers[n_layer] of s are kept, all parts as wide as `want` says. Errors: ERR_ARG (what
 * does not divide, or is larger than the teacher's), ERR_UNSUPPORTED (a family that cannot say it: named).
 * On failure nothing is to be released. */
int prune_init(struct prune *out, const struct source *s, const uint32_t *layers, size_t n_layer,
               const struct prune_sizes *want, struct err *err) WARN_UNUSED;
void prune_release(struct prune *p);

/* Keep keep[n] (rising, copied) of an axis in the teacher's layer; layer -1: outside blocks, and of PRUNE_EMBD
 * everywhere. */
int prune_keep(struct prune *p, enum prune_axis axis, int layer, const uint32_t *keep, size_t n,
               struct err *err) WARN_UNUSED;

/* Values in all tensors of the student that training could change. */
uint64_t prune_n_params(const struct prune *p);
/* The same of a whole model. */
uint64_t prune_count(const struct source *s);

/* Family keys of the student: *meta is the teacher's with them replaced. Errors: ERR_UNSUPPORTED (a file of the
 * family cannot say it: heads of another width than hidden / heads). A warning of what other programs
 * will not know. */
int prune_meta(struct meta *meta, const struct prune *p, const struct log *log,
               struct err *err) WARN_UNUSED;

/* Write it as a GGUF in F32. */
int prune_write(const char *path, const struct prune *p, const struct log *log,
                struct err *err) WARN_UNUSED;

#endif /* DISTILL_PRUNE_H */
