#include "eval/eval.h"

#include "eval/about.h"
#include "eval/score.h"
#include "formats/base/rd.h"
#include "runtime/session.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Logits of one model that are held at a time; a window with more is cut. */
static const size_t logits_bytes_max = (size_t)192 << 20;

/* A model while it is being scored. */
struct lane {
    const struct model *model;
    struct sess *sess;
    float *logits;       /* owned; [piece, n_vocab]. Shared by all but the original */
    struct score *score; /* owned; [n_windows * each] */
    double seconds;
};

struct run {
    const struct eval_opts *opts;
    struct kern kern;
    struct windows text;
    size_t n_vocab, n_windows;
    size_t first, each; /* of a window: the first scored position, and how many */
    size_t piece;       /* positions whose logits are held at a time */
    struct lane *lane;  /* owned; n_lanes, the original first when there is one */
    size_t n_lanes;
    bool have_original;
    float *logits;   /* owned; of the model at hand */
    int32_t *window; /* owned; the tokens of one window */
};

static double now(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static const char *name_of(const struct model *m)
{
    return source_path(model_source(m));
}

/* ---- what is scored ----------------------------------------------------------- */

static int run_cut(struct run *r, const struct model *m, const char *text, size_t n,
                   struct err *err)
{
    const int rc = eval_windows(&r->text, m, text, n, r->opts, err);

    r->n_windows = r->text.n;
    r->first = r->opts->n_ctx / 2;
    r->each = rc ? 0 : r->opts->n_ctx - 1 - r->first;
    return rc;
}

static int same_vocab(const struct model *a, const struct model *b, struct err *err)
{
    const struct tok *ta = model_tok(a), *tb = model_tok(b);

    if (model_n_vocab(a) != model_n_vocab(b))
        return err_set(err, ERR_UNSUPPORTED, "%s: %zu tokens in its vocabulary, %zu in that of %s",
                       name_of(b), model_n_vocab(b), model_n_vocab(a), name_of(a));
    if (!ta || !tb)
        return 0;
    const struct vocab *va = tok_vocab(ta), *vb = tok_vocab(tb);
    for (size_t i = 0; i < va->n_tokens && i < vb->n_tokens; i++) {
        const struct meta_str x = va->token[i].text, y = vb->token[i].text;
        if (x.n != y.n || memcmp(x.p, y.p, x.n))
            return err_set(err, ERR_UNSUPPORTED,
                           "%s: token %zu of its vocabulary is not that of %s", name_of(b), i,
                           name_of(a));
    }
    return 0;
}

/* ---- room ----------------------------------------------------------------------- */

static float *logits_new(const struct run *r)
{
    size_t n;

    return mul_ok(&n, r->piece, r->n_vocab) ? calloc(n, sizeof(float)) : NULL;
}

static int lane_open(struct lane *l, const struct run *r, struct err *err)
{
    l->score = calloc(r->n_windows * r->each, sizeof(*l->score));
    if (!l->score)
        return err_nomem(err);
    const int rc = sess_new(&l->sess, l->model, r->opts->n_ctx, r->opts->n_ctx, &r->opts->par, err);
    return rc ? err_wrap(err, "%s", name_of(l->model)) : 0;
}

static int run_open(struct run *r, struct err *err)
{
    const size_t row = r->n_vocab * sizeof(float);
    int rc = 0;

    r->piece = r->each;
    if (row && r->piece > logits_bytes_max / row)
        r->piece = logits_bytes_max / row ? logits_bytes_max / row : 1;
    r->window = calloc(r->opts->n_ctx, sizeof(*r->window));
    r->logits = logits_new(r);
    if (!r->window || !r->logits)
        return err_nomem(err);
    if (r->have_original && !(r->lane[0].logits = logits_new(r)))
        return err_nomem(err);
    for (size_t i = 0; !rc && i < r->n_lanes; i++)
        rc = lane_open(&r->lane[i], r, err);
    return rc;
}

static void run_release(struct run *r)
{
    for (size_t i = 0; r->lane && i < r->n_lanes; i++) {
        sess_free(r->lane[i].sess);
        free(r->lane[i].logits);
        free(r->lane[i].score);
    }
    free(r->lane);
    free(r->logits);
    free(r->window);
    windows_release(&r->text);
}

/* ---- scoring ---------------------------------------------------------------------- */

/* Positions of one piece, scored in parallel. */
struct piece {
    const struct run *run;
    const float *logits, *own; /* [n, n_vocab]; own: the original's, or NULL */
    const int32_t *next;       /* [n]: the tokens that follow */
    const struct score *ref;   /* [n], or NULL */
    struct score *out;         /* [n] */
};

static void score_one(void *arg, size_t i, int thread)
{
    const struct piece *p = arg;
    const size_t n_vocab = p->run->n_vocab;

    (void)thread;
    score_position(&p->out[i], p->logits + i * n_vocab, n_vocab, p->next[i],
                   p->ref ? &p->ref[i] : NULL, p->own ? p->own + i * n_vocab : NULL, &p->run->kern);
}

static int check_finite(const struct run *r, const struct lane *l, size_t at, size_t n,
                        struct err *err)
{
    for (size_t i = at; i < at + n; i++)
        if (!isfinite(l->score[i].lse))
            return err_set(err, ERR_FORMAT,
                           "%s: logits that are not finite, window %zu position %zu",
                           name_of(l->model), i / r->each, r->first + i % r->each);
    return 0;
}

/* Positions begin .. begin + n - 1 among the scored ones of window w. The first piece
 * also feeds what stands before. */
static int lane_piece(struct run *r, struct lane *l, size_t w, size_t begin, size_t n,
                      struct err *err)
{
    const struct lane *original = r->have_original ? &r->lane[0] : NULL;
    const struct lane *against = original && original != l ? original : NULL;
    const size_t from = begin ? r->first + begin : 0, to = r->first + begin + n;
    const size_t at = w * r->each + begin;
    const double t = now();
    float *logits = l->logits ? l->logits : r->logits;
    struct piece p = {.run = r,
                      .logits = logits,
                      .own = against ? against->logits : NULL,
                      .next = r->text.ids.id + w * r->opts->n_ctx + r->first + begin + 1,
                      .ref = against ? against->score + at : NULL,
                      .out = l->score + at};

    if (!begin)
        sess_keep(l->sess, 0);
    const int rc = sess_eval(l->sess, r->window + from, to - from, logits, n, err);
    if (rc)
        return err_wrap(err, "%s", name_of(l->model));
    par_for(&r->opts->par, n, score_one, &p);
    l->seconds += now() - t;
    return check_finite(r, l, at, n, err);
}

static int run_window(struct run *r, size_t w, struct err *err)
{
    const size_t n_ctx = r->opts->n_ctx;

    windows_get(r->window, &r->text, w);
    for (size_t begin = 0; begin < r->each; begin += r->piece) {
        const size_t n = r->each - begin < r->piece ? r->each - begin : r->piece;
        for (size_t i = 0; i < r->n_lanes; i++) {
            int rc = log_stop(r->opts->log, err);
            if (!rc)
                rc = lane_piece(r, &r->lane[i], w, begin, n, err);
            if (rc)
                return rc;
        }
    }
    log_progress(r->opts->log, "tokens", (w + 1) * n_ctx * r->n_lanes,
                 r->n_windows * n_ctx * r->n_lanes);
    return 0;
}

/* The texts of the tokens that the worst windows' scores are of. */
static int name_worst(struct eval_result *to, const struct run *r, struct err *err)
{
    const struct tok *tok = model_tok(r->lane[0].model);
    int rc = 0;

    for (size_t i = 0; i < to->n_worst; i++) {
        const struct eval_worst *w = &to->worst[i];
        const int32_t *next = r->text.ids.id + w->window * r->opts->n_ctx + r->first + 1;
        for (size_t k = 0; !rc && k < r->each; k++)
            rc = eval_ids_text(&w->token[k], &to->arena, tok, next + k, 1, EVAL_ABOUT_BYTES, err);
    }
    return rc;
}

static int run_all(struct run *r, struct eval_result *results, struct eval_result *original,
                   struct err *err)
{
    const struct score *ref = r->have_original ? r->lane[0].score : NULL;
    int rc = 0;

    for (size_t w = 0; !rc && w < r->n_windows; w++)
        rc = run_window(r, w, err);
    for (size_t i = 0; !rc && i < r->n_lanes; i++) {
        const bool is_original = ref && !i;
        struct eval_result *to = is_original ? original : &results[i - (ref != NULL)];
        rc = score_summary(to, r->lane[i].score, is_original ? NULL : ref, r->n_windows, r->each,
                           err);
        if (!rc)
            rc = name_worst(to, r, err);
        if (!rc)
            to->seconds = r->lane[i].seconds;
    }
    return rc;
}

/* Models that share their tokens: those beside an original, or one alone. */
static int eval_group(struct eval_result *results, struct eval_result *original_result,
                      const struct model *const *models, size_t n, const struct model *original,
                      const char *text, size_t text_bytes, const struct eval_opts *opts,
                      struct err *err)
{
    struct run r = {.opts = opts, .have_original = original != NULL};
    int rc;

    r.n_lanes = n + r.have_original;
    r.lane = calloc(r.n_lanes, sizeof(*r.lane));
    if (!r.lane)
        return err_nomem(err);
    if (original)
        r.lane[0].model = original;
    for (size_t i = 0; i < n; i++)
        r.lane[i + r.have_original].model = models[i];
    r.n_vocab = model_n_vocab(r.lane[0].model);
    kern_init(&r.kern, opts->cpu);

    rc = run_cut(&r, r.lane[0].model, text, text_bytes, err);
    for (size_t i = 1; !rc && i < r.n_lanes; i++)
        rc = same_vocab(r.lane[0].model, r.lane[i].model, err);
    if (!rc)
        rc = run_open(&r, err);
    if (!rc)
        rc = run_all(&r, results, original_result, err);
    run_release(&r);
    return rc;
}

int eval_text(struct eval_result *results, struct eval_result *original_result,
              const struct model *const *models, size_t n, const struct model *original,
              const char *text, size_t text_bytes, const struct eval_opts *opts, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; i < n; i++)
        results[i] = (struct eval_result){0};
    if (original_result)
        *original_result = (struct eval_result){0};
    if (original)
        return eval_group(results, original_result, models, n, original, text, text_bytes, opts,
                          err);
    for (size_t i = 0; !rc && i < n; i++)
        rc = eval_group(&results[i], NULL, &models[i], 1, NULL, text, text_bytes, opts, err);
    return rc;
}
