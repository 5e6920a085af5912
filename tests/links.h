#ifndef TESTS_LINKS_H
#define TESTS_LINKS_H

/* A checkpoint made of links to files that lie in several places. */

#include <stdbool.h>

enum { LINKS_MAX = 4 };

struct links {
    char dir[32];
    char at[LINKS_MAX][80]; /* what was made in it */
    int n;
};

/* A temporary folder. links_remove accepts one that was not made. */
bool links_new(struct links *l);
/* dir/name -> from/file (an absolute path). */
bool links_add(struct links *l, const char *name, const char *from, const char *file);
/* tokenizer.json: of a few tokens, for weights that are fed ids. */
bool links_tokens(struct links *l);
/* The folder with everything in it. */
void links_remove(struct links *l);

#endif /* TESTS_LINKS_H */
