#ifndef DISTILL_HIDDEN_MAP_H
#define DISTILL_HIDDEN_MAP_H

/* Which residual streams hidden_mse and hidden_cos compare. */

#include "formats/base/err.h"

#include <stddef.h>

struct hidden_map {
    size_t n;
    size_t *student, *teacher; /* [n] blocks, from 0: the stream after each; owned */
};

/* text: "0:2,4:14", blocks of the student and of the teacher. NULL: all of the student's, the teacher's spread
 * evenly, the last with the last. Errors: ERR_ARG (a block that is not there, or is mapped twice). */
int hidden_map_read(struct hidden_map *out, const char *text, size_t n_student, size_t n_teacher,
                    struct err *err) WARN_UNUSED;
void hidden_map_release(struct hidden_map *m);

#endif /* DISTILL_HIDDEN_MAP_H */
