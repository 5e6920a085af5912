#include "distill/wide/wide.h"

#include "formats/base/cpu.h"

const struct wide *wide_for(unsigned cpu)
{
    const struct wide *w = &wide_table_scalar;

#if defined(__x86_64__)
    if (cpu & CPU_AVX2)
        w = &wide_table_avx2;
    if (cpu & CPU_AVX512)
        w = &wide_table_avx512;
#else
    (void)cpu;
#endif
    return w;
}
