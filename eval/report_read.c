#include "eval/report_read.h"

#include "eval/report_check.h"
#include "formats/base/map.h"

static int read_text(const char **out, struct report_file *f, const json_val *v, struct err *err)
{
    const char *s = json_str(v);

    *out = s ? arena_str(&f->arena, s) : NULL;
    return s && !*out ? err_nomem(err) : 0;
}

static int read_evaluation(struct report_file *f, const struct report_text *t, struct err *err)
{
    const json_val *v = json_get(t->doc, "evaluation");
    struct report *r = &f->report;
    int64_t n = 0;
    int rc = read_text(&r->name, f, json_get(t->doc, "name"), err);

    if (!rc)
        rc = read_text(&r->text, f, json_get(v, "text"), err);
    if (!rc)
        rc = read_text(&r->text_sha256, f, json_get(v, "text_sha256"), err);
    if (!rc)
        rc = read_text(&r->kernels, f, json_get(v, "kernels"), err);
    (void)json_int(json_get(v, "ctx"), &n);
    r->n_ctx = (size_t)n;
    if (rc || !json_get(v, "windows"))
        return rc;
    rc = eval_about_get(&f->about, v, err);
    const struct err why = *err;
    if (rc)
        return rc == ERR_FORMAT ? report_bad(t, "evaluation", err, "%s", why.msg) : rc;
    r->about = &f->about;
    return 0;
}

static int read_model(struct report_file *f, const struct report_text *t, const char *path,
                      struct err *err)
{
    const int rc =
        report_model_get(&f->models[f->n_models], &f->arena, json_path(t->doc, path), err);
    const struct err why = *err;

    if (rc)
        return rc == ERR_FORMAT ? report_bad(t, path, err, "%s", why.msg) : rc;
    f->n_models++;
    return 0;
}

static int read_models(struct report_file *f, const struct report_text *t, struct err *err)
{
    const size_t n = json_len(json_get(t->doc, "models"));
    int rc = 0;

    f->models = arena_array(&f->arena, n + 1, sizeof(*f->models));
    if (!f->models)
        return err_nomem(err);
    for (size_t i = 0; !rc && i < n; i++) {
        char path[32];
        (void)snprintf(path, sizeof(path), "models.%zu", i);
        rc = read_model(f, t, path, err);
    }
    if (!rc && json_get(t->doc, "original")) {
        rc = read_model(f, t, "original", err);
        f->report.original = &f->models[n];
    }
    f->report.model = f->models;
    f->report.n_models = n;
    return rc;
}

int report_parse(struct report_file *out, const char *text, size_t n, struct err *err)
{
    json_val *doc = NULL;
    int rc = json_parse(&doc, text, n, err);
    const struct report_text t = {text, n, doc};

    *out = (struct report_file){0};
    if (rc)
        return rc;
    rc = report_check_types(&t, err);
    if (!rc)
        rc = read_evaluation(out, &t, err);
    if (!rc)
        rc = read_models(out, &t, err);
    if (!rc)
        rc = report_check_figures(&t, &out->report, err);
    json_free(doc);
    return rc;
}

int report_load(struct report_file *out, const char *path, struct err *err)
{
    struct map m;
    int rc = map_open(&m, path, err);

    *out = (struct report_file){0};
    if (rc)
        return rc;
    rc = report_parse(out, m.data ? (const char *)m.data : "", m.size, err);
    map_release(&m);
    return rc ? err_wrap(err, "%s", path) : 0;
}

void report_file_release(struct report_file *f)
{
    for (size_t i = 0; i < f->n_models; i++)
        report_model_release(&f->models[i]);
    eval_about_release(&f->about);
    arena_release(&f->arena);
    *f = (struct report_file){0};
}
