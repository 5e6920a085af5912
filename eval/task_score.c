#include "eval/task_score.h"

#include "eval/score.h"
#include "eval/task_ids.h"
#include "formats/base/rd.h"
#include "runtime/session.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 512 }; /* tokens fed at a time */

/* Logits that are held at a time. */
static const size_t logits_bytes_max = (size_t)32 << 20;

/* One position: what decides about the token after it. */
struct row {
    double lse; /* log(sum exp(logits)) */
    size_t top; /* the most likely token */
};

/* A model that is being asked. */
struct asker {
    const struct task_opts *opts;
    const struct model *model;
    struct task_ids ids;
    struct kern kern;
    struct sess *sess;
    size_t n_vocab, n_batch;
    size_t n_rows;   /* most positions whose logits are held */
    float *logits;   /* owned; [n_rows, n_vocab] */
    struct row *row; /* owned; [n_rows] */

    bool can_keep; /* a part of what was fed: not where layers are recurrent */
    bool can_branch;
    int32_t
        *together;  /* owned; [n_batch] the shared tokens, then those of each choice after them */
    size_t *branch; /* owned; how many of each choice that has any */
    float *known;   /* owned; [n_vocab] logits of the last token that an item's choices share */
    struct row known_row;
};

/* Most tokens that the choices of an item are fed together, and most choices of one. */
static size_t item_tokens(size_t *n_choices, const struct task *t, const struct task_ids *ids)
{
    const struct task_pair *p = ids->pair;
    size_t most = ids->longest;

    *n_choices = 0;
    for (size_t i = 0; i < t->n; i++) {
        size_t sum = 0;
        for (size_t k = 0; k < t->item[i].n; k++, p++)
            sum += p->n_context + p->n_scored - 1;
        most = sum > most ? sum : most;
        *n_choices = t->item[i].n > *n_choices ? t->item[i].n : *n_choices;
    }
    return most;
}

static int asker_open(struct asker *a, const struct task *t, struct err *err)
{
    const struct tok *tok = model_tok(a->model);
    size_t n, n_choices;
    int rc;

    if (!tok)
        return err_set(err, ERR_UNSUPPORTED, "has no tokenizer, so no task can be run");
    rc = task_ids(&a->ids, t, tok, model_n_ctx(a->model), err);
    if (rc)
        return rc;
    kern_init(&a->kern, a->opts->cpu);
    a->n_vocab = model_n_vocab(a->model);
    const size_t most = item_tokens(&n_choices, t, &a->ids);
    a->n_batch = most < BATCH ? most : BATCH;
    a->n_rows = logits_bytes_max / (a->n_vocab * sizeof(float) + 1) + 1;
    if (a->n_rows > a->n_batch)
        a->n_rows = a->n_batch;
    a->logits = mul_ok(&n, a->n_rows, a->n_vocab) ? calloc(n, sizeof(*a->logits)) : NULL;
    a->row = calloc(a->n_rows, sizeof(*a->row));
    a->known = calloc(a->n_vocab + 1, sizeof(*a->known));
    if (!a->logits || !a->row || !a->known)
        return err_nomem(err);
    a->together = calloc(a->n_batch, sizeof(*a->together));
    a->branch = calloc(n_choices + 1, sizeof(*a->branch));
    if (!a->together || !a->branch)
        return err_nomem(err);
    rc = sess_new(&a->sess, a->model, a->ids.longest > a->n_batch ? a->ids.longest : a->n_batch,
                  a->n_batch, &a->opts->par, err);
    if (rc || a->n_batch < 2)
        return rc;
    const int32_t two[] = {a->ids.ids.id[a->ids.pair->at], a->ids.ids.id[a->ids.pair->at]};
    rc = sess_eval(a->sess, two, 2, NULL, 0, err);
    a->can_keep = !rc && sess_keep(a->sess, 1) == 1;
    a->can_branch = sess_can_branch(a->sess);
    return rc;
}

static void asker_release(struct asker *a)
{
    sess_free(a->sess);
    free(a->logits);
    free(a->row);
    free(a->known);
    free(a->together);
    free(a->branch);
    task_ids_release(&a->ids);
}

