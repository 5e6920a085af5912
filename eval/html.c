#include "eval/html.h"

#include "eval/figure.h"
#include "eval/page.h"
#include "eval/pareto.h"
#include "formats/base/path.h"

#include <math.h>
#include <string.h>

/* The page from top to bottom; what a report has nothing for is left out. */
struct section {
    const char *id, *heading;
    bool (*wanted)(const struct page *p);
    int (*put)(struct page *p, struct err *err);
};

static const struct section sections[] = {
    {"gates",      "Gates",                   page_has_gates,     page_put_gates     },
    {"models",     "Models",                  page_has_models,    page_put_models    },
    {"sizes",      "Size against loss",       page_has_sizes,     page_put_sizes     },
    {"tails",      "How the loss is spread",  page_has_tails,     page_put_tails     },
    {"tasks",      "Tasks",                   page_has_tasks,     page_put_tasks     },
    {"positions",  "Position in the window",  page_has_positions, page_put_positions },
    {"tensors",    "Error of each tensor",    page_has_tensors,   page_put_tensors   },
    {"tokens",     "Worst windows, by token", page_has_tokens,    page_put_tokens    },
    {"reading",    "How to read this",        NULL,               page_put_reading   },
    {"provenance", "Provenance",              NULL,               page_put_provenance},
};

#define N_SECTIONS (sizeof(sections) / sizeof(sections[0]))

static bool wanted(const struct section *s, const struct page *p)
{
    return !s->wanted || s->wanted(p);
}

/* ---- what sections share -------------------------------------------------------------------- */

int page_level(double x, double most)
{
    if (!(x > 0) || !(most > 0))
        return 0;
    const double level = ceil(PAGE_LEVELS * sqrt(x / most) - 1e-9);
    return level > PAGE_LEVELS ? PAGE_LEVELS : (int)level;
}

double page_level_from(int level, double most)
{
    const double share = (level - 1) / (double)PAGE_LEVELS;

    return level < 1 ? 0 : most * share * share;
}

struct stats_mean page_loss(const struct report *r, const struct report_model *m)
{
    return r->original ? m->result.kld : m->result.ppl;
}

const char *page_name(struct page *p, const struct report_model *m)
{
    const char *name = m == p->r->original ? m->name : m->name + p->shared;
    const size_t n = strlen(name), tail = strlen(".gguf");

    return arena_strn(&p->arena, name, path_ends(name, ".gguf") ? n - tail : n);
}

/* "demo-Q8_0" and "demo-Q4_0" begin with "demo-". */
static size_t shared_prefix(const struct report *r)
{
    const char *first = r->n_models > 1 ? r->model[0].name : "";
    size_t n = 0, most = strlen(first);

    for (size_t i = 1; i < r->n_models; i++) {
        size_t k = 0;
        while (k < most && r->model[i].name[k] == first[k])
            k++;
        most = k;
    }
    for (size_t k = 0; k < most; k++)
        n = first[k] == '-' ? k + 1 : n;
    return n;
}

static int find_front(struct page *p, struct err *err)
{
    const size_t n = p->r->n_models;
    double *x = arena_array(&p->arena, n + 1, sizeof(*x));
    double *y = arena_array(&p->arena, n + 1, sizeof(*y));

    p->by = arena_array(&p->arena, n + 1, sizeof(*p->by));
    if (!x || !y || !p->by)
        return err_nomem(err);
    for (size_t i = 0; i < n; i++) {
        x[i] = (double)p->r->model[i].bytes;
        y[i] = page_loss(p->r, &p->r->model[i]).value;
    }
    pareto_find(p->by, x, y, n);
    return 0;
}

/* ---- the page -------------------------------------------------------------------------------- */

static void put_nav(struct page *p)
{
    buf_str(p->out, "<nav aria-label=\"sections\">");
    for (size_t i = 0; i < N_SECTIONS; i++)
        if (wanted(&sections[i], p))
            buf_fmt(p->out, "<a href=\"#%s\">%s</a>", sections[i].id, sections[i].heading);
    buf_str(p->out, "</nav>\n");
}

static int put_sections(struct page *p, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; !rc && i < N_SECTIONS; i++)
        if (wanted(&sections[i], p)) {
            buf_fmt(p->out, "<section aria-labelledby=\"%s\"><h2 id=\"%s\">%s</h2>\n",
                    sections[i].id, sections[i].id, sections[i].heading);
            rc = sections[i].put(p, err);
            buf_str(p->out, "</section>\n");
        }
    return rc;
}

int html_report(struct buf *out, const struct report *r, const struct gate_results *gates,
                struct err *err)
{
    struct page p = {.out = out, .r = r, .gates = gates, .shared = shared_prefix(r)};
    int rc = find_front(&p, err);

    if (!rc)
        rc = page_open(out, r->name, "what was lost", err);
    if (!rc) {
        buf_str(out, "<header>");
        rc = page_put_summary(&p, err);
        put_nav(&p);
        buf_str(out, "</header>\n<main>\n");
    }
    if (!rc)
        rc = put_sections(&p, err);
    if (!rc) {
        buf_str(out, "</main>\n");
        page_close(out);
        rc = buf_check(out, err);
    }
    arena_release(&p.arena);
    return rc;
}
