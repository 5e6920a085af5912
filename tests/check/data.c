#include "formats/blocks.h"
#include "quant/half.h"
#include "tests/check/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t rnd_next(struct rnd *r)
{
    r->state ^= r->state >> 12;
    r->state ^= r->state << 25;
    r->state ^= r->state >> 27;
    return r->state * 0x2545f4914f6cdd1dULL;
}

size_t rnd_below(struct rnd *r, size_t n)
{
    return (size_t)(rnd_next(r) >> 11) % n;
}

float rnd_float(struct rnd *r)
{
    const float v = (float)((double)(rnd_next(r) >> 11) * 0x1p-52 - 1);

    return rnd_below(r, 16) ? v : 30 * v;
}

void *mem(size_t n)
{
    void *p = NULL;

    if (posix_memalign(&p, 64, n ? n : 1)) {
        (void)fprintf(stderr, "check: out of memory\n");
        exit(1);
    }
    memset(p, 0xa5, n ? n : 1);
    return p;
}

float *mem_floats(struct rnd *r, size_t n)
{
    float *p = mem(n * sizeof(*p));

    for (size_t i = 0; i < n; i++)
        p[i] = rnd_float(r);
    return p;
}

size_t rnd_columns(struct rnd *r, enum dtype t)
{
    const size_t block = dtype_get(t)->block;

    if (block == 1)
        return 1 + rnd_below(r, 600);
    return block * (1 + rnd_below(r, 1280 / block));
}

/* A scale between 2^-12 and 2^-4, of either sign. */
static uint16_t scale(struct rnd *r)
{
    return (uint16_t)(rnd_below(r, 2) << 15 | (3 + rnd_below(r, 8)) << 10 | rnd_below(r, 1024));
}

/* Random bytes are valid codes; only the F16 scales need care. */
static void put_scales(struct rnd *r, enum dtype t, uint8_t *block)
{
    const uint16_t d[2] = {scale(r), scale(r)};
    size_t at = 0, n = 1;

    if (t == DTYPE_Q6_K)
        at = 208;
    if (t == DTYPE_Q5_1 || t == DTYPE_Q4_K || t == DTYPE_Q5_K)
        n = 2;
    memcpy(block + at, d, n * sizeof(d[0]));
}

static void put_plain(struct rnd *r, enum dtype t, uint8_t *dst)
{
    const float f = rnd_float(r);
    const uint16_t h = t == DTYPE_F16 ? f16_from_f32(f) : bf16_from_f32(f);

    if (t == DTYPE_F32)
        memcpy(dst, &f, sizeof(f));
    else
        memcpy(dst, &h, sizeof(h));
}

uint8_t *mem_rows(struct rnd *r, enum dtype t, size_t n_rows, size_t k)
{
    const struct dtype_info *info = dtype_get(t);
    const size_t n = n_rows * (k / info->block);
    uint8_t *p = mem(n * info->bytes);

    for (size_t i = 0; i < n; i++) {
        uint8_t *block = p + i * info->bytes;

        if (info->block == 1) {
            put_plain(r, t, block);
            continue;
        }
        for (size_t j = 0; j < info->bytes; j++)
            block[j] = (uint8_t)rnd_below(r, 256);
        put_scales(r, t, block);
    }
    return p;
}

bool why(struct why *w, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(w->msg, sizeof(w->msg), fmt, ap);
    va_end(ap);
    return false;
}
