#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "formats/base/map.h"
#include "formats/base/out.h"

#include <sys/stat.h>
#include <unistd.h>

static void path_in(char path[128], const char *end)
{
    (void)snprintf(path, 128, "/tmp/pare-out-%ld%s", (long)getpid(), end);
}

static int there(const char *path)
{
    struct stat st;

    return !stat(path, &st);
}

static void test_out_appears_on_commit(void **state)
{
    char path[128], part[128];
    struct out o;
    struct map m;
    struct err err;

    (void)state;
    path_in(path, "");
    path_in(part, ".part");
    assert_int_equal(out_open(&o, path, &err), 0);
    assert_int_equal(out_write(&o, "ab", 2, &err), 0);
    assert_int_equal(out_pad(&o, 5000, &err), 0);
    assert_int_equal(out_write(&o, "c", 1, &err), 0);
    assert_true(o.n == 5003 && there(part) && !there(path));
    assert_int_equal(out_commit(&o, &err), 0);
    assert_true(there(path) && !there(part));
    out_abandon(&o); /* nothing after a commit */
    assert_true(there(path));
    assert_int_equal(map_open(&m, path, &err), 0);
    assert_int_equal(m.size, 5003);
    assert_true(m.data[1] == 'b' && m.data[2] == 0 && m.data[5001] == 0 && m.data[5002] == 'c');
    map_forget(&m, 0, m.size);
    assert_int_equal(m.data[5002], 'c');
    map_release(&m);
    (void)unlink(path);
}

/* The old file stays until the new one is whole. */
static void test_out_abandon(void **state)
{
    char path[128], part[128];
    struct out o;
    struct map m;
    struct err err;

    (void)state;
    path_in(path, "");
    path_in(part, ".part");
    assert_int_equal(out_file(path, "old", 3, &err), 0);
    assert_int_equal(out_open(&o, path, &err), 0);
    assert_int_equal(out_write(&o, "new!", 4, &err), 0);
    out_abandon(&o);
    assert_false(there(part));
    assert_int_equal(map_open(&m, path, &err), 0);
    assert_int_equal(m.size, 3);
    map_release(&m);
    (void)unlink(path);
    out_init(&o);
    out_abandon(&o);
}

static void test_out_refuses(void **state)
{
    struct out o;
    struct map m;
    struct err err;

    (void)state;
    assert_int_equal(out_open(&o, "/tmp", &err), ERR_IO);
    assert_non_null(strstr(err.msg, "/tmp: is a folder"));
    assert_int_equal(out_open(&o, "/no/such/folder/file", &err), ERR_IO);
    assert_int_equal(out_file("/dev/full", "x", 1, &err), ERR_IO);
    assert_non_null(strstr(err.msg, "/dev/full: No space left"));
    assert_int_equal(out_file("/dev/null", "x", 1, &err), 0);
    assert_true(there("/dev/null"));
    assert_int_equal(map_open(&m, "/tmp", &err), ERR_IO);
    assert_int_equal(map_open(&m, "/dev/null", &err), ERR_IO);
    assert_int_equal(map_open(&m, "/no/such", &err), ERR_IO);
    map_release(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_out_appears_on_commit),
        cmocka_unit_test(test_out_abandon),
        cmocka_unit_test(test_out_refuses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
