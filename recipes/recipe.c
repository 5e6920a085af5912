#include "recipes/recipe.h"

#include "eval/eval.h"
#include "formats/base/buf.h"
#include "formats/base/map.h"
#include "formats/base/yaml.h"
#include "recipes/recipe_set.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reader {
    struct recipe *out;
    const char *dir; /* where relative paths begin, with a '/' at its end; "" for here */
    struct err *err;
};

/* A key of a map, and who reads its value. */
struct key {
    const char *name;
    int (*read)(struct reader *r, void *to, const struct yaml_node *value); /* NULL: later */
};

__attribute__((format(printf, 4, 5))) static int bad(struct reader *r, const struct yaml_node *at,
                                                     enum err_code code, const char *fmt, ...)
{
    char msg[ERR_MSG_BYTES - 64]; /* leaves room for the place */
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(msg, sizeof(msg), fmt, args);
    va_end(args);
    if (!at->line)
        return err_set(r->err, code, "--set: %s", msg);
    return err_set(r->err, code, "line %zu, column %zu: %s", at->line, at->column, msg);
}

/* ---- values ---------------------------------------------------------------------- */

static int read_text(struct reader *r, const char **to, const struct yaml_node *v)
{
    if (v->kind != YAML_SCALAR || !*v->text)
        return bad(r, v, ERR_FORMAT, "%s: expected text", v->key ? v->key : "item");
    *to = v->text;
    return 0;
}

/* A name that is safe in a file name, whatever the system. */
static int read_name(struct reader *r, const char **to, const struct yaml_node *v)
{
    static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    int rc = read_text(r, to, v);

    if (!rc && (v->text[0] == '.' || v->text[0] == '-' || strlen(v->text) > 100 ||
                v->text[strspn(v->text, safe)]))
        rc = bad(r, v, ERR_FORMAT,
                 "\"%.40s\" is no name: expected at most 100 letters, digits, \".\", \"_\" or "
                 "\"-\", beginning with a letter or digit",
                 v->text);
    return rc;
}

static int read_count(struct reader *r, size_t *to, const struct yaml_node *v, size_t min)
{
    const size_t max = 1000000000;
    char *end;

    errno = 0;
    const unsigned long long n = v->kind == YAML_SCALAR ? strtoull(v->text, &end, 10) : 0;
    if (v->kind != YAML_SCALAR || v->text[0] < '0' || v->text[0] > '9' || *end || errno ||
        n < min || n > max)
        return bad(r, v, ERR_FORMAT, "%s: expected a whole number, %zu or more", v->key, min);
    *to = (size_t)n;
    return 0;
}

static int read_bool(struct reader *r, bool *to, const struct yaml_node *v)
{
    const bool yes = v->kind == YAML_SCALAR && !v->quoted && !strcmp(v->text, "true");

    if (!yes && (v->kind != YAML_SCALAR || v->quoted || strcmp(v->text, "false") != 0))
        return bad(r, v, ERR_FORMAT, "%s: expected true or false", v->key);
    *to = yes;
    return 0;
}

/* Relative to the recipe; as it is when it came from the command line. */
static int read_path(struct reader *r, const char **to, const struct yaml_node *v)
{
    const char *text = NULL;
    const int rc = read_text(r, &text, v);

    if (rc)
        return rc;
    while (!strncmp(text, "./", 2))
        text += 2;
    if (text[0] == '/' || !v->line)
        *to = v->text;
    else if (!*text || !strcmp(text, "."))
        *to = *r->dir ? arena_strn(&r->out->arena, r->dir, strlen(r->dir) - 1) : ".";
    else
        *to = arena_fmt(&r->out->arena, "%s%s", r->dir, text);
    return *to ? 0 : err_nomem(r->err);
}

/* A report's file: inside the output folder. */
static int read_output(struct reader *r, const char **to, const struct yaml_node *v)
{
    int rc = read_text(r, to, v);

    if (!rc && (v->text[0] == '/' || strstr(v->text, "..")))
        rc = bad(r, v, ERR_FORMAT, "%s: expected a path inside the output folder (--out)", v->key);
    return rc;
}

