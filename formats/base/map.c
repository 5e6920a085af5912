#include "formats/base/map.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* A page that is touched brings those around it along (Linux: 64 KiB, aligned): so much
 * before and behind a stretch may be there because of it. */
enum { AROUND = 64 << 10 };

static int map_fd(struct map *out, int fd, const char *path, struct err *err)
{
    struct stat st;

    if (fstat(fd, &st))
        return err_errno(err, path);
    if (S_ISDIR(st.st_mode))
        return err_set(err, ERR_IO, "%s: is a folder, expected a file", path);
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_IO, "%s: not a regular file", path);
    if (st.st_size == 0)
        return 0;
    void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (p == MAP_FAILED)
        return err_errno(err, path);
    out->data = p;
    out->size = (size_t)st.st_size;
    return 0;
}

int map_open(struct map *out, const char *path, struct err *err)
{
    *out = (struct map){0};
    /* a pipe is refused below, not waited for */
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return err_errno(err, path);
    const int rc = map_fd(out, fd, path, err);
    (void)close(fd);
    return rc;
}

void map_forget(const struct map *m, size_t offset, size_t n)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t begin = (offset < AROUND ? 0 : offset - AROUND) / page * page;

    if (!m->data || offset >= m->size)
        return;
    const size_t end = m->size - offset < n + AROUND ? m->size : offset + n + AROUND;
    /* advice only: nothing to do when the kernel declines; posix_madvise would
     * ignore DONTNEED in glibc */
    (void)madvise((void *)(uintptr_t)(m->data + begin), end - begin, MADV_DONTNEED);
}

void map_release(struct map *m)
{
    if (m->data)
        (void)munmap((void *)(uintptr_t)m->data, m->size);
    *m = (struct map){0};
}

bool map_holds(const char *path, const char *text, size_t n)
{
    struct err none = {0};
    struct map m = {0};

    if (access(path, F_OK) || map_open(&m, path, &none))
        return false;
    const bool same = m.size == n && !memcmp(m.data, text, n);
    map_release(&m);
    return same;
}
