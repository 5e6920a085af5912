/* log.csv: a row a step, a row an evaluation, as they come. */

#include "distill/train_impl.h"
#include "formats/base/buf.h"
#include "formats/base/map.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

static const char head[] = "step,tokens,loss,norm,lr,seconds,kl,ppl,top1\n";

static int put(struct train *t, const char *p, size_t n, struct err *err)
{
    while (n) {
        const ssize_t k = write(t->log_fd, p, n);

        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0) {
            (void)err_errno(err, "log.csv");
            return err_wrap(err, "%s", t->job->dir);
        }
        p += k;
        n -= (size_t)k;
    }
    return 0;
}

/* How much of a log belongs to the steps up to `step`. */
static size_t keep(const char *p, size_t n, uint64_t step)
{
    size_t at = sizeof(head) - 1;

    if (n < at || memcmp(p, head, at))
        return 0;
    while (at < n) {
        const char *end = memchr(p + at, '\n', n - at);
        uint64_t is = 0;
        size_t i = at;

        if (!end)
            break;
        for (; p[i] >= '0' && p[i] <= '9'; i++)
            is = is * 10 + (uint64_t)(p[i] - '0');
        if (is > step)
            break;
        at = (size_t)(end - p) + 1;
    }
    return at;
}

static int cut(struct train *t, const char *path, struct err *err)
{
    struct map m = {0};
    size_t n = 0;
    int rc = map_open(&m, path, err);

    if (rc)
        return rc;
    if (t->mark.evaluated || t->mark.step)
        n = keep((const char *)m.data, m.size, t->mark.step);
    map_release(&m);
    if (ftruncate(t->log_fd, (off_t)n))
        return err_errno(err, path);
    return n ? 0 : put(t, head, sizeof(head) - 1, err);
}

int train_log_open(struct train *t, struct err *err)
{
    struct buf path = {0};
    int rc;

    if (comm_rank(t->comm))
        return 0; /* the first rank's to write */
    buf_fmt(&path, "%s/log.csv", t->job->dir);
    rc = buf_check(&path, err);
    if (rc)
        goto done;
    t->log_fd = open(path.p, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (t->log_fd < 0)
        rc = err_errno(err, path.p);
    else if (flock(t->log_fd, LOCK_EX | LOCK_NB))
        rc = err_set(err, ERR_IO, "%s: another process trains there", t->job->dir);
    else
        rc = cut(t, path.p, err);
done:
    buf_release(&path);
    return rc;
}

static void put_num(struct buf *b, double v)
{
    buf_str(b, ",");
    if (isfinite(v))
        buf_fmt(b, "%.9g", v);
}

int train_log_row(struct train *t, const struct train_row *row, struct err *err)
{
    const double none = (double)NAN;
    const bool step = !row->evaluated;
    struct buf b = {0};
    int rc;

    if (comm_rank(t->comm))
        return 0;
    buf_fmt(&b, "%" PRIu64 ",%" PRIu64, row->step, row->tokens);
    put_num(&b, step ? row->loss : none);
    put_num(&b, step ? row->norm : none);
    put_num(&b, step ? row->lr : none);
    put_num(&b, row->seconds);
    put_num(&b, step ? none : row->kl);
    put_num(&b, step ? none : row->ppl);
    put_num(&b, step ? none : row->top1);
    buf_str(&b, "\n");
    rc = buf_check(&b, err);
    if (!rc)
        rc = put(t, b.p, b.n, err);
    buf_release(&b);
    if (!rc && t->job->row)
        t->job->row(t->job->arg, row);
    return rc;
}

/* The loss of a row that begins at p, with its step; false: it has none. */
static bool loss_of(uint64_t *step, double *loss, const char *p, const char *end)
{
    char text[128];
    const size_t n = (size_t)(end - p) < sizeof(text) ? (size_t)(end - p) : sizeof(text) - 1;

    memcpy(text, p, n);
    text[n] = '\0';
    return sscanf(text, "%" SCNu64 ",%*u,%lf,", step, loss) == 2;
}

int train_log_losses(struct train_result *out, const char *path, struct err *err)
{
    const uint64_t n = out->steps < 10 ? 1 : out->steps / 10;
    double first = 0, last = 0, loss;
    struct map m = {0};
    uint64_t step;
    int rc = map_open(&m, path, err);

    if (rc)
        return rc;
    const char *p = m.size ? (const char *)m.data : "", *end = p + m.size;
    for (const char *eol; p < end && (eol = memchr(p, '\n', (size_t)(end - p))); p = eol + 1) {
        if (!loss_of(&step, &loss, p, eol))
            continue;
        first += step <= n ? loss : 0;
        last += step > out->steps - n ? loss : 0;
    }
    map_release(&m);
    out->first_loss = first / (double)n;
    out->last_loss = last / (double)n;
    out->n_losses = n;
    return 0;
}
