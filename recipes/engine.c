#include "recipes/engine.h"

#include "formats/apart.h"
#include "recipes/engine_impl.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *engine_text(struct engine *e, const char *s)
{
    (void)pthread_mutex_lock(&e->lock);
    const char *text = arena_str(&e->arena, s);
    (void)pthread_mutex_unlock(&e->lock);
    return text;
}

/* ---- a log for many threads -------------------------------------------------------------------- */

static void warn(void *arg, const char *msg)
{
    struct engine *e = arg;

    (void)pthread_mutex_lock(&e->lock);
    log_warn(e->opts->log, "%s", msg);
    (void)pthread_mutex_unlock(&e->lock);
}

static void progress(void *arg, const char *what, uint64_t done, uint64_t total)
{
    struct engine *e = arg;

    (void)pthread_mutex_lock(&e->lock);
    if (e->alone)
        log_progress(e->opts->log, what, done, total);
    (void)pthread_mutex_unlock(&e->lock);
}

static int stop(void *arg)
{
    const struct log *log = ((struct engine *)arg)->opts->log;

    return log && log->stop ? log->stop(log->arg) : 0;
}

/* ---- opening -------------------------------------------------------------------------------------- */

/* A file that a step writes is none that the recipe reads. */
static int check_output(const struct branch *b, const char *path, struct err *err)
{
    const struct recipe *r = b->recipe;
    const char *const in[] = {r->model.path, r->text.path, r->calibration.path, r->imatrix.path};
    int rc = 0;

    for (size_t k = 0; !rc && k < sizeof(in) / sizeof(in[0]); k++)
        rc = apart(path, in[k], false, err);
    for (size_t k = 0; !rc && k < b->n_tasks; k++)
        rc = apart(path, b->task[k], false, err);
    for (size_t k = 0; !rc && k < r->n_student; k++) {
        const struct recipe_student *s = &r->student[k];
        rc = apart(path, s->text.path, false, err);
        if (!rc)
            rc = apart(path, s->from.path, false, err);
        if (!rc)
            rc = apart(path, s->imatrix.path, false, err);
    }
    return rc;
}

