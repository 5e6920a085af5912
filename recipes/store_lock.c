/* Locks of a store: a file KEY.lock each, which is gone when nobody holds it. */

#include "recipes/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Is the file that was opened still the one of that name? Another may have released and
 * removed it in between. */
static bool still_there(int fd, const char *path)
{
    struct stat a, b;

    return !fstat(fd, &a) && !stat(path, &b) && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* *fd: held, or -1 when another has it. */
static int try_path(int *fd, const char *path, struct err *err)
{
    for (;;) {
        *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
        if (*fd < 0)
            return err_errno(err, path);
        if (flock(*fd, LOCK_EX | LOCK_NB)) {
            const int why = errno;
            (void)close(*fd);
            *fd = -1;
            errno = why;
            return why == EWOULDBLOCK || why == EINTR ? 0 : err_errno(err, path);
        }
        if (still_there(*fd, path))
            return 0;
        (void)close(*fd);
    }
}

static int wait_for(struct store_locks *l, void (*waiting)(void *arg), void *arg,
                    const struct log *log, struct err *err)
{
    const struct timespec pause = {.tv_nsec = 50000000};
    const char *path = l->path[l->n];
    bool told = false;

    for (;;) {
        int fd, rc = try_path(&fd, path, err);
        if (!rc && fd < 0)
            rc = log_stop(log, err);
        if (rc)
            return rc;
        if (fd >= 0) {
            l->fd[l->n++] = fd;
            return 0;
        }
        if (!told && waiting)
            waiting(arg);
        told = true;
        (void)nanosleep(&pause, NULL);
    }
}

static int compare(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;

    return strcmp(*x, *y);
}

static int make_paths(struct store_locks *l, const struct store *s, const char *const *key,
                      size_t n, struct err *err)
{
    size_t kept = 0;

    l->fd = calloc(n + !n, sizeof(*l->fd));
    l->path = calloc(n + 1, sizeof(*l->path));
    if (!l->fd || !l->path)
        return err_nomem(err);
    for (size_t i = 0; i < n; i++) {
        struct buf b = {0};
        buf_fmt(&b, "%s/%s.lock", store_dir(s), key[i]);
        if (buf_check(&b, err))
            return err->code;
        l->path[i] = b.p;
    }
    qsort(l->path, n, sizeof(*l->path), compare);
    for (size_t i = 0; i < n; i++) /* the same one twice would wait for itself */
        if (kept && !strcmp(l->path[i], l->path[kept - 1]))
            free(l->path[i]);
        else
            l->path[kept++] = l->path[i];
    for (size_t i = kept; i < n; i++)
        l->path[i] = NULL;
    return 0;
}

int store_lock(struct store_locks *out, const struct store *s, const char *const *key, size_t n,
               void (*waiting)(void *arg), void *arg, const struct log *log, struct err *err)
{
    *out = (struct store_locks){0};
    int rc = make_paths(out, s, key, n, err);

    while (!rc && out->path[out->n])
        rc = wait_for(out, waiting, arg, log, err);
    return rc;
}

int store_try_lock(bool *held, struct store_locks *out, const struct store *s, const char *key,
                   struct err *err)
{
    *out = (struct store_locks){0};
    *held = false;
    int rc = make_paths(out, s, &key, 1, err);

    if (!rc)
        rc = try_path(&out->fd[0], out->path[0], err);
    *held = !rc && out->fd[0] >= 0;
    out->n = *held;
    return rc;
}

void store_unlock(struct store_locks *l)
{
    for (size_t i = 0; i < l->n; i++) {
        (void)unlink(l->path[i]);
        (void)close(l->fd[i]);
    }
    for (size_t i = 0; l->path && l->path[i]; i++)
        free(l->path[i]);
    free(l->path);
    free(l->fd);
    *l = (struct store_locks){0};
}
