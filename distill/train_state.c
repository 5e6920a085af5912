/* Checkpoints: everything a run needs to go on as if it had never stopped, and the best weights so far.
 *
 *   state: "PARETRN1", identity, marks, n_values, w, m, v, the average when there is one, CRC-32
 *   best:  "PAREBST1", identity, step, n_values, w, CRC-32
 *
 * Little endian; identity is u64 length and text. A best file may be ahead of the state: a run that was killed
 * between the two comes by that step again, with the same weights. With several ranks the first writes the same
 * files, whatever their number, and all read them. */

#include "distill/train_impl.h"
#include "formats/base/buf.h"
#include "formats/base/map.h"
#include "formats/base/out.h"
#include "formats/base/rd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

static const char state_magic[] = "PARETRN1", best_magic[] = "PAREBST1";

/* ---- marks -------------------------------------------------------------------------- */

static void put_mark(struct buf *b, const struct train_mark *m)
{
    const double all[] = {m->first_kl, m->best_kl,   m->first_ppl,
                          m->best_ppl, m->best_top1, m->seconds};

    buf_u64(b, m->step);
    buf_u64(b, m->tokens);
    buf_u64(b, m->best_step);
    buf_u64(b, m->n_bad);
    buf_u64(b, m->looked);
    buf_u64(b, (uint64_t)m->evaluated | (uint64_t)m->stopped << 1);
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        buf_f64(b, all[i]);
}

static void get_mark(struct train_mark *m, struct rd *r)
{
    double *all[] = {&m->first_kl, &m->best_kl,   &m->first_ppl,
                     &m->best_ppl, &m->best_top1, &m->seconds};
    uint64_t flags;

    m->step = rd_u64(r);
    m->tokens = rd_u64(r);
    m->best_step = rd_u64(r);
    m->n_bad = rd_u64(r);
    m->looked = rd_u64(r);
    flags = rd_u64(r);
    m->evaluated = flags & 1;
    m->stopped = flags & 2;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        *all[i] = rd_f64(r);
}

/* ---- writing ------------------------------------------------------------------------ */

struct file {
    struct out out;
    uLong crc;
    const struct train *t;
};

static int put(struct file *f, const void *p, size_t n, struct err *err)
{
    f->crc = crc32_z(f->crc, p, n);
    return out_write(&f->out, p, n, err);
}

enum { AT_ONCE = 1 << 20 }; /* values that come from the other ranks */

/* x: the own stretch, NULL: nothing; all ranks' in the file. Elsewhere than on the first rank f is not open. */
static int put_stretch(struct file *f, const float *x, struct err *err)
{
    const size_t n = f->t->own->n_values;
    float *all = x ? malloc(AT_ONCE * sizeof(*all)) : NULL;
    int rc = x && !all ? err_nomem(err) : 0;

    for (size_t at = 0, some; x && !rc && at < n; at += some) {
        some = n - at < AT_ONCE ? n - at : AT_ONCE;
        rc = comm_collect(f->t->comm, all, x, n, at, some, err);
        if (!rc && !comm_rank(f->t->comm))
            rc = put(f, all, some * sizeof(*all), err);
    }
    free(all);
    return rc;
}

/* What all ranks have. */
static int put_floats(struct file *f, const float *x, size_t n, struct err *err)
{
    return comm_rank(f->t->comm) ? 0 : put(f, x, n * sizeof(*x), err);
}

static int begin(struct file *f, const char *name, const struct buf *head, struct err *err)
{
    struct buf path = {0};
    int rc;

    out_init(&f->out);
    f->crc = crc32_z(0, NULL, 0);
    if (comm_rank(f->t->comm))
        return 0;
    buf_fmt(&path, "%s/%s", f->t->job->dir, name);
    rc = buf_check(&path, err);
    if (!rc)
        rc = buf_check(head, err);
    if (!rc)
        rc = out_open(&f->out, path.p, err);
    if (!rc)
        rc = put(f, head->p, head->n, err);
    buf_release(&path);
    return rc;
}

static int end(struct file *f, int rc, struct err *err)
{
    struct buf b = {0};

    if (comm_rank(f->t->comm))
        return rc;
    buf_u32(&b, (uint32_t)f->crc);
    if (!rc)
        rc = buf_check(&b, err);
    if (!rc)
        rc = out_write(&f->out, b.p, b.n, err);
    if (!rc)
        rc = out_commit(&f->out, err);
    else
        out_abandon(&f->out);
    buf_release(&b);
    return rc;
}

