#ifndef EVAL_PARETO_H
#define EVAL_PARETO_H

/* Which points lose least for their size. */

#include <stddef.h>
#include <stdint.h>

/* by[i]: the point that is at most as large as i in both x and y, smaller in one, and of
 * those has the least y (the first among equals); PARETO_FRONT: there is none. Sizes x within
 * PARETO_EQUAL of each other count as equal when y differs: metadata alone make that much. A point with
 * a NaN is neither on the front nor before another: PARETO_NONE. */
#define PARETO_EQUAL 0.001
#define PARETO_FRONT SIZE_MAX
#define PARETO_NONE  (SIZE_MAX - 1)
void pareto_find(size_t *by, const double *x, const double *y, size_t n);

#endif /* EVAL_PARETO_H */
