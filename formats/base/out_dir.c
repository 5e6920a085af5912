#include "formats/base/out_dir.h"

#include "formats/base/buf.h"
#include "formats/base/out.h"
#include "formats/base/path.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

void out_dir_init(struct out_dir *d)
{
    *d = (struct out_dir){.fd = -1};
}

static void forget(struct out_dir *d)
{
    if (d->fd >= 0)
        (void)close(d->fd);
    free(d->path);
    free(d->part);
    out_dir_init(d);
}

static bool is_dots(const char *name)
{
    return !strcmp(name, ".") || !strcmp(name, "..");
}

static bool is_empty(const char *path)
{
    DIR *dir = opendir(path);
    bool empty = dir;

    for (const struct dirent *e; empty && (e = readdir(dir));)
        empty = is_dots(e->d_name);
    if (dir)
        (void)closedir(dir);
    return empty;
}

/* Plain files only: a folder inside is nobody's business here. */
static void remove_files(int fd)
{
    const int copy = dup(fd);
    DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;

    if (!dir) {
        if (copy >= 0)
            (void)close(copy);
        return;
    }
    rewinddir(dir);
    for (const struct dirent *e; (e = readdir(dir));)
        if (!is_dots(e->d_name))
            (void)unlinkat(fd, e->d_name, 0);
    (void)closedir(dir);
}

static int set_names(struct out_dir *d, const char *path, struct err *err)
{
    struct buf part = {0};
    const size_t n = path_len(path);

    d->path = strndup(path, n);
    buf_fmt(&part, "%.*s.part", (int)n, path);
    d->part = part.p;
    return part.bad || !d->path ? err_nomem(err) : 0;
}

static int check_free(const char *path, struct err *err)
{
    struct stat st;

    if (lstat(path, &st))
        return errno == ENOENT ? 0 : err_errno(err, path);
    if (!S_ISDIR(st.st_mode))
        return err_set(err, ERR_ARG, "%s: exists, expected a new or an empty folder", path);
    if (!is_empty(path))
        return err_set(err, ERR_ARG, "%s: is not empty, expected a new or an empty folder", path);
    return 0;
}

/* Does a file lie in the folder that fd is? */
static bool lies_in(const char *file, int fd)
{
    char *real = realpath(file, NULL), *slash = real ? strrchr(real, '/') : NULL;
    struct stat folder, ours;

    if (slash)
        slash[slash == real] = '\0';
    const bool yes = slash && !stat(real, &folder) && !fstat(fd, &ours) &&
                     folder.st_dev == ours.st_dev && folder.st_ino == ours.st_ino;
    free(real);
    return yes;
}

int out_dir_open(struct out_dir *d, const char *path, const char *input, struct err *err)
{
    out_dir_init(d);
    int rc = set_names(d, path, err);
    if (!rc)
        rc = check_free(d->path, err);
    if (!rc && mkdir(d->part, 0777) && errno != EEXIST)
        rc = err_errno(err, d->part);
    if (!rc) {
        d->fd = open(d->part, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (d->fd < 0)
            rc = err_errno(err, d->part);
    }
    if (!rc && flock(d->fd, LOCK_EX | LOCK_NB))
        rc = err_set(err, ERR_IO, "%s: another process is writing this folder", d->part);
    if (!rc && input && lies_in(input, d->fd))
        rc = err_set(err, ERR_ARG, "%s: would replace what is read from %s", path, input);
    if (!rc) {
        remove_files(d->fd);
        if (!is_empty(d->part))
            rc = err_set(err, ERR_IO, "%s: holds folders, remove it first", d->part);
    }
    if (rc)
        forget(d);
    return rc;
}

int out_dir_file(const struct out_dir *d, const char *name, const void *data, size_t n,
                 struct err *err)
{
    struct buf path = {0};

    buf_fmt(&path, "%s/%s", d->part, name);
    int rc = buf_check(&path, err);
    if (!rc)
        rc = out_file(path.p, data, n, err);
    buf_release(&path);
    return rc;
}

int out_dir_commit(struct out_dir *d, struct err *err)
{
    int rc = 0;

    if (fsync(d->fd) && errno != EINVAL)
        rc = err_errno(err, d->part);
    if (!rc && rename(d->part, d->path))
        rc = err_errno(err, d->path);
    if (rc) {
        out_dir_abandon(d);
        return rc;
    }
    forget(d);
    return 0;
}

void out_dir_abandon(struct out_dir *d)
{
    if (d->fd >= 0) {
        remove_files(d->fd);
        (void)rmdir(d->part);
    }
    forget(d);
}
