#include "formats/apart.h"

#include "formats/base/buf.h"
#include "formats/base/path.h"
#include "formats/gguf_split.h"

#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

static bool same(const char *a, const char *b)
{
    struct stat x, y;

    return !stat(a, &x) && !stat(b, &y) && !S_ISCHR(x.st_mode) && x.st_dev == y.st_dev &&
           x.st_ino == y.st_ino;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

/* Is `folder` the one that `path` lies in? Names are built in `dir`, which says when
 * memory ran out. */
static bool lies_in(const char *path, const char *folder, struct buf *dir)
{
    dir->n = 0;
    if (base_name(path) == path)
        buf_str(dir, ".");
    else
        buf_put(dir, path, (size_t)(base_name(path) - path));
    return !dir->bad && same(dir->p, folder);
}

/* The kinds of files a checkpoint is read from. */
static bool of_checkpoint(const char *path)
{
    static const char *const ends[] = {".safetensors",
                                       ".safetensors.index.json",
                                       "config.json",
                                       "tokenizer.json",
                                       "special_tokens_map.json",
                                       "added_tokens.json",
                                       "vocab.json",
                                       ".model",
                                       ".txt",
                                       ".jinja",
                                       ".md"};
    struct stat st;

    if (stat(path, &st))
        return false;
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
        if (path_ends(path, ends[i]) || !strcmp(path, ends[i]))
            return true;
    return false;
}

/* Is `out` one of the parts that `in` is one of, or, when `split`, are its parts named
 * as those? Up to 65535 parts exist: their names are compared, not each file. */
static bool among_parts(const char *out, const char *in, bool split, struct buf *tmp)
{
    struct buf dir = {0};
    size_t in_n, out_n;

    if (!gguf_split_prefix(&in_n, in))
        return false;
    buf_put(&dir, in, (size_t)(base_name(in) - in));
    buf_str(&dir, ".");
    const size_t folder_n = (size_t)(base_name(in) - in);
    const char *name = base_name(out);
    if (!gguf_split_prefix(&out_n, out)) {
        const size_t n = strlen(out);
        out_n = n - (path_ends(out, ".gguf") ? 5 : 0);
        if (!split)
            out_n = 0;
    }
    const size_t prefix_n = in_n - folder_n;
    const bool yes = !dir.bad && out_n == (size_t)(name - out) + prefix_n &&
                     !memcmp(name, in + folder_n, prefix_n) && lies_in(out, dir.p, tmp);
    tmp->bad = tmp->bad || dir.bad;
    buf_release(&dir);
    return yes;
}

/* Is the existing file `out` one of those that `in` is read from, by whatever name: a link
 * to one of the folder's, or to one of the parts? */
static bool among_files(const char *out, const char *in, struct buf *tmp)
{
    const char *name = base_name(in);
    const size_t folder_n = (size_t)(name - in);
    struct buf folder = {0};
    size_t prefix_n = 0;
    bool yes = false;

    const bool split = gguf_split_prefix(&prefix_n, in);
    if (split)
        buf_put(&folder, in, folder_n);
    buf_str(&folder, split ? "." : in);
    DIR *dir = folder.bad ? NULL : opendir(folder.p);
    for (struct dirent *e; dir && !yes && (e = readdir(dir));) {
        tmp->n = 0;
        buf_fmt(tmp, "%s/%s", folder.p, e->d_name);
        yes = !tmp->bad && same(out, tmp->p) &&
              (split ? !strncmp(e->d_name, name, prefix_n - folder_n) : of_checkpoint(tmp->p));
    }
    if (dir)
        (void)closedir(dir);
    tmp->bad = tmp->bad || folder.bad;
    buf_release(&folder);
    return yes;
}

int apart(const char *out, const char *in, bool split, struct err *err)
{
    struct buf tmp = {0};

    if (!out || !in)
        return 0;
    buf_fmt(&tmp, "%s.part", out);
    const bool replaces =
        !tmp.bad && (same(out, in) || same(tmp.p, in) || among_parts(out, in, split, &tmp) ||
                     (lies_in(out, in, &tmp) && of_checkpoint(out)) || among_files(out, in, &tmp));
    int rc = buf_check(&tmp, err);
    if (!rc && replaces)
        rc = err_set(err, ERR_ARG, "%s: would replace what is read from %s", out, in);
    buf_release(&tmp);
    return rc;
}
