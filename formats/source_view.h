#ifndef FORMATS_SOURCE_VIEW_H
#define FORMATS_SOURCE_VIEW_H

/* Building a checkpoint's view: what source_ckpt.c, source_tensor.c and source_stack.c
 * share. */

#include "formats/source_impl.h"

struct stack; /* experts of one matrix of one layer, waiting for the last of them */

struct view {
    struct source *s;
    const struct arch *arch;
    const struct arch_params *params;
    const json_val *config;
    const struct log *log;
    struct stack *stacks; /* those that wait, in the source's memory */
    bool warned;
    bool nested;    /* a language model among others */
    size_t n_other; /* tensors of those */
};

/* Is the stored shape what the row asks for in `layer`? */
int view_check_shape(const struct view *v, const struct coded_tensor *from,
                     const struct arch_tensor *row, int layer, struct err *err) WARN_UNUSED;
/* Is it a type whose values can be read? */
int view_check_type(const struct st_tensor *st, bool coded, struct err *err) WARN_UNUSED;
/* Set the orders of rows and values. */
int view_set_maps(struct view *v, struct source_tensor *t, const struct coded_tensor *from,
                  struct err *err) WARN_UNUSED;
/* A tensor's frame: everything but its parts. */
int view_describe(struct source_tensor *t, struct view *v, const struct coded_tensor *from,
                  const struct arch_tensor *row, int layer, struct err *err) WARN_UNUSED;
/* Add one checkpoint tensor that is, or has, all of one GGUF tensor. */
int view_add_plain(struct view *v, const struct coded_tensor *from, const struct arch_tensor *row,
                   int layer, struct err *err) WARN_UNUSED;
/* Add one expert's tensor; the stack appears where its last expert stood. */
int view_add_expert(struct view *v, const struct coded_tensor *from, const struct arch_tensor *row,
                    int layer, int expert, struct err *err) WARN_UNUSED;
/* No stack waits for an expert any more. */
int view_check_stacks(struct view *v, struct err *err) WARN_UNUSED;

#endif /* FORMATS_SOURCE_VIEW_H */
