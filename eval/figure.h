#ifndef EVAL_FIGURE_H
#define EVAL_FIGURE_H

/* Measured numbers as a person reads them, and text made safe for HTML. */

#include "eval/stats.h"
#include "formats/base/buf.h"

#include <stdint.h>

enum { FIGURE_BYTES = 64 };

/* "4.8124 ± 0.0412": `decimals`, or as many more as show two digits of the error, at
 * most 8; just the value where the error is unknown or 0; "-" for NaN. */
void figure_mean(char out[FIGURE_BYTES], struct stats_mean m, int decimals);
/* The same of a share, in percent, without the sign. */
void figure_percent(char out[FIGURE_BYTES], struct stats_mean m);
/* "88.2 MiB" */
void figure_size(char out[FIGURE_BYTES], uint64_t bytes);
/* The number with `decimals`; "0" when it is exactly that, "-" for NaN. */
void figure_num(char out[FIGURE_BYTES], double x, int decimals);

/* Append s with the characters that mean something to HTML and XML replaced; breaks and tabs
 * become spaces, other controls go. */
void figure_text(struct buf *b, const char *s);

#endif /* EVAL_FIGURE_H */
