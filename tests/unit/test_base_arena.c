#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "formats/base/arena.h"

static void test_arena_aligned_and_zeroed(void **state)
{
    struct arena a = {0};

    (void)state;
    for (size_t n = 0; n < 300; n += 7) {
        unsigned char *p = arena_alloc(&a, n);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % 64, 0);
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(p[i], 0);
            p[i] = 0xff; /* the next piece must not begin inside this one */
        }
    }
    arena_release(&a);
    assert_null(a.last);
}

static void test_arena_large_pieces(void **state)
{
    struct arena a = {0};
    char *small = arena_str(&a, "small");
    char *large = arena_alloc(&a, 1 << 20);

    (void)state;
    assert_non_null(large);
    memset(large, 'x', 1 << 20);
    assert_string_equal(small, "small");
    assert_non_null(arena_alloc(&a, 65536 - 64));
    assert_non_null(arena_alloc(&a, 65536 - 63));
    arena_release(&a);
}

static void test_arena_texts(void **state)
{
    struct arena a = {0};

    (void)state;
    assert_string_equal(arena_strn(&a, "abcdef", 3), "abc");
    assert_string_equal(arena_strn(&a, NULL, 0), "");
    assert_string_equal(arena_fmt(&a, "%s/%d", "dir", 7), "dir/7");
    arena_release(&a);
}

static void test_arena_refuses(void **state)
{
    struct arena a = {0};

    (void)state;
    assert_null(arena_array(&a, SIZE_MAX / 2, 3));
    assert_null(arena_alloc(&a, SIZE_MAX));
    assert_null(arena_strn(&a, "x", SIZE_MAX));
    assert_non_null(arena_array(&a, 10, 8));
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arena_aligned_and_zeroed),
        cmocka_unit_test(test_arena_large_pieces),
        cmocka_unit_test(test_arena_texts),
        cmocka_unit_test(test_arena_refuses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
