#ifndef EVAL_REPORT_H
#define EVAL_REPORT_H

/* A report: which models were measured on which text, and what each lost. Its JSON,
 * written and read: docs/formats.md, "Report JSON". */

#include "eval/about.h"
#include "eval/eval.h"
#include "eval/task.h"
#include "eval/tensors.h"
#include "formats/base/arena.h"
#include "formats/base/buf.h"
#include "formats/base/err.h"
#include "formats/base/json.h"
#include "formats/source.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { REPORT_VERSION = 2 };

/* One model. Texts are borrowed. */
struct report_model {
    const char *name;      /* for people: "Q4_K_M" */
    const char *file;      /* as told; relative to the report where the recipe wrote it */
    const char *type;      /* of most of its weights, or its mix */
    const char *sha256;    /* of the file; NULL: not computed */
    uint64_t bytes;        /* of the file(s) */
    uint64_t tensor_bytes; /* of the weights alone */
    uint64_t params;
    bool have_seconds;            /* wall-clock times make no two reports equal: optional */
    struct eval_result result;    /* owned (report_model_release) */
    struct task_results tasks;    /* owned; all zeros: none were run */
    struct tensor_errors tensors; /* owned; all zeros: not known */
};

struct report {
    const char *name;
    const char *command;     /* that measured it, for people; not in the JSON; NULL: not known */
    const char *text;        /* as told */
    const char *text_sha256; /* NULL: not computed */
    const char *kernels;     /* "f32", "bf16" or "fast"; of "fast" results beside it, see there */
    const struct eval_about *about; /* NULL: not known; borrowed */
    size_t n_ctx;
    const struct report_model *original; /* NULL: perplexities only; borrowed */
    const struct report_model *model;    /* borrowed */
    size_t n_models;
};

/* Bits per weight: of the tensors alone, without the metadata. NaN without weights. */
double report_bpw(const struct report_model *m);

/* The figures that the file itself gives: type, bytes, tensor_bytes, params. The type's
 * name is static or lies in the source's memory. */
void report_model_describe(struct report_model *m, const struct source *s);
void report_model_release(struct report_model *m);

/* "f32", "bf16", "fast"; NULL outside the enum. The other way: false when unknown. */
const char *report_kernels(enum kern_math math);
bool report_math(enum kern_math *out, const char *name);

/* The whole report. */
int report_json(struct buf *out, const struct report *r, struct err *err) WARN_UNUSED;

/* One model, as an object of that report; read back with texts copied to `arena`.
 * On success *out is owned. Errors: ERR_FORMAT naming what is missing. */
void report_model_put(struct json_out *j, const char *key, const struct report_model *m);
int report_model_get(struct report_model *out, struct arena *arena, const json_val *v,
                     struct err *err) WARN_UNUSED;

#endif /* EVAL_REPORT_H */
