#ifndef DISTILL_COMM_H
#define DISTILL_COMM_H

/* Several processes that train as one (mpirun): each has all weights and a stretch of the optimizer's state.
 * Sums are taken in the order of ranks, so that all ranks hold the same bits. Everything here is called by all ranks
 * alike. Built without MPI, or not started by it, there is one rank, and nothing to do.
 *
 * A step: comm_reduce (gradients), comm_sum (norm, loss), optimizer on the own stretch, comm_gather
 * (weights). A rank that cannot go on ends all of them: comm_close(c, true). */

#include "formats/base/err.h"

#include <stdbool.h>
#include <stddef.h>

struct comm;

enum { COMM_FEW = 64 }; /* most values of comm_sum */

/* launched: mpirun has started this process (its environment says so). false: one rank. Errors: ERR_UNSUPPORTED
 * (built without MPI), ERR_IO, ERR_NOMEM. */
int comm_open(struct comm **out, bool launched, struct err *err) WARN_UNUSED;
/* failed: the other ranks are ended as well. Accepts NULL. */
void comm_close(struct comm *c, bool failed);

/* NULL: alone, 0 of 1. */
int comm_rank(const struct comm *c);
int comm_size(const struct comm *c);

/* The share of a rank in n things, one after another: the first ranks have one more where they do not divide. */
void comm_share(size_t *first, size_t *share, const struct comm *c, size_t n);
/* The stretch of n values that a rank keeps state for: shares of 16 values. */
void comm_stretch(size_t *first, size_t *stretch, const struct comm *c, size_t n, int rank);

/* x[n] += those of the other ranks, n <= COMM_FEW; all ranks get the same bits. */
int comm_sum(struct comm *c, double *x, size_t n, struct err *err) WARN_UNUSED;
/* The own stretch of g[n] becomes the sum over ranks; the others' stay as they are. */
int comm_reduce(struct comm *c, float *g, size_t n, struct err *err) WARN_UNUSED;
/* Of w[n], everybody gets each rank's own stretch. */
int comm_gather(struct comm *c, float *w, size_t n, struct err *err) WARN_UNUSED;
/* p[bytes] as rank 0 has them. */
int comm_broadcast(struct comm *c, void *p, size_t bytes, struct err *err) WARN_UNUSED;
/* For a checkpoint, in pieces: values first .. first + some - 1 of n, of which each rank has its stretch in `mine`; on rank
 * 0 they come to to[some], elsewhere `to` is not touched. */
int comm_collect(struct comm *c, float *to, const float *mine, size_t n, size_t first, size_t some,
                 struct err *err) WARN_UNUSED;

#endif /* DISTILL_COMM_H */
