#include "formats/apart.h"
#include "formats/base/buf.h"
#include "formats/base/json.h"
#include "formats/base/out.h"
#include "quant/diff.h"
#include "tools/cmd.h"
#include "tools/text.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

struct compared {
    const struct source *a, *b;
    struct diff diff;
    size_t n_of[DIFF_ONLY_B + 1]; /* tensors of each kind */
    size_t n_equal;
    double nmse; /* over the values of all tensors compared */
};

static const char *const kinds[] = {
    [DIFF_COMPARED] = "compared",         [DIFF_UNREADABLE] = "of a type pare cannot read",
    [DIFF_SHAPE] = "of different shapes", [DIFF_ONLY_A] = "only in the first",
    [DIFF_ONLY_B] = "only in the second",
};

static void sum_up(struct compared *c)
{
    double err2 = 0, sum2 = 0;

    for (size_t i = 0; i < c->diff.n; i++) {
        const struct diff_tensor *t = &c->diff.t[i];
        c->n_of[t->kind]++;
        if (t->kind != DIFF_COMPARED)
            continue;
        c->n_equal += t->nmse == 0;
        err2 += t->err2;
        sum2 += t->sum2;
    }
    c->nmse = err2 == 0 ? 0 : isnan(err2) ? (double)NAN : err2 / sum2;
}

static const char *name_of(const struct diff_tensor *t)
{
    return t->a ? t->a->name : t->b->name;
}

static const char *type_of(const struct source_tensor *t)
{
    return t ? dtype_get(t->type)->name : "-";
}

static void put_shape(struct buf *b, const struct source_tensor *t)
{
    for (int i = 0; t && i < t->n_dims; i++)
        buf_fmt(b, "%s%" PRIu64, i ? ", " : "[", t->dims[i]);
    buf_str(b, t ? "]" : "-");
}

/* ---- for a person ------------------------------------------------------------------ */

static void put_compared(struct buf *b, const struct diff_tensor *t, int wide)
{
    buf_fmt(b, "%-*s %-8s %-8s %12.4g %12.9f %12.4g\n", wide, name_of(t), type_of(t->a),
            type_of(t->b), t->nmse, t->cosine, t->max);
}

static void put_other(struct buf *b, const struct diff_tensor *t, int wide)
{
    buf_fmt(b, "%-*s %-8s %-8s %s: ", wide, name_of(t), type_of(t->a), type_of(t->b),
            kinds[t->kind]);
    put_shape(b, t->a ? t->a : t->b);
    if (t->kind == DIFF_SHAPE) {
        buf_str(b, " and ");
        put_shape(b, t->b);
    }
    buf_str(b, "\n");
}

static int print_tensors(const struct compared *c, size_t top, struct err *err)
{
    struct buf b = {0};
    size_t shown[DIFF_ONLY_B + 1] = {0};
    int wide = 6;

    for (size_t i = 0; i < c->diff.n; i++) {
        const size_t n = strlen(name_of(&c->diff.t[i]));
        wide = n > (size_t)wide && n < 64 ? (int)n : wide;
    }
    if (c->n_of[DIFF_COMPARED])
        buf_fmt(&b, "%-*s %-8s %-8s %12s %12s %12s\n", wide, "tensor", "first", "second", "NMSE",
                "cosine", "largest");
    for (size_t i = 0; i < c->diff.n; i++) {
        const struct diff_tensor *t = &c->diff.t[i];
        if (top && shown[t->kind]++ >= top)
            continue;
        if (t->kind == DIFF_COMPARED)
            put_compared(&b, t, wide);
        else
            put_other(&b, t, wide);
    }
    buf_fmt(&b, "%zu tensors compared, %zu equal", c->n_of[DIFF_COMPARED], c->n_equal);
    if (c->n_of[DIFF_COMPARED])
        buf_fmt(&b, ", NMSE of all values %.4g", c->nmse);
    for (int k = DIFF_UNREADABLE; k <= DIFF_ONLY_B; k++)
        if (c->n_of[k])
            buf_fmt(&b, "; %zu %s", c->n_of[k], kinds[k]);
    buf_str(&b, "\n");
    return text_print(&b, err);
}

/* ---- metadata ---------------------------------------------------------------------- */

static bool same_value(const struct meta_kv *x, const struct meta_kv *y)
{
    if (x->type != y->type)
        return false;
    switch (x->type) {
    case META_STR:
        return x->v.str.n == y->v.str.n && !memcmp(x->v.str.p, y->v.str.p, x->v.str.n);
    case META_ARRAY:
        return x->v.array.elem == y->v.array.elem && x->v.array.n == y->v.array.n &&
               x->v.array.raw_bytes == y->v.array.raw_bytes &&
               !memcmp(x->v.array.raw, y->v.array.raw, x->v.array.raw_bytes);
    case META_F32:
    case META_F64:
        return !memcmp(&x->v.f, &y->v.f, sizeof(x->v.f));
    default:
        return x->v.u == y->v.u;
    }
}

/* Called for every key whose values differ; NULL: the key is not there. */
typedef void key_fn(void *arg, const struct meta_kv *x, const struct meta_kv *y);

