/* Batches of row groups: cut in writing order, then worked on by every core at once. What
 * must happen in order (writing, hashing) happens a batch later, beside the next one. */

#include "quant/pipe/pipe.h"

#include <stdlib.h>

/* Enough for every core to find work, little enough to stay in memory. Long tasks come
 * first: nobody waits for the last one. */
enum {
    BATCH_OUT_BYTES = 8 << 20,
    BATCH_IN_BYTES = 32 << 20,
    BATCH_GROUPS = 256,
};

int pipe_batch_reserve(struct pipe_batch *b, struct arena *arena, size_t group_bytes,
                       struct err *err)
{
    b->group = arena_array(arena, BATCH_GROUPS, sizeof(*b->group));
    b->out = malloc(BATCH_OUT_BYTES + group_bytes);
    return b->group && b->out ? 0 : err_nomem(err);
}

/* How many of n things belong to the rows before r: none to none, all to all. */
static uint64_t before(uint64_t r, uint64_t rows, uint64_t n)
{
    for (; rows > UINT32_MAX; r >>= 1) /* products must fit */
        rows >>= 1;
    return rows ? n / rows * r + (n % rows * r + rows - 1) / rows : 0;
}

static void add_group(struct pipe *p, struct pipe_batch *b)
{
    const struct pipe_stat *s = &p->stats[p->item];
    const uint64_t rows = source_n_rows(s->t), most = pipe_group_rows(s->t);
    const uint64_t n = rows - p->row < most ? rows - p->row : most;
    struct pipe_group *g = &b->group[b->n++];
    size_t row_bytes = 0;

    (void)dtype_row_bytes(&row_bytes, s->type, source_row_len(s->t));
    *g = (struct pipe_group){
        .t = s->t,
        .item = p->item,
        .index = s->index,
        .type = s->type,
        .r0 = p->row,
        .n = n,
        .out = b->out + b->out_bytes,
        .out_bytes = (size_t)n * row_bytes,
        .in_bytes = (size_t)(before(p->row + n, rows, s->bytes) - before(p->row, rows, s->bytes)),
        .last = p->row + n == rows,
        .global = s->global,
        .n_global = s->n_global,
    };
    b->out_bytes += g->out_bytes;
    b->in_bytes += g->in_bytes;
    p->row += n;
    if (p->row == rows) {
        p->item++;
        p->row = 0;
    }
}

void pipe_batch_fill(struct pipe *p, struct pipe_batch *b)
{
    b->n = 0;
    b->out_bytes = 0;
    b->in_bytes = 0;
    while (p->item < p->n_items && b->n < BATCH_GROUPS && b->out_bytes < BATCH_OUT_BYTES &&
           b->in_bytes < BATCH_IN_BYTES)
        add_group(p, b);
}

static void batch_write(struct pipe *p)
{
    const struct pipe_batch *b = p->before;

    if (!p->write_rc && b->out_bytes)
        p->write_rc = gguf_writer_put(p->writer, b->out, b->out_bytes, &p->write_err);
}

static void batch_hash(struct pipe *p)
{
    const struct pipe_batch *b = p->before;

    for (size_t i = 0; i < b->n && !p->hash_rc; i++) {
        const struct pipe_group *g = &b->group[i];
        struct pipe_stat *s = &p->stats[g->item];
        if (!g->r0)
            p->hash_rc = hash_new(&s->hash, &p->hash_err);
        if (!p->hash_rc)
            hash_add(s->hash, g->out, g->out_bytes);
        if (!p->hash_rc && g->last) {
            p->hash_rc = hash_hex(s->hash, s->sha256, &p->hash_err);
            hash_free(s->hash);
            s->hash = NULL;
        }
    }
}

/* The digest goes a little faster than the encoding, and ends before it. */
static uint64_t share(const struct pipe *p)
{
    const uint64_t bytes = p->now->in_bytes ? p->now->in_bytes : UINT64_MAX / 2;

    return (bytes + bytes / 4) / p->n_readers;
}

/* Unless the caller wants to stop. Groups of a slow type take a while: progress is told by
 * the caller's own thread as they end. */
static void encode(struct pipe *p, struct pipe_group *g, int thread)
{
    g->rc = log_stop(p->job->log, &g->err);
    if (g->rc)
        return;
    pipe_group_encode(g, p->job, p->scratch + (size_t)thread * p->scratch_values);
    const uint64_t now = atomic_fetch_add(&p->now_done, g->in_bytes) + g->in_bytes;
    if (thread == 0 && p->done + now < p->total)
        log_progress(p->job->log, "bytes", p->done + now, p->total);
}

static void task(void *arg, size_t i, int thread)
{
    enum { WRITE, HASH, FIXED };
    struct pipe *p = arg;

    if (i == WRITE) {
        batch_write(p);
    } else if (i == HASH) {
        if (p->job->tensor_report)
            batch_hash(p);
    } else if (i - FIXED < p->n_readers) {
        (void)source_digest_read(p->digest, i - FIXED, share(p));
    } else {
        encode(p, &p->now->group[i - FIXED - p->n_readers], thread);
    }
}

void pipe_batch_run(struct pipe *p)
{
    atomic_store(&p->now_done, 0);
    par_for(&p->job->par, p->now->n + p->n_readers + 2, task, p);
}
