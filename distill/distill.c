#include "distill/distill.h"

#include "distill/distill_impl.h"
#include "distill/distill_work.h"
#include "distill/hidden_map.h"
#include "formats/apart.h"
#include "formats/base/hash.h"
#include "formats/base/path.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Values of one chunk of logits; there are three such arrays. */
static const size_t CHUNK = (size_t)3 << 22;

struct distill {
    const struct distill_opts *o;
    struct distill_result *out;
    struct train_opts train;
    struct model *teacher, *plan; /* plan: the student's start */
    struct data *data;
    struct params ps;
    struct qad *qad;    /* NULL: not quantized */
    struct imatrix *im; /* its */
    struct teacher *live, *cached;
    struct hidden_map hidden; /* empty: no loss of residual streams */
    size_t rows;
    char teacher_hex[HASH_HEX_BYTES];
    char id[HASH_HEX_BYTES];
    struct distill_work work;
};

bool distill_to_folder(const struct distill_opts *o)
{
    return !path_ends(o->out, ".gguf");
}

/* ---- what decides the result -------------------------------------------------------- */

static int identify(struct distill *d, struct err *err)
{
    char from[HASH_HEX_BYTES];
    struct hash *h;
    int rc = distill_from_sha256(from, d->o, err);

    if (!rc)
        rc = hash_new(&h, err);
    if (rc)
        return rc;
    hash_str(h, d->teacher_hex);
    hash_str(h, data_sha256(d->data));
    distill_hash(h, d->o, &d->train, from);
    rc = distill_qad_hash(h, d->o, err);
    if (!rc)
        rc = hash_hex(h, d->id, err);
    hash_free(h);
    return rc;
}

static int claim_work(struct distill *d, struct err *err)
{
    return distill_work_claim(&d->work, d->id, d->o->anew, err);
}

/* What only the first rank does, before the others go on. */
static int first_rank(struct distill *d, int (*does)(struct distill *d, struct err *err),
                      struct err *err)
{
    char done = 0;
    const int rc = comm_rank(d->o->comm) ? 0 : does(d, err);

    return rc ? rc : comm_broadcast(d->o->comm, &done, 1, err);
}

/* ---- teacher and text --------------------------------------------------------------- */

static int map_hidden(struct distill *d, struct err *err)
{
    const struct student_about *a = &d->out->about;
    const uint64_t wide = arch_int(source_params(model_source(d->teacher)), ARCH_N_EMBD, 0);
    int rc;

    if (!loss_needs_hidden(&d->train.loss))
        return d->o->hidden_map
                   ? err_set(err, ERR_ARG, "hidden-map is for losses with hidden_mse or hidden_cos")
                   : 0;
    if (a->hidden != wide)
        return err_set(err, ERR_ARG,
                       "a loss of residual streams: the student's are %" PRIu64
                       " wide, the teacher's %" PRIu64,
                       a->hidden, wide);
    rc = hidden_map_read(&d->hidden, d->o->hidden_map, (size_t)a->layers,
                         (size_t)a->n_teacher_layers, err);
    d->train.hidden = d->hidden.student;
    d->train.n_hidden = d->hidden.n;
    return rc;
}

static int open_teacher(struct distill *d, struct err *err)
{
    const struct model_opts mo = {.cpu = d->o->train.cpu,
                                  .math = d->o->teacher_math,
                                  .pre = d->o->pre,
                                  .log = d->o->train.log};
    struct student_spec spec = d->o->student;
    int rc = model_open(&d->teacher, d->o->teacher, &mo, err);

    spec.folder = distill_to_folder(d->o);
    if (!rc && !model_tok(d->teacher))
        rc = err_set(err, ERR_UNSUPPORTED, "%s: it has no vocabulary", d->o->teacher);
    if (!rc && !d->o->student.from) /* the student is of its kind */
        rc = net_covers(d->teacher, err);
    if (!rc)
        rc = student_plan(&d->out->about, &spec, model_source(d->teacher), err);
    if (!rc && d->o->planned && !comm_rank(d->o->comm))
        d->o->planned(d->o->arg, &d->out->about);
    return rc ? rc : map_hidden(d, err);
}

static uint64_t divided(uint64_t a, uint64_t b)
{
    return (a + b - 1) / b;
}

