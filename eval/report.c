#include "eval/report.h"

#include "formats/base/rd.h"
#include "formats/base/version.h"
#include "quant/mix.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

double report_bpw(const struct report_model *m)
{
    return m->params ? 8.0 * (double)m->tensor_bytes / (double)m->params : (double)NAN;
}

/* ---- what the file says ------------------------------------------------------------------ */

/* The type that holds most weights. */
static enum dtype main_type(const struct source *s)
{
    uint64_t held[DTYPE_COUNT] = {0};
    enum dtype best = DTYPE_NONE;

    for (size_t i = 0; i < source_n_tensors(s); i++) {
        const struct source_tensor *t = source_tensor(s, i);
        held[t->type] += source_row_len(t) * source_n_rows(t);
        if (held[t->type] > held[best])
            best = t->type;
    }
    return best;
}

static const char *type_of(const struct source *s)
{
    const struct dtype_info *info = dtype_get(main_type(s));
    uint64_t file_type;

    if (meta_u64(source_meta(s), "general.file_type", &file_type))
        for (size_t i = 0; mix_at(i); i++)
            if (mix_file_type(mix_at(i)) == file_type)
                return mix_name(mix_at(i));
    return info ? info->name : "?";
}

void report_model_describe(struct report_model *m, const struct source *s)
{
    m->type = type_of(s);
    m->bytes = source_bytes(s);
    m->params = m->tensor_bytes = 0;
    for (size_t i = 0; i < source_n_tensors(s); i++) {
        const struct source_tensor *t = source_tensor(s, i);
        size_t row;
        m->params += source_row_len(t) * source_n_rows(t);
        if (dtype_row_bytes(&row, t->type, source_row_len(t)))
            m->tensor_bytes += row * source_n_rows(t);
    }
}

void report_model_release(struct report_model *m)
{
    eval_result_release(&m->result);
}

/* ---- names of the kernels' maths ------------------------------------------------------------ */

static const char *const math_name[KERN_MATH_COUNT] = {
    [KERN_F32] = "f32", [KERN_BF16] = "bf16", [KERN_INT8] = "fast"};

const char *report_kernels(enum kern_math math)
{
    return (unsigned)math < KERN_MATH_COUNT ? math_name[math] : NULL;
}

bool report_math(enum kern_math *out, const char *name)
{
    for (size_t i = 0; i < KERN_MATH_COUNT; i++)
        if (!strcmp(math_name[i], name)) {
            *out = (enum kern_math)i;
            return true;
        }
    return false;
}

/* ---- the figures of a result, as rows -------------------------------------------------------- */

/* A figure of struct eval_result: where its JSON stands and where it lies. */
struct figure {
    const char *group; /* object around it, or NULL */
    const char *key;
    size_t at;
    bool mean; /* a struct stats_mean, else a double */
};

#define AT(field) offsetof(struct eval_result, field)

static const struct figure own_figures[] = {
    {NULL, "nll", AT(nll), true},
    {NULL, "ppl", AT(ppl), true},
};

static const struct figure against_figures[] = {
    {NULL,  "ln_ppl_ratio",       AT(ln_ratio),       true },
    {NULL,  "ppl_ratio",          AT(ppl_ratio),      true },
    {NULL,  "ln_ppl_correlation", AT(ln_correlation), false},
    {NULL,  "top1",               AT(top1),           true },
    {"kld", "mean",               AT(kld),            true },
    {"kld", "max",                AT(kld_max),        false},
    {"kld", "p999",               AT(kld_p999),       false},
    {"kld", "p99",                AT(kld_p99),        false},
    {"kld", "p95",                AT(kld_p95),        false},
    {"kld", "p90",                AT(kld_p90),        false},
    {"kld", "median",             AT(kld_median),     false},
    {"dp",  "mean",               AT(dp),             true },
    {"dp",  "rms",                AT(dp_rms),         false},
    {"dp",  "p99",                AT(dp_p99),         false},
    {"dp",  "p95",                AT(dp_p95),         false},
    {"dp",  "p90",                AT(dp_p90),         false},
    {"dp",  "median",             AT(dp_median),      false},
    {"dp",  "p10",                AT(dp_p10),         false},
    {"dp",  "p5",                 AT(dp_p5),          false},
    {"dp",  "p1",                 AT(dp_p1),          false},
};