static void each_key(const struct compared *c, key_fn *fn, void *arg)
{
    const struct meta *a = source_meta(c->a), *b = source_meta(c->b);

    for (size_t i = 0; i < a->n; i++) {
        const struct meta_kv *y = meta_get(b, a->kv[i].key);
        if (!y || !same_value(&a->kv[i], y))
            fn(arg, &a->kv[i], y);
    }
    for (size_t i = 0; i < b->n; i++)
        if (!meta_get(a, b->kv[i].key))
            fn(arg, NULL, &b->kv[i]);
}

static void put_values(struct buf *b, const struct meta_kv *x, const struct meta_kv *y)
{
    if (x)
        text_value(b, x);
    buf_str(b, x && y ? " and " : x ? ", only in the first" : "only in the second, ");
    if (y)
        text_value(b, y);
}

static void put_key(void *arg, const struct meta_kv *x, const struct meta_kv *y)
{
    buf_fmt(arg, "  %-40s ", x ? x->key : y->key);
    put_values(arg, x, y);
    buf_str(arg, "\n");
}

static int print_metadata(const struct compared *c, struct err *err)
{
    struct buf b = {0};

    buf_str(&b, "\nmetadata that differs\n");
    each_key(c, put_key, &b);
    return text_print(&b, err);
}

/* ---- for a machine ----------------------------------------------------------------- */

static void json_shape(struct json_out *j, const char *key, const struct source_tensor *t)
{
    if (!t)
        return;
    json_open(j, key, '[');
    for (int i = 0; i < t->n_dims; i++)
        json_put_uint(j, NULL, t->dims[i]);
    json_close(j, ']');
}

static void json_tensor(struct json_out *j, const struct diff_tensor *t)
{
    json_open(j, NULL, '{');
    json_put_str(j, "name", name_of(t));
    json_put_str(j, "status", kinds[t->kind]);
    json_put_str(j, "first_type", t->a ? type_of(t->a) : NULL);
    json_put_str(j, "second_type", t->b ? type_of(t->b) : NULL);
    json_shape(j, "first_shape", t->a);
    json_shape(j, "second_shape", t->b);
    if (t->kind == DIFF_COMPARED) {
        json_put_num(j, "nmse", t->nmse);
        json_put_num(j, "cosine", t->cosine);
        json_put_num(j, "max", t->max);
    }
    json_close(j, '}');
}

static void json_key_differs(void *arg, const struct meta_kv *x, const struct meta_kv *y)
{
    struct json_out *j = arg;
    struct buf first = {0}, second = {0};

    if (x)
        text_value(&first, x);
    if (y)
        text_value(&second, y);
    json_open(j, NULL, '{');
    json_put_str(j, "key", x ? x->key : y->key);
    json_put_str(j, "first", first.p);
    json_put_str(j, "second", second.p);
    json_close(j, '}');
    j->b->bad = j->b->bad || first.bad || second.bad;
    buf_release(&first);
    buf_release(&second);
}

static int write_json(const struct compared *c, const char *path, struct err *err)
{
    struct buf b = {0};
    struct json_out j = json_out_init(&b, false);

    json_open(&j, NULL, '{');
    json_put_str(&j, "first", source_path(c->a));
    json_put_str(&j, "second", source_path(c->b));
    json_put_uint(&j, "compared", c->n_of[DIFF_COMPARED]);
    json_put_uint(&j, "equal", c->n_equal);
    json_put_num(&j, "nmse", c->nmse);
    json_open(&j, "tensors", '[');
    for (size_t i = 0; i < c->diff.n; i++)
        json_tensor(&j, &c->diff.t[i]);
    json_close(&j, ']');
    json_open(&j, "metadata", '[');
    each_key(c, json_key_differs, &j);
    json_close(&j, ']');
    json_close(&j, '}');
    buf_str(&b, "\n");
    int rc = buf_check(&b, err);
    if (!rc)
        rc = out_file(path, b.p, b.n, err);
    buf_release(&b);
    return rc;
}

int cmd_diff(struct cmd_env *env, int argc, char **argv, struct err *err)
{
    struct compared c = {0};
    struct source *a = NULL, *b = NULL;
    struct cmd_common common;
    const char *json = NULL, *path[2];
    int64_t top = 0;
    bool metadata = false;
    size_t n;
    const struct opt opts[] = {
        {"json",     "FILE", "write every tensor and key that differs", OPT_STR,  &json,     0, 0  },
        {"top",      "N",    "print the N worst only (0: all)",         OPT_INT,  &top,      0, 1e9},
        {"metadata", NULL,   "print the keys whose values differ too",  OPT_FLAG, &metadata, 0, 0  },
    };

    int rc = cmd_options(&common, env, opts, N_OF(opts), argc, argv, path, &n, 2, 2, err);
    if (rc || common.done)
        return rc;
    const struct source_opts so = {.log = &env->log};
    for (int i = 0; i < 2 && !rc; i++)
        rc = apart(json, path[i], false, err);
    if (!rc)
        rc = source_open(&a, path[0], &so, err);
    if (!rc)
        rc = source_open(&b, path[1], &so, err);
    if (!rc)
        rc = diff_models(&c.diff, a, b, &common.par, &env->log, err);
    if (rc)
        goto fail;
    c.a = a;
    c.b = b;
    sum_up(&c);
    if (json)
        rc = write_json(&c, json, err);
    if (!rc)
        rc = print_tensors(&c, (size_t)top, err);
    if (!rc && metadata)
        rc = print_metadata(&c, err);

fail:
    diff_release(&c.diff);
    source_free(a);
    source_free(b);
    return rc;
}
