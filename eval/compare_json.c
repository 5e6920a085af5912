#include "eval/compare.h"
#include "formats/base/json.h"
#include "formats/base/version.h"

#include <math.h>

static const char *const verdict_names[] = {[COMPARE_SAME] = "same",
                                            [COMPARE_BETTER] = "better",
                                            [COMPARE_WORSE] = "worse",
                                            [COMPARE_UNKNOWN] = "unknown"};
static const char *const unit_names[] = {[METRIC_PLAIN] = NULL,
                                         [METRIC_NATS] = "nats",
                                         [METRIC_SHARE] = "share",
                                         [METRIC_BYTES] = "bytes",
                                         [METRIC_COUNT] = "count"};
static const char *const better_names[] = {
    [METRIC_LOWER] = "lower", [METRIC_HIGHER] = "higher", [METRIC_NEITHER] = NULL};

const char *compare_verdict_name(enum compare_verdict v)
{
    return verdict_names[v];
}

static void put_side(struct json_out *j, const char *key, const char *file, const struct report *r)
{
    json_open(j, key, '{');
    json_put_str(j, "file", file);
    json_put_str(j, "name", r->name);
    json_close(j, '}');
}

static void put_evaluation(struct json_out *j, const struct report *r)
{
    json_open(j, "evaluation", '{');
    json_put_str(j, "text", r->text);
    json_put_str(j, "text_sha256", r->text_sha256);
    json_put_uint(j, "ctx", r->n_ctx);
    json_put_str(j, "kernels", r->kernels);
    json_put_str(j, "original", r->original ? r->original->name : NULL);
    json_close(j, '}');
}

static void put_row(struct json_out *j, const struct compare_row *row)
{
    const struct metric *m = row->ref.metric;

    json_open(j, NULL, '{');
    json_put_str(j, "name", row->name);
    json_put_str(j, "title", m->title);
    json_put_str(j, "unit", unit_names[m->unit]);
    json_put_str(j, "better", better_names[m->better]);
    json_put_num(j, "a", row->a);
    json_put_num(j, "b", row->b);
    json_put_str(j, "scale", m->flags & METRIC_LOG ? "ln" : "plain");
    json_open(j, "difference", '{');
    json_put_num(j, "value", row->diff.value);
    json_put_num(j, "error", row->diff.error);
    json_close(j, '}');
    json_put_num(j, "low", row->low);
    json_put_num(j, "high", row->high);
    json_put_uint(j, "paired", row->n);
    json_put_str(j, "verdict", compare_verdict_name(row->verdict));
    json_put_num(j, "needed", row->needed > 0 ? row->needed : (double)NAN);
    json_close(j, '}');
}

static void put_pair(struct json_out *j, const struct compare_pair *p)
{
    json_open(j, NULL, '{');
    json_put_str(j, "a", p->a->name);
    json_put_str(j, "b", p->b->name);
    json_put_uint(j, "windows", p->n_windows);
    json_open(j, "metrics", '[');
    for (size_t i = 0; i < p->n_rows; i++)
        put_row(j, &p->row[i]);
    json_close(j, ']');
    json_put_str(j, "most_different_by", p->top_metric->name);
    json_open(j, "most_different", '[');
    for (size_t i = 0; i < p->n_top; i++) {
        json_open(j, NULL, '{');
        json_put_uint(j, "window", p->top[i].window);
        json_put_num(j, "a", p->top[i].a);
        json_put_num(j, "b", p->top[i].b);
        json_put_str(j, "text", p->top[i].text);
        json_close(j, '}');
    }
    json_close(j, ']');
    json_close(j, '}');
}

int compare_json(struct buf *out, const struct comparison *c, struct err *err)
{
    struct json_out j = json_out_init(out, false);

    json_open(&j, NULL, '{');
    json_put_str(&j, "schema", "pare.comparison");
    json_put_int(&j, "version", COMPARE_VERSION);
    json_put_str(&j, "pare", PARE_VERSION);
    put_side(&j, "a", c->a_file, c->a);
    put_side(&j, "b", c->b_file, c->b);
    put_evaluation(&j, c->b);
    json_put_num(&j, "level", COMPARE_LEVEL);
    json_open(&j, "pairs", '[');
    for (size_t i = 0; i < c->n_pairs; i++)
        put_pair(&j, &c->pair[i]);
    json_close(&j, ']');
    json_open(&j, "unpaired", '[');
    for (size_t i = 0; i < c->n_unpaired; i++)
        json_put_str(&j, NULL, c->unpaired[i]);
    json_close(&j, ']');
    json_close(&j, '}');
    buf_str(out, "\n");
    return buf_check(out, err);
}
