#ifndef FORMATS_BASE_ARENA_H
#define FORMATS_BASE_ARENA_H

/* Memory with one lifetime: many small pieces, freed at once. */

#include <stddef.h>

struct arena_chunk;

struct arena {
    struct arena_chunk *last; /* owned; all zeros is an empty arena */
};

/* n zeroed bytes, aligned to 64, or NULL when memory runs out. */
void *arena_alloc(struct arena *a, size_t n);

/* count * each zeroed bytes, or NULL (also when the product overflows). */
void *arena_array(struct arena *a, size_t count, size_t each);

/* A '\0'-terminated copy of s[0, n), or NULL. */
char *arena_strn(struct arena *a, const char *s, size_t n);
char *arena_str(struct arena *a, const char *s);
char *arena_fmt(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Free every piece. */
void arena_release(struct arena *a);

#endif /* FORMATS_BASE_ARENA_H */
