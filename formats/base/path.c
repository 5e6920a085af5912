#include "formats/base/path.h"

#include <string.h>
#include <strings.h>

bool path_ends(const char *path, const char *end)
{
    const size_t n = strlen(path), k = strlen(end);

    return n > k && !strcmp(path + n - k, end);
}

bool path_ends_nocase(const char *path, const char *end)
{
    const size_t n = strlen(path), k = strlen(end);

    return n > k && !strcasecmp(path + n - k, end);
}

size_t path_len(const char *path)
{
    size_t n = strlen(path);

    while (n > 1 && path[n - 1] == '/')
        n--;
    return n;
}