#define N_OF(array) (sizeof(array) / sizeof((array)[0]))

static void put_figure(struct json_out *j, const struct figure *f, const struct eval_result *r)
{
    const void *at = (const char *)r + f->at;
    const struct stats_mean *mean = at;
    const double *one = at;

    if (!f->mean) {
        json_put_num(j, f->key, *one);
        return;
    }
    json_open(j, f->key, '{');
    json_put_num(j, "value", mean->value);
    json_put_num(j, "error", mean->error);
    json_close(j, '}');
}

static void put_figures(struct json_out *j, const struct figure *f, size_t n,
                        const struct eval_result *r)
{
    const char *group = NULL;

    for (size_t i = 0; i < n; i++) {
        if (f[i].group != group && (!group || !f[i].group || strcmp(group, f[i].group) != 0)) {
            if (group)
                json_close(j, '}');
            if (f[i].group)
                json_open(j, f[i].group, '{');
            group = f[i].group;
        }
        put_figure(j, &f[i], r);
    }
    if (group)
        json_close(j, '}');
}

static void put_windows(struct json_out *j, const char *key, const double *x, size_t n)
{
    const bool flat = j->flat;

    json_open(j, key, '[');
    j->flat = true; /* hundreds of numbers: one line */
    for (size_t i = 0; i < n; i++)
        json_put_num(j, NULL, x[i]);
    json_close(j, ']');
    j->flat = flat;
}

/* NaN is null in JSON: an absent number reads as NaN too. */
static double get_num(const json_val *v)
{
    double x;

    return json_num(v, &x) ? x : (double)NAN;
}

static void get_figures(struct eval_result *r, const struct figure *f, size_t n, const json_val *v)
{
    for (size_t i = 0; i < n; i++) {
        const json_val *from = json_get(f[i].group ? json_get(v, f[i].group) : v, f[i].key);
        void *to = (char *)r + f[i].at;
        if (f[i].mean)
            *(struct stats_mean *)to = (struct stats_mean){get_num(json_get(from, "value")),
                                                           get_num(json_get(from, "error"))};
        else
            *(double *)to = get_num(from);
    }
}

static int get_windows(double **out, const json_val *v, size_t n, const char *what, struct err *err)
{
    size_t i = 0;

    if (!json_is_array(v) || json_len(v) != n)
        return err_set(err, ERR_FORMAT, "%s: expected %zu numbers", what, n);
    *out = calloc(n + !n, sizeof(**out));
    if (!*out)
        return err_nomem(err);
    for (v = json_first(v); v; v = json_next(v))
        (*out)[i++] = get_num(v);
    return 0;
}

/* ---- one model ----------------------------------------------------------------------------------- */

void report_model_put(struct json_out *j, const char *key, const struct report_model *m)
{
    const struct eval_result *r = &m->result;

    json_open(j, key, '{');
    json_put_str(j, "name", m->name);
    json_put_str(j, "file", m->file);
    json_put_str(j, "type", m->type);
    json_put_str(j, "sha256", m->sha256);
    json_put_uint(j, "bytes", m->bytes);
    json_put_uint(j, "tensor_bytes", m->tensor_bytes);
    json_put_uint(j, "params", m->params);
    json_put_num(j, "bpw", report_bpw(m));
    json_put_uint(j, "tokens", r->n_tokens);
    json_put_uint(j, "windows", r->n_windows);
    put_figures(j, own_figures, N_OF(own_figures), r);
    if (m->have_seconds)
        json_put_num(j, "seconds", r->seconds);
    put_windows(j, "window_nll", r->window_nll, r->n_windows);
    if (r->have_original) {
        json_open(j, "against", '{');
        put_figures(j, against_figures, N_OF(against_figures), r);
        put_windows(j, "window_kld", r->window_kld, r->n_windows);
        json_close(j, '}');
    }
    json_close(j, '}');
}

