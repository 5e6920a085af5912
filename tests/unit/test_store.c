#include "recipes/store.h"
#include "recipes/store_gc.h"

#include "formats/base/out.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char key_a[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
static const char key_b[] = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

/* A store of its own below a folder that goes away. */
struct fixture {
    char dir[32];
    struct store *s;
    struct err err;
};

static void open_it(struct fixture *f)
{
    *f = (struct fixture){.dir = "/tmp/pare-store-XXXXXX"};
    assert_non_null(mkdtemp(f->dir));
    assert_int_equal(store_open(&f->s, f->dir, true, true, &f->err), 0);
}

static void close_it(struct fixture *f)
{
    char command[64];

    store_free(f->s);
    (void)snprintf(command, sizeof(command), "rm -rf %s", f->dir);
    assert_int_equal(system(command), 0);
}

static void put(struct fixture *f, const char *key, const char *text)
{
    struct buf b = {0};

    buf_str(&b, text);
    assert_int_equal(store_put(f->s, key, &b, &f->err), 0);
    buf_release(&b);
}

static bool has(struct fixture *f, const char *key)
{
    json_val *doc;

    assert_int_equal(store_get(&doc, f->s, key, &f->err), 0);
    const bool found = doc != NULL;
    json_free(doc);
    return found;
}

/* One byte of a file becomes another. */
static void damage(const struct fixture *f, const char *name, long at)
{
    char path[160];

    (void)snprintf(path, sizeof(path), "%s/%s", f->dir, name);
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, at, SEEK_SET), 0);
    assert_int_equal(fputc('~', file), '~');
    assert_int_equal(fclose(file), 0);
}

static void test_store_records(void **state)
{
    struct fixture f;
    char name[80];

    (void)state;
    open_it(&f);
    assert_false(has(&f, key_a));
    put(&f, key_a, "{\"a\": 1}");
    assert_true(has(&f, key_a));
    (void)snprintf(name, sizeof(name), "%s.step", key_a);
    damage(&f, name, 70); /* still JSON's length, other bytes */
    assert_false(has(&f, key_a));
    put(&f, key_a, "{}");
    assert_true(has(&f, key_a));
    damage(&f, name, 3); /* of the digest */
    assert_false(has(&f, key_a));
    close_it(&f);
}

static void test_store_objects(void **state)
{
    struct fixture f;
    char hex[HASH_HEX_BYTES], from[64], to[64], name[80];
    bool found;

    (void)state;
    open_it(&f);
    (void)snprintf(from, sizeof(from), "%s/from", f.dir);
    (void)snprintf(to, sizeof(to), "%s/to", f.dir);
    assert_int_equal(out_file(from, "some bytes", 10, &f.err), 0);
    assert_int_equal(hash_of("some bytes", 10, hex, &f.err), 0);
    assert_false(store_has(f.s, hex));
    assert_int_equal(store_keep(f.s, from, hex, &f.err), 0);
    assert_true(store_has(f.s, hex));
    assert_int_equal(store_fetch(&found, f.s, hex, to, NULL, &f.err), 0);
    assert_true(found);
    assert_int_equal(access(to, R_OK), 0);
    /* a copy, not a link: what happens to the file does not reach the store */
    damage(&f, "to", 2);
    assert_int_equal(store_fetch(&found, f.s, hex, to, NULL, &f.err), 0);
    assert_true(found);
    (void)snprintf(name, sizeof(name), "objects/%s", hex);
    damage(&f, name, 2);
    assert_int_equal(unlink(to), 0);
    assert_int_equal(store_fetch(&found, f.s, hex, to, NULL, &f.err), 0);
    assert_false(found);
    assert_int_not_equal(access(to, R_OK), 0);
    assert_false(store_has(f.s, hex)); /* it is gone */
    close_it(&f);
}

static void count(void *arg)
{
    ++*(int *)arg;
}

static int stop(void *arg)
{
    return ++*(int *)arg > 2;
}

static void test_store_locks(void **state)
{
    const char *const keys[] = {key_b, key_a, key_b};
    struct store_locks locks = {0}, other = {0};
    struct fixture f;
    int waited = 0, asked = 0;
    bool held;
    const struct log log = {.arg = &asked, .stop = stop};

    (void)state;
    open_it(&f);
    assert_int_equal(store_lock(&locks, f.s, keys, 3, count, &waited, NULL, &f.err), 0);
    assert_int_equal(locks.n, 2);
    assert_int_equal(waited, 0);
    assert_int_equal(store_try_lock(&held, &other, f.s, key_a, &f.err), 0);
    assert_false(held);
    store_unlock(&other);
    assert_int_equal(store_lock(&other, f.s, keys, 1, count, &waited, &log, &f.err),
                     ERR_INTERRUPTED);
    assert_int_equal(waited, 1);
    store_unlock(&other);
    store_unlock(&locks);
    assert_int_equal(store_try_lock(&held, &other, f.s, key_a, &f.err), 0);
    assert_true(held);
    store_unlock(&other);
    close_it(&f);
}

/* A step that is being done stays, whatever its age. */
static void test_store_collect(void **state)
{
    struct store_gc gc = {.most = 0, .oldest = INT64_MIN, .now = 1};
    struct store_locks lock = {0};
    struct fixture f;
    bool held;

    (void)state;
    open_it(&f);
    put(&f, key_a, "{\"step\": \"quantize\", \"object\": \"../../x\"}");
    put(&f, key_b, "{}");
    assert_int_equal(store_try_lock(&held, &lock, f.s, key_a, &f.err), 0);
    assert_true(held);
    assert_int_equal(store_collect(&gc, f.s, &f.err), 0);
    assert_int_equal(gc.n, 1);
    assert_int_equal(gc.kept, 1);
    store_unlock(&lock);
    assert_true(has(&f, key_a));
    assert_false(has(&f, key_b));
    close_it(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_store_records),
        cmocka_unit_test(test_store_objects),
        cmocka_unit_test(test_store_locks),
        cmocka_unit_test(test_store_collect),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
