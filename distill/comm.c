#include "distill/comm.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { GRAIN = 16 }; /* values that are not parted */

#ifdef PARE_MPI
#include <mpi.h>

enum {
    PIECE = 1 << 18, /* values of a message */
    BLOCK = 2048     /* values that are summed in the first cache */
};

struct comm {
    int rank, size;
    double few[COMM_FEW];
    double *all;         /* [size, COMM_FEW] */
    float *piece;        /* [size, PIECE] */
    MPI_Request *asked;  /* [2 * size] */
    int *counts, *begin; /* [size] in grains */
    MPI_Datatype grain;
};
#else
struct comm {
    int rank, size;
};
#endif

int comm_rank(const struct comm *c)
{
    return c ? c->rank : 0;
}

int comm_size(const struct comm *c)
{
    return c ? c->size : 1;
}

static void share_of(size_t *first, size_t *share, size_t n, size_t rank, size_t size)
{
    const size_t each = n / size, more = n % size;

    *share = each + (rank < more);
    *first = rank * each + (rank < more ? rank : more);
}

void comm_share(size_t *first, size_t *share, const struct comm *c, size_t n)
{
    share_of(first, share, n, (size_t)comm_rank(c), (size_t)comm_size(c));
}

/* Whole grains are shared out, the last rank has what is left. */
void comm_stretch(size_t *first, size_t *stretch, const struct comm *c, size_t n, int rank)
{
    const int size = comm_size(c);

    share_of(first, stretch, n / GRAIN, (size_t)rank, (size_t)size);
    *first *= GRAIN;
    *stretch *= GRAIN;
    if (rank == size - 1)
        *stretch = n - *first;
}

#ifdef PARE_MPI

/* ---- life ------------------------------------------------------------------------- */

static int said(int rc, const char *what, struct err *err)
{
    char text[MPI_MAX_ERROR_STRING];
    int n = 0;

    if (rc == MPI_SUCCESS)
        return 0;
    if (MPI_Error_string(rc, text, &n) != MPI_SUCCESS)
        n = 0;
    return err_set(err, ERR_IO, "MPI: %s: %.*s", what, n, text);
}

static int alloc(struct comm *c, struct err *err)
{
    const size_t n = (size_t)c->size;

    c->all = calloc(n, COMM_FEW * sizeof(*c->all));
    c->piece = calloc(n, (size_t)PIECE * sizeof(*c->piece));
    c->asked = calloc(2 * n, sizeof(MPI_Request));
    c->counts = calloc(n, sizeof(*c->counts));
    c->begin = calloc(n, sizeof(*c->begin));
    return c->all && c->piece && c->asked && c->counts && c->begin ? 0 : err_nomem(err);
}

static int start(struct comm *c, struct err *err)
{
    int level, rc = said(MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &level), "start", err);

    if (!rc)
        rc = said(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN), "start", err);
    if (!rc)
        rc = said(MPI_Comm_rank(MPI_COMM_WORLD, &c->rank), "rank", err);
    if (!rc)
        rc = said(MPI_Comm_size(MPI_COMM_WORLD, &c->size), "size", err);
    if (!rc)
        rc = said(MPI_Type_contiguous(GRAIN, MPI_FLOAT, &c->grain), "type", err);
    if (!rc)
        rc = said(MPI_Type_commit(&c->grain), "type", err);
    return rc ? rc : alloc(c, err);
}

static void stop(struct comm *c, bool failed)
{
    int begun = 0;

    (void)MPI_Initialized(&begun);
    if (!begun)
        return;
    if (failed && c->size > 1)
        (void)MPI_Abort(MPI_COMM_WORLD, 1);
    if (c->grain != MPI_DATATYPE_NULL)
        (void)MPI_Type_free(&c->grain);
    (void)MPI_Finalize();
}

static void release(struct comm *c)
{
    free(c->all);
    free(c->piece);
    free(c->asked);
    free(c->counts);
    free(c->begin);
    free(c);
}

int comm_open(struct comm **out, bool launched, struct err *err)
{
    struct comm *c = calloc(1, sizeof(*c));

    *out = NULL;
    if (!c)
        return err_nomem(err);
    c->size = 1;
    c->grain = MPI_DATATYPE_NULL;
    const int rc = launched ? start(c, err) : 0;
    if (rc)
        comm_close(c, true);
    else
        *out = c;
    return rc;
}