/* Steps, and what is counted in them. */
static void plan_steps(struct distill *d)
{
    struct train_opts *t = &d->train;
    const uint64_t step = (uint64_t)t->n_seq * t->accumulate * d->o->data.n_tok;
    const uint64_t all = (uint64_t)data_n_epoch(d->data) * d->o->data.n_tok;

    if (!t->optim.total)
        t->optim.total = divided(d->o->tokens ? d->o->tokens : all, step ? step : 1);
    if (!t->eval_every)
        t->eval_every = divided(t->optim.total, 10);
    if (t->optim.schedule == SCHEDULE_WSD && !t->optim.decay)
        t->optim.decay = divided(t->optim.total, 5);
    if (t->optim.warmup == UINT64_MAX)
        t->optim.warmup = t->optim.total / 10 < 100 ? t->optim.total / 10 : 100;
    d->out->steps = t->optim.total;
    d->out->n_windows = data_n_windows(d->data);
    d->out->n_held = data_n_held(d->data);
}

/* What does nothing, or not what was meant, and would not be noticed. */
static void warn_of_plan(const struct distill *d)
{
    const struct log *log = d->o->train.log;
    const struct optim_opts *o = &d->train.optim;
    const uint64_t decay = o->schedule == SCHEDULE_WSD ? o->decay : 0;
    const double start = o->ema > 0 ? pow(o->ema, (double)o->total) : 0;

    if (o->warmup > o->total)
        log_warn(log,
                 "a warmup of %" PRIu64 " steps in a run of %" PRIu64
                 ": the learning rate does not come to %g",
                 o->warmup, o->total, o->lr);
    else if (decay > o->total - o->warmup)
        log_warn(log, "warmup and decay overlap: %" PRIu64 " and %" PRIu64 " of %" PRIu64 " steps",
                 o->warmup, decay, o->total);
    if (d->train.patience && !data_n_held(d->data))
        log_warn(log, "nothing is held back: there are no evaluations that could stop the run");
    if (d->o->cache && !loss_needs_logits(&d->train.loss))
        log_warn(log, "the cache is not used: this loss asks for no teacher's logits");
    if (start > 0.1)
        log_warn(log,
                 "after %" PRIu64 " steps an average of %g is still %.0f %% the weights of the "
                 "start, and it is what is evaluated and written",
                 o->total, o->ema, 100 * start);
}

static int open_text(struct distill *d, struct err *err)
{
    struct data_opts o = d->o->data;
    int rc;

    o.par = d->o->train.par;
    o.log = d->o->train.log;
    rc = data_open(&d->data, model_tok(d->teacher), &o, err);
    if (!rc)
        rc = source_sha256(d->teacher_hex, model_source(d->teacher), &o.par, o.log, err);
    if (rc)
        return rc;
    plan_steps(d);
    if (!comm_rank(d->o->comm))
        warn_of_plan(d);
    return identify(d, err);
}

/* ---- student ------------------------------------------------------------------------ */

/* Windows that importance is measured on: the first few, of some thousands of tokens. */
enum { SAMPLE_TOKENS = 4096 };

static int sample_of(int32_t **ids, struct student_sample *s, const struct distill *d,
                     struct err *err)
{
    const size_t n_tok = data_n_tok(d->data), all = data_n_windows(d->data);
    size_t n = (SAMPLE_TOKENS + n_tok - 1) / n_tok;

    n = n < all ? n : all;
    *ids = calloc(n * n_tok, sizeof(**ids));
    if (!*ids)
        return err_nomem(err);
    for (size_t i = 0; i < n; i++)
        memcpy(*ids + i * n_tok, data_window(d->data, i).ids, n_tok * sizeof(**ids));
    *s = (struct student_sample){*ids, n, n_tok};
    return 0;
}

static int make_student(struct distill *d, struct err *err)
{
    struct student_about about = {0};
    struct student_sample s;
    int32_t *ids = NULL;
    int rc = 0;

    if (!access(d->work.start.p, F_OK))
        return 0;
    rc = sample_of(&ids, &s, d, err);

    if (!rc)
        rc = student_make(&about, d->work.start.p, &d->o->student, d->teacher, &s, &d->o->train.par,
                          d->o->train.log, err);
    if (!rc && d->o->pruned && about.influence)
        d->o->pruned(d->o->arg, &about);
    student_about_release(&about);
    free(ids);
    return rc;
}

static int open_student(struct distill *d, struct err *err)
{
    const struct model_opts mo = {.cpu = d->o->train.cpu, .math = KERN_F32, .log = d->o->train.log};
    int rc = first_rank(d, make_student, err);

    if (!rc)
        rc = model_open(&d->plan, d->work.start.p, &mo, err);
    if (!rc)
        rc = params_read(&d->ps, model_source(d->plan), err);
    return rc ? rc : distill_qad_open(&d->qad, &d->im, &d->ps, model_source(d->plan), d->o, err);
}

