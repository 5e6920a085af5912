#include "eval/figure.h"
#include "recipes/engine.h"
#include "tools/cmd.h"
#include "tools/results.h"

#include <stdio.h>

static const char *const kind_name[] = {[ENGINE_CALIBRATE] = "calibrate",
                                        [ENGINE_CONVERT] = "convert",
                                        [ENGINE_QUANTIZE] = "quantize",
                                        [ENGINE_EVALUATE] = "evaluate",
                                        [ENGINE_REPORT] = "report"};

/* What is done goes to stderr: stdout is for results. */
static void on_step(void *arg, const struct engine_step *s)
{
    (void)arg;
    (void)fprintf(stderr, "%-8s  %-16s  %s\n", kind_name[s->kind], s->name,
                  s->cached ? "cached"
                  : s->path ? s->path
                            : "");
}

static void print_plan(const struct engine *e)
{
    char size[FIGURE_BYTES];

    for (size_t i = 0; i < engine_n_steps(e); i++) {
        const struct engine_step *s = engine_step(e, i);
        figure_size(size, s->bytes);
        (void)printf("%-8s  %-16s  %10s  %-6s  %s\n", kind_name[s->kind], s->name,
                     s->bytes ? size : "", s->cached ? "cached" : "to do", s->path ? s->path : "");
    }
}

static int print_results(const struct engine *e, struct err *err)
{
    const struct report *r = engine_report(e);
    const int rc = r ? results_print(r, err) : 0;

    for (size_t i = 0; !rc && i < engine_n_steps(e); i++) {
        const struct engine_step *s = engine_step(e, i);
        if (s->kind == ENGINE_REPORT)
            (void)printf("%s%s\n", i && engine_step(e, i - 1)->kind == s->kind ? "" : "\n",
                         s->path);
        else if (!r)
            (void)printf("%s\n", s->path);
    }
    return rc;
}

int cmd_run(struct cmd_env *env, int argc, char **argv, struct err *err)
{
    struct opt_list sets = {0};
    struct cmd_common common;
    struct engine *e;
    bool plan = false;
    const char *out_dir = NULL, *recipe = NULL;
    size_t n;
    const struct opt opts[] = {
        {"plan", NULL,  "print the steps, their sizes and which are cached; do nothing", OPT_FLAG,
         &plan,                                                                                           0, 0},
        {"set",  "K=V", "replace a value of the recipe, as in evaluate.chunks=4",        OPT_LIST, &sets, 0,
         0                                                                                                    },
        {"out",  "DIR", "where the files go (default: the recipe's name and \".out\")",  OPT_STR,
         &out_dir,                                                                                        0, 0},
    };

    int rc = cmd_options(&common, env, opts, N_OF(opts), argc, argv, &recipe, &n, 1, 1, err);
    if (rc || common.done)
        return rc;
    const struct engine_opts eo = {.out_dir = out_dir,
                                   .sets = sets.at,
                                   .n_sets = sets.n,
                                   .plan_only = plan,
                                   .cpu = common.cpu,
                                   .par = common.par,
                                   .log = &env->log,
                                   .on_step = on_step};
    rc = engine_open(&e, recipe, &eo, err);
    if (rc)
        return rc;
    if (plan)
        print_plan(e);
    else
        rc = engine_run(e, err);
    if (!rc && !plan)
        rc = print_results(e, err);
    engine_free(e);
    return rc;
}
