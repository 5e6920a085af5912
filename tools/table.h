#ifndef TOOLS_TABLE_H
#define TOOLS_TABLE_H

/* Aligned columns on stdout. */

#include <stddef.h>

/* cell[rows * columns], row by row, the first row being the heads. Columns from
 * `left` to before `right` end at their right edge, the others begin at their left one; a
 * column in which only the head says something is left out, and so is what would steer a
 * terminal. */
void table_print(const char *const *cell, size_t rows, size_t columns, size_t left, size_t right);

/* As much of a text as fits in out[size], whole characters, in one line; "…" after what was
 * cut. */
void table_text(char *out, size_t size, const char *s);

#endif /* TOOLS_TABLE_H */
