/* Which step next, and several of them side by side. */

#include "recipes/engine_impl.h"

#include <stdlib.h>
#include <string.h>

/* What is done at once: one step, or all of a kind of a branch. */
enum work_state { WORK_TODO, WORK_RUNNING, WORK_DONE, WORK_FAILED, WORK_SKIPPED };

struct work {
    enum engine_kind kind;
    enum work_state state;
    struct branch *b;
    struct engine_step **step; /* [n], in engine.step */
    size_t n;
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

bool engine_goes_on(const struct engine *e, const struct err *why)
{
    return e->opts->keep_going && why->code != ERR_INTERRUPTED;
}

void engine_fail(struct engine *e, struct engine_step *s, const char *why, bool tell)
{
    s->why = why ? engine_text(e, why) : NULL;
    if (tell)
        engine_announce(e, s, ENGINE_FAILED);
    else
        s->state = ENGINE_FAILED;
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

int engine_lock(struct store_locks *out, struct engine *e, struct engine_step *s,
                const char *const *key, size_t n, struct err *err)
{
    struct waiting w = {e, s};

    return store_lock(out, e->store, key, n, on_wait, &w, &e->log, err);
}

/* One step, unless another run has done it. */
static int do_step(struct branch *b, struct engine_step *s, const struct par *par, struct err *err)
{
    const struct engine_ops *ops = engine_ops(s->kind);
    const char *const key = s->key;
    struct store_locks locks = {0};
    int rc = 0;

    if (s->state != ENGINE_CACHED) {
        rc = engine_lock(&locks, b->e, s, &key, 1, err);
        if (!rc)
            rc = ops->recall(b, s, err);
    }
    if (!rc)
        engine_announce(b->e, s, s->state == ENGINE_CACHED ? ENGINE_CACHED : ENGINE_RUNNING);
    if (!rc && s->state != ENGINE_CACHED) {
        rc = ops->run(b, s, par, err);
        if (!rc)
            s->state = ENGINE_DONE;
    }
    store_unlock(&locks);
    return rc;
}

static int do_work(const struct work *w, const struct par *par, struct err *err)
{
    const struct engine_ops *ops = engine_ops(w->kind);

    return ops->together ? ops->run(w->b, w->n ? w->step[0] : NULL, par, err)
                         : do_step(w->b, w->step[0], par, err);
}

/* ---- which next -------------------------------------------------------------------------------- */

/* Does w need o? */
static enum engine_need need(const struct work *w, const struct work *o)
{
    const struct engine_ops *ops = engine_ops(w->kind);
    enum engine_need most = NEED_NOTHING;

    for (size_t i = 0; ops->needs && i < w->n + !w->n; i++)
        for (size_t k = 0; k < o->n; k++) {
            const enum engine_need n = ops->needs(w->b, w->n ? w->step[i] : NULL, o->step[k]);
            most = n > most ? n : most;
        }
    return most;
}

/* 1: it may begin; 0: not yet; -1: never. */
static int readiness(const struct schedule *s, const struct work *w)
{
    bool wants = false, has = false;

    for (const struct work *o = s->work; o < w; o++) {
        const enum engine_need n = o->b == w->b ? need(w, o) : NEED_NOTHING;
        if (n == NEED_NOTHING)
            continue;
        if (o->state == WORK_TODO || o->state == WORK_RUNNING)
            return 0;
        if (n == NEED_IT && o->state != WORK_DONE)
            return -1;
        wants = wants || n == NEED_ANY;
        has = has || (n == NEED_ANY && o->state == WORK_DONE);
    }
    return wants && !has ? -1 : 1;
}

static void skip(struct schedule *s, struct work *w)
{
    w->state = WORK_SKIPPED;
    for (size_t i = 0; i < w->n; i++)
        engine_announce(s->e, w->step[i], ENGINE_SKIPPED);
}

/* The first that may begin and fits; *ready: how many may. NULL: none does now. */
static struct work *next(struct schedule *s, size_t *ready)
{
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
        w->memory = s->e->jobs > 1 && w->n ? engine_memory_of(w->b, w->step[0]) : 0;
        if (!s->running || w->memory <= s->e->memory - s->memory)
            found = w;
    }
    return found;
}

/* The first step that is not finished has the reason. */
static void failed(struct schedule *s, struct work *w, const struct err *why)
{
    bool told = false;

    w->state = WORK_FAILED;
    if (!s->n_failed++)
        s->first = *why;
    s->stop = s->stop || !engine_goes_on(s->e, why);
    for (size_t i = 0; i < w->n; i++) {
        struct engine_step *step = w->step[i];
        if (step->state == ENGINE_DONE || step->state == ENGINE_CACHED ||
            step->state == ENGINE_SKIPPED || step->state == ENGINE_FAILED)
            continue;
        engine_fail(s->e, step, told ? NULL : why->msg, engine_goes_on(s->e, why));
        told = true;
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
    if (rc == ERR_ARG) /* the recipe asks for it, not the command line */
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

/* Steps of a kind that are done together lie one behind another. */
static void add_branch(struct schedule *s, struct branch *b, size_t *at)
{
    struct engine *e = b->e;

    while (*at < e->n_steps && e->step[*at]->branch == b->recipe->suffix) {
        struct work *w = &s->work[s->n++];
        *w = (struct work){.kind = e->step[*at]->kind, .b = b, .step = e->step + *at, .n = 1};
        for (++*at; engine_ops(w->kind)->together && *at < e->n_steps &&
                    e->step[*at]->kind == w->kind && e->step[*at]->branch == b->recipe->suffix;
             ++*at)
            w->n++;
    }
    /* gates are checked where no file is asked for, too */
    if (b->score_original && s->work[s->n - 1].kind != ENGINE_REPORT)
        s->work[s->n++] = (struct work){.kind = ENGINE_REPORT, .b = b};
}

static int fill(struct schedule *s, struct err *err)
{
    size_t at = 0;

    s->work = calloc(s->e->n_steps + s->e->recipes.n + 1, sizeof(*s->work));
    if (!s->work)
        return err_nomem(err);
    for (size_t i = 0; i < s->e->recipes.n; i++)
        add_branch(s, &s->e->branch[i], &at);
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
        n += s->e->step[i]->state == ENGINE_FAILED || s->e->step[i]->state == ENGINE_SKIPPED;
    if (engine_goes_on(s->e, err))
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
