/* Which step next, and several of them side by side. */

#include "recipes/engine_impl.h"

#include <stdlib.h>
#include <string.h>

/* What is done at once: one step, or all evaluations, or all reports of a branch. */
enum work_kind { WORK_CALIBRATE, WORK_MAKE, WORK_SCORE, WORK_REPORT };
enum work_state { WORK_TODO, WORK_RUNNING, WORK_DONE, WORK_FAILED, WORK_SKIPPED };

struct work {
    enum work_kind kind;
    enum work_state state;
    struct branch *b;
    size_t variant; /* of WORK_MAKE */
    uint64_t memory;
};

struct schedule {
    struct engine *e;
    struct work *work; /* owned; a branch's one after another */
    size_t n, running;
    uint64_t memory; /* that running ones may take */
    bool stop;       /* begin nothing more */
    size_t n_failed;
    struct err first; /* that failed */
    pthread_mutex_t lock;
    pthread_cond_t changed;
};

void engine_announce(struct engine *e, struct engine_step *s, enum engine_state state)
{
    (void)pthread_mutex_lock(&e->lock);
    s->state = state;
    if (e->opts->on_step)
        e->opts->on_step(e->opts->arg, s);
    (void)pthread_mutex_unlock(&e->lock);
}

/* ---- one piece of work ------------------------------------------------------------------------ */

struct waiting {
    struct engine *e;
    struct engine_step *s;
};

static void on_wait(void *arg)
{
    const struct waiting *w = arg;

    engine_announce(w->e, w->s, ENGINE_WAITING);
}

static int do_calibrate(struct branch *b, const struct par *par, struct err *err)
{
    struct engine_step *s = b->calibrate;
    const char *const key = s->key;
    struct waiting w = {b->e, s};
    struct store_locks locks = {0};
    int rc = 0;

    if (s->state != ENGINE_CACHED) {
        rc = store_lock(&locks, b->e->store, &key, 1, on_wait, &w, &b->e->log, err);
        if (!rc)
            rc = engine_recall_calibrate(b, err);
    }
    if (!rc)
        engine_announce(b->e, s, s->state == ENGINE_CACHED ? ENGINE_CACHED : ENGINE_RUNNING);
    if (!rc && s->state != ENGINE_CACHED) {
        rc = engine_calibrate(b, par, err);
        if (!rc)
            s->state = ENGINE_DONE;
    }
    store_unlock(&locks);
    return rc;
}

static int do_make(struct branch *b, size_t variant, const struct par *par, struct err *err)
{
    struct variant *v = &b->variant[variant];
    struct engine_step *s = v->make;
    const char *const key = s->key;
    struct waiting w = {b->e, s};
    struct store_locks locks = {0};
    int rc = 0;

    if (s->state != ENGINE_CACHED) {
        rc = store_lock(&locks, b->e->store, &key, 1, on_wait, &w, &b->e->log, err);
        if (!rc)
            rc = engine_recall_make(b, variant, err);
    }
    if (!rc)
        engine_announce(b->e, s, s->state == ENGINE_CACHED ? ENGINE_CACHED : ENGINE_RUNNING);
    if (!rc && s->state != ENGINE_CACHED) {
        rc = engine_make(b, v, par, err);
        if (!rc)
            s->state = ENGINE_DONE;
    }
    store_unlock(&locks);
    return rc;
}

static struct engine_step *score_step(struct branch *b, size_t model)
{
    return model ? b->variant[model - 1].score : b->score_original;
}

static bool is_made(struct branch *b, size_t model)
{
    const enum engine_state s = model ? b->variant[model - 1].make->state : ENGINE_DONE;

    return s == ENGINE_DONE || s == ENGINE_CACHED;
}

/* Lock what is missing, look again, tell what is to be done. */
static int prepare_score(struct store_locks *locks, bool *missing, struct branch *b,
                         const char **key, struct err *err)
{
    const size_t n = b->recipe->n_quant;
    struct waiting w = {b->e, b->score_original};
    size_t n_keys = 0;
    int rc = 0;

    for (size_t i = 0; i <= n; i++)
        if (is_made(b, i) && score_step(b, i)->state != ENGINE_CACHED)
            key[n_keys++] = score_step(b, i)->key;
    if (n_keys)
        rc = store_lock(locks, b->e->store, key, n_keys, on_wait, &w, &b->e->log, err);
    for (size_t i = 0; !rc && i <= n; i++)
        if (is_made(b, i) && score_step(b, i)->state != ENGINE_CACHED)
            rc = engine_recall_score(b, i, err);
    for (size_t i = 0; !rc && i <= n; i++) {
        struct engine_step *s = score_step(b, i);
        const bool cached = s->state == ENGINE_CACHED;
        if (!is_made(b, i)) {
            engine_announce(b->e, s, ENGINE_SKIPPED);
            continue;
        }
        *missing = *missing || !cached;
        engine_announce(b->e, s, cached ? ENGINE_CACHED : ENGINE_RUNNING);
    }
    return rc;
}

