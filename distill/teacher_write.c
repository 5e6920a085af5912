#include "distill/data.h"
#include "distill/teacher_impl.h"
#include "distill/teacher_wire.h"
#include "formats/base/arena.h"
#include "formats/base/cpu.h"
#include "formats/base/out.h"
#include "formats/base/rd.h"
#include "formats/tail.h"

#include <math.h>
#include <string.h>
#include <zlib.h>

enum { LEVEL = 9 }; /* of deflate: the teacher takes far longer */

struct writer {
    struct teacher *t;
    const struct data *data;
    const struct teacher_cache_opts *o;
    struct teacher_head head;
    struct kern kern;
    struct teacher_coder coder;
    float *level;
    double *exp_level;
    struct teacher_coded *row; /* [rows of a chunk] */
    struct teacher_lost *lost; /* likewise */
    uint8_t *failed;           /* likewise: cannot be coded */
    struct loss_target *target;
    float *copy;    /* [threads, n_vocab] */
    Bytef *packed;  /* owned; room for a chunk */
    uLong room;     /* bytes of it */
    struct buf raw; /* a chunk's planes */
    struct buf index, windows;
    struct out out;
    struct arena arena;
    double kl, rest; /* sums */
    uint64_t n_tokens;
};

/* ---- set up -------------------------------------------------------------------------- */

static int check(const struct writer *w, struct err *err)
{
    const struct teacher_cache_opts *o = w->o;

    if (w->t->kind->hidden == NULL)
        return err_set(err, ERR_ARG, "a cache is made from a live teacher, not from another cache");
    if (!o->k || o->k > TEACHER_K_MAX)
        return err_set(err, ERR_ARG, "a cache of %zu tokens a position: 1 to %d can be kept", o->k,
                       TEACHER_K_MAX);
    if (!(o->temperature > 0) || !isfinite(o->temperature))
        return err_set(err, ERR_ARG, "a cache of a softmax at temperature %g", o->temperature);
    if (data_n_tok(w->data) > w->t->n_tok)
        return err_set(err, ERR_ARG, "windows of %zu tokens for a teacher of up to %zu",
                       data_n_tok(w->data), w->t->n_tok);
    if (w->t->n_vocab > 1 << 24)
        return err_set(err, ERR_UNSUPPORTED, "a cache of a vocabulary of %zu tokens",
                       w->t->n_vocab);
    return 0;
}

static void fill_head(struct writer *w)
{
    const size_t n_tok = data_n_tok(w->data);
    struct teacher_head *h = &w->head;

    h->keep = w->o->keep;
    h->math = w->o->math;
    h->k = teacher_cache_k(w->o, w->t->n_vocab);
    h->n_tok = (uint32_t)n_tok;
    h->n_vocab = (uint32_t)w->t->n_vocab;
    h->n_levels = (uint32_t)(w->o->keep == TEACHER_TOP_K ? teacher_levels() : h->k);
    h->per_chunk = n_tok < TEACHER_CHUNK_ROWS ? (uint32_t)(TEACHER_CHUNK_ROWS / n_tok) : 1;
    h->n_windows = data_n_windows(w->data);
    h->seed = w->o->seed;
    h->temperature = (float)w->o->temperature;
    memcpy(h->model_hex, w->o->model_hex, sizeof(h->model_hex));
    memcpy(h->data_hex, data_sha256(w->data), sizeof(h->data_hex));
    memcpy(h->tok_hex, w->t->tok_hex, sizeof(h->tok_hex));
}

static int alloc(struct writer *w, struct err *err)
{
    const size_t rows = (size_t)w->head.per_chunk * w->head.n_tok, k = w->head.k;
    size_t tokens, bytes;

    if (!mul_ok(&tokens, rows, k) || !mul_ok(&bytes, tokens, TEACHER_TOKEN_PLANES) ||
        !add_ok(&bytes, bytes, rows * TEACHER_ROW_PLANES) || bytes > INT32_MAX)
        return err_set(err, ERR_ARG, "windows of %u tokens with %zu targets each are too large",
                       (unsigned)w->head.n_tok, k);
    w->level = arena_array(&w->arena, w->head.n_levels, sizeof(*w->level));
    w->exp_level = arena_array(&w->arena, w->head.n_levels, sizeof(*w->exp_level));
    w->row = arena_array(&w->arena, rows, sizeof(*w->row));
    w->lost = arena_array(&w->arena, rows, sizeof(*w->lost));
    w->failed = arena_array(&w->arena, rows, sizeof(*w->failed));
    w->target = arena_array(&w->arena, w->t->n_rows, sizeof(*w->target));
    w->copy = arena_array(&w->arena, (size_t)w->t->par.n_threads * w->t->n_vocab, sizeof(float));
    struct teacher_token *token = arena_array(&w->arena, tokens, sizeof(*token));
    w->room = compressBound((uLong)bytes);
    w->packed = arena_alloc(&w->arena, w->room);
    if (!w->level || !w->exp_level || !w->row || !w->lost || !w->failed || !w->target || !w->copy ||
        !token || !w->packed)
        return err_nomem(err);
    for (size_t i = 0; i < rows; i++)
        w->row[i].token = token + i * k;
    return 0;
}