static int unknown_key(struct reader *r, const struct yaml_node *at, const struct key *keys,
                       size_t n)
{
    struct buf known = {0};

    for (size_t i = 0; i < n; i++)
        if (keys[i].read)
            buf_fmt(&known, "%s%s", known.n ? ", " : "", keys[i].name);
    int rc = buf_check(&known, r->err);
    if (!rc)
        rc = bad(r, at, ERR_FORMAT, "unknown key \"%.60s\" (known: %s)", at->key, known.p);
    buf_release(&known);
    return rc;
}

static int read_map(struct reader *r, void *to, const struct yaml_node *map, const struct key *keys,
                    size_t n)
{
    if (map->kind != YAML_MAP)
        return bad(r, map, ERR_FORMAT, "%s: expected keys and values",
                   map->key ? map->key : "the recipe");
    for (const struct yaml_node *m = map->first; m; m = m->next) {
        size_t i = 0;
        while (i < n && strcmp(keys[i].name, m->key) != 0)
            i++;
        if (i == n)
            return unknown_key(r, m, keys, n);
        if (!keys[i].read)
            return bad(r, m, ERR_UNSUPPORTED, "%s is not supported yet", m->key);
        const int rc = keys[i].read(r, to, m);
        if (rc)
            return rc;
    }
    return 0;
}

#define N_OF(array) (sizeof(array) / sizeof((array)[0]))

/* ---- quantize: ---------------------------------------------------------------------- */

static int find_mix(struct reader *r, const struct mix **to, const struct yaml_node *v)
{
    const char *name = NULL;
    struct err why;
    const int rc = read_text(r, &name, v);

    if (rc || !mix_read(to, name, &why))
        return rc;
    return bad(r, v, ERR_FORMAT, "%s", why.msg);
}

static int quant_name(struct reader *r, void *to, const struct yaml_node *v)
{
    return read_name(r, &((struct recipe_quant *)to)->name, v);
}

static int quant_mix(struct reader *r, void *to, const struct yaml_node *v)
{
    struct recipe_quant *q = to;

    if (q->mix)
        return bad(r, v, ERR_FORMAT, "expected either mix or type, found both");
    return find_mix(r, &q->mix, v);
}

/* A type's name, or a mix's for its base type. */
static int quant_type(struct reader *r, void *to, const struct yaml_node *v)
{
    struct recipe_quant *q = to;
    const char *name = NULL;
    int rc = read_text(r, &name, v);

    q->pure = true;
    if (!rc)
        rc = quant_mix(r, q, v);
    if (!rc && mix_of_type(dtype_by_name(name)))
        q->mix = mix_of_type(dtype_by_name(name));
    return rc;
}

static int quant_pure(struct reader *r, void *to, const struct yaml_node *v)
{
    return read_bool(r, &((struct recipe_quant *)to)->pure, v);
}

static int read_dtype(struct reader *r, enum dtype *to, const struct yaml_node *v)
{
    const char *name = NULL;
    struct err why;
    const int rc = read_text(r, &name, v);

    if (rc)
        return rc;
    if (mix_read_type(to, name, &why))
        return bad(r, v, ERR_FORMAT, "%s: %s", v->key, why.msg);
    return 0;
}

static int quant_output(struct reader *r, void *to, const struct yaml_node *v)
{
    return read_dtype(r, &((struct recipe_quant *)to)->output_type, v);
}

static int quant_embedding(struct reader *r, void *to, const struct yaml_node *v)
{
    return read_dtype(r, &((struct recipe_quant *)to)->embedding_type, v);
}

static const struct key quant_keys[] = {
    {"name",           quant_name     },
    {"mix",            quant_mix      },
    {"type",           quant_type     },
    {"pure",           quant_pure     },
    {"output_type",    quant_output   },
    {"embedding_type", quant_embedding},
    {"imatrix",        NULL           },
    {"method",         NULL           },
    {"target_bpw",     NULL           },
    {"target_size",    NULL           },
    {"tensor_types",   NULL           },
};

