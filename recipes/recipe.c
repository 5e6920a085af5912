#include "recipes/recipe.h"

#include "eval/eval.h"
#include "eval/report.h"
#include "formats/base/map.h"
#include "recipes/recipe_include.h"
#include "recipes/recipe_matrix.h"
#include "recipes/recipe_read.h"
#include "recipes/recipe_set.h"

#include <string.h>

/* ---- calibrate: ------------------------------------------------------------------------ */

static int calibrate_text(struct reader *r, void *to, const struct yaml_node *v)
{
    return read_path(r, &((struct recipe *)to)->calibration, v);
}

static int calibrate_imatrix(struct reader *r, void *to, const struct yaml_node *v)
{
    return read_path(r, &((struct recipe *)to)->imatrix, v);
}

static int calibrate_chunks(struct reader *r, void *to, const struct yaml_node *v)
{
    return read_count(r, &((struct recipe *)to)->calibration_chunks, v, 1);
}

static int calibrate_ctx(struct reader *r, void *to, const struct yaml_node *v)
{
    return read_count(r, &((struct recipe *)to)->calibration_ctx, v, EVAL_CTX_MIN);
}

static const struct reader_key calibrate_keys[] = {
    {"text",    calibrate_text   },
    {"chunks",  calibrate_chunks },
    {"ctx",     calibrate_ctx    },
    {"imatrix", calibrate_imatrix},
};

static int read_calibrate(struct reader *r, void *to, const struct yaml_node *v)
{
    const struct recipe *out = to;
    const int rc = read_map(r, to, v, READER_KEYS(calibrate_keys));

    if (!rc && !out->calibration.path && !out->imatrix.path)
        return node_bad(r->err, v, ERR_FORMAT,
                        "calibrate: expected a text: to collect importance on");
    if (!rc && out->calibration.path && out->imatrix.path)
        return node_bad(r->err, v, ERR_FORMAT,
                        "calibrate: expected either text: or imatrix:, found both");
    return rc;
}

/* ---- evaluate: ---------------------------------------------------------------------------- */

static int eval_text_path(struct reader *r, void *to, const struct yaml_node *v)
{
    return read_path(r, &((struct recipe *)to)->text, v);
}

static int eval_chunks(struct reader *r, void *to, const struct yaml_node *v)
{
    return read_count(r, &((struct recipe *)to)->n_chunks, v, 1);
}

static int eval_ctx(struct reader *r, void *to, const struct yaml_node *v)
{
    return read_count(r, &((struct recipe *)to)->n_ctx, v, EVAL_CTX_MIN);
}

static int eval_kernels(struct reader *r, void *to, const struct yaml_node *v)
{
    struct recipe *out = to;
    const char *name = NULL;
    const int rc = read_text(r, &name, v);

    if (rc)
        return rc;
    out->kernels_both = !strcmp(name, "both");
    if (!out->kernels_both && !report_math(&out->kernels, name))
        return node_bad(r->err, v, ERR_FORMAT, "kernels: expected bf16, f32, fast or both");
    return 0;
}

static int eval_tasks(struct reader *r, void *to, const struct yaml_node *list)
{
    struct recipe *out = to;
    size_t n = 0;
    int rc = 0;

    if (list->kind == YAML_MAP)
        return node_bad(r->err, list, ERR_FORMAT, "tasks: expected a list of files");
    for (const struct yaml_node *v = list->first; v; v = v->next)
        n++;
    out->tasks = arena_array(r->arena, n + 1, sizeof(*out->tasks));
    if (!out->tasks)
        return err_nomem(r->err);
    if (list->kind == YAML_SCALAR)
        return read_path(r, &out->tasks[out->n_tasks++], list);
    for (const struct yaml_node *v = list->first; !rc && v; v = v->next)
        rc = read_path(r, &out->tasks[out->n_tasks++], v);
    return rc;
}

static const struct reader_key eval_keys[] = {
    {"text",    eval_text_path},
    {"chunks",  eval_chunks   },
    {"ctx",     eval_ctx      },
    {"kernels", eval_kernels  },
    {"tasks",   eval_tasks    },
};

