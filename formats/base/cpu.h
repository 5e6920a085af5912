#ifndef FORMATS_BASE_CPU_H
#define FORMATS_BASE_CPU_H

/* What the processor can do, as flags; a mask takes abilities away, so that a
 * test or a user can ask for the plain code on any machine. */

#include "formats/base/err.h"

enum cpu_flag {
    CPU_AVX2 = 1 << 0,   /* with FMA and F16C */
    CPU_AVX512 = 1 << 1, /* F, BW, DQ, VL */
    CPU_VNNI = 1 << 2,   /* AVX-512 VNNI */
    CPU_BF16 = 1 << 3,   /* AVX-512 BF16 */
    CPU_AMX = 1 << 4,    /* tiles with BF16 and INT8, granted by the kernel */
    CPU_ALL = (1 << 5) - 1
};

/* What this machine has. Asks the operating system for AMX tiles. */
unsigned cpu_detect(void);

/* The flags of a level by name: "scalar", "avx2", "avx512" (with VNNI and BF16),
 * "amx", or "native" (all). Errors: ERR_ARG naming the levels. */
int cpu_mask(unsigned *mask, const char *level, struct err *err) WARN_UNUSED;

/* The level's name that `flags` amount to. */
const char *cpu_level(unsigned flags);

/* CPUs this process may use, >= 1. */
int cpu_count(void);

#endif /* FORMATS_BASE_CPU_H */
