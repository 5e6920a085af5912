#ifndef TESTS_WALK_H
#define TESTS_WALK_H

/* Find files below a folder, for tests that hard-code no case. */

#include <stddef.h>

struct walk {
    char **path; /* owned; sorted */
    size_t n;
};

/* Every file below `root` whose name ends with `end`. Not 0 when memory ran out. */
int walk_find(struct walk *w, const char *root, const char *end);
void walk_release(struct walk *w);

#endif /* TESTS_WALK_H */
