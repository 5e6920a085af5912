#include "recipes/distill_page.h"

#include "formats/base/arena.h"
#include "formats/base/map.h"
#include "formats/base/out.h"
#include "recipes/curves.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

enum { FACTS = 8 };

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash && slash[1] ? slash + 1 : path;
}

static const char *teacher(struct arena *a, const struct distill_opts *o,
                           const struct distill_result *r)
{
    return arena_fmt(a, "%s, %.2f M parameters", last_part(o->teacher),
                     1e-6 * (double)r->about.n_params_teacher);
}

static const char *student(struct arena *a, const struct distill_opts *o,
                           const struct distill_result *r)
{
    const struct student_about *s = &r->about;

    (void)o;
    return arena_fmt(a,
                     "%.2f M parameters: %" PRIu64 " layers, hidden %" PRIu64 ", ffn %" PRIu64
                     ", %" PRIu64 " heads, %" PRIu64 " for keys and values",
                     1e-6 * (double)s->n_params, s->layers, s->hidden, s->ffn, s->heads,
                     s->kv_heads);
}

static const char *text(struct arena *a, const struct distill_opts *o,
                        const struct distill_result *r)
{
    return arena_fmt(a, "%zu windows of %zu tokens of %s%s, %zu held back", r->n_windows,
                     o->data.n_tok, o->data.n_files ? last_part(o->data.file[0].path) : "",
                     o->data.n_files > 1 ? " and others" : "", r->n_held);
}

static const char *loss(struct arena *a, const struct distill_opts *o,
                        const struct distill_result *r)
{
    struct buf b = {0};
    const char *s;

    (void)r;
    loss_text(&b, &o->train.loss);
    s = b.bad ? NULL : arena_fmt(a, "%s at temperature %g", b.p, o->train.loss.temperature);
    buf_release(&b);
    return s;
}

static const char *optimizer(struct arena *a, const struct distill_opts *o,
                             const struct distill_result *r)
{
    const struct optim_opts *p = &o->train.optim;
    static const char *const schedules[] = {
        [SCHEDULE_COSINE] = "cosine", [SCHEDULE_WSD] = "wsd", [SCHEDULE_CONSTANT] = "constant"};

    return arena_fmt(a,
                     "AdamW, rate %g (%s, %" PRIu64 " of %" PRIu64
                     " steps of warmup), weight decay %g, %zu tokens a step",
                     p->lr, schedules[p->schedule], p->warmup, r->steps, p->weight_decay,
                     o->train.n_seq * o->train.accumulate * o->data.n_tok);
}

static const char *result(struct arena *a, const struct distill_opts *o,
                          const struct distill_result *r)
{
    const struct train_result *t = &r->train;

    (void)o;
    if (!r->n_held)
        return arena_fmt(a, "loss %.4f \xE2\x86\x92 %.4f in %" PRIu64 " steps, %.0f s",
                         t->first_loss, t->last_loss, t->steps, t->seconds);
    if (!isfinite(t->best_kl))
        return arena_fmt(a, "perplexity %.3f \xE2\x86\x92 %.3f at step %" PRIu64 " of %" PRIu64,
                         t->first_ppl, t->best_ppl, t->best_step, t->steps);
    return arena_fmt(a,
                     "KL %.4f \xE2\x86\x92 %.4f, perplexity %.3f \xE2\x86\x92 %.3f, same top token "
                     "%.1f %%, at step %" PRIu64 " of %" PRIu64,
                     t->first_kl, t->best_kl, t->first_ppl, t->best_ppl, 100 * t->best_top1,
                     t->best_step, t->steps);
}

static size_t facts(struct curves_fact fact[FACTS], struct arena *a, const struct distill_opts *o,
                    const struct distill_result *r)
{
    static const struct {
        const char *what;
        const char *(*is)(struct arena *, const struct distill_opts *,
                          const struct distill_result *);
    } all[] = {
        {"result",    result   },
        {"teacher",   teacher  },
        {"student",   student  },
        {"text",      text     },
        {"loss",      loss     },
        {"optimizer", optimizer},
    };
    size_t n = 0;

    for (; n < sizeof(all) / sizeof(all[0]); n++)
        fact[n] = (struct curves_fact){all[n].what, all[n].is(a, o, r)};
    return n;
}

int distill_page(const char *path, const char *log, const struct distill_opts *o,
                 const struct distill_result *r, struct err *err)
{
    struct curves_fact fact[FACTS];
    struct arena arena = {0};
    struct buf page = {0};
    struct map m = {0};
    int rc = map_open(&m, log, err);

    if (!rc) {
        const struct curves c = {last_part(o->out), fact, facts(fact, &arena, o, r),
                                 (const char *)m.data, m.size};

        rc = curves_page(&page, &c, err);
        if (rc == ERR_FORMAT)
            rc = err_wrap(err, "%s", log);
    }
    if (!rc)
        rc = out_file(path, page.p, page.n, err);
    map_release(&m);
    arena_release(&arena);
    buf_release(&page);
    return rc;
}