static int do_score(struct branch *b, const struct par *par, struct err *err)
{
    const char **key = calloc(b->recipe->n_quant + 1, sizeof(*key));
    struct store_locks locks = {0};
    bool missing = false;
    int rc = key ? prepare_score(&locks, &missing, b, key, err) : err_nomem(err);

    if (!rc && missing)
        rc = engine_score(b, par, err);
    store_unlock(&locks);
    free(key);
    return rc;
}

static bool of_work(const struct work *w, const struct engine_step *s)
{
    if (s->branch != w->b->recipe->suffix)
        return false;
    switch (w->kind) {
    case WORK_CALIBRATE:
        return s->kind == ENGINE_CALIBRATE;
    case WORK_MAKE:
        return s == w->b->variant[w->variant].make;
    case WORK_SCORE:
        return s->kind == ENGINE_EVALUATE;
    case WORK_REPORT:
        break;
    }
    return s->kind == ENGINE_REPORT;
}

static int do_reports(const struct work *w, struct err *err)
{
    struct engine *e = w->b->e;
    int rc = 0;

    engine_compose(w->b);
    rc = engine_check_gates(w->b, err);
    for (size_t i = 0; !rc && i < e->n_steps; i++)
        if (of_work(w, &e->step[i]))
            rc = engine_write_report(w->b, &e->step[i], true, err);
    return rc;
}

static int do_work(const struct work *w, const struct par *par, struct err *err)
{
    switch (w->kind) {
    case WORK_CALIBRATE:
        return do_calibrate(w->b, par, err);
    case WORK_MAKE:
        return do_make(w->b, w->variant, par, err);
    case WORK_SCORE:
        return do_score(w->b, par, err);
    case WORK_REPORT:
        break;
    }
    return do_reports(w, err);
}

/* ---- which next -------------------------------------------------------------------------------- */

/* Does w need o, and can it be done without (an evaluation of what else was made)? */
static bool needs(const struct work *w, const struct work *o, bool *strictly)
{
    if (w->b != o->b || o->kind >= w->kind)
        return false;
    *strictly = w->kind != WORK_SCORE;
    if (w->kind != WORK_MAKE)
        return true;
    return o->kind == WORK_CALIBRATE && engine_uses_importance(w->b, &w->b->variant[w->variant]);
}

/* 1: it may begin; 0: not yet; -1: never. */
static int readiness(const struct schedule *s, const struct work *w)
{
    bool strictly, any = w->kind != WORK_SCORE, makes = false;

    for (size_t i = 0; i < s->n; i++) {
        const struct work *o = &s->work[i];
        if (!needs(w, o, &strictly))
            continue;
        if (o->state == WORK_TODO || o->state == WORK_RUNNING)
            return 0;
        if (strictly && o->state != WORK_DONE)
            return -1;
        makes = makes || o->kind == WORK_MAKE;
        any = any || (o->kind == WORK_MAKE && o->state == WORK_DONE);
    }
    return any || !makes ? 1 : -1;
}

static void skip(struct schedule *s, struct work *w)
{
    w->state = WORK_SKIPPED;
    for (size_t i = 0; i < s->e->n_steps; i++)
        if (of_work(w, &s->e->step[i]))
            engine_announce(s->e, &s->e->step[i], ENGINE_SKIPPED);
}

/* The first that may begin and fits; *ready: how many may. NULL: none does now. */
static struct work *next(struct schedule *s, size_t *ready)
{
    static const enum engine_kind kind[] = {ENGINE_CALIBRATE, ENGINE_QUANTIZE, ENGINE_EVALUATE,
                                            ENGINE_REPORT};
    struct work *found = NULL;

    *ready = 0;
    for (size_t i = 0; i < s->n; i++) {
        struct work *w = &s->work[i];
        const int may = w->state == WORK_TODO ? readiness(s, w) : 0;
        if (may < 0)
            skip(s, w);
        if (may <= 0)
            continue;
        ++*ready;
        if (found)
            continue;
        w->memory = s->e->jobs > 1 ? engine_memory_of(w->b, kind[w->kind]) : 0;
        if (!s->running || w->memory <= s->e->memory - s->memory)
            found = w;
    }
    return found;
}

static void failed(struct schedule *s, struct work *w, const struct err *why)
{
    const char *text = engine_text(s->e, why->msg);
    bool told = false;

    w->state = WORK_FAILED;
    if (!s->n_failed++)
        s->first = *why;
    if (!s->e->opts->keep_going || why->code == ERR_INTERRUPTED)
        s->stop = true;
    for (size_t i = 0; i < s->e->n_steps; i++) {
        struct engine_step *step = &s->e->step[i];
        if (!of_work(w, step) || step->state == ENGINE_DONE || step->state == ENGINE_CACHED ||
            step->state == ENGINE_SKIPPED)
            continue;
        step->why = told ? NULL : text;
        told = true;
        if (s->e->opts->keep_going && why->code != ERR_INTERRUPTED)
            engine_announce(s->e, step, ENGINE_FAILED);
        else
            step->state = ENGINE_FAILED;
    }
}