/* ---- one request ------------------------------------------------------------------------------- */

static void score_row(void *arg, size_t i, int thread)
{
    struct asker *a = arg;
    const float *logits = a->logits + i * a->n_vocab;

    (void)thread;
    a->row[i] =
        (struct row){a->kern.log_sum_exp(logits, a->n_vocab), score_top(logits, a->n_vocab)};
}

/* Position `at` is followed by `next`. */
static int count(struct task_score *out, const struct row *row, const float *logits, int32_t next,
                 struct err *err)
{
    const double ll = (double)logits[next] - row->lse;

    if (!isfinite(ll))
        return err_set(err, ERR_FORMAT, "logits that are not finite");
    out->ll += ll;
    out->greedy = out->greedy && row->top == (size_t)next;
    return 0;
}

/* Score positions first .. end - 1; `row`: which of the tokens just fed `first` is. */
static int score_rows(struct asker *a, struct task_score *out, const int32_t *ids, size_t first,
                      size_t end, size_t row, struct err *err)
{
    int rc = 0;

    for (size_t i = first; !rc && i < end; i += a->n_rows) {
        const size_t n = end - i < a->n_rows ? end - i : a->n_rows;
        rc = sess_logits(a->sess, row + (i - first), n, a->logits, err);
        if (rc)
            return rc;
        par_for(&a->opts->par, n, score_row, a);
        for (size_t k = 0; !rc && k < n; k++)
            rc = count(out, &a->row[k], a->logits + k * a->n_vocab, ids[i + k + 1], err);
    }
    return rc;
}

/* Feed tokens from .. end - 1 and score the positions from `first` on. */
static int feed(struct asker *a, struct task_score *out, const int32_t *ids, size_t from,
                size_t end, size_t first, struct err *err)
{
    int rc = 0;

    for (size_t i = from, n; !rc && i < end; i += n) {
        const size_t skip = first > i ? first - i : 0;
        n = end - i < a->n_batch ? end - i : a->n_batch;
        rc = sess_eval(a->sess, ids + i, n, NULL, 0, err);
        if (!rc && skip < n)
            rc = score_rows(a, out, ids, i + skip, i + n, skip, err);
    }
    return rc;
}

/* The last token is not fed. */
static size_t fed_end(const struct task_pair *p)
{
    return p->n_context + p->n_scored - 1;
}

/* The first `shared` tokens were fed. Score what they decide; *first: the position to go on from. */
static int ask_known(struct asker *a, struct task_score *out, size_t *first,
                     const struct task_pair *p, size_t shared, struct err *err)
{
    *out = (struct task_score){.greedy = true, .n_tokens = p->n_scored, .truncated = p->truncated};
    *first = p->n_context - 1; /* its next token is the first scored one */
    if (*first + 1 != shared)
        return 0;
    (*first)++;
    return count(out, &a->known_row, a->known, a->ids.ids.id[p->at + shared], err);
}

static int ask(struct asker *a, struct task_score *out, const struct task_pair *p, size_t shared,
               struct err *err)
{
    size_t first;
    const int rc = ask_known(a, out, &first, p, shared, err);

    if (rc || first == fed_end(p))
        return rc;
    return feed(a, out, a->ids.ids.id + p->at, sess_keep(a->sess, shared), fed_end(p), first, err);
}

/* Keep the logits of the last shared token, which is `row` of those just fed. */
static int know(struct asker *a, size_t row, struct err *err)
{
    const int rc = sess_logits(a->sess, row, 1, a->known, err);

    if (!rc)
        a->known_row = (struct row){a->kern.log_sum_exp(a->known, a->n_vocab),
                                    score_top(a->known, a->n_vocab)};
    return rc;
}

