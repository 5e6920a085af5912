#include "distill/train.h"

#include "distill/train_impl.h"
#include "formats/base/clock.h"
#include "quant/patterns.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

double train_seconds(const struct train *t)
{
    return t->mark.seconds + (clock_seconds() - t->start);
}

/* ---- what is trained ---------------------------------------------------------------- */

static int find(bool *found, struct patterns *p, size_t n, const char *name, struct err *err)
{
    size_t first;
    const int rc = n ? patterns_find(&first, p, name, err) : 0;

    *found = !rc && n && first < n;
    return rc;
}

/* trained NULL: only to see that it can be done. */
static int pick(bool *trained, const struct params *ps, struct patterns *freeze, size_t n,
                struct patterns *only, struct err *err)
{
    bool frozen, wanted = true, any = false;
    int rc = 0;

    for (size_t i = 0; i < ps->n && !rc; i++) {
        rc = find(&frozen, freeze, n, ps->p[i].t->name, err);
        if (!rc && only)
            rc = find(&wanted, only, 1, ps->p[i].t->name, err);
        const bool yes = !rc && !frozen && wanted && !ps->p[i].fixed;
        any |= yes;
        if (trained)
            trained[i] = yes;
    }
    if (!rc && n && patterns_unfound(freeze))
        rc = err_set(err, ERR_ARG, "no tensor's name has '%s', which is to be frozen",
                     patterns_unfound(freeze));
    if (!rc && !any)
        rc = err_set(err, ERR_ARG, "no tensor is left to train");
    return rc;
}

static int pick_trained(bool *trained, const struct params *ps, const struct train_opts *o,
                        struct err *err)
{
    struct patterns *freeze = NULL, *only = NULL;
    size_t n = 0;
    int rc;

    while (o->freeze && o->freeze[n])
        n++;
    rc = patterns_new(&freeze, n + 1, err);
    if (!rc && o->only)
        rc = patterns_new(&only, 1, err);
    for (size_t i = 0; i < n && !rc; i++)
        rc = patterns_add(freeze, o->freeze[i], err);
    if (!rc && o->only)
        rc = patterns_add(only, o->only, err);
    if (!rc)
        rc = pick(trained, ps, freeze, n, only, err);
    patterns_free(freeze);
    patterns_free(only);
    return rc;
}

/* ---- what cannot be done ------------------------------------------------------------ */

static struct params *own_params(const struct train_job *job)
{
    return job->qad ? qad_params(job->qad) : job->ps;
}

static int check_opts(const struct train_job *job, const struct train_opts *o, struct err *err)
{
    const bool hidden = loss_needs_hidden(&o->loss);

    if (!o->n_seq || !o->accumulate || !o->optim.total || !o->rows)
        return err_set(err, ERR_ARG,
                       "sequences of a batch, batches of a step, steps, rows at a time: none is 0");
    if (!(o->loss.temperature > 0) || !isfinite(o->loss.temperature))
        return err_set(err, ERR_ARG, "temperature %g: it is to be more than 0",
                       o->loss.temperature);
    if (loss_needs_teacher(&o->loss) && !job->teacher)
        return err_set(err, ERR_ARG, "this loss needs a teacher");
    if (hidden && (!o->n_hidden || !teacher_hidden(job->teacher, 0)))
        return err_set(err, ERR_ARG,
                       "a loss of residual streams needs a live teacher that watches its blocks");
    return 0;
}

int train_check(const struct train_job *job, const struct train_opts *o, struct err *err)
{
    int rc = check_opts(job, o, err);

    if (!rc)
        rc = pick_trained(NULL, own_params(job), o, err);
    if (!rc)
        rc = net_covers(job->plan, err);
    return rc ? rc : gemm_check(o->math, o->cpu, err);
}

/* ---- making ------------------------------------------------------------------------- */

