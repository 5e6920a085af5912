#include "eval/figure.h"
#include "formats/base/out.h"
#include "formats/base/size.h"
#include "formats/base/version.h"
#include "recipes/engine.h"
#include "recipes/history.h"
#include "tools/cmd.h"
#include "tools/gates.h"
#include "tools/results.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct run {
    const char *recipe, *out_dir, *cache, *memory, *json;
    struct opt_list sets;
    int64_t jobs;
    bool plan, keep_going, allow_overlap, no_history;
};

static const char *const state_name[] = {
    [ENGINE_TODO] = "to do",      [ENGINE_CACHED] = "cached", [ENGINE_WAITING] = "waiting",
    [ENGINE_RUNNING] = "running", [ENGINE_DONE] = "done",     [ENGINE_FAILED] = "failed",
    [ENGINE_SKIPPED] = "skipped"};

static const char *variable(void *arg, const char *name)
{
    (void)arg;
    return getenv(name);
}

/* "smollm2: Q4_K_M" in a matrix, "Q4_K_M" otherwise. */
static void title(char out[160], const struct engine_step *s)
{
    (void)snprintf(out, 160, "%s%s%s", s->branch, *s->branch ? ": " : "", s->name);
}

/* What is done goes to stderr: stdout is for results. */
static void on_step(void *arg, const struct engine_step *s)
{
    char name[160];
    const char *what = s->path ? s->path : "";

    (void)arg;
    title(name, s);
    if (s->state == ENGINE_CACHED)
        what = "cached";
    else if (s->state == ENGINE_WAITING)
        what = "waits for another run that is doing it";
    else if (s->state == ENGINE_SKIPPED)
        what = "skipped: needs what failed";
    if (s->state == ENGINE_FAILED)
        (void)fprintf(stderr, "%-8s  %-16s  failed: %s\n", engine_kind_name(s->kind), name,
                      s->why ? s->why : "with those above");
    else
        (void)fprintf(stderr, "%-8s  %-16s  %s\n", engine_kind_name(s->kind), name, what);
}

static void print_plan(const struct engine *e)
{
    char size[FIGURE_BYTES], name[160];

    for (size_t i = 0; i < engine_n_steps(e); i++) {
        const struct engine_step *s = engine_step(e, i);
        figure_size(size, s->bytes);
        title(name, s);
        (void)printf("%-8s  %-16s  %10s  %-6s  %s\n", engine_kind_name(s->kind), name,
                     s->bytes ? size : "", state_name[s->state], s->path ? s->path : "");
    }
}

static void put_gates(struct json_out *j, const struct report *r, const struct gate_results *g)
{
    static const char *const status[] = {
        [GATE_MET] = "met", [GATE_FAILED] = "failed", [GATE_UNDECIDED] = "undecided"};

    for (size_t i = 0; g && i < g->n; i++) {
        json_open(j, NULL, '{');
        json_put_str(j, "report", r->name);
        json_put_str(j, "model", g->at[i].model);
        json_put_str(j, "gate", g->at[i].gate->text);
        json_put_str(j, "status", status[g->at[i].status]);
        json_put_str(j, "why", g->at[i].why);
        json_close(j, '}');
    }
}

/* The steps for machines: docs/recipes.md. */
static int write_json(const struct engine *e, const struct run *r, struct err *err)
{
    struct buf b = {0};
    struct json_out j = json_out_init(&b, false);

    json_open(&j, NULL, '{');
    json_put_str(&j, "schema", "pare.run");
    json_put_int(&j, "version", 1);
    json_put_str(&j, "pare", PARE_VERSION);
    json_put_str(&j, "recipe", r->recipe);
    json_put_bool(&j, "plan", r->plan);
    json_open(&j, "steps", '[');
    for (size_t i = 0; i < engine_n_steps(e); i++) {
        const struct engine_step *s = engine_step(e, i);
        json_open(&j, NULL, '{');
        json_put_str(&j, "kind", engine_kind_name(s->kind));
        if (*s->branch)
            json_put_str(&j, "branch", s->branch);
        json_put_str(&j, "name", s->name);
        json_put_str(&j, "path", s->path);
        json_put_uint(&j, "bytes", s->bytes);
        json_put_str(&j, "state", state_name[s->state]);
        if (s->why)
            json_put_str(&j, "error", s->why);
        if (*s->key)
            json_put_str(&j, "key", s->key);
        json_close(&j, '}');
    }
    json_close(&j, ']');
    json_open(&j, "gates", '[');
    for (size_t i = 0; i < engine_n_branches(e); i++)
        put_gates(&j, engine_report(e, i), engine_gates(e, i));
    json_close(&j, ']');
    json_close(&j, '}');
    int rc = buf_check(&b, err);
    if (!rc)
        rc = out_file(r->json, b.p, b.n, err);
    buf_release(&b);
    return rc;
}

static void print_paths(const struct engine *e, bool reports)
{
    bool first = reports;

    for (size_t i = 0; i < engine_n_steps(e); i++) {
        const struct engine_step *s = engine_step(e, i);
        const bool done = s->state == ENGINE_CACHED || s->state == ENGINE_DONE;
        if (!s->path || !done || (reports && s->kind != ENGINE_REPORT))
            continue;
        (void)printf("%s%s\n", first ? "\n" : "", s->path);
        first = false;
    }
}