static int read_quant(struct reader *r, struct recipe_quant *q, const struct yaml_node *v)
{
    int rc = v->kind == YAML_SCALAR ? find_mix(r, &q->mix, v)
                                    : read_map(r, q, v, quant_keys, N_OF(quant_keys));

    if (!rc && !q->mix)
        rc = bad(r, v, ERR_FORMAT, "expected a mix or type, as in {mix: Q4_K_M}");
    if (!rc && !q->name)
        q->name = mix_name(q->mix);
    return rc;
}

static int read_quants(struct reader *r, void *to, const struct yaml_node *list)
{
    struct recipe *out = to;
    size_t n = 0;

    if (list->kind != YAML_LIST)
        return bad(r, list, ERR_FORMAT, "quantize: expected a list, as in [Q8_0, Q4_K_M]");
    for (const struct yaml_node *v = list->first; v; v = v->next)
        n++;
    out->quant = arena_array(&out->arena, n + !n, sizeof(*out->quant));
    if (!out->quant)
        return err_nomem(r->err);
    for (const struct yaml_node *v = list->first; v; v = v->next) {
        struct recipe_quant *q = &out->quant[out->n_quant];
        const int rc = read_quant(r, q, v);
        if (rc)
            return rc;
        for (size_t i = 0; i < out->n_quant; i++)
            if (!strcmp(out->quant[i].name, q->name))
                return bad(r, v, ERR_FORMAT,
                           "two variants named \"%s\": give one a name: of its own", q->name);
        out->n_quant++;
    }
    return 0;
}

/* ---- calibrate: ------------------------------------------------------------------------ */

static int calibrate_text(struct reader *r, void *to, const struct yaml_node *v)
{
    struct recipe *out = to;
    const int rc = read_text(r, &out->calibration_as_told, v);

    return rc ? rc : read_path(r, &out->calibration, v);
}

static int calibrate_chunks(struct reader *r, void *to, const struct yaml_node *v)
{
    return read_count(r, &((struct recipe *)to)->calibration_chunks, v, 1);
}

static int calibrate_ctx(struct reader *r, void *to, const struct yaml_node *v)
{
    return read_count(r, &((struct recipe *)to)->calibration_ctx, v, EVAL_CTX_MIN);
}

static const struct key calibrate_keys[] = {
    {"text",   calibrate_text  },
    {"chunks", calibrate_chunks},
    {"ctx",    calibrate_ctx   },
};

static int read_calibrate(struct reader *r, void *to, const struct yaml_node *v)
{
    const int rc = read_map(r, to, v, calibrate_keys, N_OF(calibrate_keys));

    if (!rc && !((struct recipe *)to)->calibration)
        return bad(r, v, ERR_FORMAT, "calibrate: expected a text: to collect importance on");
    return rc;
}

/* ---- evaluate:, report:, and the top ------------------------------------------------- */

static int eval_text_path(struct reader *r, void *to, const struct yaml_node *v)
{
    struct recipe *out = to;
    const int rc = read_text(r, &out->text_as_told, v);

    return rc ? rc : read_path(r, &out->text, v);
}

static int eval_chunks(struct reader *r, void *to, const struct yaml_node *v)
{
    return read_count(r, &((struct recipe *)to)->n_chunks, v, 1);
}

static int eval_ctx(struct reader *r, void *to, const struct yaml_node *v)
{
    return read_count(r, &((struct recipe *)to)->n_ctx, v, EVAL_CTX_MIN);
}

static const struct key eval_keys[] = {
    {"text",   eval_text_path},
    {"chunks", eval_chunks   },
    {"ctx",    eval_ctx      },
    {"tasks",  NULL          },
};

static int read_evaluate(struct reader *r, void *to, const struct yaml_node *v)
{
    const int rc = read_map(r, to, v, eval_keys, N_OF(eval_keys));

    if (!rc && !((struct recipe *)to)->text)
        return bad(r, v, ERR_FORMAT, "evaluate: expected a text: to measure on");
    return rc;
}

static int report_html_path(struct reader *r, void *to, const struct yaml_node *v)
{
    return read_output(r, &((struct recipe *)to)->html, v);
}

static int report_json_path(struct reader *r, void *to, const struct yaml_node *v)
{
    return read_output(r, &((struct recipe *)to)->json, v);
}