static int get_text(const char **out, struct arena *arena, const json_val *v, struct err *err)
{
    const char *s = json_str(v);

    *out = s ? arena_str(arena, s) : NULL;
    return s && !*out ? err_nomem(err) : 0;
}

static bool get_count(uint64_t *out, const json_val *v)
{
    int64_t n;

    if (!json_int(v, &n) || n < 0)
        return false;
    *out = (uint64_t)n;
    return true;
}

static int get_counts(struct report_model *m, const json_val *v, struct err *err)
{
    uint64_t tokens, windows;

    if (!get_count(&m->bytes, json_get(v, "bytes")) ||
        !get_count(&m->tensor_bytes, json_get(v, "tensor_bytes")) ||
        !get_count(&m->params, json_get(v, "params")) ||
        !get_count(&tokens, json_get(v, "tokens")) || !get_count(&windows, json_get(v, "windows")))
        return err_set(err, ERR_FORMAT,
                       "expected whole numbers bytes, tensor_bytes, params, tokens and windows");
    m->result.n_tokens = (size_t)tokens;
    m->result.n_windows = (size_t)windows;
    return 0;
}

int report_model_get(struct report_model *out, struct arena *arena, const json_val *v,
                     struct err *err)
{
    const json_val *against = json_get(v, "against");
    struct report_model m = {0};
    int rc = get_counts(&m, v, err);

    *out = (struct report_model){0};
    if (!rc)
        rc = get_text(&m.name, arena, json_get(v, "name"), err);
    if (!rc)
        rc = get_text(&m.file, arena, json_get(v, "file"), err);
    if (!rc)
        rc = get_text(&m.type, arena, json_get(v, "type"), err);
    if (!rc)
        rc = get_text(&m.sha256, arena, json_get(v, "sha256"), err);
    if (!rc)
        rc = get_windows(&m.result.window_nll, json_get(v, "window_nll"), m.result.n_windows,
                         "window_nll", err);
    if (!rc && against)
        rc = get_windows(&m.result.window_kld, json_get(against, "window_kld"), m.result.n_windows,
                         "window_kld", err);
    if (rc) {
        report_model_release(&m);
        return rc;
    }
    get_figures(&m.result, own_figures, N_OF(own_figures), v);
    m.result.have_original = against != NULL;
    if (against)
        get_figures(&m.result, against_figures, N_OF(against_figures), against);
    m.have_seconds = json_num(json_get(v, "seconds"), &m.result.seconds);
    *out = m;
    return 0;
}

/* ---- the report -------------------------------------------------------------------------------------- */

int report_json(struct buf *out, const struct report *r, struct err *err)
{
    struct json_out j = json_out_init(out, false);

    json_open(&j, NULL, '{');
    json_put_str(&j, "schema", "pare.report");
    json_put_int(&j, "version", REPORT_VERSION);
    json_put_str(&j, "pare", PARE_VERSION);
    json_put_str(&j, "name", r->name);
    json_open(&j, "evaluation", '{');
    json_put_str(&j, "text", r->text);
    json_put_str(&j, "text_sha256", r->text_sha256);
    json_put_uint(&j, "ctx", r->n_ctx);
    json_put_str(&j, "kernels", r->kernels);
    json_close(&j, '}');
    if (r->original)
        report_model_put(&j, "original", r->original);
    json_open(&j, "models", '[');
    for (size_t i = 0; i < r->n_models; i++)
        report_model_put(&j, NULL, &r->model[i]);
    json_close(&j, ']');
    json_close(&j, '}');
    buf_str(out, "\n");
    return buf_check(out, err);
}
