#include "runtime/session.h"

#include "formats/base/rd.h"
#include "runtime/forward/forward.h"

#include <stdlib.h>
#include <string.h>

/* ---- memory ------------------------------------------------------------------ */

static int floats(float **out, struct sess *s, size_t a, size_t b, struct err *err)
{
    size_t n;

    *out = mul_ok(&n, a, b) ? arena_array(&s->arena, n, sizeof(**out)) : NULL;
    return *out ? 0 : err_nomem(err);
}

static size_t max(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* Widest matrix input: scratch of a product grows with it. */
static size_t widest(const struct model *m)
{
    size_t cols = m->head->cols;

    for (size_t i = 0; i < m->n_layer; i++)
        for (size_t r = 0; r < ROLE_COUNT; r++)
            cols = max(cols, m->layer[i].w.mat[r].cols);
    return cols;
}

/* What a layer's parts ask for together: floats of state, or of cache for a position. */
static size_t floats_of(const struct model *m, size_t layer, bool state)
{
    const struct part *parts[LAYER_PARTS];
    const size_t n = layer_parts(parts, &m->layer[layer]);
    size_t sum = 0;

    for (size_t i = 0; i < n; i++) {
        size_t (*ask)(const struct model *, size_t) =
            state ? parts[i]->state_floats : parts[i]->cache_floats;
        sum += ask ? ask(m, layer) : 0;
    }
    return sum;
}

static int alloc_cache(struct sess *s, struct err *err)
{
    const struct model *m = s->m;
    int rc = 0;

    s->cache = arena_array(&s->arena, m->n_layer, sizeof(*s->cache));
    s->state = arena_array(&s->arena, m->n_layer, sizeof(*s->state));
    s->ids = arena_array(&s->arena, s->n_ctx, sizeof(*s->ids));
    if (!s->cache || !s->state || !s->ids)
        return err_nomem(err);
    for (size_t i = 0; !rc && i < m->n_layer; i++) {
        const size_t cache = floats_of(m, i, false), state = floats_of(m, i, true);
        if (cache)
            rc = floats(&s->cache[i], s, s->n_ctx, cache, err);
        if (!rc && state)
            rc = floats(&s->state[i], s, 1, state, err);
    }
    return rc;
}

static int alloc_ropes(struct sess *s, struct err *err)
{
    const struct model *m = s->m;
    int rc = 0;

    s->rope = arena_array(&s->arena, m->n_ropes + 1, sizeof(*s->rope));
    if (!s->rope)
        return err_nomem(err);
    for (size_t i = 0; !rc && i < m->n_ropes; i++)
        rc = floats(&s->rope[i], s, s->n_ctx, m->ropes[i].n_rot, err);
    return rc;
}

static void fill_ropes(struct sess *s, bool far)
{
    s->far = far;
    for (size_t i = 0; i < s->m->n_ropes; i++)
        rope_table(s->rope[i], &s->m->ropes[i], far, s->n_ctx);
}

static bool any_both(const struct model *m)
{
    for (size_t i = 0; i < m->n_layer; i++)
        if (m->layer[i].mixer && m->layer[i].recurrent)
            return true;
    return false;
}

/* Threads' scratch is on lines of their own. */
static size_t lines(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

static int alloc_scratch(struct sess *s, struct err *err)
{
    const struct model *m = s->m;
    const size_t queries = s->n_batch < QUERY_BLOCK ? s->n_batch : QUERY_BLOCK;
    size_t work = 0, thread = 0;
    size_t bytes;

    for (size_t i = 0; i < m->n_layer; i++) {
        const struct part *parts[LAYER_PARTS];
        const size_t n = layer_parts(parts, &m->layer[i]);
        for (size_t p = 0; p < n; p++) {
            work = max(work, parts[p]->work_floats(m, i));
            if (parts[p]->thread_floats)
                thread = max(thread, parts[p]->thread_floats(m, i, queries));
        }
    }
    int rc = floats(&s->work, s, s->n_batch, work, err);
    if (!rc)
        rc = floats(&s->x, s, s->n_batch, m->n_embd, err);
    if (!rc)
        rc = floats(&s->xn, s, s->n_batch, m->n_embd, err);
    if (!rc)
        rc = floats(&s->y, s, s->n_batch, m->n_embd, err);
    for (float **p = &s->inputs; !rc && m->n_embd_layer && p;
         p = p == &s->inputs ? &s->table : NULL)
        rc = floats(p, s, s->n_batch, m->n_layer * m->n_embd_layer, err);
    if (!rc && any_both(m))
        rc = floats(&s->y2, s, s->n_batch, m->n_embd, err);
    if (rc)
        return rc;

    s->mm_scratch =
        arena_alloc(&s->arena, mm_scratch_bytes(&m->kern, s->math, s->n_batch, widest(m), &s->par));
    s->attn_bytes = lines(m->kern.attn_bytes(queries, s->n_ctx));
    s->attn_each = s->attn_bytes + lines(thread * sizeof(float));
    s->attn_scratch = mul_ok(&bytes, s->attn_each, (size_t)s->par.n_threads)
                          ? arena_alloc(&s->arena, bytes)
                          : NULL;
    return s->mm_scratch && s->attn_scratch ? 0 : err_nomem(err);
}

int sess_new(struct sess **out, const struct model *m, size_t n_ctx, size_t n_batch,
             const struct par *par, struct err *err)
{
    return sess_new_math(out, m, m->math, n_ctx, n_batch, par, err);
}

int sess_new_math(struct sess **out, const struct model *m, enum kern_math math, size_t n_ctx,
                  size_t n_batch, const struct par *par, struct err *err)
{
    struct sess *s;
    int rc;

    *out = NULL;
    if (!n_ctx || !n_batch || n_ctx > INT32_MAX)
        return err_set(err, ERR_ARG, "a session of %zu positions and %zu tokens a batch", n_ctx,
                       n_batch);
    s = calloc(1, sizeof(*s));
    if (!s)
        return err_nomem(err);
    s->m = m;
    s->math = math;
    s->par = *par;
    s->n_ctx = n_ctx;
    s->n_batch = n_batch < n_ctx ? n_batch : n_ctx;
    rc = alloc_cache(s, err);
    if (!rc)
        rc = alloc_scratch(s, err);
    if (!rc)
        rc = alloc_ropes(s, err);
    if (rc)
        goto fail;
    fill_ropes(s, false);
    *out = s;
    return 0;

fail:
    sess_free(s);
    return rc;
}

void sess_free(struct sess *s)
{
    if (!s)
        return;
    arena_release(&s->arena);
    free(s);
}

int sess_watch(struct sess *s, const struct sess_watch *w, struct err *err)
{
    size_t most = 0;

    for (size_t i = 0; i < s->m->n_layer; i++) {
        const struct part *parts[LAYER_PARTS];
        const size_t n = layer_parts(parts, &s->m->layer[i]);
        for (size_t p = 0; p < n; p++)
            if (parts[p]->watch_floats)
                most = max(most, parts[p]->watch_floats(s->m, i));
    }
    if (w->fn && !s->seen) {
        const int rc = floats(&s->seen, s, s->n_batch, most, err);
        if (rc)
            return rc;
    }
    s->watch = *w;
    return 0;
}

/* ---- running ----------------------------------------------------------------- */

/* Start anew. */
static void forget(struct sess *s)
{
    s->n = 0;
    for (size_t i = 0; i < s->m->n_layer; i++)
        if (s->state[i])
            memset(s->state[i], 0, floats_of(s->m, i, true) * sizeof(*s->state[i]));
}

size_t sess_keep(struct sess *s, size_t n)
{
    if (n >= s->n)
        return s->n;
    /* a state is of all it has seen */
    if (!n || s->m->has_state)
        forget(s);
    else
        s->n = n;
    return s->n;
}

size_t sess_len(const struct sess *s)
{
    return s->n;
}

static int check_ids(const struct sess *s, const int32_t *ids, size_t n, struct err *err)
{
    for (size_t i = 0; i < n; i++)
        if (ids[i] < 0 || (size_t)ids[i] >= s->m->n_vocab)
            return err_set(err, ERR_ARG, "token id %d in a vocabulary of %zu", (int)ids[i],
                           s->m->n_vocab);
    return 0;
}

static int check_room(const struct sess *s, size_t n, struct err *err)
{
    const struct matrix *pos = &s->m->top.mat[ROLE_POS_EMBD];

    if (n > s->n_ctx - s->n)
        return err_set(err, ERR_ARG, "%zu more tokens after %zu in a context of %zu", n, s->n,
                       s->n_ctx);
    if (pos->t && s->n + n > pos->rows)
        return err_set(err, ERR_ARG, "%zu tokens, but the model knows %zu positions", s->n + n,
                       pos->rows);
    return 0;
}

static void append(struct sess *s, const int32_t *ids, size_t n)
{
    forward_embed(s, ids, n);
    forward_blocks(s, n);
    memmove(s->ids + s->n, ids, n * sizeof(*ids));
    s->n += n;
    s->n_last = n;
}

/* A sequence of `total` tokens may be rotated by other angles than so far: then what
 * is in the cache is computed again. */
static void turn(struct sess *s, size_t total)
{
    const size_t near = s->m->rope_near, n = s->n;
    const bool far = near && total > near;
    const struct sess_watch watch = s->watch;

    if (far == s->far)
        return;
    fill_ropes(s, far);
    forget(s);
    s->watch.fn = NULL; /* each token is told of once */
    s->watch.layer_fn = NULL;
    for (size_t i = 0; i < n; i += s->n_batch)
        append(s, s->ids + i, n - i < s->n_batch ? n - i : s->n_batch);
    s->watch = watch;
}

int sess_eval(struct sess *s, const int32_t *ids, size_t n, float *logits, size_t n_logits,
              struct err *err)
{
    if (!n || n > s->n_batch || n_logits > n)
        return err_set(err, ERR_ARG, "%zu tokens and %zu logits of a batch of %zu", n, n_logits,
                       s->n_batch);
    int rc = check_room(s, n, err);
    if (!rc)
        rc = check_ids(s, ids, n, err);
    if (rc)
        return rc;
    turn(s, s->n + n);
    append(s, ids, n);
    forward_head_tell(s, n);
    return n_logits ? sess_logits(s, n - n_logits, n_logits, logits, err) : 0;
}

/* ---- branches ------------------------------------------------------------------ */

bool sess_can_branch(const struct sess *s)
{
    const struct model *m = s->m;

    for (size_t i = 0; i < m->n_layer; i++)
        if (m->layer[i].mixer != &part_attention || m->layer[i].borrows)
            return false;
    return !m->has_state && !m->rope_near;
}

size_t sess_pos(const struct sess *s, size_t i)
{
    if (!s->branch || i < s->n_shared)
        return s->n + i;
    i -= s->n_shared;
    for (const size_t *len = s->branch; i >= *len; len++)
        i -= *len;
    return s->n + s->n_shared + i;
}

int sess_branches(struct sess *s, const int32_t *ids, size_t n_shared, const size_t *len,
                  size_t n_branches, struct err *err)
{
    size_t n = n_shared;
    int rc = check_room(s, n_shared, err);

    if (!sess_can_branch(s))
        return err_set(err, ERR_UNSUPPORTED, "this model goes on in one way at a time");
    for (size_t i = 0; !rc && i < n_branches; i++) {
        if (n > s->n_batch || !len[i] || len[i] > s->n_batch - n)
            return err_set(err, ERR_ARG, "branch %zu of %zu tokens after %zu in a batch of %zu", i,
                           len[i], n, s->n_batch);
        n += len[i];
        rc = check_room(s, n_shared + len[i], err);
    }
    if (!rc && (!n_branches || n > s->n_batch))
        return err_set(err, ERR_ARG, "%zu branches, %zu tokens", n_branches, n);
    if (!rc)
        rc = check_ids(s, ids, n, err);
    if (rc)
        return rc;
    s->branch = len;
    s->n_shared = n_shared;
    forward_embed(s, ids, n);
    forward_blocks(s, n);
    s->branch = NULL;
    memmove(s->ids + s->n, ids, n_shared * sizeof(*ids));
    s->n += n_shared;
    s->n_last = n;
    forward_head_tell(s, n);
    return 0;
}

static int check_last(const struct sess *s, size_t row0, size_t n, struct err *err)
{
    if (row0 > s->n_last || n > s->n_last - row0)
        return err_set(err, ERR_ARG, "logits of tokens %zu to %zu of %zu", row0, row0 + n,
                       s->n_last);
    return 0;
}

int sess_stream(struct sess *s, const float *x, size_t n, struct err *err)
{
    if (n > s->n_batch)
        return err_set(err, ERR_ARG, "streams of %zu tokens of a batch of %zu", n, s->n_batch);
    memcpy(s->x, x, n * s->m->n_embd * sizeof(*x));
    s->n_last = n;
    return 0;
}

int sess_head(struct sess *s, size_t row0, size_t n, struct err *err)
{
    const int rc = check_last(s, row0, n, err);

    if (!rc)
        forward_head_open(s, row0, n);
    return rc;
}

void sess_head_part(const struct sess *s, float *logits, size_t ld, size_t first, size_t n_tokens,
                    int thread)
{
    forward_head_part(s, logits, ld, first, n_tokens, thread);
}

int sess_logits(struct sess *s, size_t row0, size_t n, float *logits, struct err *err)
{
    const int rc = check_last(s, row0, n, err);

    if (!rc && n)
        forward_head(s, logits, row0, n);
    return rc;
}

int sess_feed(struct sess *s, const int32_t *ids, size_t n, float *logits, struct err *err)
{
    /* all or nothing, as sess_eval */
    int rc = check_room(s, n, err);
    if (!rc)
        rc = check_ids(s, ids, n, err);
    for (size_t i = 0; !rc && i < n; i += s->n_batch) {
        const size_t k = n - i < s->n_batch ? n - i : s->n_batch;
        const bool last = i + k == n && logits;
        rc = sess_eval(s, ids + i, k, last ? logits : NULL, last, err);
    }
    return rc;
}
