/* A run may be killed between any two system calls; the next one with the same options ends with the same files. What it
 * finds:
 *
 *   no state            It begins anew: start.gguf is made again unless it is there, log.csv is cut to its head,
 *                       best is overwritten by the first evaluation. All of it gives the bytes it gave before.
 *   state               It goes on; log.csv is cut to the rows up to its step. A state of the last step leads
 *                       straight to the output, which is the same, and atomic: it may be there already.
 *   OUT, a folder       A folder is not written over. `made` was written just before it appeared, so that it
 *                       counts as this run's; only with a state, as otherwise a run is not being gone on with.
 *
 * So at the end all that stays is in its place before the state goes: OUT, the report, and the log, of which there are
 * then two, because a log that was moved would be missing in the run that goes on from the state. With `keep` that is
 * all. Else the state goes before start.gguf, best and log.csv, which belong to it, and the identity, which keeps runs
 * with other options away, last. */

#include "distill/distill_work.h"

#include "formats/base/hash.h"
#include "formats/base/map.h"
#include "formats/base/out.h"
#include "formats/base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- names ------------------------------------------------------------------------- */

static void in_dir(struct buf *path, const struct distill_work *w, const char *name)
{
    buf_fmt(path, "%s/%s", w->dir.p ? w->dir.p : "", name);
}

int distill_work_init(struct distill_work *w, const char *out, struct err *err)
{
    const struct buf *all[] = {&w->dir,  &w->start,   &w->log, &w->identity,
                               &w->made, &w->out_log, &w->page};
    const int n = (int)path_len(out);
    int rc = 0;

    *w = (struct distill_work){.out = out, .fd = -1};
    buf_fmt(&w->dir, "%.*s.train", n, out);
    buf_fmt(&w->out_log, "%.*s.log.csv", n, out);
    buf_fmt(&w->page, "%.*s.report.html", n, out);
    in_dir(&w->start, w, "start.gguf");
    in_dir(&w->log, w, "log.csv");
    in_dir(&w->identity, w, "identity");
    in_dir(&w->made, w, "made");
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]) && !rc; i++)
        rc = buf_check(all[i], err);
    return rc;
}

void distill_work_release(struct distill_work *w)
{
    if (w->fd >= 0)
        (void)close(w->fd);
    buf_release(&w->dir);
    buf_release(&w->start);
    buf_release(&w->log);
    buf_release(&w->identity);
    buf_release(&w->made);
    buf_release(&w->out_log);
    buf_release(&w->page);
}

/* ---- whose it is -------------------------------------------------------------------- */

/* A checkpoint: without one there is nothing in the folder to be kept. */
static bool has_state(const struct distill_work *w)
{
    struct buf b = {0};

    in_dir(&b, w, "state");
    const bool there = b.bad || !access(b.p, F_OK);
    buf_release(&b);
    return there;
}

/* What a run leaves, in the order in which it may go. */
static void remove_files(const struct distill_work *w)
{
    static const char *const names[] = {
        "state",      "state.part",      "made",    "best",    "best.part",
        "start.gguf", "start.gguf.part", "log.csv", "identity"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct buf b = {0};
        in_dir(&b, w, names[i]);
        if (!b.bad)
            (void)unlink(b.p);
        buf_release(&b);
    }
}

static void remove_all(const struct distill_work *w)
{
    remove_files(w);
    (void)rmdir(w->dir.p); /* not when the user put something there */
}

/* Nobody else works there before this run is over; where folders cannot be locked (NFS) nobody is kept away. */
static int take(struct distill_work *w, struct err *err)
{
    if (mkdir(w->dir.p, 0777) && errno != EEXIST)
        return err_errno(err, w->dir.p);
    w->fd = open(w->dir.p, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (w->fd < 0)
        return err_errno(err, w->dir.p);
    if (!flock(w->fd, LOCK_EX | LOCK_NB) || errno != EWOULDBLOCK)
        return 0;
    (void)close(w->fd);
    w->fd = -1;
    return err_set(err, ERR_IO, "%s: another process trains there", w->dir.p);
}

int distill_work_claim(struct distill_work *w, const char *id, bool anew, struct err *err)
{
    const int rc = take(w, err);

    if (rc)
        return rc;
    const bool same = map_holds(w->identity.p, id, HASH_HEX_BYTES - 1), there = has_state(w);

    if (!same && there && !anew)
        return err_set(err, ERR_ARG,
                       "%s: of a run with other options or inputs: give the same ones to go on, or "
                       "remove the folder",
                       w->dir.p);
    if (!there)
        (void)unlink(w->made.p);
    if (same)
        return 0;
    remove_files(w);
    return out_file(w->identity.p, id, HASH_HEX_BYTES - 1, err);
}

/* ---- how it ends -------------------------------------------------------------------- */

int distill_work_making(const struct distill_work *w, const char *type, struct err *err)
{
    return out_file(w->made.p, type, strlen(type), err);
}

bool distill_work_made(const struct distill_work *w, const char *type)
{
    return has_state(w) && map_holds(w->made.p, type, strlen(type)) && !access(w->out, F_OK);
}

int distill_work_end(const struct distill_work *w, bool keep, struct err *err)
{
    struct map m = {0};
    int rc = map_open(&m, w->log.p, err);

    if (!rc)
        rc = out_file(w->out_log.p, m.data, m.size, err);
    map_release(&m);
    if (rc || keep)
        return rc;
    remove_all(w);
    return 0;
}

void distill_work_abandon(const struct distill_work *w)
{
    if (w->fd >= 0 && !has_state(w))
        remove_all(w);
}
