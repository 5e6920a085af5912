#ifndef FORMATS_ARCH_ARCH_CONF_H
#define FORMATS_ARCH_ARCH_CONF_H

/* A config.json being put together: values by path ("a.b", "list.0"), the first of a path
 * stays. */

#include "formats/base/arena.h"
#include "formats/base/buf.h"
#include "formats/base/err.h"

#include <stdbool.h>
#include <stddef.h>

struct conf_entry {
    const char *path, *text; /* the value as JSON */
    bool quiet;              /* what absence means too: lists of such values only are left out */
};

/* All zeros is an empty one. */
struct conf {
    struct conf_entry *entry; /* owned */
    size_t n, cap;
    struct arena arena;
    bool bad; /* memory ran out */
};

/* Marks a number in a path that names a member, not an item. */
#define CONF_MEMBER "\x01"

void conf_release(struct conf *c); /* accepts an all-zero struct */

/* Values of every kind; `text` is JSON. Failure sticks. */
void conf_text(struct conf *c, const char *path, const char *text, bool quiet);
void conf_str(struct conf *c, const char *path, const char *s);
void conf_bool(struct conf *c, const char *path, bool v);
/* The shortest text of a whole number, or of what is the same in F32. */
void conf_num(struct conf *c, const char *path, double v, bool quiet);
/* Is there a value at the path, or below it? */
bool conf_has(const struct conf *c, const char *path);

/* The shortest text of a number that is the same in F32, or of a whole one. */
void conf_show(char *dst, size_t size, double v);

/* The document, appended to b. */
int conf_print(struct buf *b, const struct conf *c, struct err *err) WARN_UNUSED;

#endif /* FORMATS_ARCH_ARCH_CONF_H */