static void put_head(struct buf *b, const char *magic, const struct train *t)
{
    const char *id = t->job->identity ? t->job->identity : "";

    buf_put(b, magic, 8);
    buf_u64(b, strlen(id));
    buf_str(b, id);
}

int train_save(struct train *t, struct err *err)
{
    const struct optim_state s = optim_state(t->optim);
    struct train_mark mark = t->mark;
    struct file f = {.t = t};
    struct buf head = {0};
    int rc;

    mark.seconds = train_seconds(t);
    put_head(&head, state_magic, t);
    put_mark(&head, &mark);
    buf_u64(&head, t->own->n_values);
    buf_u64(&head, s.ema != NULL);
    rc = begin(&f, "state", &head, err);
    if (!rc && t->log_fd >= 0 && fdatasync(t->log_fd)) /* never behind it, should the power fail */
        rc = err_errno(err, "log.csv");
    if (!rc)
        rc = put_floats(&f, t->own->w, t->own->n_values, err);
    if (!rc)
        rc = put_stretch(&f, s.m, err);
    if (!rc)
        rc = put_stretch(&f, s.v, err);
    if (!rc)
        rc = put_stretch(&f, s.ema, err);
    rc = end(&f, rc, err);
    buf_release(&head);
    return rc ? err_wrap(err, "checkpoint of step %llu", (unsigned long long)mark.step) : 0;
}

int train_save_best(struct train *t, struct err *err)
{
    const struct optim_state s = optim_state(t->optim);
    struct file f = {.t = t};
    struct buf head = {0};
    int rc;

    put_head(&head, best_magic, t);
    buf_u64(&head, t->mark.step);
    buf_u64(&head, t->own->n_values);
    rc = begin(&f, "best", &head, err);
    if (!rc)
        rc = s.ema ? put_stretch(&f, s.ema, err) : put_floats(&f, t->own->w, t->own->n_values, err);
    rc = end(&f, rc, err);
    buf_release(&head);
    return rc ? err_wrap(err, "best weights of step %llu", (unsigned long long)t->mark.step) : 0;
}

/* ---- reading ------------------------------------------------------------------------ */

/* Map it; *there: false when there is none. */
static int open_file(struct map *m, struct rd *r, bool *there, const struct train *t,
                     const char *name, const char *magic, struct err *err)
{
    const char *id = t->job->identity ? t->job->identity : "", *has;
    struct buf path = {0};
    uint64_t n;
    int rc;

    *there = false;
    buf_fmt(&path, "%s/%s", t->job->dir, name);
    rc = buf_check(&path, err);
    if (rc || (access(path.p, F_OK) && errno == ENOENT))
        goto done;
    *there = true;
    rc = map_open(m, path.p, err);
    if (rc)
        goto done;
    *r = rd_init(m->data, m->size < 4 ? 0 : m->size - 4);
    if (r->end - r->p < 8 || memcmp(rd_bytes(r, 8), magic, 8)) {
        rc = err_set(err, ERR_FORMAT, "%s: not a checkpoint", path.p);
        goto done;
    }
    n = rd_u64(r);
    has = (const char *)rd_bytes(r, n);
    if (!has || n != strlen(id) || memcmp(has, id, n))
        rc = err_set(err, ERR_ARG,
                     "%s: of a run with other settings or inputs: remove %s, or give the same ones",
                     path.p, t->job->dir);
done:
    buf_release(&path);
    return rc;
}

/* Where n of the values in a file go: those from `first` on. */
struct place {
    float *to; /* NULL ends */
    size_t first, n;
};

/* Of a file that may be as large as the memory that is left: what was read is given back. */
static bool checksum_fits(const struct map *m)
{
    struct rd tail = rd_init(m->data + (m->size - 4), 4);
    const size_t n = m->size - 4, piece = (size_t)16 << 20;
    uLong crc = crc32_z(0, NULL, 0);

    for (size_t at = 0, some; at < n; at += some) {
        some = n - at < piece ? n - at : piece;
        crc = crc32_z(crc, m->data + at, some);
        map_forget(m, at, some);
    }
    return crc == rd_u32(&tail);
}

