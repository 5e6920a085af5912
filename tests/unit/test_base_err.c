#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "formats/base/err.h"

#include <errno.h>

static void test_err_set(void **state)
{
    struct err e;

    (void)state;
    assert_int_equal(err_set(&e, ERR_FORMAT, "tensor %s: %d", "a", 7), ERR_FORMAT);
    assert_int_equal(e.code, ERR_FORMAT);
    assert_string_equal(e.msg, "tensor a: 7");
}

static void test_err_wrap(void **state)
{
    struct err e;

    (void)state;
    (void)err_set(&e, ERR_IO, "inner");
    assert_int_equal(err_wrap(&e, "part %d", 2), ERR_IO);
    assert_string_equal(e.msg, "part 2: inner");
}

/* Of too much text the middle goes: both ends say something. */
static void test_err_long(void **state)
{
    char text[8 * ERR_MSG_BYTES];
    struct err e;

    (void)state;
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    (void)err_set(&e, ERR_IO, "/%s: too long", text);
    assert_int_equal(strlen(e.msg), ERR_MSG_BYTES - 1);
    assert_memory_equal(e.msg, "/xxx", 4);
    assert_non_null(strstr(e.msg, "x...x"));
    assert_string_equal(e.msg + ERR_MSG_BYTES - 1 - 11, "x: too long");
    (void)err_wrap(&e, "outer");
    assert_int_equal(strlen(e.msg), ERR_MSG_BYTES - 1);
    assert_memory_equal(e.msg, "outer: /xxx", 11);
    (void)err_wrap(&e, "%s", text);
    assert_int_equal(strlen(e.msg), ERR_MSG_BYTES - 1);
    assert_string_equal(e.msg + ERR_MSG_BYTES - 1 - 11, "x: too long");
}

/* Names come out of files: whatever they hold, a message is one line. */
static void test_err_is_one_line(void **state)
{
    struct err e;

    (void)state;
    (void)err_set(&e, ERR_IO, "a\nb\x1b[2Jc\x7f");
    assert_string_equal(e.msg, "a?b?[2Jc?");
    (void)err_wrap(&e, "p\r\nq");
    assert_string_equal(e.msg, "p??q: a?b?[2Jc?");
    (void)err_set(&e, ERR_IO,
                  "a\xff\xc3"
                  "b"); /* what is no text does not */
    assert_string_equal(e.msg, "a??b");
    (void)err_set(&e, ERR_IO, "\xc3\xa9"); /* text beyond ASCII stays */
    assert_string_equal(e.msg, "\xc3\xa9");
}

static void test_err_errno(void **state)
{
    struct err e;

    (void)state;
    errno = ENOENT;
    assert_int_equal(err_errno(&e, "x.gguf"), ERR_IO);
    assert_string_equal(e.msg, "x.gguf: No such file or directory");
    errno = EINTR;
    assert_int_equal(err_errno(&e, "x"), ERR_INTERRUPTED);
    assert_int_equal(err_nomem(&e), ERR_NOMEM);
    assert_string_equal(e.msg, "out of memory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_err_set),   cmocka_unit_test(test_err_wrap),
        cmocka_unit_test(test_err_long),  cmocka_unit_test(test_err_is_one_line),
        cmocka_unit_test(test_err_errno),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
