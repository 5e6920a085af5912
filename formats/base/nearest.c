#include "formats/base/nearest.h"

#include <stdint.h>
#include <string.h>

enum { LONGEST = 64 };

struct nearest nearest_init(const char *word)
{
    return (struct nearest){.word = word, .best = "", .distance = SIZE_MAX};
}

static int lower(char c)
{
    return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

/* Letters put in and taken out, a row at a time; of longer words the rest is counted as
 * different. */
static size_t distance(const char *a, const char *b)
{
    const size_t n = strnlen(a, LONGEST), m = strnlen(b, LONGEST);
    size_t row[LONGEST + 1];

    for (size_t j = 0; j <= m; j++)
        row[j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t corner = row[0];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t least = corner + (lower(a[i - 1]) != lower(b[j - 1]) ? 2U : 0U);
            corner = row[j];
            least = row[j - 1] + 1 < least ? row[j - 1] + 1 : least;
            row[j] = corner + 1 < least ? corner + 1 : least;
        }
    }
    return row[m] + (strlen(a) - n) + (strlen(b) - m);
}

void nearest_look(struct nearest *n, const char *candidate)
{
    const size_t d = distance(n->word, candidate);

    if (d >= n->distance)
        return;
    n->distance = d;
    n->best = candidate;
}
