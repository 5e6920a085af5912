#ifndef QUANT_WIDE_H
#define QUANT_WIDE_H

/* WIDE before a function: it is compiled for wider vectors too, and the best version
 * chosen when the program starts. For loops whose order of operations is fixed by the
 * source (no FMA, see -ffp-contract), so that every version gives the same bytes.
 * Sanitizer builds keep the plain version only, which lets tests compare the two; so
 * does clang, which until 16 gave the chosen version a name that nobody calls. */
#if defined(__x86_64__) && defined(__linux__) && !defined(__clang__) &&                            \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define WIDE __attribute__((target_clones("default", "avx2", "avx512f")))
#else
#define WIDE
#endif

/* For the functions a WIDE one calls: they become part of each version. */
#define INLINE static inline __attribute__((always_inline))

#endif /* QUANT_WIDE_H */
