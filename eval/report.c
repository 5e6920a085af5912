#include "eval/report.h"

#include "eval/report_result.h"
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
    task_results_release(&m->tasks);
    tensor_errors_release(&m->tensors);
}

/* ---- names of the kernels' maths ------------------------------------------------------------ */

static const char *const math_name[KERN_MATH_COUNT] = {
    [KERN_F32] = "f32", [KERN_BF16] = "bf16", [KERN_INT16] = "fast"};

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
    if (m->have_seconds)
        json_put_num(j, "seconds", r->seconds);
    report_result_put(j, r);
    if (r->fast) {
        json_open(j, "fast", '{');
        if (m->have_seconds)
            json_put_num(j, "seconds", r->fast->seconds);
        report_result_put(j, r->fast);
        json_close(j, '}');
    }
    task_results_put(j, "tasks", &m->tasks);
    tensor_errors_put(j, &m->tensors);
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

static int get_sizes(struct report_model *m, const json_val *v, struct err *err)
{
    if (!get_count(&m->bytes, json_get(v, "bytes")) ||
        !get_count(&m->tensor_bytes, json_get(v, "tensor_bytes")) ||
        !get_count(&m->params, json_get(v, "params")))
        return err_set(err, ERR_FORMAT, "expected whole numbers bytes, tensor_bytes and params");
    return 0;
}

static int get_names(struct report_model *m, struct arena *arena, const json_val *v,
                     struct err *err)
{
    int rc = get_text(&m->name, arena, json_get(v, "name"), err);

    if (!rc)
        rc = get_text(&m->file, arena, json_get(v, "file"), err);
    if (!rc)
        rc = get_text(&m->type, arena, json_get(v, "type"), err);
    return rc ? rc : get_text(&m->sha256, arena, json_get(v, "sha256"), err);
}

static int get_fast(struct eval_result *r, const json_val *v, struct err *err)
{
    if (!v)
        return 0;
    r->fast = calloc(1, sizeof(*r->fast));
    if (!r->fast)
        return err_nomem(err);
    const int rc = report_result_get(r->fast, v, err);
    if (!rc)
        (void)json_num(json_get(v, "seconds"), &r->fast->seconds);
    return rc ? err_wrap(err, "fast") : 0;
}

int report_model_get(struct report_model *out, struct arena *arena, const json_val *v,
                     struct err *err)
{
    struct report_model m = {0};
    int rc = get_sizes(&m, v, err);

    *out = (struct report_model){0};
    if (!rc)
        rc = get_names(&m, arena, v, err);
    if (!rc)
        rc = report_result_get(&m.result, v, err);
    if (!rc)
        rc = get_fast(&m.result, json_get(v, "fast"), err);
    if (!rc)
        rc = task_results_get(&m.tasks, json_get(v, "tasks"), err);
    if (!rc)
        rc = tensor_errors_get(&m.tensors, json_get(v, "tensors"), err);
    if (rc) {
        report_model_release(&m);
        return rc;
    }
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
    if (r->about)
        eval_about_put(&j, r->about);
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
