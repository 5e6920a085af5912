#include "eval/fused.h"

#include "formats/base/arena.h"
#include "formats/base/clock.h"

#include <math.h>

/* STRETCH tokens are one piece of work, TILE of them are computed at a time: small enough
 * for the tiles of two models to stay in the second cache. */
enum { STRETCH = 1024, TILE = 256 };

/* What a thread needs. */
struct desk {
    float *own, *logits;     /* [FUSED_POSITIONS, TILE]; own: the original's */
    struct score_best *best; /* [n_lanes, FUSED_POSITIONS] */
    struct score_part *all;  /* [n_lanes] of a position */
    double *seconds;         /* [n_lanes] */
};

struct fused {
    struct fused_opts opts;
    size_t n_stretches;
    struct desk *desk;       /* one per thread */
    struct score_part *part; /* [n_stretches, n_lanes, FUSED_POSITIONS] */
    float *next;             /* [n_lanes, FUSED_POSITIONS] logits of the tokens that follow */
    const struct fused_lane *lanes;
    const struct fused_rows *rows;
    struct score *const *out;
    struct arena arena; /* holds everything, this too */
};

/* ---- room ------------------------------------------------------------------------ */

static bool desk_init(struct desk *d, struct fused *f)
{
    const size_t lanes = f->opts.n_lanes;

    d->own = arena_array(&f->arena, FUSED_POSITIONS, TILE * sizeof(float));
    d->logits = arena_array(&f->arena, FUSED_POSITIONS, TILE * sizeof(float));
    d->best = arena_array(&f->arena, lanes, FUSED_POSITIONS * sizeof(*d->best));
    d->seconds = arena_array(&f->arena, lanes, sizeof(*d->seconds));
    d->all = arena_array(&f->arena, lanes, sizeof(*d->all));
    return d->own && d->logits && d->best && d->seconds && d->all;
}

int fused_new(struct fused **out, const struct fused_opts *opts, struct err *err)
{
    const size_t threads = (size_t)opts->par.n_threads;
    struct arena arena = {0};
    struct fused *f = arena_alloc(&arena, sizeof(*f));

    *out = NULL;
    if (!f)
        return err_nomem(err);
    *f = (struct fused){.opts = *opts, .arena = arena};
    f->n_stretches = (opts->n_vocab + STRETCH - 1) / STRETCH;
    f->desk = arena_array(&f->arena, threads, sizeof(*f->desk));
    f->part =
        arena_array(&f->arena, f->n_stretches * opts->n_lanes, FUSED_POSITIONS * sizeof(*f->part));
    f->next = arena_array(&f->arena, opts->n_lanes, FUSED_POSITIONS * sizeof(*f->next));
    bool good = f->desk && f->part && f->next;
    for (size_t i = 0; good && i < threads; i++)
        good = desk_init(&f->desk[i], f);
    if (!good) {
        fused_free(f);
        return err_nomem(err);
    }
    *out = f;
    return 0;
}

void fused_free(struct fused *f)
{
    if (!f)
        return;
    struct arena arena = f->arena;
    arena_release(&arena);
}

/* ---- a stretch ----------------------------------------------------------------------- */

/* Tokens first .. first + n - 1 of all rows. */
struct tile {
    size_t first, n;
};

static void tile_logits(const struct fused *f, float *to, const struct fused_lane *l,
                        const struct tile *t, int thread)
{
    const struct fused_rows *r = f->rows;

    if (!l->file) {
        sess_head_part(l->sess, to, TILE, t->first, t->n, thread);
        return;
    }
    for (size_t i = 0; i < r->n; i++)
        logits_file_part(to + i * TILE, l->file, r->file0 + i, t->first, t->n);
}

/* The logits of the tokens that follow, where they are in this tile. */
static void keep_next(struct fused *f, size_t lane, const float *x, const struct tile *t)
{
    const struct fused_rows *r = f->rows;

    for (size_t i = 0; i < r->n; i++) {
        const size_t id = (size_t)r->next[i];
        if (id >= t->first && id < t->first + t->n)
            f->next[lane * FUSED_POSITIONS + i] = x[i * TILE + id - t->first];
    }
}

/* parts: this stretch's, [n_lanes, FUSED_POSITIONS]. The original comes last where parts
 * are joined, since the others need what it was before. */
