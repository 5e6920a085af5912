/* Every loss of the golden data: values and gradients, dense and sparse targets, at every CPU level. */

#include "distill/loss.h"
#include "formats/base/buf.h"
#include "formats/base/cpu.h"
#include "formats/base/json.h"
#include "formats/base/map.h"
#include "tests/tap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const levels[] = {"scalar", "avx2", "avx512"};

struct golden {
    json_val *doc;
    struct map f64, f32, i32;
};

static bool load(struct map *m, const char *root, const char *name)
{
    struct buf b = {0};
    struct err err;
    bool good;

    buf_fmt(&b, "%s/distill/%s", root, name);
    good = !buf_check(&b, &err) && !map_open(m, b.p, &err);
    buf_release(&b);
    return good;
}

static size_t whole(const json_val *v)
{
    int64_t n = 0;

    (void)json_int(v, &n);
    return (size_t)n;
}

static double real(const json_val *v, double otherwise)
{
    (void)json_num(v, &otherwise);
    return otherwise;
}

static const float *f32_at(const struct golden *g, const json_val *v)
{
    return v ? (const float *)(const void *)g->f32.data + whole(json_get(v, "f")) : NULL;
}

static const double *f64_at(const struct golden *g, const json_val *v)
{
    return (const double *)(const void *)g->f64.data + whole(json_get(v, "f"));
}

static const int32_t *i32_at(const struct golden *g, const json_val *v)
{
    return (const int32_t *)(const void *)g->i32.data + whole(json_get(v, "i"));
}

/* A case: rows of logits, and how its results are to be had. */
struct one {
    const struct golden *g;
    const struct kern *kern;
    const json_val *c, *result;
    size_t rows, vocab, k;
    struct loss loss;
    float *d;           /* [vocab] */
    float *logp;        /* [k] */
    const char *reason; /* why it is wrong */
    double worst[2];    /* shares of the bounds, of values and gradients */
};

/* "gjsd_b0.1" and the like as loss_parse has them. */
static bool loss_of(struct one *o)
{
    static const char *const names[][2] = {
        {"fkl",   "forward_kl"     },
        {"rkl",   "reverse_kl"     },
        {"gjsd",  "jsd"            },
        {"skl",   "skew_kl"        },
        {"srkl",  "skew_reverse_kl"},
        {"tvd",   "tvd"            },
        {"ce",    "ce"             },
        {"mixed", "mixed"          },
    };
    const char *name = json_str(json_get(o->result, "loss"));
    const size_t n = strcspn(name, "_");
    struct buf b = {0};
    struct err err;
    bool good = false;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strlen(names[i][0]) == n && !strncmp(names[i][0], name, n))
            buf_str(&b, names[i][1]);
    if (b.p && !strcmp(b.p, "mixed")) {
        const double ce = real(json_get(o->result, "lambda_ce"), (double)NAN);

        b.n = 0;
        buf_fmt(&b, "%.9g*ce + %.9g*forward_kl", ce, 1 - ce);
    } else if (name[n]) {
        buf_fmt(&b, "(%s)", name + n + 2);
    }
    good = b.p && !loss_parse(&o->loss, b.p, &err);
    o->loss.temperature = real(json_get(o->result, "T"), 1);
    o->loss.no_t2 = strcmp(name, "mixed") != 0;
    buf_release(&b);
    return good;
}

/* The k known outcomes of row r, and the rest, as the convention has them. */
static void sparse_of(struct loss_sparse *s, const struct one *o, size_t r)
{
    const char *how = json_str(json_get(o->result, "convention"));
    const json_val *exact = json_get(o->result, "teacher_log_k_plus_rest");
    const json_val *top = NULL;

    for (const json_val *v = json_first(json_get(o->c, "topk")); v; v = json_next(v))
        if (strtoul(json_key(v) ? json_key(v) : "0", NULL, 10) == o->k)
            top = v;
    s->k = o->k;
    s->id = i32_at(o->g, json_get(top, "ids")) + r * o->k;
    memcpy(o->logp, f32_at(o->g, json_get(top, "logprobs_T1")) + r * o->k, o->k * sizeof(float));
    s->logp = o->logp;
    s->log_rest = -INFINITY;
    if (!strcmp(how, "rest_exact")) {
        const float *at_t = f32_at(o->g, exact) + r * (o->k + 1);

        memcpy(o->logp, at_t, o->k * sizeof(float));
        s->log_rest = at_t[o->k];
        s->tempered = true;
    } else if (!strcmp(how, "rest_tempered")) {
        double sum = 0;

        for (size_t i = 0; i < o->k; i++)
            sum += exp((double)o->logp[i]);
        s->log_rest = (float)log1p(-sum);
    }
}

