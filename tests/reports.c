#include "tests/reports.h"

#include "eval/score.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char sha[] = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

static void must(int rc)
{
    if (rc)
        abort();
}

static void *room(size_t n, size_t each)
{
    void *p = calloc(n + 1, each);

    if (!p)
        abort();
    return p;
}

static double uniform(uint64_t *state)
{
    *state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
    return (double)(*state >> 11) / 9007199254740992.0;
}

/* Close enough to normal: the sum of twelve. */
static double normal(uint64_t *state)
{
    double sum = -6;

    for (int i = 0; i < 12; i++)
        sum += uniform(state);
    return sum;
}

static double within(double x, double low, double high)
{
    return x < low ? low : x > high ? high : x;
}

static void draw_original(struct score *s, const struct reports_opts *o)
{
    uint64_t state = o->seed + 1;

    for (size_t w = 0; w < o->windows; w++) {
        const double level = 3 + 0.4 * normal(&state);
        for (size_t i = 0; i < o->each; i++, s++)
            *s = (struct score){.nll = within(level + 0.5 * normal(&state), 0.1, 9), .top = 7};
    }
}

static void draw_model(struct score *s, const struct score *original, const struct reports_opts *o,
                       size_t model)
{
    uint64_t state = o->seed * 1000003ULL + o->salt * 7919ULL + model;

    for (size_t w = 0; w < o->windows; w++) {
        const double level = o->shift[model] + o->together * normal(&state);
        for (size_t i = 0; i < o->each; i++, s++, original++) {
            const double d = level + o->apart * normal(&state);
            *s = (struct score){.nll = within(original->nll + d, 0.01, 12),
                                .kld = 0.3 * fabs(level) + 0.1 * fabs(d),
                                .dp = within(-0.1 * d, -1, 1),
                                .top = uniform(&state) < 0.1 ? 8 : 7,
                                .shared = 3U + (uniform(&state) < 0.5 ? 1U : 0U)};
        }
    }
}

static void fill_task(struct report_model *m, uint64_t state, bool against)
{
    struct task_result *t = arena_array(&m->tasks.arena, 1, sizeof(*t));

    if (!t)
        abort();
    *t = (struct task_result){.name = "quiz", .layout = "arc", .sha256 = sha};
    t->n_items = REPORTS_ITEMS;
    t->have_norm = true;
    t->item_correct = arena_array(&m->tasks.arena, REPORTS_ITEMS, sizeof(double));
    t->item_correct_norm = arena_array(&m->tasks.arena, REPORTS_ITEMS, sizeof(double));
    t->item_nll = arena_array(&m->tasks.arena, REPORTS_ITEMS, sizeof(double));
    if (!t->item_correct || !t->item_correct_norm || !t->item_nll)
        abort();
    for (size_t i = 0; i < REPORTS_ITEMS; i++) {
        t->item_correct[i] = uniform(&state) < 0.6;
        t->item_correct_norm[i] = uniform(&state) < 0.5;
        t->item_nll[i] = 1 + uniform(&state);
    }
    t->acc = stats_clustered(t->item_correct, REPORTS_ITEMS, 1);
    t->acc_norm = stats_clustered(t->item_correct_norm, REPORTS_ITEMS, 1);
    t->have_original = against;
    m->tasks.at = t;
    m->tasks.n = 1;
}

static void describe(struct report_model *m, const char *name, uint64_t bytes)
{
    m->name = name;
    m->file = name;
    m->type = "Q4_0";
    m->sha256 = sha;
    m->bytes = bytes + 1000;
    m->tensor_bytes = bytes;
    m->params = 1 << 20;
}

static void fill_about(struct made_report *m, const struct reports_opts *o)
{
    struct eval_about *a = &m->about;

    (void)snprintf(a->tokenizer, sizeof(a->tokenizer), "%s", sha);
    a->n_windows = o->windows;
    a->window = arena_array(&a->arena, o->windows + 1, sizeof(*a->window));
    if (!a->window)
        abort();
    for (size_t i = 0; i < o->windows; i++) {
        a->window[i] = arena_fmt(&a->arena, "window %zu begins \"so\"\n", i);
        if (!a->window[i])
            abort();
    }
}

void reports_make(struct made_report *out, const struct reports_opts *o)
{
    const size_t n = o->windows * o->each;
    struct score *original = room(n, sizeof(*original)), *s = room(n, sizeof(*s));
    struct report_model *base = &out->model[REPORTS_MODELS];
    struct err err = {0};

    *out = (struct made_report){0};
    draw_original(original, o);
    describe(base, "original", 2 << 20);
    must(score_summary(&base->result, original, NULL, o->windows, o->each, &err));
    for (size_t i = 0; i < o->n_models; i++) {
        struct report_model *m = &out->model[i];
        (void)snprintf(out->name[i], sizeof(out->name[i]), "m%zu", i);
        describe(m, out->name[i], (600 + 100 * i) << 10);
        draw_model(s, original, o, i);
        must(score_summary(&m->result, s, o->alone ? NULL : original, o->windows, o->each, &err));
        if (o->tasks)
            fill_task(m, o->seed + o->salt + i, !o->alone);
    }
    if (o->tasks)
        fill_task(base, o->seed, false);
    fill_about(out, o);
    out->report = (struct report){.name = "made",
                                  .text = "text.txt",
                                  .text_sha256 = sha,
                                  .kernels = "bf16",
                                  .about = &out->about,
                                  .n_ctx = 2 * o->each + 2,
                                  .original = o->alone ? NULL : base,
                                  .model = out->model,
                                  .n_models = o->n_models};
    free(original);
    free(s);
}

void reports_release(struct made_report *m)
{
    for (size_t i = 0; i < REPORTS_MODELS + 1; i++)
        report_model_release(&m->model[i]);
    eval_about_release(&m->about);
}
