#ifndef FORMATS_BASE_NEAREST_H
#define FORMATS_BASE_NEAREST_H

/* Which of the words there are is most like the one that was given: for messages. */

#include <stddef.h>

struct nearest {
    const char *word; /* borrowed */
    const char *best; /* borrowed; "" when none was looked at */
    size_t distance;
};

/* None looked at yet. */
struct nearest nearest_init(const char *word);

/* Compare one more: by the letters to take out and to put in, without case; of equals the
 * first stays. */
void nearest_look(struct nearest *n, const char *candidate);

#endif /* FORMATS_BASE_NEAREST_H */
