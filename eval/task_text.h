#ifndef EVAL_TASK_TEXT_H
#define EVAL_TASK_TEXT_H

/* What lm-evaluation-harness does to the texts of items, which is what Python's str does: white
 * space, letters and lengths are Unicode's. Texts are valid UTF-8 without NUL. */

#include "formats/base/buf.h"

#include <stddef.h>

/* A piece of a text, borrowed. */
struct task_span {
    const char *p;
    size_t n;
};

struct task_span task_span(const char *text); /* all of it */

/* Without the white space at both ends, or at the end alone. */
struct task_span task_strip(struct task_span s);
struct task_span task_rstrip(struct task_span s);

/* Code points. */
size_t task_chars(struct task_span s);

/* Append it with the first letter as in a title and all others small. */
void task_capitalize(struct buf *out, struct task_span s);

/* HellaSwag's clean-up, appended: stripped; " [title]" becomes ". "; what stands in brackets on one
 * line goes; two spaces become one. */
void task_clean(struct buf *out, struct task_span s);

#endif /* EVAL_TASK_TEXT_H */
