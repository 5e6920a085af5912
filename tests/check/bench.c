/* Speed of the kernels, level by level: `check --bench`. */

#include "formats/base/cpu.h"
#include "formats/base/par.h"
#include "quant/matmul.h"
#include "tests/check/check.h"
#include "tests/tap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Processor time for one thread, which other programs disturb less; else wall time. */
static double now_s(int threads)
{
    struct timespec t;

    (void)clock_gettime(threads == 1 ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Best GFLOP/s of several runs of one product. */
static double bench_mm(const struct kern *k, enum kern_math math, enum dtype t, size_t m, size_t n,
                       size_t cols, int threads)
{
    const struct par par = par_init(threads);
    struct rnd r = {7};
    struct source_part part = {.data = mem_rows(&r, t, n, cols)};
    const struct source_tensor tensor = {
        .name = "w", .type = t, .n_dims = 2, .dims = {cols, n, 1, 1},
                   .n_parts = 1, .part = &part
    };
    struct arena arena = {0}; /* stays empty */
    struct matrix w;
    struct err err;
    float *x = mem_floats(&r, m * cols), *y = mem(m * n * sizeof(*y));
    void *scratch = mem(mm_scratch_bytes(k, math, m, cols, &par));
    double best = 1e9, spent = 0;

    if (matrix_init(&w, &tensor, &arena, &err))
        return 0;
    for (int i = 0; i < 40 && spent < 0.4; i++) {
        const struct mm_job job = {&w, y, n};
        const double start = now_s(threads);
        double took;

        mm(k, math, &job, 1, x, cols, m, &par, scratch);
        took = now_s(threads) - start;
        best = took < best ? took : best;
        spent += took;
    }
    free((void *)(uintptr_t)part.data);
    free(x);
    free(y);
    free(scratch);
    return 2e-9 * (double)m * (double)n * (double)cols / best;
}

/* Seconds of causal attention of one head of 64 over 512 positions. */
static double bench_attn(const struct kern *k)
{
    struct rnd r = {7};
    float *q = mem_floats(&r, 512 * 64), *kv = mem_floats(&r, 512 * 64);
    float *out = mem(512 * 64 * sizeof(*out));
    void *scratch = mem(k->attn_bytes(512, 512));
    const struct kern_attn how = {.scale = 0.125F};
    double best = 1e9;

    for (int i = 0; i < 20; i++) {
        const double start = now_s(1);
        double took;

        k->attn(out, 64, q, 64, kv, kv, 512, 0, 64, 64, &how, scratch);
        took = now_s(1) - start;
        best = took < best ? took : best;
    }
    free(q);
    free(kv);
    free(out);
    free(scratch);
    return best;
}

static double bench_lse(const struct kern *k)
{
    struct rnd r = {7};
    float *x = mem_floats(&r, 49152);
    double best = 1e9, sum = 0;

    for (int i = 0; i < 50; i++) {
        const double start = now_s(1);
        double took;

        sum += k->log_sum_exp(x, 49152);
        took = now_s(1) - start;
        best = took < best ? took : best;
    }
    free(x);
    return sum > 0 ? best : 0;
}

static double bench_silu(const struct kern *k)
{
    struct rnd r = {7};
    float *x = mem_floats(&r, 1536), *y = mem(1536 * sizeof(*y));
    double best = 1e9;

    for (int i = 0; i < 200; i++) {
        const double start = now_s(1);
        double took;

        k->silu_mul(y, x, x, 1536);
        took = now_s(1) - start;
        best = took < best ? took : best;
    }
    free(x);
    free(y);
    return best;
}

static const enum dtype types[] = {DTYPE_BF16, DTYPE_F32,  DTYPE_F16, DTYPE_Q8_0,
                                   DTYPE_Q4_0, DTYPE_Q4_K, DTYPE_Q6_K};
static const size_t shapes[][3] = {
    {512, 1536,  768 },
    {512, 768,   1536},
    {256, 49152, 768 },
    {1,   1536,  768 },
    {1,   49152, 768 },
};
static const char *const maths[] = {"f32", "bf16", "int16"};

static void bench_level(const struct kern *k)
{
    for (int math = 0; math < KERN_MATH_COUNT; math++)
        for (size_t s = 0; s < sizeof(shapes) / sizeof(shapes[0]); s++) {
            const size_t m = shapes[s][0], n = shapes[s][1], cols = shapes[s][2];

            printf("%-6s %-5s m=%-4zu n=%-5zu k=%-5zu", k->isa, maths[math], m, n, cols);
            for (size_t t = 0; t < sizeof(types) / sizeof(types[0]); t++)
                printf("  %s %.0f/%.0f", dtype_get(types[t])->name,
                       bench_mm(k, (enum kern_math)math, types[t], m, n, cols, 1),
                       bench_mm(k, (enum kern_math)math, types[t], m, n, cols, 2));
            printf("\n");
            (void)fflush(stdout);
        }
    printf("%-6s attn 512x512x64 %.3f ms, log_sum_exp 49152 %.1f us, silu_mul 1536 %.2f us\n",
           k->isa, 1e3 * bench_attn(k), 1e6 * bench_lse(k), 1e6 * bench_silu(k));
}

int bench(void)
{
    static const char *const levels[] = {"avx2", "avx512", "amx"};
    const char *only = getenv("LEVEL");

    printf("GFLOP/s on one / two threads\n");
    for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
        struct err err;
        struct kern k;
        unsigned mask = 0;

        if ((only && strcmp(only, levels[i])) || cpu_mask(&mask, levels[i], &err) ||
            strcmp(cpu_level(cpu_detect() & mask), levels[i]))
            continue;
        kern_init(&k, cpu_detect() & mask);
        bench_level(&k);
    }
    return 0;
}
