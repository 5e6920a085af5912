/* scores = q . k^T with a tile's width of keys transposed at a time, then
 * out = exp(scores) . v, divided by the sum at the end. */

#include "quant/kern/attn.h"

#include "quant/half.h"

#include <math.h>
#include <string.h>

enum {
    BLOCK = 64, /* queries whose scores are in memory together */
    DEPTH = 256 /* values of a head transposed at a time */
};

/* A job on its way. */
struct work {
    const struct attn_isa *isa;
    const struct attn_job *job;
    float *kt, *score;
    size_t ld_score;
};

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t first_seen(const struct attn_job *j, size_t query)
{
    const struct kern_attn *how = j->how;
    const size_t end = j->pos + query + 1;
    const size_t window = how->window && end > how->window ? end - how->window : 0;
    const size_t chunk = how->chunk ? end - 1 - (end - 1) % how->chunk : 0;

    return window > chunk ? window : chunk;
}

static float bf16(float f)
{
    return f32_from_bf16(bf16_from_f32(f));
}

/* ALiBi on the scores of keys from .. from + n - 1; the query is at the last. */
static void bias_row(float *p, size_t from, size_t n, const struct kern_attn *how)
{
    const float slope = bf16(how->slope);

    for (size_t i = 0; i < n && !(how->rounded > 0); i++)
        p[i] -= how->slope * (float)(n - 1 - i);
    for (size_t i = 0; i < n && how->rounded > 0; i++)
        p[i] += how->rounded * bf16(slope * bf16((float)(from + i)));
}

/* Scores p[n] of the keys from `from` to the query's own, scaled, capped, biased and made
 * weights as kern.attn says; returns their sum. */
static float weigh_row(const struct work *w, float *p, size_t from, size_t n)
{
    const struct kern_attn *how = w->job->how;
    float max = -INFINITY;

    if (!(how->cap > 0) && how->slope == 0 && !how->sink)
        return w->isa->exp_row(p, n, how->scale);
    for (size_t i = 0; i < n; i++)
        p[i] *= how->scale;
    if (how->cap > 0)
        w->isa->cap_row(p, n, how->cap);
    if (how->slope > 0)
        bias_row(p, from, n, how);
    for (size_t i = 0; i < n; i++)
        max = p[i] > max ? p[i] : max;
    return w->isa->exp_row(p, n, 1) + (how->sink ? expf(*how->sink - max) : 0);
}

/* score[rows, .] of queries i .. for the keys from c on, by values d .. of the head. */
static void scores_at(const struct work *w, size_t i, size_t rows, size_t c, size_t d)
{
    const struct attn_job *j = w->job;
    const size_t height = w->isa->tile_rows, width = w->isa->tile_cols;
    const size_t depth = least(j->dk - d, DEPTH);

    w->isa->pack_keys(w->kt, (struct tile_in){j->k.p + c * j->k.ld + d, j->k.ld},
                      least(j->pos + i + rows - c, width), depth);
    for (size_t r = 0; r < rows; r += height) {
        const size_t here = least(rows - r, height);
        const struct tile_out to = {
            w->score + r * w->ld_score + c, w->ld_score, here, width, NULL, d > 0};

        if (j->pos + i + r + here > c)
            w->isa->product(to, (struct tile_in){j->q.p + (i + r) * j->q.ld + d, j->q.ld},
                            (struct tile_in){w->kt, width}, depth);
    }
}

/* Of every key any of them sees. */
static void scores(const struct work *w, size_t i, size_t rows)
{
    const struct attn_job *j = w->job;
    const size_t width = w->isa->tile_cols, end = j->pos + i + rows;

    for (size_t c = first_seen(j, i) / width * width; c < end; c += width)
        for (size_t d = 0; d < j->dk; d += DEPTH)
            scores_at(w, i, rows, c, d);
}

/* Softmax without the division; unseen keys get weight 0. inv: 1 / sum of each row. */
static void weigh(const struct work *w, size_t i, size_t rows, float *inv)
{
    const struct attn_job *j = w->job;
    const size_t begin = first_seen(j, i), end = j->pos + i + rows;

    for (size_t r = 0; r < rows; r++) {
        const size_t from = first_seen(j, i + r), to = j->pos + i + r + 1;
        float *p = w->score + r * w->ld_score;

        memset(p + begin, 0, (from - begin) * sizeof(float));
        memset(p + to, 0, (end - to) * sizeof(float));
        inv[r] = 1 / weigh_row(w, p + from, from, to - from);
    }
}

static void mix(const struct work *w, size_t i, size_t rows, const float *inv)
{
    const struct attn_job *j = w->job;
    const size_t height = w->isa->tile_rows;

    for (size_t r = 0; r < rows; r += height) {
        const size_t here = least(rows - r, height), begin = first_seen(j, i + r);
        const struct tile_in p = {w->score + r * w->ld_score + begin, w->ld_score};

        for (size_t c = 0; c < j->dv; c += w->isa->tile_cols)
            w->isa->product((struct tile_out){j->out.p + (i + r) * j->out.ld + c, j->out.ld, here,
                                              j->dv - c, inv + r, false},
                            p, (struct tile_in){j->v.p + begin * j->v.ld + c, j->v.ld},
                            j->pos + i + r + here - begin);
    }
}

/* Score rows are a little longer than needed: a power of two would put all of them
 * in the same cache set. */
static size_t score_ld(const struct attn_isa *isa, size_t n_pos)
{
    return (n_pos + isa->tile_cols - 1) / isa->tile_cols * isa->tile_cols + 16;
}

size_t attn_run_bytes(const struct attn_isa *isa, size_t m, size_t n_pos)
{
    const size_t scores = least(m, BLOCK) * score_ld(isa, n_pos);

    return (scores + DEPTH * isa->tile_cols) * sizeof(float);
}

void attn_run(const struct attn_isa *isa, const struct attn_job *job, void *scratch)
{
    struct work w = {.isa = isa, .job = job, .kt = scratch};
    float inv[BLOCK];

    w.score = w.kt + DEPTH * isa->tile_cols;
    w.ld_score = score_ld(isa, job->pos + job->m);
    for (size_t i = 0; i < job->m; i += BLOCK) {
        const size_t rows = least(job->m - i, BLOCK);

        scores(&w, i, rows);
        weigh(&w, i, rows, inv);
        mix(&w, i, rows, inv);
    }
}
