#include "quant/kern/attn.h"
#include "quant/kern/avx2.h"
#include "quant/kern/kern_isa.h"

#include <math.h>

/* Single tokens are common: one row gets a tile of its own. */
static void product(struct tile_out c, struct tile_in a, struct tile_in b, size_t n)
{
    if (c.rows > 1)
        tile256(c, a, b, n, TILE256_ROWS);
    else
        tile256(c, a, b, n, 1);
}

static void pack_keys(float *kt, struct tile_in k, size_t n, size_t depth)
{
    for (size_t c = 0; c < depth; c += 8)
        for (size_t half = 0; half < TILE256_COLS; half += 8) {
            const size_t rows = n > half ? n - half : 0;

            transpose8(kt + c * TILE256_COLS + half, TILE256_COLS,
                       (struct tile_in){rows ? k.p + half * k.ld + c : k.p, k.ld}, rows, depth - c);
        }
}

/* maskload gives 0 outside the mask: put v there instead. */
static __m256 load_or(const float *p, __m256i m, __m256 v)
{
    return _mm256_blendv_ps(v, _mm256_maskload_ps(p, m), _mm256_castsi256_ps(m));
}

static float exp_row(float *p, size_t n, float scale)
{
    const __m256 lowest = _mm256_set1_ps(-INFINITY), vscale = _mm256_set1_ps(scale);
    __m256 max = lowest, sum = _mm256_setzero_ps();

    for (size_t i = 0; i < n; i += 8)
        max = _mm256_max_ps(max, load_or(p + i, mask8(n - i), lowest));
    max = _mm256_set1_ps(max8(max));
    for (size_t i = 0; i < n; i += 8) {
        const __m256i m = mask8(n - i);
        const __m256 v = _mm256_sub_ps(load_or(p + i, m, max), max);
        const __m256 e = exp_weight8(_mm256_mul_ps(v, vscale));

        sum = _mm256_add_ps(sum, _mm256_and_ps(e, _mm256_castsi256_ps(m)));
        _mm256_maskstore_ps(p + i, m, e);
    }
    return sum8(sum);
}

static void cap_row(float *p, size_t n, float cap)
{
    const __m256 c = _mm256_set1_ps(cap);

    for (size_t i = 0; i < n; i += 8) {
        const __m256i m = mask8(n - i);
        const __m256 v = _mm256_div_ps(_mm256_maskload_ps(p + i, m), c);

        _mm256_maskstore_ps(p + i, m, _mm256_mul_ps(c, _ZGVdN8v_tanhf(v)));
    }
}

static const struct attn_isa isa = {TILE256_ROWS, TILE256_COLS, product,
                                    pack_keys,    exp_row,      cap_row};

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

void kern_init_avx2_attn(struct kern *k)
{
    k->attn = attn;
    k->attn_bytes = attn_bytes;
}
