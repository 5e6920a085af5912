/* Products by FMA on F32. A panel is 16 weight rows transposed, [k, 16]; activations
 * lie as they are, or rounded to BF16. */

#include "quant/kern/avx2.h"
#include "quant/kern/kern_isa.h"

#include <string.h>

enum { COLS = TILE256_COLS, ROWS = TILE256_ROWS, CHUNK = 256 };

static size_t panel_bytes(size_t k)
{
    return (k + 7) / 8 * 8 * COLS * sizeof(float);
}

static size_t act_bytes(size_t k)
{
    return ROWS * k * sizeof(float);
}

/* Rows that are not there repeat the last: their sums are not stored. */
static void pack(void *panel, const struct kern *kern, enum dtype t, const uint8_t *const *w,
                 size_t n, size_t k)
{
    const struct dtype_info *info = dtype_get(t);
    float x[COLS * CHUNK];

    for (size_t i = 0; i < k; i += CHUNK) {
        const size_t len = k - i < CHUNK ? k - i : CHUNK;

        for (size_t r = 0; r < COLS; r++)
            kern->dec[t](x + r * CHUNK, w[r < n ? r : n - 1] + i / info->block * info->bytes, len);
        for (size_t r = 0; r < COLS; r += 8)
            for (size_t j = 0; j < len; j += 8)
                transpose8((float *)panel + (i + j) * COLS + r, COLS,
                           (struct tile_in){x + r * CHUNK + j, CHUNK}, 8, len - j);
    }
}

static void pack_act_f32(void *act, const float *x, size_t ld_x, size_t m, size_t k)
{
    for (size_t i = 0; i < m; i++)
        memcpy((float *)act + i * k, x + i * ld_x, k * sizeof(float));
}

static void pack_act_bf16(void *act, const float *x, size_t ld_x, size_t m, size_t k)
{
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < k; j += 8) {
            const __m256i mask = mask8(k - j);
            const __m256 v = _mm256_maskload_ps(x + i * ld_x + j, mask);

            _mm256_maskstore_ps((float *)act + i * k + j, mask, round_bf16_8(v));
        }
}

static void mul(float *y, size_t ld_y, const void *act, const void *panel, size_t m, size_t n,
                size_t k)
{
    for (size_t i = 0; i < m; i += ROWS) {
        const size_t rows = m - i < ROWS ? m - i : ROWS;
        const struct tile_out c = {y + i * ld_y, ld_y, rows, n, NULL, false};

        tile256(c, (struct tile_in){(const float *)act + i * k, k}, (struct tile_in){panel, COLS},
                k, ROWS);
    }
}

void kern_init_avx2_gemm(struct kern *k)
{
    k->gemm[KERN_F32] =
        (struct kern_gemm){COLS, ROWS, panel_bytes, act_bytes, pack, pack_act_f32, mul};
    k->gemm[KERN_BF16] =
        (struct kern_gemm){COLS, ROWS, panel_bytes, act_bytes, pack, pack_act_bf16, mul};
}
