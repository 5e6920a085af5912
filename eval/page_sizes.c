/* File size against loss: points with error bars and the Pareto front. */

#include "eval/figure.h"
#include "eval/page.h"
#include "eval/pareto.h"
#include "eval/svg.h"

/* KLD at or below this stands on the chart's line "0", nats. */
static const double kld_floor = 1e-6;

/* Sizes are drawn in the unit of the largest. */
struct unit {
    const char *name;
    double bytes;
};

static struct unit unit_of(const struct report *r)
{
    static const struct unit units[] = {
        {"GiB", 1024.0 * 1024 * 1024},
        {"MiB", 1024.0 * 1024       }
    };
    const struct unit kib = {"KiB", 1024};
    uint64_t most = 0;

    for (size_t i = 0; i < r->n_models; i++)
        most = r->model[i].bytes > most ? r->model[i].bytes : most;
    for (size_t i = 0; i < 2; i++)
        if ((double)most >= units[i].bytes)
            return units[i];
    return kib;
}

bool page_has_sizes(const struct page *p)
{
    for (size_t i = 0; i < p->r->n_models; i++)
        if (p->by[i] != PARETO_NONE)
            return true;
    return false;
}

static int point_of(struct svg_point *to, struct page *p, size_t i, struct err *err)
{
    const struct report_model *m = &p->r->model[i];
    const struct stats_mean loss = page_loss(p->r, m);
    char size[FIGURE_BYTES], figure[FIGURE_BYTES];

    figure_size(size, m->bytes);
    figure_mean(figure, loss, p->r->original ? 0 : 4);
    to->label = page_name(p, m);
    to->behind = p->by[i] < PARETO_NONE;
    to->x = (double)m->bytes / unit_of(p->r).bytes;
    to->y = loss.value;
    to->error = loss.error;
    to->note =
        arena_fmt(&p->arena, "%s: %s, %s %s%s%s", to->label ? to->label : "", size,
                  p->r->original ? "KL divergence" : "perplexity", figure,
                  to->behind ? ", behind " : "", to->behind ? p->r->model[p->by[i]].name : "");
    return to->label && to->note ? 0 : err_nomem(err);
}

/* The chart in words, for those who can't see it: each point. */
static const char *describe(struct page *p, const struct svg_point *point)
{
    struct buf b = {0};

    for (size_t i = 0; i < p->r->n_models; i++)
        buf_fmt(&b, "%s%s", i ? "; " : "", point[i].note);
    const char *s = b.bad ? NULL : arena_strn(&p->arena, b.p ? b.p : "", b.n);
    buf_release(&b);
    return s;
}

static int put_both(struct page *p, struct svg_plot *plot, struct err *err)
{
    plot->head.id = "sizes-w";
    plot->head.css_class = "wide";
    plot->head.width = PAGE_WIDE;
    plot->head.height = 460;
    int rc = svg_plot(p->out, plot, err);
    plot->head.id = "sizes-n";
    plot->head.css_class = "narrow";
    plot->head.width = PAGE_NARROW;
    plot->head.height = PAGE_NARROW;
    return rc ? rc : svg_plot(p->out, plot, err);
}

int page_put_sizes(struct page *p, struct err *err)
{
    const bool kld = p->r->original != NULL;
    struct svg_point *point = arena_array(&p->arena, p->r->n_models + 1, sizeof(*point));
    const char *x_label = arena_fmt(&p->arena, "file size, %s", unit_of(p->r).name);
    int rc = point && x_label ? 0 : err_nomem(err);

    for (size_t i = 0; !rc && i < p->r->n_models; i++)
        rc = point_of(&point[i], p, i, err);
    if (rc)
        return rc;
    struct svg_plot plot = {
        .head = {.title = kld ? "File size against KL divergence from the original"
                              : "File size against perplexity",
                 .desc = describe(p, point)},
        .x_label = x_label,
        .y_label = kld ? "KL divergence, nats (log scale)" : "perplexity",
        .point = point,
        .n = p->r->n_models,
        .front = p->r->n_models > 1,
        .log_y = kld,
        .y_floor = kld_floor
    };
    if (!plot.head.desc)
        return err_nomem(err);
    buf_str(p->out, "<figure>\n");
    rc = put_both(p, &plot, err);
    buf_fmt(p->out,
            "<figcaption>Down and left is better. Bars are one standard error, clustered by "
            "window%s. Dotted: the Pareto front, the least loss among files of at most a size; "
            "\xE2\x97\x8F lies on it, \xE2\x97\x87 has a file before it that is no larger "
            "and loses less (sizes within 0.1 %% count as equal).</figcaption>\n</figure>\n",
            kld ? "; a divergence of at most 0.000001 is drawn as 0" : "");
    return rc;
}