static int make_arrays(struct train *t, struct err *err)
{
    const size_t most = t->rows > t->n_tok ? t->rows : t->n_tok;
    const struct train_opts *o = t->o;
    struct arena *a = &t->arena;

    t->ids = arena_array(a, o->n_seq, t->n_tok * sizeof(*t->ids));
    t->doc = arena_array(a, o->n_seq, t->n_tok * sizeof(*t->doc));
    t->window = arena_array(a, o->n_seq, sizeof(*t->window));
    t->key = arena_array(a, o->n_seq, sizeof(*t->key));
    t->z = arena_array(a, t->rows, t->n_vocab * sizeof(*t->z));
    t->d = arena_array(a, t->rows, t->n_vocab * sizeof(*t->d));
    t->target = arena_array(a, t->rows, sizeof(*t->target));
    t->value = arena_array(a, most, sizeof(*t->value));
    t->trained = arena_array(a, t->own->n, sizeof(*t->trained));
    return t->ids && t->doc && t->window && t->key && t->z && t->d && t->target && t->value &&
                   t->trained
               ? 0
               : err_nomem(err);
}

static int make(struct train *t, struct err *err)
{
    const struct net_opts no = {.math = t->o->math,
                                .n_seq = t->o->n_seq,
                                .n_tok = t->n_tok,
                                .head_rows = t->rows,
                                .cpu = t->o->cpu,
                                .par = t->o->par};
    int rc = check_opts(t->job, t->o, err);

    comm_stretch(&t->first, &t->n_own, t->comm, t->own->n_values, comm_rank(t->comm));
    if (!rc)
        rc = net_new(&t->net, t->job->plan, t->job->ps, &no, err);
    if (!rc && t->o->n_hidden)
        rc = net_watch(t->net, t->o->hidden, t->o->n_hidden, err);
    if (!rc)
        rc = make_arrays(t, err);
    if (!rc)
        rc = pick_trained(t->trained, t->own, t->o, err);
    if (!rc)
        rc = optim_new(&t->optim, t->own, &t->o->optim, t->trained, t->first, t->n_own, &t->o->par,
                       err);
    if (!rc && mkdir(t->job->dir, 0777) && errno != EEXIST)
        rc = err_errno(err, t->job->dir);
    return rc;
}

static void release(struct train *t)
{
    net_free(t->net);
    optim_free(t->optim);
    arena_release(&t->arena);
    if (t->log_fd >= 0)
        (void)close(t->log_fd);
}

/* ---- a step ------------------------------------------------------------------------- */

static bool all_finite(const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(x[i]))
            return false;
    return true;
}

/* What is to be done about a step that went wrong. */
static const char advice[] = "try a lower learning rate, or more warmup; the last checkpoint stays";

int train_not_finite(const struct train *t, uint64_t step, const char *what, struct err *err)
{
    const struct params *ps = t->own;

    for (size_t i = 0; i < ps->n; i++) {
        const struct param *p = &ps->p[i];
        const bool w = all_finite(ps->w + p->at, p->n);

        if (!w || !all_finite(ps->g + p->at, p->n))
            return err_set(err, ERR_FORMAT,
                           "step %" PRIu64 ": %s not finite, first in the %s of %s: %s", step, what,
                           w ? "gradient" : "weights", p->t->name, advice);
    }
    return err_set(err, ERR_FORMAT, "step %" PRIu64 ": %s not finite: %s", step, what, advice);
}

int train_quantized(struct train *t, uint64_t step, struct err *err)
{
    const int rc = t->job->qad ? qad_use(t->job->qad, err) : 0;

    if (rc != ERR_FORMAT)
        return rc;
    const struct err was = *err;
    return err_set(err, ERR_FORMAT, "step %" PRIu64 ": %s: %s", step, was.msg, advice);
}

/* Of all ranks: each has its share of the sequences, and in the end the sum of gradients of its stretch. *stop: somebody
 * was asked to. */
