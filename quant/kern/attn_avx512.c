#include "quant/kern/attn.h"
#include "quant/kern/avx512.h"
#include "quant/kern/kern_isa.h"

#include <math.h>

enum { ROWS = 8 };

/* Few rows get a tile of their own: single tokens are common. */
static void product(struct tile_out c, struct tile_in a, struct tile_in b, size_t n)
{
    if (c.rows > 4)
        tile512(c, a, b, n, ROWS);
    else if (c.rows > 1)
        tile512(c, a, b, n, 4);
    else
        tile512(c, a, b, n, 1);
}

static void pack_keys(float *kt, struct tile_in k, size_t n, size_t depth)
{
    for (size_t c = 0; c < depth; c += 16)
        for (size_t half = 0; half < TILE512_COLS; half += 16) {
            const size_t rows = n > half ? n - half : 0;

            transpose16(kt + c * TILE512_COLS + half, TILE512_COLS,
                        (struct tile_in){rows ? k.p + half * k.ld + c : k.p, k.ld}, rows,
                        depth - c);
        }
}

static float exp_row(float *p, size_t n, float scale)
{
    const __m512 lowest = _mm512_set1_ps(-INFINITY), vscale = _mm512_set1_ps(scale);
    __m512 max = lowest, sum = _mm512_setzero_ps();

    for (size_t i = 0; i < n; i += 16)
        max = _mm512_max_ps(max, _mm512_mask_loadu_ps(lowest, mask16(n - i), p + i));
    max = _mm512_set1_ps(_mm512_reduce_max_ps(max));
    for (size_t i = 0; i < n; i += 16) {
        const __mmask16 m = mask16(n - i);
        const __m512 v = _mm512_sub_ps(_mm512_mask_loadu_ps(max, m, p + i), max);
        const __m512 e = _mm512_maskz_mov_ps(m, exp_weight(_mm512_mul_ps(v, vscale)));

        sum = _mm512_add_ps(sum, e);
        _mm512_mask_storeu_ps(p + i, m, e);
    }
    return _mm512_reduce_add_ps(sum);
}

static void cap_row(float *p, size_t n, float cap)
{
    const __m512 c = _mm512_set1_ps(cap);

    for (size_t i = 0; i < n; i += 16) {
        const __mmask16 m = mask16(n - i);
        const __m512 v = _mm512_div_ps(_mm512_maskz_loadu_ps(m, p + i), c);

        _mm512_mask_storeu_ps(p + i, m, _mm512_mul_ps(c, _ZGVeN16v_tanhf(v)));
    }
}

static const struct attn_isa isa = {ROWS, TILE512_COLS, product, pack_keys, exp_row, cap_row};

static size_t attn_bytes(size_t m, size_t n_pos)
{
    return attn_run_bytes(&isa, m, n_pos);
}

static void attn(float *out, size_t ld_out, const float *q, size_t ld_q, const float *k,
                 const float *v, size_t m, size_t pos, size_t dk, size_t dv,
                 const struct kern_attn *how, void *scratch)
{
    const struct attn_job job = {
        .out = {out, ld_out, m, dv, NULL, false},
        .q = {q, ld_q  },
        .k = {k,   dk        },
        .v = {v,   dv      },
        .m = m,
        .pos = pos,
        .dk = dk,
        .dv = dv,
        .how = how,
    };

    attn_run(&isa, &job, scratch);
}

void kern_init_avx512_attn(struct kern *k)
{
    k->attn = attn;
    k->attn_bytes = attn_bytes;
}
