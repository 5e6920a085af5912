#include "eval/eval.h"

#include "eval/about.h"
#include "eval/fused.h"
#include "eval/score.h"
#include "eval/token_text.h"
#include "formats/base/clock.h"
#include "formats/base/rd.h"
#include "runtime/session.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Tokens of a window that are evaluated at a time; rows whose logits are saved at a time. */
enum { BATCH = 1024, SAVED = 32 };

/* Bytes, and so tokens, that a character has at most. */
enum { CHARACTER = 4 };

struct run {
    const struct eval_opts *opts;
    struct kern kern;
    struct windows text;
    size_t n_vocab, n_windows;
    size_t first, each; /* of a window: the first scored position, and how many */
    /* the original first when there is one, a model or a file; each owned, n_lanes */
    const struct model **model; /* NULL: a file */
    bool *fast;                 /* with fast kernels, whatever the model was opened for */
    struct fused_lane *lane;
    struct score **score, **at; /* [n_windows * each]; of the positions at hand */
    size_t n_lanes;
    bool have_original;
    struct fused *fused;
    int32_t *window; /* owned; the tokens of one window */
    struct logits_out *save;
    float *saved; /* owned; [SAVED, n_vocab], or NULL */
};

static const char *model_path(const struct model *m)
{
    return source_path(model_source(m));
}

static const char *name_of(const struct run *r, size_t lane)
{
    return r->model[lane] ? model_path(r->model[lane]) : logits_file_path(r->opts->logits);
}

/* ---- what is scored ----------------------------------------------------------- */

static int run_cut(struct run *r, const char *text, size_t n, struct err *err)
{
    const struct model *m = r->model[0] ? r->model[0] : r->model[1];
    const int rc = eval_windows(&r->text, m, text, n, r->opts, err);

    r->n_windows = r->text.n;
    r->first = r->opts->n_ctx / 2;
    r->each = rc ? 0 : r->opts->n_ctx - 1 - r->first;
    return rc;
}

static int same_tokens(const struct model *a, const struct model *b, struct err *err)
{
    const struct tok *ta = model_tok(a), *tb = model_tok(b);

    if (!ta || !tb)
        return 0;
    const struct vocab *va = tok_vocab(ta), *vb = tok_vocab(tb);
    for (size_t i = 0; i < va->n_tokens && i < vb->n_tokens; i++) {
        const struct meta_str x = va->token[i].text, y = vb->token[i].text;
        if (x.n != y.n || memcmp(x.p, y.p, x.n))
            return err_set(err, ERR_UNSUPPORTED,
                           "%s: token %zu of its vocabulary is not that of %s", model_path(b), i,
                           model_path(a));
    }
    return 0;
}

/* Lane i against the first. */
static int same_vocab(const struct run *r, size_t i, struct err *err)
{
    const size_t n = model_n_vocab(r->model[i]);

    if (n != r->n_vocab)
        return err_set(err, ERR_UNSUPPORTED, "%s: %zu tokens in its vocabulary, %zu in that of %s",
                       name_of(r, i), n, r->n_vocab, name_of(r, 0));
    return r->model[0] ? same_tokens(r->model[0], r->model[i], err) : 0;
}

/* ---- room ----------------------------------------------------------------------- */

static int lane_open(struct run *r, size_t i, struct err *err)
{
    const size_t n_ctx = r->opts->n_ctx;
    struct fused_lane *l = &r->lane[i];

    r->score[i] = calloc(r->n_windows * r->each, sizeof(**r->score));
    if (!r->score[i])
        return err_nomem(err);
    if (!r->model[i]) {
        l->file = r->opts->logits;
        return 0;
    }
    const size_t batch = n_ctx < BATCH ? n_ctx : BATCH;
    const int rc = r->fast[i] ? sess_new_math(&l->sess, r->model[i], KERN_INT16, n_ctx, batch,
                                              &r->opts->par, err)
                              : sess_new(&l->sess, r->model[i], n_ctx, batch, &r->opts->par, err);
    return rc ? err_wrap(err, "%s", name_of(r, i)) : 0;
}

static int save_open(struct run *r, struct err *err)
{
    const struct logits_shape shape = {r->opts->n_ctx, r->n_vocab, r->n_windows};
    size_t n;

    if (!r->opts->save)
        return 0;
    r->saved = mul_ok(&n, SAVED, r->n_vocab) ? calloc(n, sizeof(*r->saved)) : NULL;
    if (!r->saved)
        return err_nomem(err);
    return logits_out_new(&r->save, r->opts->save, &shape, r->text.ids.id, err);
}