static int read_evaluate(struct reader *r, void *to, const struct yaml_node *v)
{
    const int rc = read_map(r, to, v, READER_KEYS(eval_keys));

    if (!rc && !((struct recipe *)to)->text.path)
        return node_bad(r->err, v, ERR_FORMAT, "evaluate: expected a text: to measure on");
    return rc;
}

/* ---- report: ---------------------------------------------------------------------------- */

static int report_path(struct reader *r, void *to, const struct yaml_node *v)
{
    struct recipe_reports *reports = to;

    for (size_t i = 0; report_format_at(i); i++)
        if (!strcmp(report_format_at(i)->name, v->key))
            return read_output(r, &reports->path[i], v);
    return 0;
}

static int read_report(struct reader *r, void *to, const struct yaml_node *v)
{
    struct reader_key keys[REPORT_FORMATS_MAX];
    size_t n = 0;

    for (; report_format_at(n); n++)
        keys[n] = (struct reader_key){report_format_at(n)->name, report_path};
    const int rc = read_map(r, &((struct recipe *)to)->report, v, keys, n);
    if (rc)
        return rc;
    for (const struct yaml_node *a = v->first; a; a = a->next)
        for (const struct yaml_node *b = v->first; b != a; b = b->next)
            if (!strcmp(a->text, b->text))
                return node_bad(r->err, a, ERR_FORMAT, "report: %s and %s are one file", b->key,
                                a->key);
    return 0;
}

/* ---- the top ------------------------------------------------------------------------------ */

static int read_recipe_name(struct reader *r, void *to, const struct yaml_node *v)
{
    return read_name(r, &((struct recipe *)to)->name, v);
}

static int read_model(struct reader *r, void *to, const struct yaml_node *v)
{
    if (v->kind == YAML_LIST)
        return node_bad(r->err, v, ERR_FORMAT,
                        "model: expected one (several: matrix: {model: [...]})");
    return read_path(r, &((struct recipe *)to)->model, v);
}

static int read_allow_overlap(struct reader *r, void *to, const struct yaml_node *v)
{
    return read_bool(r, &((struct recipe *)to)->allow_overlap, v);
}

/* Files are merged before --set is looked at. */
static int read_include(struct reader *r, void *to, const struct yaml_node *v)
{
    (void)to;
    return node_bad(r->err, v, ERR_FORMAT, "include: expected in a file");
}

/* Gates name variants, wherever those are written; a matrix is expanded before. */
static int read_later(struct reader *r, void *to, const struct yaml_node *v)
{
    (void)r;
    (void)to;
    (void)v;
    return 0;
}

static const struct reader_key recipe_keys[] = {
    {"name",          read_recipe_name  },
    {"model",         read_model        },
    {"quantize",      read_quantize     },
    {"evaluate",      read_evaluate     },
    {"report",        read_report       },
    {"calibrate",     read_calibrate    },
    {"gate",          read_later        },
    {"allow_overlap", read_allow_overlap},
    {"matrix",        read_later        },
    {"include",       read_include      },
    {"distill",       read_distill      },
};

static int check_whole(struct reader *r, const struct yaml_node *root)
{
    struct recipe *out = r->out;
    const struct yaml_node *report = yaml_get(root, "report"), *gate = yaml_get(root, "gate");

    if (!out->model.path)
        return node_bad(r->err, root, ERR_FORMAT, "expected a model:");
    if (!out->n_quant && !out->n_student && !out->text.path)
        return node_bad(r->err, root, ERR_FORMAT,
                        "nothing to do: expected quantize:, distill: or evaluate:");
    if (report && !out->text.path)
        return node_bad(r->err, report, ERR_FORMAT, "report: needs evaluate:");
    if (gate && !out->text.path)
        return node_bad(r->err, gate, ERR_FORMAT, "gate: needs evaluate:");
    const int rc = join_students(r, root);
    return rc || !gate ? rc : read_gates(r, out, gate);
}

/* ---- names ---------------------------------------------------------------------------------- */

