#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "formats/base/hash.h"
#include "formats/base/hash_many.h"

#include <stdlib.h>
#include <string.h>

/* FIPS 180-4's own examples. */
static void test_hash_of_published_texts(void **state)
{
    (void)state;
    char hex[HASH_HEX_BYTES];
    struct err err;

    assert_int_equal(hash_of("abc", 3, hex, &err), 0);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_int_equal(hash_of("", 0, hex, &err), 0);
    assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

/* A number is the eight bytes of its bits, lowest first. */
static void test_hash_numbers(void **state)
{
    (void)state;
    char hex[HASH_HEX_BYTES], want[HASH_HEX_BYTES];
    struct hash *h;
    struct err err;

    assert_int_equal(hash_new(&h, &err), 0);
    hash_u64(h, 0x0807060504030201);
    hash_f64(h, -2.5);
    assert_int_equal(hash_hex(h, hex, &err), 0);
    hash_free(h);
    assert_int_equal(hash_of("\1\2\3\4\5\6\7\10\0\0\0\0\0\0\4\300", 16, want, &err), 0);
    assert_string_equal(hex, want);
}

enum { POOL = 1 << 21, MOST = 400 };

struct many {
    uint8_t *pool;
    struct hash_stretch stretch[MOST];
    char hex[MOST][HASH_HEX_BYTES];
};

/* n stretches of up to `longest` bytes, read `step` bytes at a time, hash as hash_of does. */
static void check(struct many *m, size_t n, size_t longest, uint64_t step, uint64_t *seed)
{
    struct hash_many *h;
    struct err err;
    char want[HASH_HEX_BYTES];

    for (size_t i = 0; i < n; i++) {
        *seed = *seed * 6364136223846793005U + 1442695040888963407U;
        const size_t bytes = (size_t)(*seed >> 33) % (longest + 1);
        const size_t at = (size_t)(*seed >> 20) % (POOL - bytes + 1);
        m->stretch[i] = (struct hash_stretch){m->pool + at, bytes, NULL, m->hex[i]};
        m->hex[i][0] = '\0';
    }
    assert_int_equal(hash_many_new(&h, m->stretch, n, &err), 0);
    while (hash_many_step(h, step))
        continue;
    assert_false(hash_many_step(h, step));
    hash_many_free(h);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(hash_of(m->stretch[i].data, m->stretch[i].n, want, &err), 0);
        assert_string_equal(m->hex[i], want);
    }
}

static void test_hash_many_is_each(void **state)
{
    (void)state;
    static const size_t counts[] = {0, 1, 2, 7, 15, 16, 17, 40, MOST};
    struct many *m = calloc(1, sizeof(*m));
    uint64_t seed = 5;

    assert_non_null(m);
    m->pool = malloc(POOL);
    assert_non_null(m->pool);
    for (size_t i = 0; i < POOL; i++)
        m->pool[i] = (uint8_t)((i * 2654435761U) >> 11);
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        check(m, counts[i], 130, 1, &seed);
        check(m, counts[i], 5000, 4096, &seed);
        check(m, counts[i] < 40 ? counts[i] : 40, POOL, 1 << 20, &seed);
    }
    free(m->pool);
    free(m);
}

/* Every length about a block's end, in every lane. */
static void test_hash_many_lengths(void **state)
{
    (void)state;
    struct many *m = calloc(1, sizeof(*m));
    struct hash_many *h;
    struct err err;
    uint8_t text[260];
    char want[HASH_HEX_BYTES];

    assert_non_null(m);
    memset(text, 'a', sizeof(text));
    for (size_t i = 0; i < sizeof(text); i++)
        m->stretch[i] = (struct hash_stretch){text, i, NULL, m->hex[i]};
    assert_int_equal(hash_many_new(&h, m->stretch, sizeof(text), &err), 0);
    while (hash_many_step(h, 1000))
        continue;
    hash_many_free(h);
    for (size_t i = 0; i < sizeof(text); i++) {
        assert_int_equal(hash_of(text, i, want, &err), 0);
        assert_string_equal(m->hex[i], want);
    }
    free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hash_of_published_texts),
        cmocka_unit_test(test_hash_numbers),
        cmocka_unit_test(test_hash_many_is_each),
        cmocka_unit_test(test_hash_many_lengths),
    };

    return cmocka_run_group_tests_name("base_hash", tests, NULL, NULL);
}