static int run_open(struct run *r, struct err *err)
{
    const struct fused_opts fo = {.kern = &r->kern,
                                  .par = r->opts->par,
                                  .n_vocab = r->n_vocab,
                                  .n_lanes = r->n_lanes,
                                  .have_original = r->have_original};
    int rc = 0;

    r->window = calloc(r->opts->n_ctx, sizeof(*r->window));
    if (!r->window)
        return err_nomem(err);
    for (size_t i = 0; !rc && i < r->n_lanes; i++)
        rc = lane_open(r, i, err);
    if (!rc)
        rc = fused_new(&r->fused, &fo, err);
    return rc ? rc : save_open(r, err);
}

static void run_release(struct run *r)
{
    for (size_t i = 0; i < r->n_lanes; i++) {
        if (r->lane)
            sess_free(r->lane[i].sess);
        if (r->score)
            free(r->score[i]);
    }
    free(r->model);
    free(r->fast);
    free(r->lane);
    free(r->score);
    free(r->at);
    free(r->window);
    free(r->saved);
    logits_out_free(r->save);
    fused_free(r->fused);
    windows_release(&r->text);
}

/* ---- scoring ---------------------------------------------------------------------- */

/* What the first model says, to the file: rows row0 .. row0 + n - 1 of its last batch. */
static int save_rows(struct run *r, size_t row0, size_t n, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; !rc && r->save && i < n; i += SAVED) {
        const size_t k = n - i < SAVED ? n - i : SAVED;
        rc = sess_logits(r->lane[0].sess, row0 + i, k, r->saved, err);
        for (size_t j = 0; !rc && j < k; j++)
            rc = logits_out_row(r->save, r->saved + j * r->n_vocab, &r->kern, err);
    }
    return rc;
}

static int check_finite(const struct run *r, size_t at, size_t n, struct err *err)
{
    for (size_t l = 0; l < r->n_lanes; l++)
        for (size_t i = at; i < at + n; i++) {
            const struct score *s = &r->score[l][i];
            if (!isfinite(s->lse) || !isfinite(s->nll) || isnan(s->kld))
                return err_set(err, ERR_FORMAT,
                               "%s: logits that are not finite, window %zu position %zu",
                               name_of(r, l), i / r->each, r->first + i % r->each);
        }
    return 0;
}

/* Positions begin .. end - 1 of window w, which stand at `row0` in the last batch. */
static int score_rows(struct run *r, size_t w, size_t begin, size_t end, size_t row0,
                      struct err *err)
{
    int rc = 0;

    for (size_t p = begin; !rc && p < end; p += FUSED_POSITIONS) {
        const size_t n = end - p < FUSED_POSITIONS ? end - p : FUSED_POSITIONS;
        const size_t at = w * r->each + p - r->first;
        const struct fused_rows rows = {.row0 = row0 + p - begin,
                                        .n = n,
                                        .file0 = at,
                                        .next = r->text.ids.id + w * r->opts->n_ctx + p + 1};
        for (size_t i = 0; i < r->n_lanes; i++)
            r->at[i] = r->score[i] + at;
        rc = save_rows(r, rows.row0, n, err);
        if (!rc)
            rc = fused_score(r->fused, r->at, r->lane, &rows, err);
        if (!rc)
            rc = check_finite(r, at, n, err);
    }
    return rc;
}

/* Tokens t .. t + n - 1 of the window, to every model. */
static int feed(struct run *r, size_t t, size_t n, struct err *err)
{
    for (size_t i = 0; i < r->n_lanes; i++) {
        struct fused_lane *l = &r->lane[i];
        const double begin = clock_seconds();
        int rc = log_stop(r->opts->log, err);
        if (!rc && l->sess) {
            if (!t)
                (void)sess_keep(l->sess, 0);
            rc = sess_eval(l->sess, r->window + t, n, NULL, 0, err);
            if (rc)
                rc = err_wrap(err, "%s", name_of(r, i));
        }
        if (rc)
            return rc;
        l->seconds += clock_seconds() - begin;
    }
    return 0;
}

/* The last token is predicted, not read. */
static int run_window(struct run *r, size_t w, struct err *err)
{
    const size_t n_ctx = r->opts->n_ctx, n_read = n_ctx - 1;
    int rc = 0;

    windows_get(r->window, &r->text, w);
    for (size_t t = 0; !rc && t < n_read; t += BATCH) {
        const size_t end = n_read - t < BATCH ? n_read : t + BATCH;
        const size_t begin = t > r->first ? t : r->first;
        rc = feed(r, t, end - t, err);
        if (!rc && begin < end)
            rc = score_rows(r, w, begin, end, begin - t, err);
    }
    log_progress(r->opts->log, "tokens", (w + 1) * n_ctx * r->n_lanes,
                 r->n_windows * n_ctx * r->n_lanes);
    return rc;
}

