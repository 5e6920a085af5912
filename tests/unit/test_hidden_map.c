#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "distill/hidden_map.h"

#include <string.h>

static void expect(const char *text, size_t n_student, size_t n_teacher, size_t n,
                   const size_t (*pair)[2])
{
    struct hidden_map m;
    struct err err;

    assert_int_equal(hidden_map_read(&m, text, n_student, n_teacher, &err), 0);
    assert_int_equal(m.n, n);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(m.student[i], pair[i][0]);
        assert_int_equal(m.teacher[i], pair[i][1]);
    }
    hidden_map_release(&m);
}

static void refuse(const char *text, size_t n_student, size_t n_teacher, const char *why)
{
    struct hidden_map m;
    struct err err;

    assert_int_equal(hidden_map_read(&m, text, n_student, n_teacher, &err), ERR_ARG);
    assert_non_null(strstr(err.msg, why));
}

static void test_hidden_map_spreads(void **state)
{
    (void)state;
    expect(NULL, 3, 3, 3,
           (const size_t[][2]){
               {0, 0},
               {1, 1},
               {2, 2}
    });
    expect(NULL, 3, 5, 3,
           (const size_t[][2]){
               {0, 1},
               {1, 2},
               {2, 4}
    });
    expect(NULL, 1, 7, 1,
           (const size_t[][2]){
               {0, 6}
    });
    refuse(NULL, 3, 2, "the student has 3 blocks, its teacher 2");
}

static void test_hidden_map_reads(void **state)
{
    (void)state;
    expect("0:2", 1, 3, 1,
           (const size_t[][2]){
               {0, 2}
    });
    expect("4:14,0:2,1:2", 5, 15, 3,
           (const size_t[][2]){
               {4, 14},
               {0, 2 },
               {1, 2 }
    });
    expect("2:0", 3, 2, 1,
           (const size_t[][2]){
               {2, 0}
    }); /* a deeper student */
    for (size_t i = 0; i < 9; i++)
        refuse((const char *const[]){"", "1", "0:", ":1", "0:1,", "0:1;2:2", "3:1", "1:4",
                                     "0:99999999999999999999999"}[i],
               3, 4, "expected blocks of the student (0 to 2) and of the teacher (0 to 3)");
    refuse("0:1,0:2", 3, 4, "block 0 comes twice");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hidden_map_spreads),
        cmocka_unit_test(test_hidden_map_reads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
