#include "tools/table.h"

#include "formats/base/utf8.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Columns on a terminal: a character beyond ASCII takes one. */
static size_t width(const char *s)
{
    size_t n = 0;

    for (; *s; s++)
        n += ((unsigned char)*s & 0xC0) != 0x80;
    return n;
}

/* The widest cell of a column; 0 for one that is left out. */
static size_t widest(const char *const *cell, size_t rows, size_t columns, size_t column)
{
    size_t wide = 0;

    for (size_t i = 1; i < rows; i++) {
        const size_t w = width(cell[i * columns + column]);
        wide = w > wide ? w : wide;
    }
    const size_t head = width(cell[column]);
    return rows < 2 || (wide && wide < head) ? head : wide;
}

/* The cells of a row that something follows are as wide as their column. */
static void put(const char *s, size_t wide, bool left, bool first, bool last)
{
    const int pad = (int)(wide - width(s));

    (void)printf("%s%*s", first ? "" : "  ", left ? 0 : pad, "");
    for (; *s; s++)
        (void)putchar((unsigned char)*s < ' ' ? '?' : *s);
    (void)printf("%*s", left && !last ? pad : 0, "");
}

void table_print(const char *const *cell, size_t rows, size_t columns, size_t left, size_t right)
{
    for (size_t i = 0; i < rows; i++) {
        const char *const *row = cell + i * columns;
        bool first = true;
        size_t end = columns;
        while (end && (!*row[end - 1] || !widest(cell, rows, columns, end - 1)))
            end--;
        for (size_t c = 0; c < end; c++) {
            const size_t wide = widest(cell, rows, columns, c);
            if (wide) {
                put(row[c], wide, c < left || c >= right, first, c + 1 == end);
                first = false;
            }
        }
        (void)puts("");
    }
}

void table_text(char *out, size_t size, const char *s)
{
    static const char more[] = "…";
    const size_t room = size - sizeof(more);
    size_t n = strlen(s), used = 0;

    while (n) {
        bool good;
        const size_t k = utf8_step(&good, s, n);
        if (used + k > room) {
            memcpy(out + used, more, sizeof(more) - 1);
            used += sizeof(more) - 1;
            break;
        }
        memcpy(out + used, s, k);
        if (k == 1 && (unsigned char)*s < ' ')
            out[used] = ' ';
        used += k;
        s += k;
        n -= k;
    }
    out[used] = '\0';
}
