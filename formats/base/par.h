#ifndef FORMATS_BASE_PAR_H
#define FORMATS_BASE_PAR_H

/* Parallel loops. The caller cuts the work into pieces that do not depend on
 * the number of threads, so results do not either. OpenMP stays in par.c. */

#include <stddef.h>

struct par {
    int n_threads; /* >= 1 */
};

/* Work on piece i, as thread 0 .. n_threads-1 (for per-thread scratch). */
typedef void par_fn(void *arg, size_t i, int thread);

/* n_threads, or every CPU this process may use when it is 0. More than the CPUs and
 * than 64 are not made: OpenMP ends the process when the system has no more. */
struct par par_init(int n_threads);

/* Call fn for each i in [0, n); returns when all are done. Pieces are handed
 * out in rising order. Not to be nested. */
void par_for(const struct par *par, size_t n, par_fn *fn, void *arg);

#endif /* FORMATS_BASE_PAR_H */
