#include "quant/codec.h"

#include "formats/base/cpu.h"
#include "quant/half.h"
#include "quant/ref/ref.h"
#include "quant/wide.h"

#include <math.h>
#include <string.h>

int codec_effort_by_name(enum codec_effort *out, const char *name, struct err *err)
{
    static const char *const names[EFFORT_COUNT] = {
        [EFFORT_FAST] = "fast", [EFFORT_NORMAL] = "normal", [EFFORT_BEST] = "best"};

    for (int i = 0; i < EFFORT_COUNT; i++)
        if (!strcmp(names[i], name)) {
            *out = (enum codec_effort)i;
            return 0;
        }
    return err_set(err, ERR_ARG, "effort \"%s\": expected fast, normal or best", name);
}

const struct codec *codec_get(enum dtype t, unsigned cpu)
{
    const struct codec *table = codec_table_scalar;

#if defined(__x86_64__)
    if (cpu & CPU_AVX2 && __builtin_cpu_supports("avx2"))
        table = codec_table_avx2;
    if (cpu & CPU_AVX512 && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        table = codec_table_avx512;
#else
    (void)cpu;
#endif
    return t > DTYPE_NONE && t < DTYPE_COUNT && table[t].type == t ? &table[t] : NULL;
}

/* The bits of the largest magnitude; those of NaN and infinity exceed any number's. */
WIDE static uint32_t largest(const float *src, size_t n)
{
    int32_t max = 0;

    for (size_t i = 0; i < n; i++) {
        const int32_t a = (int32_t)(f32_bits(src[i]) & 0x7fffffffU);
        max = a > max ? a : max;
    }
    return (uint32_t)max;
}

static int refuse(const struct codec *c, const float *src, size_t n, struct err *err)
{
    size_t i = 0;

    while (i + 1 < n && fabsf(src[i]) < c->max)
        i++;
    if (isnan(src[i]))
        return err_set(err, ERR_FORMAT, "column %zu: expected a finite number, found NaN", i);
    if (isinf(src[i]))
        return err_set(err, ERR_FORMAT, "column %zu: expected a finite number, found infinity", i);
    return err_set(err, ERR_FORMAT, "column %zu: value %g is too large for %s", i, (double)src[i],
                   dtype_get(c->type)->name);
}

int codec_encode_row(const struct codec *c, void *dst, const float *src, size_t n,
                     const struct codec_how *how, struct err *err)
{
    if (!c->enc)
        return err_set(err, ERR_UNSUPPORTED, "pare cannot write %s", dtype_get(c->type)->name);
    if (largest(src, n) >= f32_bits(c->max))
        return refuse(c, src, n, err);
    c->enc(dst, src, n, how);
    return 0;
}
