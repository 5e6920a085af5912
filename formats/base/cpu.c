#include "formats/base/cpu.h"

#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <cpuid.h>

enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };

/* AMX-BF16, AMX-TILE and AMX-INT8 are bits 22, 24, 25 of cpuid(7).edx. */
static int has_amx(void)
{
    const unsigned want = 1U << 22 | 1U << 24 | 1U << 25;
    unsigned a, b, c, d;

    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (d & want) != want)
        return 0;
    return !syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA);
}

unsigned cpu_detect(void)
{
    unsigned f = 0;

    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma"))
        return 0;
    f |= CPU_AVX2;
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
        !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512vl"))
        return f;
    f |= CPU_AVX512;
    if (__builtin_cpu_supports("avx512vnni"))
        f |= CPU_VNNI;
    if (__builtin_cpu_supports("avx512bf16"))
        f |= CPU_BF16;
    if (f & CPU_VNNI && f & CPU_BF16 && has_amx())
        f |= CPU_AMX;
    return f;
}
#else
unsigned cpu_detect(void)
{
    return 0;
}
#endif

static const struct {
    const char *name;
    unsigned flags;
} levels[] = {
    {"scalar", 0                                                    },
    {"avx2",   CPU_AVX2                                             },
    {"avx512", CPU_AVX2 | CPU_AVX512 | CPU_VNNI | CPU_BF16          },
    {"amx",    CPU_AVX2 | CPU_AVX512 | CPU_VNNI | CPU_BF16 | CPU_AMX},
    {"native", ~0U                                                  },
};

enum { N_LEVELS = sizeof(levels) / sizeof(levels[0]) };

int cpu_mask(unsigned *mask, const char *level, struct err *err)
{
    for (int i = 0; i < N_LEVELS; i++) {
        if (strcmp(levels[i].name, level))
            continue;
        *mask = levels[i].flags;
        return 0;
    }
    return err_set(err, ERR_ARG,
                   "unknown CPU level \"%s\": one of scalar, avx2, avx512, amx, native", level);
}

const char *cpu_level(unsigned flags)
{
    if (flags & CPU_AMX)
        return "amx";
    if (flags & CPU_AVX512)
        return "avx512";
    return flags & CPU_AVX2 ? "avx2" : "scalar";
}

int cpu_count(void)
{
    uint64_t set[64] = {0}; /* 4096 CPUs; glibc's wrapper needs _GNU_SOURCE */
    int n = 0;

    if (syscall(SYS_sched_getaffinity, 0, sizeof(set), set) < 0)
        return 1;
    for (size_t i = 0; i < sizeof(set) / sizeof(set[0]); i++)
        n += __builtin_popcountll(set[i]);
    return n > 0 ? n : 1;
}