/* "recipes/demo/demo.yaml": "demo". */
static int default_name(const char **out, struct recipe_list *list, const char *path,
                        struct err *err)
{
    const char *slash = strrchr(path, '/'), *file = slash ? slash + 1 : path;
    const char *dot = strrchr(file, '.');
    struct yaml_node stem = {.kind = YAML_SCALAR, .line = 1, .column = 1};
    struct err unused;
    struct reader quiet = {.arena = &list->arena, .err = &unused};

    stem.text = arena_strn(&list->arena, file, dot > file ? (size_t)(dot - file) : strlen(file));
    if (!stem.text)
        return err_nomem(err);
    if (read_name(&quiet, out, &stem))
        *out = "recipe";
    return 0;
}

static int read_branch(struct recipe *out, struct recipe_list *list, const char *name,
                       const struct matrix_branch *b, struct err *err)
{
    struct reader r = {.out = out, .arena = &list->arena, .err = err};
    int rc;

    *out = (struct recipe){.name = name,
                           .suffix = b->suffix,
                           .n_ctx = EVAL_CTX,
                           .calibration_ctx = EVAL_CTX,
                           .kernels = EVAL_MATH};
    rc = read_map(&r, out, b->root, READER_KEYS(recipe_keys));
    if (!rc)
        rc = check_whole(&r, b->root);
    if (!rc && *b->suffix && !b->named) {
        out->name = arena_fmt(&list->arena, "%s-%s", out->name, b->suffix);
        if (!out->name)
            rc = err_nomem(err);
    }
    return rc;
}

/* Branches' names without what tells them apart, where that stands behind. */
static int whole_name(struct recipe_list *list, const char *file, struct err *err)
{
    const struct recipe *r = &list->at[0];
    const size_t n = strlen(r->name), m = strlen(r->suffix);

    list->name = r->name;
    if (m && n > m + 1 && !strcmp(r->name + n - m, r->suffix) && r->name[n - m - 1] == '-')
        list->name = arena_strn(&list->arena, r->name, n - m - 1);
    else if (m)
        list->name = file;
    return list->name ? 0 : err_nomem(err);
}

int recipe_parse(struct recipe_list *out, const char *path, const char *text, size_t n,
                 const struct recipe_opts *opts, struct err *err)
{
    size_t used = 0;
    const struct subst env = {.env = opts->env, .env_arg = opts->env_arg, .used = &used};
    struct matrix_branch *branch = NULL;
    struct yaml_node *root;
    const char *name = NULL, *file;
    size_t n_branches = 0;
    int rc;

    *out = (struct recipe_list){0};
    file = arena_str(&out->arena, path);
    rc = file ? default_name(&name, out, path, err) : err_nomem(err);
    if (!rc)
        rc = include_parse(&root, &out->arena, file, text, n, &env, err);
    for (size_t i = 0; !rc && i < opts->n_sets; i++)
        rc = recipe_set(root, &out->arena, opts->sets[i], err);
    if (!rc)
        rc = matrix_expand(&branch, &n_branches, &out->arena, root, &env, err);
    out->at = rc ? NULL : arena_array(&out->arena, n_branches, sizeof(*out->at));
    if (!rc && !out->at)
        rc = err_nomem(err);
    for (size_t i = 0; !rc && i < n_branches; i++)
        rc = read_branch(&out->at[out->n++], out, name, &branch[i], err);
    if (!rc)
        rc = whole_name(out, name, err);
    if (rc)
        recipe_release(out);
    return rc;
}

int recipe_load(struct recipe_list *out, const char *path, const struct recipe_opts *opts,
                struct err *err)
{
    struct map file;
    int rc = map_open(&file, path, err);

    *out = (struct recipe_list){0};
    if (rc)
        return rc;
    rc = recipe_parse(out, path, file.size ? (const char *)file.data : "", file.size, opts, err);
    map_release(&file);
    return rc;
}

void recipe_release(struct recipe_list *r)
{
    arena_release(&r->arena);
    *r = (struct recipe_list){0};
}
