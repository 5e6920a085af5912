#include "formats/base/out.h"

#include "formats/base/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

void out_init(struct out *o)
{
    *o = (struct out){.fd = -1};
}

static int names_set(struct out *o, const char *path, struct err *err)
{
    struct buf part = {0};

    /* a device or pipe can't be replaced by a rename: write straight to it */
    buf_fmt(&part, "%s%s", path, out_is_device(path) ? "" : ".part");
    o->path = strdup(path);
    o->part = part.p;
    return part.bad || !o->path ? err_nomem(err) : 0;
}

/* Take the part file for us alone, empty unless what is in it stays: two writers of one file
 * would mix their bytes. Once the lock is ours the file must still be the one of that name, as
 * its last writer may have renamed it. Returns the descriptor; < 0: errno. */
static int take(const char *part, bool stays)
{
    struct stat ours, named;

    for (;;) {
        const int fd = open(part, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
        if (fd < 0)
            return fd;
        if (fstat(fd, &ours)) {
            (void)close(fd);
            return -1;
        }
        if (!S_ISREG(ours.st_mode))
            return fd;
        if (flock(fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK) {
            (void)close(fd);
            errno = EWOULDBLOCK;
            return -1;
        }
        if (!stat(part, &named) && named.st_dev == ours.st_dev && named.st_ino == ours.st_ino) {
            if (stays || !ftruncate(fd, 0))
                return fd;
            (void)close(fd);
            return -1;
        }
        (void)close(fd);
    }
}

static int open_part(struct out *o, const char *path, bool stays, struct err *err)
{
    struct stat st;

    out_init(o);
    if (!stat(path, &st) && S_ISDIR(st.st_mode))
        return err_set(err, ERR_IO, "%s: is a folder, expected a file to write", path);
    int rc = names_set(o, path, err);
    if (rc)
        goto fail;
    o->fd = take(o->part, stays);
    if (o->fd < 0) {
        rc = errno == EWOULDBLOCK
                 ? err_set(err, ERR_IO, "%s: another process is writing this file", o->part)
                 : err_errno(err, o->part);
        goto fail;
    }
    return 0;

fail:
    free(o->path);
    free(o->part);
    out_init(o);
    return rc;
}

int out_open(struct out *o, const char *path, struct err *err)
{
    return open_part(o, path, false, err);
}

int out_take_up(struct out *o, const char *path, struct err *err)
{
    return open_part(o, path, true, err);
}

int out_cut(struct out *o, uint64_t n, struct err *err)
{
    if (ftruncate(o->fd, (off_t)n) || lseek(o->fd, (off_t)n, SEEK_SET) < 0)
        return err_errno(err, o->part);
    o->n = o->begun = n;
    return 0;
}

bool out_is_device(const char *path)
{
    struct stat st;

    return !stat(path, &st) && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode);
}

/* Let the disk begin while there is more to write: the fsync at the end is short.
 * Only a hint, whose failure changes nothing. */
static void begin_writeback(struct out *o)
{
    enum { STEP_BYTES = 16 << 20, RANGE_WRITE = 2 /* SYNC_FILE_RANGE_WRITE */ };

    if (o->n - o->begun < STEP_BYTES)
        return;
    (void)syscall(SYS_sync_file_range, o->fd, o->begun, o->n - o->begun, RANGE_WRITE);
    o->begun = o->n;
}

int out_write(struct out *o, const void *data, size_t n, struct err *err)
{
    const char *p = data;

    while (n) {
        const ssize_t w = write(o->fd, p, n);
        if (w < 0 && errno == EINTR)
            continue;
        if (w < 0)
            return err_errno(err, o->part);
        p += w;
        n -= (size_t)w;
        o->n += (uint64_t)w;
    }
    begin_writeback(o);
    return 0;
}

int out_amend(struct out *o, uint64_t offset, const void *data, size_t n, struct err *err)
{
    const char *p = data;

    while (n) {
        const ssize_t w = pwrite(o->fd, p, n, (off_t)offset);
        if (w < 0 && errno == EINTR)
            continue;
        if (w < 0)
            return err_errno(err, o->part);
        p += w;
        n -= (size_t)w;
        offset += (uint64_t)w;
    }
    return 0;
}

int out_pad(struct out *o, size_t n, struct err *err)
{
    static const char zeros[4096];

    while (n) {
        const size_t k = n < sizeof(zeros) ? n : sizeof(zeros);
        const int rc = out_write(o, zeros, k, err);
        if (rc)
            return rc;
        n -= k;
    }
    return 0;
}

static bool is_direct(const struct out *o)
{
    return !strcmp(o->path, o->part);
}

int out_sync(struct out *o, struct err *err)
{
    if (!o->synced && !is_direct(o) && fsync(o->fd))
        return err_errno(err, o->part);
    o->synced = true;
    return 0;
}

int out_commit(struct out *o, struct err *err)
{
    const bool direct = is_direct(o);
    int rc = out_sync(o, err);

    /* until it is closed the file is locked: nobody takes its part name for another one */
    if (!rc && !direct && rename(o->part, o->path))
        rc = err_errno(err, o->path);
    if (rc && !direct)
        (void)unlink(o->part);
    if (close(o->fd) && !rc && direct)
        rc = err_errno(err, o->part);
    free(o->path);
    free(o->part);
    out_init(o);
    return rc;
}

void out_leave(struct out *o)
{
    if (o->fd >= 0)
        (void)close(o->fd);
    free(o->path);
    free(o->part);
    out_init(o);
}

void out_abandon(struct out *o)
{
    if (o->fd >= 0 && !is_direct(o))
        (void)unlink(o->part);
    out_leave(o);
}

int out_file(const char *path, const void *data, size_t n, struct err *err)
{
    struct out o;
    int rc = out_open(&o, path, err);

    if (!rc)
        rc = out_write(&o, data, n, err);
    if (!rc)
        return out_commit(&o, err);
    out_abandon(&o);
    return rc;
}
