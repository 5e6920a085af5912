/* Any bytes as a file of log-probabilities, as they are and with a head that fits them:
 * refused, or every row is read and scored against itself. */

#include "eval/fused.h"
#include "eval/logits_file.h"
#include "formats/base/buf.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ROW_HEAD = 8 }; /* a position's scale and least */

/* Rows that go together. */
static void score_rows(struct fused *fused, const struct logits_file *f, const int32_t *next,
                       const struct fused_rows *rows)
{
    struct score s[2][FUSED_POSITIONS], *const out[2] = {s[0], s[1]};
    struct fused_lane lanes[2] = {{.file = f}, {.file = f}};
    struct fused_rows r = *rows;
    struct err err;

    r.next = next;
    if (fused_score(fused, out, lanes, &r, &err))
        abort();
    for (size_t i = 0; i < r.n; i++) {
        if (s[0][i].top >= logits_file_n_vocab(f) || s[0][i].top != s[1][i].top)
            abort();
        if (isfinite(s[0][i].nll) != isfinite(logits_file_one(f, r.file0 + i, (size_t)next[i])))
            abort();
    }
}

static void score_window(struct fused *fused, const struct logits_file *f, size_t window)
{
    const size_t n_ctx = logits_file_n_ctx(f), first = n_ctx / 2, each = n_ctx - 1 - first;
    int32_t *ids = malloc(n_ctx * sizeof(*ids));

    if (!ids)
        abort();
    logits_file_ids(ids, f, window);
    for (size_t p = 0; p < each; p += FUSED_POSITIONS) {
        const struct fused_rows rows = {.n =
                                            each - p < FUSED_POSITIONS ? each - p : FUSED_POSITIONS,
                                        .file0 = window * each + p};
        score_rows(fused, f, ids + first + p + 1, &rows);
    }
    free(ids);
}

static void try(const void *data, size_t size)
{
    struct kern kern;
    struct fused_opts fo = {.kern = &kern, .par = par_init(1), .n_lanes = 2, .have_original = true};
    struct fused *fused;
    struct logits_file *f;
    struct err err = {0};

    if (logits_file_parse(&f, data, size, &err)) {
        if (f || !err.msg[0])
            abort();
        return;
    }
    kern_init(&kern, 0);
    fo.n_vocab = logits_file_n_vocab(f);
    if (fused_new(&fused, &fo, &err))
        abort();
    for (size_t i = 0; i < logits_file_n_windows(f); i++)
        score_window(fused, f, i);
    fused_free(fused);
    logits_file_free(f);
}

/* The first bytes choose the sizes, ids and rows come from the rest, as often as they fit. */
static void try_fitting(const uint8_t *data, size_t size)
{
    const uint32_t n_ctx = 4 + data[0] % 8, n_vocab = 1 + data[1] % 64,
                   scored = n_ctx - 1 - n_ctx / 2;
    const size_t row = ROW_HEAD + 2 * (size_t)(n_vocab + n_vocab % 2);
    const size_t window = n_ctx * sizeof(int32_t) + scored * row, n = (size - 2) / window;
    struct buf b = {0};

    buf_str(&b, "_logits_");
    buf_u32(&b, n_ctx);
    buf_u32(&b, n_vocab);
    buf_u32(&b, (uint32_t)n);
    for (size_t i = 0; i < n * n_ctx; i++)
        buf_u32(&b, data[2 + i] % n_vocab);
    buf_put(&b, data + 2, n * scored * row);
    if (n && !b.bad)
        try(b.p, b.n);
    buf_release(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    try(data, size);
    if (size > 2)
        try_fitting(data, size);
    return 0;
}