static void row(struct one *o, size_t r)
{
    const json_val *values = json_get(o->result, "rows"), *grad = json_get(o->result, "grad");
    const bool infinite = !json_is_object(values);
    const double want = infinite ? (double)INFINITY : f64_at(o->g, values)[r];
    const json_val *labels = json_get(o->c, "labels");
    struct loss_sparse sparse = {0};
    struct loss_target t = {.label = labels ? i32_at(o->g, labels)[r] : -1, .counted = true};
    double got, most = 0, off = 0;

    if (o->k) {
        sparse_of(&sparse, o, r);
        t.sparse = &sparse;
    } else {
        t.logits = f32_at(o->g, json_get(o->c, "teacher_logits")) + r * o->vocab;
    }
    got = loss_row(o->d, &o->loss, o->kern,
                   f32_at(o->g, json_get(o->c, "student_logits")) + r * o->vocab, &t, o->vocab,
                   1 / (double)o->rows);
    if (infinite ? !isinf(got) : !(fabs(got - want) <= 1e-5 * (1 + want)))
        o->reason = "value";
    if (!infinite)
        o->worst[0] = fmax(o->worst[0], fabs(got - want) / (1e-5 * (1 + want)));
    for (size_t i = 0; i < o->vocab; i++)
        if (!isfinite(o->d[i]))
            o->reason = "gradient not finite";
    if (infinite || !json_is_object(grad))
        return;
    for (size_t i = 0; i < o->vocab; i++) {
        const double g = f64_at(o->g, grad)[r * o->vocab + i];

        most = fmax(most, fabs(g));
        off = fmax(off, fabs((double)o->d[i] - g));
    }
    if (!(off <= 1e-5 * most + 1e-9)) /* of equal rows the gradient is rounding alone */
        o->reason = "gradient";
    o->worst[1] = fmax(o->worst[1], off / (1e-5 * most + 1e-9));
}

static void result(struct tap *tap, struct one *o)
{
    const char *how = json_str(json_get(o->result, "convention"));

    o->k = whole(json_get(o->result, "k"));
    o->reason = NULL;
    o->worst[0] = o->worst[1] = 0;
    o->logp = malloc((o->k + 1) * sizeof(float));
    if (!o->logp || !loss_of(o))
        o->reason = "no such loss";
    for (size_t r = 0; r < o->rows && !o->reason; r++)
        row(o, r);
    free(o->logp);
    tap_ok(tap, !o->reason, "losses %s: %s %s T=%g %s%.0zu: %s (%.2g %.2g of the bounds)",
           o->kern->isa, json_str(json_get(o->c, "name")), json_str(json_get(o->result, "loss")),
           o->loss.temperature, how ? how : "", o->k, o->reason ? o->reason : "equal", o->worst[0],
           o->worst[1]);
}

static void cases(struct tap *tap, const struct golden *g, const struct kern *kern)
{
    for (const json_val *c = json_first(json_get(g->doc, "cases")); c; c = json_next(c)) {
        struct one o = {.g = g, .kern = kern, .c = c};

        o.rows = whole(json_get(c, "rows"));
        o.vocab = whole(json_get(c, "vocab"));
        o.d = malloc(o.vocab * sizeof(float));
        for (const json_val *r = json_first(json_get(c, "results")); r && o.d; r = json_next(r)) {
            o.result = r;
            result(tap, &o);
        }
        free(o.d);
    }
}

int main(void)
{
    const char *root = tap_golden();
    struct tap tap = {0};
    struct golden g = {0};
    struct buf path = {0};
    struct err err = {0};

    if (!root) {
        tap_skip(&tap, "losses", "no golden data");
        return tap_done(&tap);
    }
    buf_fmt(&path, "%s/distill/losses.json", root);
    if (!tap_ok(&tap,
                !buf_check(&path, &err) && !json_load(&g.doc, path.p, &err) &&
                    load(&g.f64, root, "losses.f64.bin") && load(&g.f32, root, "losses.f32.bin") &&
                    load(&g.i32, root, "losses.i32.bin"),
                "losses: golden data read"))
        tap_note("%s", err.msg);
    else
        for (size_t l = 0; l < sizeof(levels) / sizeof(levels[0]); l++) {
            struct kern kern;
            unsigned mask = 0;

            if (cpu_mask(&mask, levels[l], &err) ||
                strcmp(cpu_level(cpu_detect() & mask), levels[l])) {
                tap_skip(&tap, levels[l], "this CPU lacks it");
                continue;
            }
            kern_init(&kern, cpu_detect() & mask);
            cases(&tap, &g, &kern);
        }
    json_free(g.doc);
    map_release(&g.f64);
    map_release(&g.f32);
    map_release(&g.i32);
    buf_release(&path);
    return tap_done(&tap);
}