/* ---- targets ------------------------------------------------------------------------ */

static struct teacher_opts teacher_opts(const struct distill *d)
{
    return (struct teacher_opts){.student = source_vocab(model_source(d->plan)),
                                 .n_vocab = model_n_vocab(d->plan),
                                 .n_tok = data_n_tok(d->data),
                                 .n_rows = d->rows,
                                 .layers = d->hidden.teacher,
                                 .n_layers = d->hidden.n,
                                 .par = d->o->train.par};
}

static struct teacher_cache_opts cache_opts(const struct distill *d)
{
    return (struct teacher_cache_opts){.keep = d->o->cache_keep,
                                       .k = d->o->cache_k,
                                       .temperature = d->train.loss.temperature,
                                       .math = d->o->teacher_math,
                                       .seed = d->o->data.seed,
                                       .model_hex = d->teacher_hex,
                                       .log = d->o->train.log};
}

static int write_cache(struct distill *d, struct err *err)
{
    const struct teacher_cache_opts co = cache_opts(d);

    if (!access(d->o->cache, F_OK))
        return 0;
    return teacher_cache_write(&d->out->cache, d->o->cache, d->live, d->data, &co, err);
}

static int open_cache(struct distill *d, struct err *err)
{
    const struct teacher_opts to = teacher_opts(d);
    const struct teacher_cache_opts co = cache_opts(d);
    const int rc = first_rank(d, write_cache, err);

    return rc ? rc : teacher_cached(&d->cached, d->o->cache, &co, d->data, &to, err);
}

static struct train_job job_of(struct distill *d)
{
    return (struct train_job){.ps = &d->ps,
                              .qad = d->qad,
                              .plan = d->plan,
                              .teacher = d->cached ? d->cached : d->live,
                              .judge = d->live,
                              .data = d->data,
                              .dir = d->work.dir.p,
                              .identity = d->id,
                              .comm = d->o->comm,
                              .row = d->o->row,
                              .arg = d->o->arg};
}

static int check_training(struct distill *d, struct err *err)
{
    const struct train_job job = job_of(d);

    return train_check(&job, &d->train, err);
}

static int open_targets(struct distill *d, struct err *err)
{
    const size_t n_tok = data_n_tok(d->data), by = CHUNK / model_n_vocab(d->plan);
    struct teacher_opts to;
    int rc;

    d->rows = by < 16 ? 16 : by;
    d->rows = d->rows < n_tok ? d->rows : n_tok;
    d->train.rows = d->rows;
    to = teacher_opts(d);
    rc = teacher_live(&d->live, d->teacher, &to, err);
    if (!rc)
        rc = check_training(d, err);
    if (!rc && d->o->cache && loss_needs_logits(&d->train.loss))
        rc = open_cache(d, err);
    return rc;
}

/* ---- the whole ---------------------------------------------------------------------- */

static int train(struct distill *d, struct err *err)
{
    const struct train_job job = job_of(d);
    const int rc = train_run(&d->out->train, &job, &d->train, err);
    const struct train_result *r = &d->out->train;

    if (!rc && data_n_held(d->data) && r->steps && !r->best_step && !comm_rank(d->o->comm))
        log_warn(d->o->train.log,
                 "no evaluation was better than the one before training: the student is written "
                 "as it was then; try another learning rate");
    return rc;
}

/* Without evaluations the losses are all that tells a run that went wrong. */
static int weigh_losses(struct distill *d, struct err *err)
{
    struct train_result *r = &d->out->train;
    int rc;

    if (data_n_held(d->data) || !r->steps)
        return 0;
    rc = train_log_losses(r, d->work.log.p, err);
    if (!rc && r->last_loss > r->first_loss)
        log_warn(d->o->train.log,
                 "the loss rose from %.4g (mean of the first %" PRIu64 " of %" PRIu64
                 " steps) to %.4g (of as many at the end), and nothing was held back to tell good "
                 "weights from bad: try a lower learning rate, or more steps",
                 r->first_loss, r->n_losses, r->steps, r->last_loss);
    return rc;
}

static int write_folder(const struct distill *d, struct err *err)
{
    const char *type = dtype_get(d->o->type)->name;
    int rc;

    if (distill_work_made(&d->work, type))
        return 0;
    rc = distill_work_making(&d->work, type, err);
    return rc ? rc
              : student_write_folder(d->o->out, model_source(d->plan), &d->ps, d->o->type,
                                     &d->o->train.par, err);
}