static void run_one(struct schedule *s, struct work *w, size_t ready)
{
    struct engine *e = s->e;
    const size_t all = s->running + ready, at_once = all < e->jobs ? all : e->jobs;
    const int threads = e->opts->par.n_threads / (int)at_once;
    const struct par par = {threads > 1 ? threads : 1};
    struct err err = {0};

    w->state = WORK_RUNNING;
    s->running++;
    s->memory += w->memory;
    (void)pthread_mutex_lock(&e->lock);
    e->alone = s->running == 1;
    (void)pthread_mutex_unlock(&e->lock);
    (void)pthread_mutex_unlock(&s->lock);
    int rc = do_work(w, &par, &err);
    if (rc == ERR_ARG && w->kind == WORK_MAKE) /* the recipe asks for it, not the command line */
        rc = err_wrap(&err, "%s", w->b->variant[w->variant].quant->name);
    if (rc == ERR_ARG)
        err.code = ERR_FORMAT;
    (void)pthread_mutex_lock(&s->lock);
    s->running--;
    s->memory -= w->memory;
    if (rc)
        failed(s, w, &err);
    else
        w->state = WORK_DONE;
    (void)pthread_cond_broadcast(&s->changed);
}

static void *worker(void *arg)
{
    struct schedule *s = arg;

    (void)pthread_mutex_lock(&s->lock);
    for (;;) {
        size_t ready;
        struct work *w = s->stop ? NULL : next(s, &ready);
        if (w)
            run_one(s, w, ready);
        else if (s->running)
            (void)pthread_cond_wait(&s->changed, &s->lock);
        else
            break;
    }
    (void)pthread_cond_broadcast(&s->changed);
    (void)pthread_mutex_unlock(&s->lock);
    return NULL;
}

/* ---- all of it --------------------------------------------------------------------------------- */

static void add(struct schedule *s, enum work_kind kind, struct branch *b, size_t variant)
{
    s->work[s->n++] = (struct work){.kind = kind, .b = b, .variant = variant};
}

static int fill(struct schedule *s, struct err *err)
{
    size_t n = 1;

    for (size_t i = 0; i < s->e->recipes.n; i++)
        n += s->e->recipes.at[i].n_quant + 3;
    s->work = calloc(n, sizeof(*s->work));
    if (!s->work)
        return err_nomem(err);
    for (size_t i = 0; i < s->e->recipes.n; i++) {
        struct branch *b = &s->e->branch[i];
        if (b->calibrate)
            add(s, WORK_CALIBRATE, b, 0);
        for (size_t k = 0; k < b->recipe->n_quant; k++)
            add(s, WORK_MAKE, b, k);
        if (b->score_original)
            add(s, WORK_SCORE, b, 0);
        if (b->score_original)
            add(s, WORK_REPORT, b, 0);
    }
    return 0;
}

/* Workers beside this thread; fewer than asked for is no failure. */
static void run_all(struct schedule *s)
{
    enum { MOST = 64 };
    pthread_t thread[MOST];
    size_t n = 0;

    while (n + 1 < s->e->jobs && n < MOST && !pthread_create(&thread[n], NULL, worker, s))
        n++;
    (void)worker(s);
    while (n)
        (void)pthread_join(thread[--n], NULL);
}

static int verdict(const struct schedule *s, struct err *err)
{
    size_t n = 0;

    if (!s->n_failed)
        return 0;
    *err = s->first;
    for (size_t i = 0; i < s->e->n_steps; i++)
        n += s->e->step[i].state == ENGINE_FAILED || s->e->step[i].state == ENGINE_SKIPPED;
    if (s->e->opts->keep_going && err->code != ERR_INTERRUPTED)
        (void)err_wrap(err, "%zu of %zu steps were not done; first", n, s->e->n_steps);
    return err->code;
}

int engine_run(struct engine *e, struct err *err)
{
    struct schedule s = {.e = e};
    struct err unused;
    int rc = fill(&s, err);

    if (!rc) {
        (void)pthread_mutex_init(&s.lock, NULL);
        (void)pthread_cond_init(&s.changed, NULL);
        run_all(&s);
        (void)pthread_cond_destroy(&s.changed);
        (void)pthread_mutex_destroy(&s.lock);
        rc = verdict(&s, err);
    }
    free(s.work);
    /* digests are worth keeping after a failure too, but the failure is what to tell */
    const int saved = cache_save(e->cache, rc ? &unused : err);
    return rc ? rc : saved;
}
