#include "eval/task.h"
#include "eval/task_file.h"
#include "formats/base/out.h"
#include "tests/oom/alloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One item each of layouts that allocate in ways of their own. */
static const char mmlu[] =
    "{\"question\":\"Q\",\"subject\":\"a_b\",\"choices\":[\"x\",\"y\"],\"answer\":1}\n";
static const char swag[] = "{\"activity_label\":\"L\",\"ctx_a\":\"A [x] b.\",\"ctx_b\":\"c\","
                           "\"endings\":[\"d e\",\"[f] g\"],\"label\":\"0\"}\n";
static const char word[] = "{\"context\":\"\",\"target\":\"dog\"}\n";

static int read_only(void *arg, struct err *err)
{
    static const char *const text[] = {mmlu, swag, word};
    int rc = 0;

    (void)arg;
    for (size_t i = 0; !rc && i < 3; i++) {
        struct task t;
        rc = task_parse(&t, "dir/a.jsonl", text[i], strlen(text[i]), 0, err);
        task_release(&t);
    }
    return rc;
}

struct run {
    const struct model *model;
    const char *path;
};

static int run_one(void *arg, struct err *err)
{
    const struct run *run = arg;
    const struct model *const models[] = {run->model};
    struct buf samples = {0}, text = {0};
    const struct task_opts to = {.par = {1}, .samples = &samples};
    struct task_results r = {0}, back = {0};
    struct json_out j = json_out_init(&text, true);
    json_val *v = NULL;
    int rc = task_run(&r, NULL, models, 1, NULL, &run->path, 1, &to, err);

    if (!rc) {
        task_results_put(&j, NULL, &r);
        rc = buf_check(&text, err);
    }
    if (!rc)
        rc = json_parse(&v, text.p, text.n, err);
    if (!rc)
        rc = task_results_get(&back, v, err);
    if (!rc)
        rc = task_compare(&back, &r, err);
    json_free(v);
    buf_release(&text);
    buf_release(&samples);
    task_results_release(&back);
    task_results_release(&r);
    return rc;
}

int main(void)
{
    const struct model_opts mo = {.math = KERN_F32};
    char path[64];
    struct run run = {.path = path};
    struct model *m = NULL;
    struct tap t = {0};
    struct err err = {0};
    int rc = model_open(&m, "recipes/demo", &mo, &err);

    (void)snprintf(path, sizeof(path), "/tmp/pare-oom-%ld.jsonl", (long)getpid());
    if (!rc)
        rc = out_file(path, word, sizeof(word) - 1, &err);
    run.model = m;
    alloc_each(&t, "task files", read_only, NULL);
    if (tap_ok(&t, !rc, "a model and a file %s", err.msg))
        alloc_each(&t, "a task run, written and read", run_one, &run);
    (void)unlink(path);
    model_free(m);
    return tap_done(&t);
}