void comm_close(struct comm *c, bool failed)
{
    if (!c)
        return;
    stop(c, failed);
    release(c);
}

/* ---- among all ---------------------------------------------------------------------- */

int comm_sum(struct comm *c, double *x, size_t n, struct err *err)
{
    if (comm_size(c) == 1)
        return 0;
    if (n > COMM_FEW)
        return err_set(err, ERR_ARG, "a sum of %zu values", n);
    const int rc =
        said(MPI_Allgather(x, (int)n, MPI_DOUBLE, c->all, (int)n, MPI_DOUBLE, MPI_COMM_WORLD),
             "sum", err);
    for (size_t i = 0; !rc && i < n; i++) {
        x[i] = 0;
        for (size_t r = 0; r < (size_t)c->size; r++)
            x[i] += c->all[r * n + i];
    }
    return rc;
}

int comm_broadcast(struct comm *c, void *p, size_t bytes, struct err *err)
{
    char *at = p;
    int rc = 0;

    if (comm_size(c) == 1)
        return 0;
    for (size_t n; !rc && bytes; bytes -= n, at += n) {
        n = bytes < (size_t)PIECE * 4 ? bytes : (size_t)PIECE * 4;
        rc = said(MPI_Bcast(at, (int)n, MPI_BYTE, 0, MPI_COMM_WORLD), "broadcast", err);
    }
    return rc;
}

/* Values of a stretch in its piece from `at` on. */
static size_t piece_of(size_t stretch, size_t at)
{
    return at >= stretch ? 0 : stretch - at < PIECE ? stretch - at : PIECE;
}

/* g's piece `at` of every stretch to its rank; theirs of the own one come to c->piece. */
static int exchange(struct comm *c, float *g, size_t n, size_t at, struct err *err)
{
    size_t first, stretch, mine;
    int rc = 0, asked = 0;

    comm_stretch(&first, &stretch, c, n, c->rank);
    mine = piece_of(stretch, at);
    for (int r = 0; !rc && mine && r < c->size; r++)
        if (r != c->rank)
            rc = said(MPI_Irecv(c->piece + (size_t)r * PIECE, (int)mine, MPI_FLOAT, r, 0,
                                MPI_COMM_WORLD, &c->asked[asked++]),
                      "receive gradients", err);
    for (int k = 1; !rc && k < c->size; k++) {
        const int r = (c->rank + k) % c->size; /* not all to one */
        comm_stretch(&first, &stretch, c, n, r);
        const size_t some = piece_of(stretch, at);
        if (some)
            rc = said(MPI_Isend(g + first + at, (int)some, MPI_FLOAT, r, 0, MPI_COMM_WORLD,
                                &c->asked[asked++]),
                      "send gradients", err);
    }
    const int waited = said(MPI_Waitall(asked, c->asked, MPI_STATUSES_IGNORE), "gradients", err);
    return rc ? rc : waited;
}

/* g[n], n <= BLOCK, is this rank's part; the others' lie `at` in their pieces. */
static void add_block(const struct comm *c, float *g, size_t at, size_t n)
{
    float sum[BLOCK];

    memcpy(sum, c->rank ? c->piece + at : g, n * sizeof(*sum));
    for (size_t r = 1; r < (size_t)c->size; r++) {
        const float *x = r == (size_t)c->rank ? g : c->piece + r * PIECE + at;
        for (size_t i = 0; i < n; i++)
            sum[i] += x[i];
    }
    memcpy(g, sum, n * sizeof(*sum));
}

int comm_reduce(struct comm *c, float *g, size_t n, struct err *err)
{
    size_t first, stretch, longest = 0;
    int rc = 0;

    if (comm_size(c) == 1)
        return 0;
    for (int r = 0; r < c->size; r++) {
        comm_stretch(&first, &stretch, c, n, r);
        longest = stretch > longest ? stretch : longest;
    }
    comm_stretch(&first, &stretch, c, n, c->rank);
    for (size_t at = 0; !rc && at < longest; at += PIECE) {
        const size_t some = piece_of(stretch, at);
        rc = exchange(c, g, n, at, err);
        if (rc)
            break;
        for (size_t i = 0; i < some; i += BLOCK)
            add_block(c, g + first + at + i, i, some - i < BLOCK ? some - i : BLOCK);
    }
    return rc;
}