/* ---- results ----------------------------------------------------------------------- */

/* The texts of the tokens that the worst windows' scores are of. */
static int name_worst(struct eval_result *to, const struct run *r, struct err *err)
{
    const struct tok *tok = model_tok(r->model[r->n_lanes - 1]);
    const size_t first = r->first + 1, before = first < CHARACTER ? first : CHARACTER - 1;
    int rc = 0;

    for (size_t i = 0; !rc && i < to->n_worst; i++) {
        const struct eval_worst *w = &to->worst[i];
        const int32_t *next = r->text.ids.id + w->window * r->opts->n_ctx + first;
        rc = token_texts(w->token, &to->arena, tok, next - before, before, r->each, err);
    }
    return rc;
}

/* Where the result of a lane goes; that of fast kernels is made. */
static struct eval_result *place(const struct run *r, size_t lane, struct eval_result *results,
                                 struct eval_result *original)
{
    const size_t at = lane - r->have_original;

    if (r->have_original && !lane)
        return original;
    if (!r->opts->fast)
        return &results[at];
    if (at % 2)
        results[at / 2].fast = calloc(1, sizeof(*results->fast));
    return at % 2 ? results[at / 2].fast : &results[at / 2];
}

static int summarise(const struct run *r, struct eval_result *results, struct eval_result *original,
                     struct err *err)
{
    int rc = 0;

    for (size_t i = 0; !rc && i < r->n_lanes; i++) {
        struct eval_result *to = place(r, i, results, original);
        const struct score *ref = r->have_original && i ? r->score[0] : NULL;
        if (!to)
            return err_nomem(err);
        rc = score_summary(to, r->score[i], ref, r->n_windows, r->each, err);
        if (!rc)
            rc = name_worst(to, r, err);
        to->seconds = r->lane[i].seconds;
    }
    return rc;
}

static int run_all(struct run *r, struct eval_result *results, struct eval_result *original,
                   struct err *err)
{
    int rc = 0;

    for (size_t w = 0; !rc && w < r->n_windows; w++)
        rc = run_window(r, w, err);
    if (!rc && r->save)
        rc = logits_out_done(r->save, err);
    return rc ? rc : summarise(r, results, original, err);
}

/* The lanes: an original, models, each with fast kernels behind it where that is asked for. */
static int run_init(struct run *r, const struct model *original, const struct model *const *models,
                    size_t n, struct err *err)
{
    const size_t each = r->opts->fast ? 2 : 1;

    r->have_original = original || r->opts->logits;
    r->n_lanes = r->have_original + n * each;
    r->model = calloc(r->n_lanes, sizeof(*r->model));
    r->fast = calloc(r->n_lanes, sizeof(*r->fast));
    r->lane = calloc(r->n_lanes, sizeof(*r->lane));
    r->score = calloc(r->n_lanes, sizeof(*r->score));
    r->at = calloc(r->n_lanes, sizeof(*r->at));
    if (!r->model || !r->fast || !r->lane || !r->score || !r->at)
        return err_nomem(err);
    r->model[0] = original;
    for (size_t i = 0; i < n * each; i++) {
        r->model[i + r->have_original] = models[i / each];
        r->fast[i + r->have_original] = i % each;
    }
    r->n_vocab = r->model[0] ? model_n_vocab(r->model[0]) : logits_file_n_vocab(r->opts->logits);
    kern_init(&r->kern, r->opts->cpu);
    return 0;
}

/* Models that share their tokens: those beside an original, or one alone. */
static int eval_group(struct eval_result *results, struct eval_result *original_result,
                      const struct model *const *models, size_t n, const struct model *original,
                      const char *text, size_t text_bytes, const struct eval_opts *opts,
                      struct err *err)
{
    struct run r = {.opts = opts};
    int rc = run_init(&r, original, models, n, err);

    if (!rc)
        rc = run_cut(&r, text, text_bytes, err);
    for (size_t i = 1; !rc && i < r.n_lanes; i++)
        rc = same_vocab(&r, i, err);
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
    if (original && opts->logits)
        return err_set(err, ERR_ARG, "two originals: a model and a logits file");
    if (opts->save && !original && n != 1)
        return err_set(err, ERR_ARG, "logits of %zu models for one file", n);
    if (original || opts->logits)
        return eval_group(results, original_result, models, n, original, text, text_bytes, opts,
                          err);
    for (size_t i = 0; !rc && i < n; i++)
        rc = eval_group(&results[i], NULL, &models[i], 1, NULL, text, text_bytes, opts, err);
    return rc;
}