static int gradients(double *loss, bool *stop, struct train *t, struct err *err)
{
    const uint64_t n = (uint64_t)t->o->n_seq * t->o->accumulate, first = t->mark.step * n;
    size_t from, share;
    uint64_t counted = 0;
    int rc = train_quantized(t, t->mark.step + 1, err);

    comm_share(&from, &share, t->comm, (size_t)n);
    for (uint64_t i = 0; i < n; i++) {
        const struct data_window w = data_window(t->job->data, data_order(t->job->data, first + i));
        counted += train_counted(t, &w);
    }
    *loss = 0;
    *stop = false;
    memset(t->job->ps->g, 0, t->job->ps->n_values * sizeof(float));
    for (uint64_t at = first + from, end = at + share; at < end && counted && !rc && !*stop;
         at += t->n_seq) {
        train_fill(t, at, end, false);
        rc = train_batch(loss, t, 1 / (double)counted, err);
        *stop = !rc && log_stop(t->o->log, err);
    }
    if (!rc && t->job->qad)
        qad_gather(t->job->qad);
    return rc ? rc : comm_reduce(t->comm, t->own->g, t->own->n_values, err);
}

/* What all ranks know of a step, in the order of ranks: the same bits everywhere. */
static int agree(double *loss, double *norm, bool *stop, struct train *t, struct err *err)
{
    double x[3] = {*loss, optim_norm2(t->optim), *stop};
    const int rc = comm_sum(t->comm, x, 3, err);

    *loss = x[0];
    *norm = sqrt(x[1]);
    *stop = x[2] > 0;
    return rc;
}

static int step(struct train *t, struct err *err)
{
    struct train_row row = {0};
    bool stop;
    int rc = gradients(&row.loss, &stop, t, err);

    if (!rc)
        rc = agree(&row.loss, &row.norm, &stop, t, err);
    if (rc)
        return rc;
    if (stop)
        return err_set(err, ERR_INTERRUPTED, "interrupted");
    if (!isfinite(row.loss) || !isfinite(row.norm))
        return train_not_finite(t, t->mark.step + 1,
                                isfinite(row.loss) ? "the gradient is" : "the loss is", err);
    t->mark.step++;
    t->mark.tokens += (uint64_t)t->o->n_seq * t->o->accumulate * t->n_tok;
    optim_step(t->optim, t->mark.step, row.norm);
    rc = comm_gather(t->comm, t->own->w, t->own->n_values, err);
    if (rc)
        return rc;
    row.step = t->mark.step;
    row.tokens = t->mark.tokens;
    row.lr = optim_lr(&t->o->optim, t->mark.step);
    row.seconds = train_seconds(t);
    return train_log_row(t, &row, err);
}

/* ---- evaluations and checkpoints ---------------------------------------------------- */

/* Is a student better that is nearer its teacher, or one of lower PPL? What the loss asks for. */
static bool nearer_is_better(const struct train *t)
{
    return t->job->judge && loss_needs_teacher(&t->o->loss);
}

static int judge(struct train *t, struct err *err)
{
    struct train_mark *m = &t->mark;
    struct train_row row = {.step = m->step, .tokens = m->tokens};
    int rc = train_evaluate(&row, t, err);
    bool better;

    if (rc)
        return rc;
    better = !m->evaluated || (nearer_is_better(t) ? row.kl < m->best_kl : row.ppl < m->best_ppl);
    if (!m->evaluated) {
        m->first_kl = row.kl;
        m->first_ppl = row.ppl;
    }
    m->evaluated = true;
    m->looked = m->step;
    m->n_bad = better ? 0 : m->n_bad + 1;
    if (better) {
        m->best_kl = row.kl;
        m->best_ppl = row.ppl;
        m->best_top1 = row.top1;
        m->best_step = m->step;
        rc = train_save_best(t, err);
    }
    m->stopped = t->o->patience && m->n_bad >= t->o->patience;
    row.seconds = train_seconds(t);
    return rc ? rc : train_log_row(t, &row, err);
}