static void tile_lane(struct fused *f, struct score_part *parts, struct score_part *own_part,
                      size_t lane, const struct tile *t, int thread)
{
    const bool original = f->opts.have_original && !lane;
    const bool against = f->opts.have_original && lane;
    struct desk *d = &f->desk[thread];
    float *x = original ? d->own : d->logits;
    struct score_part *to = parts + lane * FUSED_POSITIONS;
    const double begin = clock_seconds();

    tile_logits(f, x, &f->lanes[lane], t, thread);
    keep_next(f, lane, x, t);
    for (size_t i = 0; i < f->rows->n; i++) {
        struct score_part p;
        score_stretch(&p, &d->best[lane * FUSED_POSITIONS + i], x + i * TILE,
                      against ? d->own + i * TILE : NULL, t->first, t->n, f->opts.kern);
        if (original)
            own_part[i] = p;
        else
            score_join(&to[i], &p, against ? &parts[i] : NULL, against ? &own_part[i] : NULL);
    }
    d->seconds[lane] += clock_seconds() - begin;
}

static void stretch(void *arg, size_t at, int thread)
{
    struct fused *f = arg;
    const size_t lanes = f->opts.n_lanes, end = (at + 1) * STRETCH;
    const size_t to = end < f->opts.n_vocab ? end : f->opts.n_vocab;
    struct score_part *parts = f->part + at * lanes * FUSED_POSITIONS;
    struct score_part own[FUSED_POSITIONS];

    for (size_t i = 0; i < lanes * FUSED_POSITIONS; i++)
        parts[i] = (struct score_part){.lse = (double)-INFINITY};
    for (size_t v = at * STRETCH; v < to; v += TILE) {
        const struct tile t = {v, to - v < TILE ? to - v : TILE};
        for (size_t lane = 0; lane < lanes; lane++)
            tile_lane(f, parts, own, lane, &t, thread);
        for (size_t i = 0; f->opts.have_original && i < f->rows->n; i++)
            score_join(&parts[i], &own[i], NULL, NULL);
    }
}

/* ---- a position ------------------------------------------------------------------------ */

/* The stretches together, in their order. all[n_lanes] */
static void join(struct score_part *all, const struct fused *f, size_t row)
{
    const size_t lanes = f->opts.n_lanes;

    for (size_t i = 0; i < lanes; i++)
        all[i] = (struct score_part){.lse = (double)-INFINITY};
    for (size_t s = 0; s < f->n_stretches; s++) {
        const struct score_part *part = f->part + s * lanes * FUSED_POSITIONS + row;
        for (size_t i = lanes; i-- > 0;) {
            const bool against = f->opts.have_original && i;
            score_join(&all[i], part + i * FUSED_POSITIONS, against ? &all[0] : NULL,
                       against ? part : NULL);
        }
    }
}

static void finish(const struct fused *f, size_t lane, size_t row, const struct score_part *all)
{
    const struct logits_file *file = f->lanes[lane].file;
    const size_t at = lane * FUSED_POSITIONS + row;
    struct score *out = &f->out[lane][row];
    struct score_best best;

    score_best_clear(&best);
    for (int i = 0; i < f->opts.par.n_threads; i++)
        score_best_add(&best, &f->desk[i].best[at]);
    if (file)
        score_finish(out, &best,
                     logits_file_one(file, f->rows->file0 + row, (size_t)f->rows->next[row]), 0);
    else
        score_finish(out, &best, (double)f->next[at], all[lane].lse);
    if (f->opts.have_original && lane)
        score_against(out, &all[lane], &f->out[0][row], &all[0]);
}

static void position(void *arg, size_t row, int thread)
{
    const struct fused *f = arg;
    struct score_part *all = f->desk[thread].all;

    join(all, f, row);
    for (size_t lane = 0; lane < f->opts.n_lanes; lane++)
        finish(f, lane, row, all);
}

/* ---- all of it ----------------------------------------------------------------------------- */

static void clear(struct fused *f)
{
    const size_t lanes = f->opts.n_lanes;

    for (int t = 0; t < f->opts.par.n_threads; t++)
        for (size_t i = 0; i < lanes; i++) {
            f->desk[t].seconds[i] = 0;
            for (size_t k = 0; k < f->rows->n; k++)
                score_best_clear(&f->desk[t].best[i * FUSED_POSITIONS + k]);
        }
}

int fused_score(struct fused *f, struct score *const *out, struct fused_lane *lanes,
                const struct fused_rows *rows, struct err *err)
{
    const struct par *par = &f->opts.par;
    int rc = 0;

    f->lanes = lanes;
    f->rows = rows;
    f->out = out;
    clear(f);
    for (size_t i = 0; !rc && i < f->opts.n_lanes; i++) {
        const double begin = clock_seconds();
        if (!lanes[i].file)
            rc = sess_head(lanes[i].sess, rows->row0, rows->n, err);
        lanes[i].seconds += clock_seconds() - begin;
    }
    if (rc)
        return rc;
    par_for(par, f->n_stretches, stretch, f);
    par_for(par, rows->n, position, f);
    for (size_t i = 0; i < f->opts.n_lanes; i++)
        for (int t = 0; t < par->n_threads; t++)
            lanes[i].seconds += f->desk[t].seconds[i] / par->n_threads;
    return 0;
}
