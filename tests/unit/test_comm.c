/* Any number of ranks: run alone, and by tests/cli/comm_mpi.sh under mpirun. What is expected follows
 * from the numbers of ranks alone. */

#include "distill/comm.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct comm *open_comm(void)
{
    struct comm *c;
    struct err err = {0};

    if (comm_open(&c, getenv("OMPI_COMM_WORLD_SIZE") != NULL, &err))
        fail_msg("%s", err.msg);
    return c;
}

/* What rank r has at i: sums depend on the order. */
static float value(int r, size_t i)
{
    return (float)((i * 2654435761U + (size_t)r * 40503U) % 1000003U) * 1e-3F / (float)(r + 3);
}

static void check_shares(const struct comm *c)
{
    static const size_t sizes[] = {0, 1, 15, 16, 17, 100, 1000003};
    size_t first, n;

    for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
        size_t at = 0;
        for (int r = 0; r < comm_size(c); r++) {
            comm_stretch(&first, &n, c, sizes[k], r);
            assert_int_equal(first, at);
            assert_int_equal(first % 16, 0);
            at += n;
        }
        assert_int_equal(at, sizes[k]);
        comm_share(&first, &n, c, sizes[k]);
        assert_true(n <= sizes[k] / (size_t)comm_size(c) + 1 && first + n <= sizes[k]);
    }
    comm_share(&first, &n, NULL, 7);
    assert_true(first == 0 && n == 7);
    assert_true(comm_rank(NULL) == 0 && comm_size(NULL) == 1);
}

static void check_sum(struct comm *c)
{
    double x[COMM_FEW], want[COMM_FEW] = {0};
    struct err err = {0};

    for (size_t i = 0; i < COMM_FEW; i++) {
        x[i] = (double)value(comm_rank(c), i);
        for (int r = 0; r < comm_size(c); r++)
            want[i] += (double)value(r, i);
    }
    assert_int_equal(comm_sum(c, x, COMM_FEW, &err), 0);
    assert_memory_equal(x, want, sizeof(x));
    if (comm_size(c) > 1)
        assert_int_equal(comm_sum(c, x, COMM_FEW + 1, &err), ERR_ARG);
}

/* The own stretch is summed in the order of ranks, bit by bit. */
static void check_reduce(struct comm *c, size_t n)
{
    float *g = malloc((n + 1) * sizeof(*g));
    size_t first, stretch;
    struct err err = {0};

    assert_non_null(g);
    for (size_t i = 0; i < n; i++)
        g[i] = value(comm_rank(c), i);
    comm_stretch(&first, &stretch, c, n, comm_rank(c));
    assert_int_equal(comm_reduce(c, g, n, &err), 0);
    for (size_t i = 0; i < n; i++) {
        float want = value(0, i);
        for (int r = 1; r < comm_size(c); r++)
            want += value(r, i);
        if (i < first || i >= first + stretch)
            want = value(comm_rank(c), i);
        if (memcmp(&g[i], &want, sizeof(want)) != 0)
            fail_msg("value %zu of %zu: %g, not %g", i, n, (double)g[i], (double)want);
    }
    free(g);
}

static void check_gather(struct comm *c, size_t n)
{
    float *w = calloc(n + 1, sizeof(*w)), *piece = calloc(n + 1, sizeof(*piece));
    size_t first, stretch;
    struct err err = {0};

    assert_non_null(w);
    assert_non_null(piece);
    comm_stretch(&first, &stretch, c, n, comm_rank(c));
    for (size_t i = first; i < first + stretch; i++)
        w[i] = value(9, i);
    for (size_t at = 0, some; at < n; at += some) {
        some = n - at < 999 * 777 ? n - at : 999 * 777;
        assert_int_equal(comm_collect(c, piece, w + first, n, at, some, &err), 0);
        for (size_t i = 0; i < some && comm_rank(c) == 0; i++)
            if (fabsf(piece[i] - value(9, at + i)) > 0)
                fail_msg("collected %zu of %zu", at + i, n);
    }
    assert_int_equal(comm_gather(c, w, n, &err), 0);
    for (size_t i = 0; i < n; i++)
        if (fabsf(w[i] - value(9, i)) > 0)
            fail_msg("value %zu of %zu", i, n);
    free(piece);
    free(w);
}

static void check_broadcast(struct comm *c)
{
    enum { BYTES = 5000001 };
    unsigned char *p = malloc(BYTES);
    struct err err = {0};

    assert_non_null(p);
    for (size_t i = 0; i < BYTES; i++)
        p[i] = (unsigned char)(i * 7 + (size_t)comm_rank(c));
    assert_int_equal(comm_broadcast(c, p, BYTES, &err), 0);
    for (size_t i = 0; i < BYTES; i++)
        if (p[i] != (unsigned char)(i * 7))
            fail_msg("byte %zu", i);
    free(p);
}

/* One: MPI can be started once in a process. */
static void test_comm_all(void **state)
{
    static const size_t sizes[] = {0, 5, 16, 33, 100000, 3000017};
    struct comm *c = open_comm();

    (void)state;
    check_shares(c);
    check_sum(c);
    check_broadcast(c);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        check_reduce(c, sizes[i]);
        check_gather(c, sizes[i]);
    }
    comm_close(c, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_comm_all)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