/* No output may replace the recipe, the model or a text. */
static int check_outputs(const struct branch *b, const char *recipe, struct err *err)
{
    const char *also = b->e->opts->also_written;
    int rc = apart(also, recipe, false, err);

    if (!rc)
        rc = check_output(b, also, err);
    for (size_t i = 0; i < b->e->n_steps; i++) {
        const struct engine_step *s = b->e->step[i];
        for (size_t f = 0; !rc && f < s->n_files; f++) {
            rc = apart(s->file[f].path, recipe, false, err);
            if (!rc)
                rc = check_output(b, s->file[f].path, err);
        }
    }
    return rc;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* No two steps may write one file. */
static int check_apart(const struct engine *e, struct err *err)
{
    const char **path;
    size_t n = 0;
    int rc = 0;

    for (size_t i = 0; i < e->n_steps; i++)
        n += e->step[i]->n_files;
    path = calloc(n + 1, sizeof(*path));
    if (!path)
        return err_nomem(err);
    n = 0;
    for (size_t i = 0; i < e->n_steps; i++)
        for (size_t f = 0; f < e->step[i]->n_files; f++)
            path[n++] = e->step[i]->file[f].path;
    qsort(path, n, sizeof(*path), by_text);
    for (size_t i = 1; !rc && i < n; i++)
        if (!strcmp(path[i - 1], path[i]))
            rc = err_set(err, ERR_FORMAT, "%s: two steps would write it", path[i]);
    free(path);
    return rc;
}

static int check_inputs(const struct recipe *r, struct err *err)
{
    const struct recipe_path *const in[] = {&r->model, &r->text, &r->calibration, &r->imatrix};

    for (size_t i = 0; i < sizeof(in) / sizeof(in[0]); i++)
        if (in[i]->path && access(in[i]->path, R_OK)) {
            (void)err_errno(err, in[i]->path);
            return err_wrap(err, "%s", in[i]->where);
        }
    for (size_t i = 0; i < r->n_student; i++) {
        const struct recipe_student *s = &r->student[i];
        const struct recipe_path *const of[] = {&s->text, &s->from, &s->imatrix};
        for (size_t j = 0; j < sizeof(of) / sizeof(of[0]); j++)
            if (of[j]->path && access(of[j]->path, R_OK)) {
                (void)err_errno(err, of[j]->path);
                return err_wrap(err, "%s", of[j]->where);
            }
    }
    for (size_t i = 0; i < r->n_gates; i++)
        if (r->gate[i].baseline && access(r->gate[i].baseline, R_OK)) {
            (void)err_errno(err, r->gate[i].baseline);
            return err_wrap(err, "%s: gate", r->gate_where[i]);
        }
    return 0;
}

static int hash_inputs(struct branch *b, struct err *err)
{
    const struct recipe *r = b->recipe;
    const char *calibration = r->calibration.path ? r->calibration.path : r->imatrix.path;
    struct cache *c = b->e->cache;
    int rc = cache_hash_model(b->model_sha, c, r->model.path, err);

    if (!rc && r->text.path)
        rc = cache_hash_file(b->text_sha, c, r->text.path, err);
    if (!rc && calibration)
        rc = cache_hash_file(b->calibration_sha, c, calibration, err);
    if (!rc)
        rc = engine_find_tasks(b, err);
    return rc;
}

static int open_branch(struct branch *b, struct engine *e, const struct recipe *r, const char *file,
                       struct err *err)
{
    int rc;

    b->e = e;
    b->recipe = r;
    b->out_dir = *r->suffix ? arena_fmt(&e->arena, "%s/%s", e->out_dir, r->suffix) : e->out_dir;
    char *dir = b->out_dir ? arena_str(&e->arena, b->out_dir) : NULL;
    if (!dir)
        return err_nomem(err);
    rc = *r->suffix && !e->opts->plan_only ? store_make_folders(dir, err) : 0;
    if (!rc)
        rc = hash_inputs(b, err);
    if (!rc)
        rc = engine_plan(b, err);
    if (!rc)
        rc = check_outputs(b, file, err);
    if (!rc)
        rc = engine_check_overlap(b, err);
    if (!rc)
        rc = engine_recall(b, err);
    if (!rc && e->opts->plan_only)
        rc = engine_foresee(b, err);
    return rc;
}

static int open_stores(struct engine *e, struct err *err)
{
    const struct engine_opts *o = e->opts;
    const char *own = arena_fmt(&e->arena, "%s/.cache", e->out_dir);
    int rc = own ? 0 : err_nomem(err);

    if (!rc)
        rc = cache_open(&e->cache, e->out_dir, !o->plan_only, &e->log, err);
    if (!rc)
        rc = store_open(&e->store, o->cache_dir ? o->cache_dir : own, o->cache_dir != NULL,
                        !o->plan_only, err);
    return rc;
}

static int open_all(struct engine *e, const char *file, struct err *err)
{
    const struct engine_opts *o = e->opts;
    int rc = recipe_load(&e->recipes, file, &o->recipe, err);

    if (rc)
        return rc;
    e->out_dir = o->out_dir ? o->out_dir : arena_fmt(&e->arena, "%s.out", e->recipes.name);
    e->branch = arena_array(&e->arena, e->recipes.n, sizeof(*e->branch));
    if (!e->out_dir || !e->branch)
        return err_nomem(err);
    for (size_t i = 0; i < e->recipes.n; i++)
        (void)pthread_mutex_init(&e->branch[i].lock, NULL);
    for (size_t i = 0; !rc && i < e->recipes.n; i++)
        rc = check_inputs(&e->recipes.at[i], err);
    if (!rc)
        rc = open_stores(e, err);
    for (size_t i = 0; !rc && i < e->recipes.n; i++)
        rc = open_branch(&e->branch[i], e, &e->recipes.at[i], file, err);
    return rc ? rc : check_apart(e, err);
}

/* Threads are used best by one step after another where there are few; steps also wait for the
 * disk, and small ones can't use many. */
static size_t usual_jobs(int threads)
{
    const int jobs = threads / 4;

    return (size_t)(jobs < 1 ? 1 : jobs > 4 ? 4 : jobs);
}

int engine_open(struct engine **out, const char *recipe, const struct engine_opts *opts,
                struct err *err)
{
    struct engine *e = calloc(1, sizeof(*e));

    *out = NULL;
    if (!e)
        return err_nomem(err);
    e->opts = opts;
    e->alone = true;
    e->log = (struct log){.arg = e, .warn = warn, .progress = progress, .stop = stop};
    e->jobs = opts->jobs ? opts->jobs : usual_jobs(opts->par.n_threads);
    e->memory = opts->memory ? opts->memory : engine_memory();
    (void)pthread_mutex_init(&e->lock, NULL);
    const int rc = open_all(e, recipe, err);
    if (rc) {
        engine_free(e);
        return rc;
    }
    *out = e;
    return 0;
}

static void weights_release(struct weights *w)
{
    importance_free(w->importance);
    imatrix_free(w->imatrix);
    source_free(w->source);
}

static void branch_release(struct branch *b)
{
    for (size_t i = 0; b->model && i <= b->recipe->n_quant; i++)
        report_model_release(&b->model[i]);
    eval_about_release(&b->about);
    gate_results_release(&b->gates);
    weights_release(&b->original);
    for (size_t i = 0; b->variant && i < b->recipe->n_quant; i++)
        weights_release(&b->variant[i].own);
    (void)pthread_mutex_destroy(&b->lock);
}

void engine_free(struct engine *e)
{
    if (!e)
        return;
    for (size_t i = 0; e->branch && i < e->recipes.n; i++)
        branch_release(&e->branch[i]);
    store_free(e->store);
    cache_free(e->cache);
    recipe_release(&e->recipes);
    free(e->step);
    arena_release(&e->arena);
    (void)pthread_mutex_destroy(&e->lock);
    free(e);
}

size_t engine_n_steps(const struct engine *e)
{
    return e->n_steps;
}

const struct engine_step *engine_step(const struct engine *e, size_t i)
{
    return i < e->n_steps ? e->step[i] : NULL;
}

size_t engine_n_branches(const struct engine *e)
{
    return e->recipes.n;
}

const struct report *engine_report(const struct engine *e, size_t branch)
{
    return e->branch[branch].have_report ? &e->branch[branch].report : NULL;
}

const struct gate_results *engine_gates(const struct engine *e, size_t branch)
{
    const struct branch *b = &e->branch[branch];

    return b->have_gates && b->recipe->n_gates ? &b->gates : NULL;
}

const char *engine_cache_dir(const struct engine *e)
{
    return store_dir(e->store);
}
