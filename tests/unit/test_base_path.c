#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "formats/base/path.h"

static void test_path_ends(void **state)
{
    (void)state;
    assert_true(path_ends("m.gguf", ".gguf"));
    assert_true(path_ends("a/.gguf", ".gguf"));
    assert_true(path_ends(".gguf.gguf", ".gguf"));
    assert_false(path_ends(".gguf", ".gguf"));
    assert_false(path_ends("gguf", ".gguf"));
    assert_false(path_ends("", ".gguf"));
    assert_false(path_ends("m.gguf/", ".gguf"));
    assert_false(path_ends("m.gguf.part", ".gguf"));
    assert_false(path_ends("m.GGUF", ".gguf"));
    assert_true(path_ends_nocase("m.GGuf", ".gguf"));
    assert_false(path_ends_nocase("m.GGUF.part", ".gguf"));
    assert_false(path_ends_nocase(".GGUF", ".gguf"));
    assert_true(path_ends("m", ""));
    assert_false(path_ends("", ""));
}

static void test_path_len(void **state)
{
    (void)state;
    assert_int_equal(path_len("a/b"), 3);
    assert_int_equal(path_len("a/b/"), 3);
    assert_int_equal(path_len("a//b///"), 4);
    assert_int_equal(path_len("/"), 1);
    assert_int_equal(path_len("///"), 1);
    assert_int_equal(path_len("/a"), 2);
    assert_int_equal(path_len(""), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_path_ends),
        cmocka_unit_test(test_path_len),
    };

    return cmocka_run_group_tests_name("base_path", tests, NULL, NULL);
}