int comm_gather(struct comm *c, float *w, size_t n, struct err *err)
{
    const size_t tail = n % GRAIN;
    int rc;

    if (comm_size(c) == 1)
        return 0;
    if (n / GRAIN > INT32_MAX)
        return err_set(err, ERR_UNSUPPORTED, "%zu values are too many", n);
    for (int r = 0; r < c->size; r++) {
        size_t first, stretch;
        comm_stretch(&first, &stretch, c, n, r);
        c->begin[r] = (int)(first / GRAIN);
        c->counts[r] = (int)(stretch / GRAIN);
    }
    rc = said(
        MPI_Allgatherv(MPI_IN_PLACE, 0, c->grain, w, c->counts, c->begin, c->grain, MPI_COMM_WORLD),
        "gather weights", err);
    if (!rc && tail)
        rc = said(MPI_Bcast(w + n - tail, (int)tail, MPI_FLOAT, c->size - 1, MPI_COMM_WORLD),
                  "gather weights", err);
    return rc;
}

/* Rank r's part of [first, first + some): where it begins in the whole, and its length. */
static void overlap(size_t *begin, size_t *length, const struct comm *c, size_t n, size_t first,
                    size_t some, int r)
{
    size_t own, stretch;

    comm_stretch(&own, &stretch, c, n, r);
    const size_t end = own + stretch < first + some ? own + stretch : first + some;
    *begin = own > first ? own : first;
    *length = end > *begin ? end - *begin : 0;
}

/* One rank's part, a message of at most PIECE at a time. */
static int collect_from(struct comm *c, float *to, const float *from, size_t n, int r,
                        struct err *err)
{
    int rc = 0;

    for (size_t k; !rc && n; n -= k, to += to ? k : 0, from += from ? k : 0) {
        k = n < PIECE ? n : PIECE;
        if (c->rank == 0)
            rc = said(MPI_Recv(to, (int)k, MPI_FLOAT, r, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE),
                      "receive state", err);
        else
            rc = said(MPI_Send(from, (int)k, MPI_FLOAT, 0, 1, MPI_COMM_WORLD), "send state", err);
    }
    return rc;
}

int comm_collect(struct comm *c, float *to, const float *mine, size_t n, size_t first, size_t some,
                 struct err *err)
{
    size_t own, stretch, begin, length;
    int rc = 0;

    comm_stretch(&own, &stretch, c, n, comm_rank(c));
    overlap(&begin, &length, c, n, first, some, comm_rank(c));
    if (comm_rank(c) == 0) {
        if (length)
            memcpy(to + (begin - first), mine + (begin - own), length * sizeof(*to));
        for (int r = 1; !rc && r < comm_size(c); r++) {
            overlap(&begin, &length, c, n, first, some, r);
            if (length)
                rc = collect_from(c, to + (begin - first), NULL, length, r, err);
        }
        return rc;
    }
    return length ? collect_from(c, NULL, mine + (begin - own), length, c->rank, err) : 0;
}

#else /* one rank */

int comm_open(struct comm **out, bool launched, struct err *err)
{
    *out = NULL;
    if (launched)
        return err_set(err, ERR_UNSUPPORTED,
                       "started by mpirun, but built without MPI: install libopenmpi-dev and "
                       "build again");
    *out = calloc(1, sizeof(**out));
    if (!*out)
        return err_nomem(err);
    (*out)->size = 1;
    return 0;
}

void comm_close(struct comm *c, bool failed)
{
    (void)failed;
    free(c);
}

int comm_sum(struct comm *c, double *x, size_t n, struct err *err)
{
    (void)c, (void)x, (void)n, (void)err;
    return 0;
}

int comm_broadcast(struct comm *c, void *p, size_t bytes, struct err *err)
{
    (void)c, (void)p, (void)bytes, (void)err;
    return 0;
}

int comm_reduce(struct comm *c, float *g, size_t n, struct err *err)
{
    (void)c, (void)g, (void)n, (void)err;
    return 0;
}

int comm_gather(struct comm *c, float *w, size_t n, struct err *err)
{
    (void)c, (void)w, (void)n, (void)err;
    return 0;
}

int comm_collect(struct comm *c, float *to, const float *mine, size_t n, size_t first, size_t some,
                 struct err *err)
{
    (void)c, (void)n, (void)err;
    memcpy(to, mine + first, some * sizeof(*to));
    return 0;
}

#endif
