#include "eval/pareto.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

static bool before(const double *x, const double *y, size_t a, size_t b)
{
    if (y[a] < y[b])
        return x[a] <= x[b] * (1 + PARETO_EQUAL);
    return y[a] == y[b] && x[a] < x[b];
}

void pareto_find(size_t *by, const double *x, const double *y, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        by[i] = isnan(x[i]) || isnan(y[i]) ? PARETO_NONE : PARETO_FRONT;
        /* comparisons with NaN are false: such a point is before none */
        for (size_t k = 0; k < n; k++)
            if (before(x, y, k, i) && (by[i] == PARETO_FRONT || y[k] < y[by[i]]))
                by[i] = k;
    }
}
