#include "formats/base/par.h"

#include "formats/base/cpu.h"

#ifdef _OPENMP
#include <omp.h>
#else
static int omp_get_thread_num(void)
{
    return 0;
}
#endif

struct par par_init(int n_threads)
{
    enum { SURE = 64 };
    const int cpus = cpu_count(), most = cpus > SURE ? cpus : SURE;

    if (n_threads > most)
        n_threads = most;
    return (struct par){.n_threads = n_threads > 0 ? n_threads : cpus};
}

void par_for(const struct par *par, size_t n, par_fn *fn, void *arg)
{
    if (par->n_threads == 1 || n < 2) {
        for (size_t i = 0; i < n; i++)
            fn(arg, i, 0);
        return;
    }
#pragma omp parallel for schedule(dynamic, 1) num_threads(par->n_threads)
    for (size_t i = 0; i < n; i++)
        fn(arg, i, omp_get_thread_num());
}
