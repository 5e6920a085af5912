#include "formats/gguf_split.h"

#include "formats/base/path.h"

#include <stdint.h>
#include <string.h>

void gguf_split_name(struct buf *b, const char *prefix, size_t prefix_n, size_t i, size_t n)
{
    buf_put(b, prefix, prefix_n);
    buf_fmt(b, "-%05zu-of-%05zu.gguf", i + 1, n);
}

void gguf_split_file(struct buf *b, const char *path, size_t i, size_t n)
{
    const size_t len = strlen(path);
    const size_t prefix_n = path_ends(path, ".gguf") ? len - 5 : len;

    if (n > 1)
        gguf_split_name(b, path, prefix_n, i, n);
    else
        buf_str(b, path);
}

bool gguf_split_prefix(size_t *prefix_n, const char *path)
{
    static const char form[] = "-#####-of-#####.gguf";
    const size_t form_n = sizeof(form) - 1, n = strlen(path);

    if (n < form_n)
        return false;
    const char *at = path + n - form_n;
    for (size_t i = 0; i < form_n; i++)
        if (form[i] == '#' ? at[i] < '0' || at[i] > '9' : at[i] != form[i])
            return false;
    *prefix_n = n - form_n;
    return true;
}