/* All n requests: the shared tokens and what follows them in each are fed at once. */
static int ask_together(struct asker *a, struct task_score *scores, const struct task_pair *p,
                        size_t n, size_t shared, struct err *err)
{
    size_t n_ids = shared, n_branches = 0, row = shared;
    int rc;

    memcpy(a->together, a->ids.ids.id + p->at, shared * sizeof(*a->together));
    for (size_t i = 0; i < n; i++) {
        const size_t len = fed_end(&p[i]) - shared;
        memcpy(a->together + n_ids, a->ids.ids.id + p[i].at + shared, len * sizeof(*a->together));
        n_ids += len;
        a->branch[n_branches] = len;
        n_branches += len > 0;
    }
    rc = sess_branches(a->sess, a->together, shared, a->branch, n_branches, err);
    if (!rc)
        rc = know(a, shared - 1, err);
    for (size_t i = 0; !rc && i < n; i++) {
        const size_t end = fed_end(&p[i]);
        size_t first;
        rc = ask_known(a, &scores[i], &first, &p[i], shared, err);
        if (!rc)
            rc = score_rows(a, &scores[i], a->ids.ids.id + p[i].at, first, end,
                            row + (first - shared), err);
        row += end - shared;
    }
    return rc;
}

/* ---- all choices of an item ------------------------------------------------------------------------ */

/* How many tokens all requests begin with, none of them scored; 0 when it's not worth a call.
 * They are fed alone, so that each choice is fed in the same portions wherever it stands:
 * equal ones get equal figures, to the last bit. */
static size_t shared_tokens(const struct asker *a, const struct task_pair *p, size_t n)
{
    const size_t least = 8;
    const int32_t *ids = a->ids.ids.id;
    size_t shared = n > 1 ? p[0].n_context : 0;
    bool fed_all = n && p[0].n_scored == 1; /* then: none has tokens to be fed after these */

    for (size_t i = 1; i < n; i++) {
        size_t k = 0;
        fed_all = fed_all && p[i].n_scored == 1 && p[i].n_context == p[0].n_context;
        while (k < shared && k < p[i].n_context && ids[p[0].at + k] == ids[p[i].at + k])
            k++;
        shared = k;
    }
    fed_all = fed_all && shared == p[0].n_context;
    return shared < least || (!a->can_keep && !fed_all) ? 0 : shared;
}

/* Feed what all share; keep the logits after it. */
static int share(struct asker *a, const struct task_pair *p, size_t shared, struct err *err)
{
    struct task_score none;
    const int rc = feed(a, &none, a->ids.ids.id + p->at, 0, shared, SIZE_MAX, err);

    return rc ? rc : know(a, (shared - 1) % a->n_batch, err);
}

static bool fits_together(const struct asker *a, const struct task_pair *p, size_t n, size_t shared)
{
    size_t after = 0;

    for (size_t i = 0; i < n; i++)
        after += fed_end(&p[i]) - shared;
    return shared && a->can_branch && after && shared + after <= a->n_batch;
}

static int ask_item(struct asker *a, struct task_score *scores, const struct task_pair *p, size_t n,
                    struct err *err)
{
    const size_t shared = shared_tokens(a, p, n);
    int rc = 0;

    (void)sess_keep(a->sess, 0);
    if (fits_together(a, p, n, shared))
        return ask_together(a, scores, p, n, shared, err);
    if (shared)
        rc = share(a, p, shared, err);
    for (size_t i = 0; !rc && i < n; i++)
        rc = ask(a, &scores[i], &p[i], shared, err);
    return rc;
}

int task_score(struct task_score *scores, const struct task *t, const struct model *m,
               const struct task_opts *opts, struct task_clock *clock, struct err *err)
{
    struct asker a = {.opts = opts, .model = m};
    size_t at = 0;
    int rc = asker_open(&a, t, err);

    for (size_t i = 0; !rc && i < t->n; i++) {
        const size_t n = t->item[i].n;
        rc = log_stop(opts->log, err);
        if (!rc && (rc = ask_item(&a, scores + at, a.ids.pair + at, n, err)))
            (void)err_wrap(err, "%s: line %zu", t->path, t->item[i].line);
        at += n;
        log_progress(opts->log, "items", ++clock->done, clock->total);
    }
    asker_release(&a);
    return rc;
}