static int write_student(struct distill *d, struct err *err)
{
    if (d->qad)
        return qad_write(d->o->out, d->qad, err);
    return distill_to_folder(d->o)
               ? write_folder(d, err)
               : student_write_gguf(d->o->out, model_source(d->plan), &d->ps, d->o->type, err);
}

/* How it went, as OUT.report.html. */
static int write_page(struct distill *d, struct err *err)
{
    struct distill_opts used = *d->o;

    if (!d->o->page)
        return 0;
    used.train = d->train;
    return d->o->page(d->work.page.p, d->work.log.p, &used, d->out, err);
}

static int end_work(struct distill *d, struct err *err)
{
    return distill_work_end(&d->work, d->o->keep, err);
}

/* Drawn tokens leave nothing for the others, which only these losses can do with. */
static int check_loss(const struct distill_opts *o, struct err *err)
{
    if (o->cache && loss_needs_hidden(&o->train.loss))
        return err_set(err, ERR_ARG,
                       "a cache holds no residual streams: hidden_mse and hidden_cos need the "
                       "teacher itself");
    for (size_t i = 0; o->cache && o->cache_keep == TEACHER_SAMPLED && i < o->train.loss.n; i++)
        if (o->train.loss.term[i].kind != LOSS_FORWARD_KL && o->train.loss.term[i].kind != LOSS_CE)
            return err_set(err, ERR_ARG, "a cache of drawn tokens is for forward_kl and ce alone");
    return 0;
}

static int check(struct distill *d, struct err *err)
{
    struct stat st;
    int rc = apart(d->o->out, d->o->teacher, false, err);

    for (size_t i = 0; i < d->o->data.n_files && !rc; i++)
        rc = apart(d->o->out, d->o->data.file[i].path, false, err);
    if (!rc)
        rc = apart(d->o->out, d->o->student.from, false, err);
    if (!rc)
        rc = apart(d->o->out, d->o->cache, false, err);
    if (!rc)
        rc = check_loss(d->o, err);
    if (!rc)
        rc = distill_qad_check(d->o, err);
    if (!rc)
        rc = gemm_check(d->o->train.math, d->o->train.cpu, err);
    if (!rc && distill_to_folder(d->o) && !stat(d->o->out, &st) &&
        !distill_work_made(&d->work, dtype_get(d->o->type)->name) && rmdir(d->o->out))
        rc = err_set(err, ERR_ARG, "%s: it is there, and no empty folder", d->o->out);
    return rc;
}

static int stages(struct distill *d, struct err *err)
{
    int rc = first_rank(d, check, err);

    if (!rc)
        rc = open_teacher(d, err);
    if (!rc)
        rc = open_text(d, err);
    if (!rc)
        rc = first_rank(d, claim_work, err);
    if (!rc)
        rc = open_student(d, err);
    if (!rc)
        rc = open_targets(d, err);
    if (!rc && d->o->begun && !comm_rank(d->o->comm))
        d->o->begun(d->o->arg, d->out);
    if (!rc)
        rc = train(d, err);
    if (!rc)
        rc = first_rank(d, write_student, err);
    if (!rc)
        rc = first_rank(d, weigh_losses, err);
    if (!rc)
        rc = first_rank(d, write_page, err);
    return rc ? rc : first_rank(d, end_work, err);
}

int distill_run(struct distill_result *out, const struct distill_opts *o, struct err *err)
{
    struct distill d = {.o = o, .out = out, .train = o->train};
    int rc;

    *out = (struct distill_result){0};
    d.train.optim.lr = distill_rate(o);
    rc = distill_work_init(&d.work, o->out, err);
    if (!rc)
        rc = stages(&d, err);
    if (rc && !out->train.steps && !comm_rank(o->comm))
        distill_work_abandon(&d.work);
    teacher_free(d.cached);
    teacher_free(d.live);
    qad_free(d.qad);
    imatrix_free(d.im);
    params_release(&d.ps);
    model_free(d.plan);
    data_free(d.data);
    model_free(d.teacher);
    hidden_map_release(&d.hidden);
    distill_work_release(&d.work);
    if (rc)
        distill_result_release(out);
    return rc;
}

void distill_result_release(struct distill_result *r)
{
    student_about_release(&r->about);
    *r = (struct distill_result){0};
}