static bool every(uint64_t n, uint64_t step)
{
    return n && step % n == 0;
}

static bool over(const struct train *t)
{
    return t->mark.stopped || t->mark.step >= t->o->optim.total;
}

static int save(struct train *t, struct err *err)
{
    if (!all_finite(t->own->w, t->own->n_values))
        return train_not_finite(t, t->mark.step, "a weight is", err);
    return train_save(t, err);
}

/* Is held-back text to be looked at now? */
static bool due(const struct train *t)
{
    const uint64_t s = t->mark.step;

    return data_n_held(t->job->data) && !(t->mark.evaluated && t->mark.looked == s) &&
           (!s || every(t->o->eval_every, s) || s == t->o->optim.total);
}

/* Evaluation and checkpoint, where they are due. */
static int look(struct train *t, struct err *err)
{
    const uint64_t s = t->mark.step;
    const bool evaluate = due(t);
    int rc = evaluate ? judge(t, err) : 0;

    if (!rc && s && (over(t) || (t->o->save_every ? every(t->o->save_every, s) : evaluate)))
        rc = save(t, err);
    return rc;
}

static int loop(struct train *t, struct err *err)
{
    int rc = due(t) ? look(t, err) : 0;

    while (!rc && !over(t)) {
        rc = step(t, err);
        if (!rc)
            rc = look(t, err);
    }
    return rc;
}

/* A run that was asked to stop keeps the steps that are done. */
static int interrupted(struct train *t, uint64_t saved, struct err *err)
{
    struct err other = {0};

    if (t->mark.step > saved && save(t, &other)) {
        *err = other;
        return other.code;
    }
    return ERR_INTERRUPTED;
}

/* The weights that the run is about end in ps->w. */
static int take_best(struct train *t, struct err *err)
{
    const struct optim_state s = optim_state(t->optim);

    if (t->mark.evaluated) {
        net_free(t->net); /* room for the file */
        optim_free(t->optim);
        t->net = NULL;
        t->optim = NULL;
        return train_load_best(t, err);
    }
    if (s.ema)
        memcpy(t->own->w + t->first, s.ema, s.n * sizeof(float));
    return comm_gather(t->comm, t->own->w, t->own->n_values, err);
}

int train_run(struct train_result *out, const struct train_job *job, const struct train_opts *o,
              struct err *err)
{
    struct train_opts used = *o;
    struct train t = {
        .job = job, .o = &used, .log_fd = -1, .start = clock_seconds(), .comm = job->comm};
    uint64_t saved;
    int rc;

    used.loss.finite = true; /* a step is not to fail by a token that the teacher lacks */
    t.own = own_params(job);
    kern_init(&t.kern, o->cpu);
    t.n_tok = data_n_tok(job->data);
    t.n_vocab = model_n_vocab(job->plan);
    t.n_embd = (size_t)arch_int(source_params(model_source(job->plan)), ARCH_N_EMBD, 0);
    t.rows = o->rows;
    rc = make(&t, err);
    if (!rc)
        rc = train_load(&t, err);
    saved = t.mark.step;
    if (!rc)
        rc = train_log_open(&t, err);
    if (!rc)
        rc = loop(&t, err);
    if (rc == ERR_INTERRUPTED)
        rc = interrupted(&t, saved, err);
    if (!rc)
        rc = take_best(&t, err);
    *out = (struct train_result){.steps = t.mark.step,
                                 .tokens = t.mark.tokens,
                                 .first_kl = t.mark.first_kl,
                                 .best_kl = t.mark.best_kl,
                                 .first_ppl = t.mark.first_ppl,
                                 .best_ppl = t.mark.best_ppl,
                                 .best_top1 = t.mark.best_top1,
                                 .best_step = t.mark.best_step,
                                 .stopped_early = t.mark.stopped,
                                 .seconds = train_seconds(&t)};
    release(&t);
    return rc;
}
