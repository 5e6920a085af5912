#ifndef TOOLS_TABLE_H
#define TOOLS_TABLE_H

/* Aligned columns on stdout. */

#include <stddef.h>

/* cell[rows * columns], row by row, the first row being the heads. The first `left` columns
 * begin at their left edge, the others end at their right one; a column in which only the
 * head says something is left out. */
void table_print(const char *const *cell, size_t rows, size_t columns, size_t left);

#endif /* TOOLS_TABLE_H */
