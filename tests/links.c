#include "tests/links.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool links_new(struct links *l)
{
    *l = (struct links){.dir = "/tmp/pare-links-XXXXXX"};
    return mkdtemp(l->dir) != NULL;
}

/* dir/name, to be removed. */
static const char *enlist(struct links *l, const char *name)
{
    char path[80];

    if (l->n == LINKS_MAX)
        return NULL;
    (void)snprintf(path, sizeof(path), "%s/%.40s", l->dir, name);
    memcpy(l->at[l->n], path, sizeof(path));
    return l->at[l->n++];
}

bool links_add(struct links *l, const char *name, const char *from, const char *file)
{
    const char *path = enlist(l, name);
    char target[4096];

    (void)snprintf(target, sizeof(target), "%.3500s/%.500s", from, file);
    return path && !symlink(target, path);
}

bool links_tokens(struct links *l)
{
    static const char text[] =
        "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2,\"c\":3},"
        "\"merges\":[\"a b\"]},\"added_tokens\":[],\"pre_tokenizer\":{\"type\":\"ByteLevel\","
        "\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":true},"
        "\"decoder\":{\"type\":\"ByteLevel\"}}";
    const char *path = enlist(l, "tokenizer.json");
    FILE *f = path ? fopen(path, "w") : NULL;
    const bool good = f && fputs(text, f) >= 0;

    return f && !fclose(f) && good;
}

void links_remove(struct links *l)
{
    for (int i = 0; i < l->n; i++)
        (void)unlink(l->at[i]);
    (void)rmdir(l->dir);
    l->n = 0;
}