/* Copy in pieces, for the same reason. */
static void take(float *to, const struct map *m, const uint8_t *from, size_t n)
{
    const size_t piece = (size_t)4 << 20;

    for (size_t at = 0, some; at < n; at += some) {
        some = n - at < piece ? n - at : piece;
        memcpy(to + at, from + at * sizeof(*to), some * sizeof(*to));
        map_forget(m, (size_t)(from - m->data) + at * sizeof(*to), some * sizeof(*to));
    }
}

/* n floats for each of to[k], the last has to == NULL; then the checksum. */
static int read_floats(const struct place *to, struct rd *r, const struct map *m, size_t n,
                       struct err *err)
{
    size_t k = 0;

    while (to[k].to)
        k++;
    if (r->bad || rd_left(r) / sizeof(float) / (k ? k : 1) != n ||
        rd_left(r) != k * n * sizeof(float))
        return err_set(err, ERR_FORMAT, "the checkpoint has not the size it is to have");
    if (!checksum_fits(m))
        return err_set(err, ERR_FORMAT, "the checkpoint is damaged: its checksum does not fit");
    for (k = 0; to[k].to; k++) {
        const uint8_t *p = rd_bytes(r, n * sizeof(float));

        take(to[k].to, m, p + to[k].first * sizeof(float), to[k].n);
    }
    return 0;
}

/* Do all ranks see the same checkpoint? */
static int same_step(struct train *t, struct err *err)
{
    uint64_t first = t->mark.step;
    const int rc = comm_broadcast(t->comm, &first, sizeof(first), err);

    if (rc || first == t->mark.step)
        return rc;
    return err_set(err, ERR_ARG,
                   "%s: rank %d sees the checkpoint of step %llu, the first rank that of %llu: all "
                   "ranks need the same folder",
                   t->job->dir, comm_rank(t->comm), (unsigned long long)t->mark.step,
                   (unsigned long long)first);
}

int train_load(struct train *t, struct err *err)
{
    const struct optim_state s = optim_state(t->optim);
    const size_t n = t->own->n_values;
    const struct place to[] = {
        {t->own->w, 0, n},
        {s.m,        t->first, t->n_own},
        {s.v,       t->first, t->n_own},
        {s.ema, t->first, t->n_own},
        {0      }
    };
    struct train_mark mark = {0};
    struct map m = {0};
    struct rd r;
    bool there;
    int rc = open_file(&m, &r, &there, t, "state", state_magic, err);

    if (rc || !there)
        goto done;
    get_mark(&mark, &r);
    if (rd_u64(&r) != n || rd_u64(&r) != (s.ema != NULL))
        rc = err_set(err, ERR_FORMAT, "the checkpoint has other values than the student");
    else
        rc = read_floats(to, &r, &m, n, err);
    if (rc)
        rc = err_wrap(err, "%s/state", t->job->dir);
    else
        t->mark = mark;
done:
    map_release(&m);
    return rc ? rc : same_step(t, err);
}

int train_load_best(struct train *t, struct err *err)
{
    const struct place to[] = {
        {t->own->w,         0, t->own->n_values},
        {0}
    };
    uint64_t written = t->mark.best_step; /* by the first rank, before the others read */
    double read = 1;
    struct map m = {0};
    struct rd r;
    bool there;
    int rc = comm_broadcast(t->comm, &written, sizeof(written), err);

    if (!rc)
        rc = open_file(&m, &r, &there, t, "best", best_magic, err);

    if (rc || !there) {
        rc = rc ? rc : err_set(err, ERR_IO, "%s/best: it is gone", t->job->dir);
        goto done;
    }
    if (rd_u64(&r) != t->mark.best_step || rd_u64(&r) != t->own->n_values)
        rc = err_set(err, ERR_FORMAT, "not the weights of step %llu",
                     (unsigned long long)t->mark.best_step);
    else
        rc = read_floats(to, &r, &m, t->own->n_values, err);
    if (rc)
        rc = err_wrap(err, "%s/best", t->job->dir);
    if (!rc)
        rc = comm_sum(t->comm, &read, 1, err); /* the first rank will remove it */
done:
    map_release(&m);
    return rc;
}
