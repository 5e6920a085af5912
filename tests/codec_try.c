#include "tests/codec_try.h"

#include "formats/base/cpu.h"

#include <math.h>
#include <string.h>

static uint32_t next(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005U + 1442695040888963407U;
    return (uint32_t)(*seed >> 33);
}

void try_fill(float x[TRY_N], float sigma, uint64_t seed)
{
    for (int i = 0; i < TRY_N; i++) {
        float sum = -6.0F;
        for (int k = 0; k < 12; k++)
            sum += (float)(next(&seed) >> 7) * 0x1p-24F;
        x[i] = sum * sigma;
    }
}

void try_normal(float *x, size_t n, float sigma, uint64_t seed)
{
    for (size_t i = 0; i < n; i++) {
        float sum = -6.0F;
        for (int k = 0; k < 12; k++)
            sum += (float)(next(&seed) & 0xffff) * 0x1p-16F;
        x[i] = sum * sigma;
    }
}

size_t try_encode(uint8_t blocks[TRY_N * 4], const struct codec *c, const float *x,
                  const float *importance, enum codec_effort effort)
{
    const struct codec_how how = {importance, effort};
    struct err err = {0};
    size_t bytes = 0;

    memset(blocks, 0x5a, TRY_N * 4);
    if (!dtype_row_bytes(&bytes, c->type, TRY_N) ||
        codec_encode_row(c, blocks, x, TRY_N, &how, &err))
        return 0;
    for (size_t i = bytes; i < TRY_N * 4; i++)
        if (blocks[i] != 0x5a)
            return 0;
    return bytes;
}

double try_error(const struct codec *c, const float *x, const float *w, const float *measure)
{
    uint8_t blocks[TRY_N * 4];
    float back[TRY_N];
    double e = 0, s = 0;

    if (!try_encode(blocks, c, x, w, EFFORT_NORMAL))
        return (double)NAN;
    c->dec(back, blocks, TRY_N);
    for (int i = 0; i < TRY_N; i++) {
        const double u = measure ? (double)measure[i] : 1;
        e += u * ((double)x[i] - (double)back[i]) * ((double)x[i] - (double)back[i]);
        s += u * (double)x[i] * (double)x[i];
    }
    return s > 0 ? sqrt(e / s) : sqrt(e);
}

/* Rows with an outlier, zeros of both signs, equal runs; importance with holes. */
static void odd_row(float x[TRY_N], float w[TRY_N], uint64_t k)
{
    static const float sigmas[] = {1e-44F, 1e-39F, 1e-20F, 1e-8F, 3e-7F,
                                   1e-5F,  1e-3F,  0.02F,  1.0F,  3e2F};

    try_fill(x, sigmas[k % 10], k);
    try_fill(w, 1.0F, k + 100);
    for (int i = 0; i < TRY_N; i++)
        w[i] = i / 32 % 5 == 3 ? 0 : w[i] * w[i];
    x[k * 7 % TRY_N] *= 30.0F;
    x[k * 5 % TRY_N] = k % 2 ? 0.0F : -0.0F;
    for (int i = 96; i < 160 && k % 3 == 0; i++)
        x[i] = x[96];
    for (int i = 256; i < 320 && k % 4 == 0; i++)
        x[i] = 0;
}

static bool levels_agree(const struct codec *c, const float *x, const float *importance,
                         enum codec_effort effort)
{
    uint8_t first[TRY_N * 4], again[TRY_N * 4];
    static const unsigned wide[] = {CPU_AVX2, CPU_ALL};
    const size_t bytes = try_encode(first, codec_get(c->type, 0), x, importance, effort);

    for (int l = 0; l < 2; l++)
        if (try_encode(again, codec_get(c->type, wide[l]), x, importance, effort) != bytes ||
            memcmp(first, again, bytes) != 0)
            return false;
    return bytes > 0;
}

bool try_levels_agree(const struct codec *c)
{
    float x[TRY_N], w[TRY_N];

    for (uint64_t k = 0; k < 60; k++) {
        odd_row(x, w, k);
        for (int e = 0; e < EFFORT_COUNT; e++)
            if (!levels_agree(c, x, k / 10 % 2 ? w : NULL, (enum codec_effort)e))
                return false;
    }
    return true;
}

bool try_zero_importance(const struct codec *c, double room)
{
    float x[TRY_N], w[TRY_N], unseen[TRY_N];

    for (uint64_t seed = 0; seed < 16; seed++) {
        try_fill(x, 0.02F, seed);
        for (int i = 0; i < TRY_N; i++) {
            unseen[i] = seed % 4 == 0 ? i < 256 : seed % 4 == 1 ? i / 32 % 2 : i / 8 % 2;
            w[i] = unseen[i] > 0 ? 0 : 3.0F;
        }
        if (!(try_error(c, x, w, unseen) <=
              try_error(c, x, NULL, unseen) * (seed % 4 < 2 ? room : 3 * room)))
            return false;
        memset(w, 0, sizeof(w)); /* nothing counts: as if there were no importance */
        if (!(fabs(try_error(c, x, w, NULL) - try_error(c, x, NULL, NULL)) <= 0))
            return false;
    }
    return true;
}

bool try_tiny(const struct codec *c, int usual)
{
    float x[TRY_N], one[TRY_N];

    for (int e = -149; e < -10; e++) {
        try_fill(x, ldexpf(1.0F, e), (uint64_t)(e + 200));
        try_fill(one, 1.0F, (uint64_t)(e + 200));
        const double got = try_error(c, x, NULL, NULL);
        if (!(got <= 1.0 + 1e-6))
            return false;
        if (e > -usual && !(got <= try_error(c, one, NULL, NULL) * 1.1 + 1e-3))
            return false;
    }
    return true;
}

double try_again(const struct codec *c)
{
    float x[TRY_N], once[TRY_N];
    uint8_t blocks[TRY_N * 4];
    double most = 0;

    for (uint64_t seed = 0; seed < 8; seed++) {
        try_fill(x, 0.05F, seed);
        if (!try_encode(blocks, c, x, NULL, EFFORT_NORMAL))
            return (double)NAN;
        c->dec(once, blocks, TRY_N);
        const double e = try_error(c, once, NULL, NULL);
        most = e <= most ? most : e;
    }
    return most;
}