static const struct key report_keys[] = {
    {"html",     report_html_path},
    {"json",     report_json_path},
    {"junit",    NULL            },
    {"markdown", NULL            },
};

static int read_report(struct reader *r, void *to, const struct yaml_node *v)
{
    return read_map(r, to, v, report_keys, N_OF(report_keys));
}

static int read_recipe_name(struct reader *r, void *to, const struct yaml_node *v)
{
    return read_name(r, &((struct recipe *)to)->name, v);
}

static int read_model(struct reader *r, void *to, const struct yaml_node *v)
{
    return read_path(r, &((struct recipe *)to)->model, v);
}

static const struct key recipe_keys[] = {
    {"name",      read_recipe_name},
    {"model",     read_model      },
    {"quantize",  read_quants     },
    {"evaluate",  read_evaluate   },
    {"report",    read_report     },
    {"calibrate", read_calibrate  },
    {"distill",   NULL            },
    {"gate",      NULL            },
    {"matrix",    NULL            },
};

static int check_whole(struct reader *r, const struct yaml_node *root)
{
    const struct recipe *out = r->out;

    if (!out->model)
        return bad(r, root, ERR_FORMAT, "expected a model:");
    if (!out->n_quant && !out->text)
        return bad(r, root, ERR_FORMAT, "nothing to do: expected quantize: or evaluate:");
    if ((out->html || out->json) && !out->text)
        return bad(r, yaml_get(root, "report"), ERR_FORMAT, "report: needs evaluate:");
    if (out->html && out->json && !strcmp(out->html, out->json))
        return bad(r, yaml_get(root, "report"), ERR_FORMAT, "report: html and json are one file");
    return 0;
}

/* "recipes/demo/demo.yaml": folder "recipes/demo/", name "demo". */
static int read_place(struct reader *r, const char *path)
{
    const char *slash = strrchr(path, '/'), *file = slash ? slash + 1 : path;
    const char *dot = strrchr(file, '.');
    struct yaml_node stem = {.kind = YAML_SCALAR, .line = 1, .column = 1};
    struct err unused;
    struct reader quiet = {.out = r->out, .err = &unused};

    r->dir = arena_strn(&r->out->arena, path, (size_t)(file - path));
    stem.text = arena_strn(&r->out->arena, file, dot > file ? (size_t)(dot - file) : strlen(file));
    if (!r->dir || !stem.text)
        return err_nomem(r->err);
    if (read_name(&quiet, &r->out->name, &stem))
        r->out->name = "recipe";
    return 0;
}

int recipe_parse(struct recipe *out, const char *path, const char *text, size_t n,
                 const char *const *sets, size_t n_sets, struct err *err)
{
    struct reader r = {.out = out, .err = err};
    struct yaml_node *root;
    int rc;

    *out = (struct recipe){.n_ctx = EVAL_CTX, .calibration_ctx = EVAL_CTX};
    rc = read_place(&r, path);
    if (!rc)
        rc = yaml_parse(&root, &out->arena, text, n, err);
    for (size_t i = 0; !rc && i < n_sets; i++) {
        rc = recipe_set(root, &out->arena, sets[i], err);
        if (rc)
            goto fail;
    }
    if (!rc)
        rc = read_map(&r, out, root, recipe_keys, N_OF(recipe_keys));
    if (!rc)
        rc = check_whole(&r, root);
    if (!rc)
        return 0;
    if (rc != ERR_NOMEM)
        rc = err_wrap(err, "%s", path);
fail:
    recipe_release(out);
    return rc;
}

int recipe_load(struct recipe *out, const char *path, const char *const *sets, size_t n_sets,
                struct err *err)
{
    struct map file;
    int rc = map_open(&file, path, err);

    *out = (struct recipe){0};
    if (rc)
        return rc;
    rc = recipe_parse(out, path, file.size ? (const char *)file.data : "", file.size, sets, n_sets,
                      err);
    map_release(&file);
    return rc;
}

void recipe_release(struct recipe *r)
{
    arena_release(&r->arena);
    *r = (struct recipe){0};
}