/* Tables, gates, files. The first gate that is not met is the error of the run. */
static int print_results(const struct engine *e, struct err *err)
{
    struct err unused;
    bool any = false;
    int rc = 0, gates = 0;

    for (size_t i = 0; !rc && i < engine_n_branches(e); i++) {
        const struct report *r = engine_report(e, i);
        if (!r)
            continue;
        if (engine_n_branches(e) > 1)
            (void)printf("%s%s:\n", any ? "\n" : "", r->name);
        rc = results_print(r, gates ? &unused : err);
        if (!rc && engine_gates(e, i)) {
            const int met = gates_show(engine_gates(e, i), r->name, NULL, gates ? &unused : err);
            gates = gates ? gates : met;
        }
        any = true;
    }
    print_paths(e, any);
    return rc ? rc : gates;
}

/* A run that did something is logged; one that can't be is only warned of. */
static void append_history(const struct engine *e, const struct log *log)
{
    struct buf path = {0};
    struct err why = {0};
    bool any = false;

    for (size_t i = 0; i < engine_n_steps(e); i++)
        any = any || (engine_step(e, i)->state == ENGINE_DONE && *engine_step(e, i)->key);
    buf_fmt(&path, "%s/history.db", engine_cache_dir(e));
    int rc = buf_check(&path, &why);
    for (size_t i = 0; !rc && any && i < engine_n_branches(e); i++) {
        const struct gate_results *g = engine_gates(e, i);
        const struct history_run now = {.time = (int64_t)time(NULL),
                                        .recipe =
                                            engine_report(e, i) ? engine_report(e, i)->name : "",
                                        .report = engine_report(e, i),
                                        .n_failed = g ? g->n_failed : 0};
        if (now.report)
            rc = history_append(path.p, &now, &why);
    }
    if (rc)
        log_warn(log, "not in the history: %s", why.msg);
    buf_release(&path);
}

static int run(const struct run *r, const struct engine_opts *eo, struct err *err)
{
    struct engine *e;
    struct err unused;
    int rc = engine_open(&e, r->recipe, eo, err);

    if (rc)
        return rc;
    if (r->plan)
        print_plan(e);
    else
        rc = engine_run(e, err);
    if (!rc && !r->plan && !r->no_history)
        append_history(e, eo->log);
    if (r->json) {
        const int written = write_json(e, r, rc ? &unused : err);
        rc = rc ? rc : written;
    }
    if ((!rc || r->keep_going) && !r->plan) {
        const int printed = print_results(e, rc ? &unused : err);
        rc = rc ? rc : printed;
    }
    engine_free(e);
    return rc;
}

int cmd_run(struct cmd_env *env, int argc, char **argv, struct err *err)
{
    struct run r = {.cache = getenv("PARE_CACHE")};
    struct cmd_common common;
    size_t n;
    const struct opt opts[] = {
        {"plan",          NULL,   "print the steps, their sizes and which are cached; do nothing",      OPT_FLAG,
         &r.plan,                                                                                                                   0, 0},
        {"set",           "K=V",  "replace a value of the recipe, as in evaluate.chunks=4",             OPT_LIST, &r.sets,
         0,                                                                                                                            0},
        {"out",           "DIR",  "where the files go (default: the recipe's name and \".out\")",       OPT_STR,
         &r.out_dir,                                                                                                                0, 0},
        {"cache",         "DIR",  "a cache for many output folders (default: $PARE_CACHE; OUT/.cache)",
         OPT_STR,                                                                                                 &r.cache,         0, 0},
        {"keep-going",    NULL,   "after a failure do what does not need it",                           OPT_FLAG, &r.keep_going,    0,
         0                                                                                                                              },
        {"jobs",          "N",    "steps at a time, at most (default: by the threads)",                 OPT_INT,  &r.jobs,          1,
         64                                                                                                                             },
        {"memory",        "SIZE",
         "of models that steps at a time may hold (default: most of what is free)",                     OPT_STR,
         &r.memory,                                                                                                                 0, 0},
        {"allow-overlap", NULL,   "of calibration and evaluation text",                                 OPT_FLAG, &r.allow_overlap, 0,
         0                                                                                                                              },
        {"no-history",    NULL,   "keep the run out of the log that pare history shows",                OPT_FLAG,
         &r.no_history,                                                                                                             0, 0},
        {"json",          "FILE", "write the steps and what became of them",                            OPT_STR,  &r.json,          0, 0},
    };

    int rc = cmd_options(&common, env, opts, N_OF(opts), argc, argv, &r.recipe, &n, 1, 1, err);
    if (rc || common.done)
        return rc;
    struct engine_opts eo = {
        .out_dir = r.out_dir,
        .cache_dir = r.cache && *r.cache ? r.cache : NULL,
        .recipe = {.sets = r.sets.at, .n_sets = r.sets.n, .env = variable},
        .also_written = r.json,
        .plan_only = r.plan,
        .keep_going = r.keep_going,
        .allow_overlap = r.allow_overlap,
        .jobs = (size_t)r.jobs,
        .cpu = common.cpu,
        .par = common.par,
        .log = &env->log,
        .on_step = on_step
    };
    if (r.memory) {
        rc = size_parse(&eo.memory, r.memory, err);
        if (rc)
            return err_wrap(err, "--memory");
    }
    return run(&r, &eo, err);
}
