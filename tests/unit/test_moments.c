#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "formats/base/map.h"
#include "formats/moments.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ONE = 800, FEW = 5 }; /* columns: of two pieces, of one */

static float value(size_t i)
{
    return (float)i * 0.37F - 900.0F;
}

static void path_of(char path[64])
{
    (void)snprintf(path, 64, "/tmp/pare-moments-%ld.xx", (long)getpid());
}

static int put(struct moments_writer *w, size_t columns, size_t first, struct err *err)
{
    const struct par par = {2};
    size_t n;

    assert_true(moments_values(&n, columns));
    float *v = malloc(n * sizeof(*v));
    assert_non_null(v);
    for (size_t i = 0; i < n; i++)
        v[i] = value(first + i);
    const int rc = moments_writer_put(w, v, &par, err);
    free(v);
    return rc;
}

/* Two weights that share a wide input, and a stacked one whose matrices 0 and 2 are unused. */
static void write_file(const char *path)
{
    const char *shared[] = {"q", "k"}, *experts[] = {"e"};
    uint64_t one = 7, four[] = {0, 3, 0, 9};
    const struct moments_input a = {shared, 2, ONE, 1, &one}, b = {experts, 1, FEW, 4, four};
    struct moments_writer *w;
    struct err err = {0};

    assert_int_equal(moments_writer_new(&w, path, 2, 8, &err), 0);
    assert_int_equal(moments_writer_input(w, &a, &err), 0);
    assert_int_equal(put(w, ONE, 0, &err), 0);
    assert_int_equal(moments_writer_input(w, &b, &err), 0);
    assert_int_equal(put(w, FEW, 1, &err), 0);
    assert_int_equal(put(w, FEW, 2, &err), 0);
    assert_int_equal(put(w, FEW, 3, &err), ERR_ARG); /* one too many */
    assert_int_equal(moments_writer_commit(w, &err), 0);
    moments_writer_free(w);
}

static void check(const struct moments *m, const char *weight, size_t matrix, size_t first)
{
    const struct moments_input *in = moments_find(m, weight);
    struct err err = {0};
    size_t n;

    assert_non_null(in);
    assert_true(moments_values(&n, in->columns));
    float *v = malloc(n * sizeof(*v));
    assert_non_null(v);
    assert_int_equal(moments_read(v, m, in, matrix, &err), 0);
    for (size_t i = 0; i < n; i++)
        assert_true(v[i] == (in->tokens[matrix] ? value(first + i) : 0));
    free(v);
}

static void check_all(const struct moments *m)
{
    check(m, "k", 0, 0);
    for (size_t i = 0; i < 4; i++)
        check(m, "e", i, i == 1 ? 1 : 2);
}

static void test_moments_round_trip(void **state)
{
    struct moments *m;
    struct err err = {0};
    char path[64];

    (void)state;
    path_of(path);
    write_file(path);
    assert_int_equal(moments_open(&m, path, &err), 0);
    assert_int_equal(moments_n(m), 2);
    assert_int_equal(moments_chunks(m), 2);
    assert_int_equal(moments_chunk_size(m), 8);
    assert_ptr_equal(moments_find(m, "q"), moments_at(m, 0));
    assert_null(moments_find(m, "x"));
    assert_int_equal(moments_find(m, "e")->tokens[3], 9);
    check_all(m);
    moments_free(m);
    (void)unlink(path);
}

static void test_moments_incomplete(void **state)
{
    const char *name[] = {"q"};
    uint64_t two[] = {1, 1};
    const struct moments_input in = {name, 1, FEW, 2, two};
    struct moments_writer *w;
    struct err err = {0};
    char path[64], part[80];

    (void)state;
    path_of(path);
    (void)snprintf(part, sizeof(part), "%s.part", path);
    assert_int_equal(moments_writer_new(&w, path, 2, 8, &err), 0);
    assert_int_equal(moments_writer_input(w, &in, &err), 0);
    assert_int_equal(put(w, FEW, 0, &err), 0);
    assert_int_equal(moments_writer_input(w, &in, &err), ERR_ARG);
    assert_int_equal(moments_writer_commit(w, &err), ERR_ARG);
    moments_writer_free(w);
    assert_true(access(path, F_OK) && access(part, F_OK));
}

/* Cut anywhere, or with any byte changed, it it is refused, or what it holds is, or is as it was. */
static void test_moments_damaged(void **state)
{
    struct moments *m;
    struct map map;
    struct err err = {0};
    char path[64];
    static float v[ONE * (ONE + 1) / 2];

    (void)state;
    path_of(path);
    write_file(path);
    assert_int_equal(map_open(&map, path, &err), 0);
    uint8_t *copy = malloc(map.size);
    assert_non_null(copy);
    for (size_t n = 0; n < map.size; n += 1 + n / 40) {
        memcpy(copy, map.data, n);
        assert_int_equal(moments_parse(&m, copy, n, &err), ERR_FORMAT);
        assert_null(m);
    }
    for (size_t i = 0; i < map.size; i += 1 + (i < map.size - 300 ? i / 20 : 0)) {
        int rc;
        memcpy(copy, map.data, map.size);
        copy[i] ^= 0x10;
        rc = moments_parse(&m, copy, map.size, &err);
        for (size_t k = 0; !rc && k < 5; k++)
            rc = moments_read(v, m, moments_at(m, k > 0), k ? k - 1 : 0, &err);
        if (rc)
            assert_int_equal(rc, ERR_FORMAT);
        else /* a bit that fills up a stream's last byte */
            check_all(m);
        moments_free(m);
    }
    free(copy);
    map_release(&map);
    (void)unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_moments_round_trip),
        cmocka_unit_test(test_moments_incomplete),
        cmocka_unit_test(test_moments_damaged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