static void fill_levels(struct writer *w)
{
    if (w->head.keep == TEACHER_TOP_K)
        teacher_grid(w->level);
    else
        teacher_shares(w->level, w->head.k);
    for (size_t i = 0; i < w->head.n_levels; i++)
        w->exp_level[i] = exp((double)w->level[i]);
    w->coder = (struct teacher_coder){.kern = &w->kern,
                                      .level = w->level,
                                      .exp_level = w->exp_level,
                                      .n_vocab = w->t->n_vocab,
                                      .k = w->head.k,
                                      .scale = 1 / w->head.temperature};
}

static int write_head(struct writer *w, struct err *err)
{
    const struct teacher_head *h = &w->head;
    const uint32_t numbers[] = {
        TEACHER_VERSION, h->math << 8 | h->keep, h->k, h->n_tok, h->n_vocab, h->n_levels,
        h->per_chunk};
    struct buf b = {0};

    buf_str(&b, TEACHER_MAGIC);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        buf_u32(&b, numbers[i]);
    buf_put(&b, &h->temperature, sizeof(h->temperature));
    buf_u64(&b, h->n_windows);
    buf_u64(&b, h->seed);
    buf_put(&b, h->model_hex, TEACHER_HEX_BYTES);
    buf_put(&b, h->data_hex, TEACHER_HEX_BYTES);
    buf_put(&b, h->tok_hex, TEACHER_HEX_BYTES);
    buf_put(&b, w->level, h->n_levels * sizeof(*w->level));
    if (!b.bad)
        buf_u32(&b, (uint32_t)crc32(0, (const Bytef *)b.p, (uInt)b.n));
    int rc = buf_check(&b, err);
    if (!rc)
        rc = out_write(&w->out, b.p, b.n, err);
    buf_release(&b);
    return rc;
}

/* ---- rows ---------------------------------------------------------------------------- */

struct batch {
    struct writer *w;
    size_t window, row0, at; /* number in the data; first row in it; first in the chunk */
};

static struct rng stream(const struct batch *b, size_t i)
{
    const uint64_t row = (uint64_t)b->window * b->w->head.n_tok + b->row0 + i;

    return rng_init(b->w->o->seed + row * 0x9E3779B97F4A7C15U);
}

static int code_row(const struct batch *b, size_t i, int thread, struct err *err)
{
    struct writer *w = b->w;
    struct rng rng = stream(b, i);
    struct teacher_coded *to = &w->row[b->at + i];
    struct teacher_lost *lost = &w->lost[b->at + i];

    if (w->head.keep == TEACHER_SAMPLED)
        return teacher_code_draws(to, lost, &w->coder, w->target[i].logits, &rng, err);
    return teacher_code_top(to, lost, &w->coder, w->target[i].logits,
                            w->copy + (size_t)thread * w->t->n_vocab, err);
}

static void row_piece(void *arg, size_t i, int thread)
{
    const struct batch *b = arg;
    struct writer *w = b->w;
    const struct data_window win = data_window(w->data, b->window);
    struct err err = {0};

    w->failed[b->at + i] = 0;
    w->lost[b->at + i] = (struct teacher_lost){0};
    w->row[b->at + i].n = 0;
    w->row[b->at + i].rest = TEACHER_REST_NONE;
    if (!win.counted || win.counted[b->row0 + i])
        w->failed[b->at + i] = code_row(b, i, thread, &err) != 0;
}

static int add_batch(const struct batch *b, size_t n, struct err *err)
{
    struct writer *w = b->w;

    par_for(&w->t->par, n, row_piece, (void *)(uintptr_t)b);
    for (size_t i = 0; i < n; i++) {
        const struct teacher_lost *lost = &w->lost[b->at + i];
        if (w->failed[b->at + i] && code_row(b, i, 0, err))
            return err_wrap(err, "the teacher, window %zu, token %zu", b->window, b->row0 + i);
        w->n_tokens += w->row[b->at + i].n > 0;
        w->kl += lost->kl;
        w->rest += lost->rest;
    }
    return 0;
}

