#ifndef EVAL_PAGE_H
#define EVAL_PAGE_H

/* The sections of a report's page (html.c has their order), and what they share. Texts of
 * files and people go through figure_text; ids and classes are made here. */

#include "eval/gate.h"
#include "eval/report.h"
#include "formats/base/arena.h"
#include "formats/base/buf.h"
#include "formats/base/err.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    PAGE_WIDE = 920,  /* px of a drawing on a desk */
    PAGE_NARROW = 380 /* and on a phone */
};

/* A page that is being written. */
struct page {
    struct buf *out;
    const struct report *r;
    const struct gate_results *gates; /* NULL: none */
    size_t *by;                       /* [n_models] pareto_find's of size and loss */
    size_t shared;                    /* bytes that all models' names begin with */
    struct arena arena;               /* lives as long as the page is made */
};

/* From the doctype to the opening of the body: title, style, policy and script. The title is
 * escaped. Errors: ERR_NOMEM. */
int page_open(struct buf *out, const char *name, const char *what, struct err *err) WARN_UNUSED;
/* The end of body and document. */
void page_close(struct buf *out);

/* The level of x among 0 .. PAGE_LEVELS: the share of `most` by square root, so that the middle
 * of a skewed lot is seen. The classes are h0 .. h8. */
enum { PAGE_LEVELS = 8 };
int page_level(double x, double most);
/* The least x of a level. */
double page_level_from(int level, double most);

/* What the loss of a model is: its KLD from the original, or its perplexity. */
struct stats_mean page_loss(const struct report *r, const struct report_model *m);

/* A model's name without ".gguf" and without what all begin with, up to a dash, in the page's
 * arena. NULL: memory ran out. */
const char *page_name(struct page *p, const struct report_model *m);

/* The top of the page: name, what was measured, the figures that matter most. */
int page_put_summary(struct page *p, struct err *err) WARN_UNUSED;

/* A section: whether the report has what it shows, and its content below the heading. */
bool page_has_models(const struct page *p);
int page_put_models(struct page *p, struct err *err) WARN_UNUSED;
bool page_has_gates(const struct page *p);
int page_put_gates(struct page *p, struct err *err) WARN_UNUSED;
bool page_has_sizes(const struct page *p);
int page_put_sizes(struct page *p, struct err *err) WARN_UNUSED;
bool page_has_tails(const struct page *p);
int page_put_tails(struct page *p, struct err *err) WARN_UNUSED;
bool page_has_positions(const struct page *p);
int page_put_positions(struct page *p, struct err *err) WARN_UNUSED;
bool page_has_tensors(const struct page *p);
int page_put_tensors(struct page *p, struct err *err) WARN_UNUSED;
bool page_has_tokens(const struct page *p);
int page_put_tokens(struct page *p, struct err *err) WARN_UNUSED;
bool page_has_tasks(const struct page *p);
int page_put_tasks(struct page *p, struct err *err) WARN_UNUSED;
int page_put_reading(struct page *p, struct err *err) WARN_UNUSED;
int page_put_provenance(struct page *p, struct err *err) WARN_UNUSED;

#endif /* EVAL_PAGE_H */
