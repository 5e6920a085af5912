/* KERN_F32 and KERN_BF16 without tiles: FMA on F32. A panel is 32 weight rows
 * transposed, [k, 32]; activations lie as they are, or rounded to BF16. */

#include "quant/kern/avx512.h"
#include "quant/kern/kern_isa.h"

#include <string.h>

enum { COLS = TILE512_COLS, ROWS = TILE512_ROWS, CHUNK = 256 };

static size_t panel_bytes(size_t k)
{
    return (k + 15) / 16 * 16 * COLS * sizeof(float);
}

static size_t act_bytes(size_t k)
{
    return ROWS * k * sizeof(float);
}

/* 16 rows to columns c .. c + 15 of the panel; those that are not there repeat the
 * last: their sums are not stored. */
static void pack_16(float *panel, const struct kern *kern, enum dtype t, const uint8_t *const *row,
                    size_t k)
{
    const struct dtype_info *info = dtype_get(t);
    float x[16 * CHUNK];

    for (size_t i = 0; i < k; i += CHUNK) {
        const size_t len = k - i < CHUNK ? k - i : CHUNK;

        for (size_t r = 0; r < 16; r++)
            kern->dec[t](x + r * CHUNK, row[r] + i / info->block * info->bytes, len);
        for (size_t j = 0; j < len; j += 16)
            transpose16(panel + (i + j) * COLS, COLS, (struct tile_in){x + j, CHUNK}, 16, len - j);
    }
}

static void pack(void *panel, const struct kern *kern, enum dtype t, const uint8_t *const *w,
                 size_t n, size_t k)
{
    for (size_t half = 0; half < COLS; half += 16) {
        const uint8_t *row[16];

        for (size_t r = 0; r < 16; r++)
            row[r] = w[half + r < n ? half + r : n - 1];
        pack_16((float *)panel + half, kern, t, row, k);
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
        for (size_t j = 0; j < k; j += 16) {
            const __mmask16 mask = mask16(k - j);
            const __m512 v = _mm512_maskz_loadu_ps(mask, x + i * ld_x + j);

            _mm512_mask_storeu_ps((float *)act + i * k + j, mask, round_bf16(v));
        }
}

static void mul(float *y, size_t ld_y, const void *act, const void *panel, size_t m, size_t n,
                size_t k)
{
    for (size_t i = 0; i < m; i += ROWS) {
        const size_t rows = m - i < ROWS ? m - i : ROWS;
        const struct tile_out c = {y + i * ld_y, ld_y, rows, n, NULL, false};
        const struct tile_in a = {(const float *)act + i * k, k}, b = {panel, COLS};

        if (rows > 4)
            tile512(c, a, b, k, ROWS);
        else
            tile512(c, a, b, k, 4);
    }
}

void kern_init_avx512_gemm(struct kern *k)
{
    k->gemm[KERN_F32] =
        (struct kern_gemm){COLS, ROWS, panel_bytes, act_bytes, pack, pack_act_f32, mul};
    k->gemm[KERN_BF16] =
        (struct kern_gemm){COLS, ROWS, panel_bytes, act_bytes, pack, pack_act_bf16, mul};
}