/* at: its first row in the chunk. */
static int add_window(struct writer *w, size_t window, size_t at, struct err *err)
{
    const size_t n = w->head.n_tok;
    const struct data_window win = data_window(w->data, window);
    int rc = teacher_sequence(w->t, window, win.ids, win.doc, n, err);

    for (size_t row0 = 0; !rc && row0 < n; row0 += w->t->n_rows) {
        const size_t rows = n - row0 < w->t->n_rows ? n - row0 : w->t->n_rows;
        const struct batch b = {.w = w, .window = window, .row0 = row0, .at = at + row0};
        rc = teacher_rows(w->target, w->t, row0, rows, err);
        if (!rc)
            rc = add_batch(&b, rows, err);
    }
    buf_u32(&w->windows, teacher_window_crc(win.ids, win.doc, n));
    return rc;
}

/* ---- chunks --------------------------------------------------------------------------- */

static int put_chunk(struct writer *w, size_t n_rows, struct err *err)
{
    uLongf bytes = w->room;

    w->raw.n = 0;
    teacher_pack(&w->raw, w->row, n_rows);
    int rc = buf_check(&w->raw, err);
    if (rc)
        return rc;
    if (compress2(w->packed, &bytes, (const Bytef *)w->raw.p, (uLong)w->raw.n, LEVEL) != Z_OK)
        return err_nomem(err); /* all that deflate can lack */
    buf_u64(&w->index, w->out.n);
    buf_u32(&w->index, (uint32_t)bytes);
    buf_u32(&w->index, (uint32_t)w->raw.n);
    buf_u32(&w->index, (uint32_t)crc32(0, w->packed, (uInt)bytes));
    return out_write(&w->out, w->packed, bytes, err);
}

static int put_chunks(struct writer *w, struct err *err)
{
    const size_t n = w->head.n_windows, each = w->head.per_chunk, n_tok = w->head.n_tok;
    int rc = 0;

    for (size_t i = 0; !rc && i < n; i += each) {
        const size_t some = n - i < each ? n - i : each;
        for (size_t k = 0; !rc && k < some; k++) {
            log_progress(w->o->log, "tokens", (i + k) * n_tok, n * n_tok);
            rc = log_stop(w->o->log, err);
            if (!rc)
                rc = add_window(w, i + k, k * n_tok, err);
        }
        if (!rc)
            rc = put_chunk(w, some * n_tok, err);
    }
    log_progress(w->o->log, "tokens", n * n_tok, n * n_tok);
    return rc;
}

static int put_end(struct writer *w, struct err *err)
{
    const int rc = buf_check(&w->windows, err);

    if (!rc)
        buf_put(&w->index, w->windows.p, w->windows.n);
    buf_u64(&w->index, w->n_tokens);
    buf_f64(&w->index, w->kl);
    buf_f64(&w->index, w->rest);
    return rc ? rc : tail_write(&w->out, &w->index, INT32_MAX, err);
}

static void result(struct teacher_cache_result *out, const struct writer *w)
{
    const double n = w->n_tokens ? (double)w->n_tokens : 1;

    *out = (struct teacher_cache_result){
        .n_tokens = w->n_tokens, .bytes = w->out.n, .kl = w->kl / n, .rest = w->rest / n};
}

int teacher_cache_write(struct teacher_cache_result *out, const char *path, struct teacher *t,
                        const struct data *data, const struct teacher_cache_opts *o,
                        struct err *err)
{
    struct writer w = {.t = t, .data = data, .o = o};

    *out = (struct teacher_cache_result){0};
    out_init(&w.out);
    kern_init(&w.kern, cpu_detect());
    int rc = check(&w, err);
    if (!rc) {
        fill_head(&w);
        rc = alloc(&w, err);
    }
    if (!rc)
        rc = out_open(&w.out, path, err);
    if (!rc) {
        fill_levels(&w);
        rc = write_head(&w, err);
    }
    if (!rc)
        rc = put_chunks(&w, err);
    if (!rc)
        rc = put_end(&w, err);
    if (!rc)
        result(out, &w);
    if (!rc)
        rc = out_commit(&w.out, err);
    out_abandon(&w.out);
    buf_release(&w.raw);
    buf_release(&w.index);
    buf_release(&w.windows);
    arena_release(&w.arena);
    return rc;
}
