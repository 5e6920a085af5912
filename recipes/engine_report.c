/* Reports of a branch. */

#include "eval/csv.h"
#include "eval/html.h"
#include "eval/junit.h"
#include "eval/markdown.h"
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

static int render(struct buf *out, const struct branch *b, const struct engine_step *s,
                  struct err *err)
{
    const struct recipe_reports *r = &b->recipe->report;

    if (s->name == r->html)
        return html_report(out, &b->report, b->recipe->n_gates ? &b->gates : NULL, err);
    if (s->name == r->junit)
        return junit_gates(out, b->recipe->name, &b->gates, err);
    if (s->name == r->markdown)
        return markdown_report(out, &b->report, b->recipe->n_gates ? &b->gates : NULL, err);
    if (s->name == r->csv)
        return csv_report(out, &b->report, NULL, err);
    return report_json(out, &b->report, err);
}

int engine_write_report(struct branch *b, struct engine_step *s, bool write, struct err *err)
{
    struct buf text = {0};
    int rc = render(&text, b, s, err);

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
