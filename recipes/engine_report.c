/* Reports of a branch. */

#include "eval/formats.h"
#include "formats/base/map.h"
#include "formats/base/out.h"
#include "recipes/engine_impl.h"

#include <string.h>

void engine_compose(struct branch *b)
{
    const struct recipe *r = b->recipe;

    if (!r->text.path)
        return;
    b->model[0].name = "original";
    b->model[0].file = r->name;
    for (size_t i = 0; i < r->n_quant; i++) {
        b->model[i + 1].name = b->variant[i].quant->name;
        b->model[i + 1].file = b->variant[i].file;
        b->model[i + 1].type = mix_name(b->variant[i].quant->mix);
    }
    b->report = (struct report){.name = r->name,
                                .text = r->text.as_told,
                                .text_sha256 = b->text_sha,
                                .about = &b->about,
                                .kernels = report_kernels(r->kernels),
                                .n_ctx = r->n_ctx,
                                .original = &b->model[0],
                                .model = &b->model[1],
                                .n_models = r->n_quant};
    b->have_report = true;
}

int engine_check_gates(struct branch *b, struct err *err)
{
    if (b->have_gates || !b->have_report)
        return 0;
    b->have_gates = true;
    return gates_check(&b->gates, b->recipe->gate, b->recipe->n_gates, &b->report, err);
}

static bool holds(const char *path, const struct buf *b)
{
    struct map m;
    struct err unused;

    if (map_open(&m, path, &unused))
        return false;
    const bool same = m.size == b->n && (!b->n || !memcmp(m.data, b->p, b->n));
    map_release(&m);
    return same;
}

int engine_write_report(struct branch *b, struct engine_step *s, bool write, struct err *err)
{
    struct buf text = {0};
    int rc = report_format_at(s->item)->put(&text, &b->report,
                                            b->recipe->n_gates ? &b->gates : NULL, err);

    if (!rc) {
        s->bytes = text.n;
        const bool there = holds(s->path, &text);
        if (!write)
            s->state = there ? ENGINE_CACHED : ENGINE_TODO;
        else
            engine_announce(b->e, s, there ? ENGINE_CACHED : ENGINE_RUNNING);
        if (write && !there) {
            rc = out_file(s->path, text.p, text.n, err);
            if (!rc)
                s->state = ENGINE_DONE;
        }
    }
    buf_release(&text);
    return rc;
}

/* Gates are checked where no file is asked for, too. */
static int run(struct branch *b, struct engine_step *first, const struct par *par, struct err *err)
{
    struct engine *e = b->e;
    int rc;

    (void)first;
    (void)par;
    engine_compose(b);
    rc = engine_check_gates(b, err);
    for (size_t i = 0; !rc && i < e->n_steps; i++)
        if (e->step[i]->kind == ENGINE_REPORT && e->step[i]->branch == b->recipe->suffix)
            rc = engine_write_report(b, e->step[i], true, err);
    return rc;
}

static int plan(struct branch *b, struct err *err)
{
    const struct recipe_reports *r = &b->recipe->report;

    for (size_t i = 0; report_format_at(i); i++) {
        if (!r->path[i])
            continue;
        struct engine_step *s = engine_add(b, ENGINE_REPORT, r->path[i], 1);
        if (!s || !(s->path = arena_fmt(&b->e->arena, "%s/%s", b->out_dir, r->path[i])))
            return err_nomem(err);
        s->file[0].path = s->path;
        s->item = i;
    }
    return 0;
}

/* A report is of everything. */
static enum engine_need needs(const struct branch *b, const struct engine_step *s,
                              const struct engine_step *on)
{
    (void)b;
    (void)s;
    return on->kind == ENGINE_REPORT ? NEED_NOTHING : NEED_IT;
}

const struct engine_ops engine_report_ops = {
    .name = "report", .plan = plan, .run = run, .together = true, .needs = needs};
