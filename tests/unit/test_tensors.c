#include "eval/tensors.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int parse(struct tensor_errors *out, const char *text, struct err *err)
{
    json_val *v;

    assert_int_equal(json_parse(&v, text, strlen(text), err), 0);
    const int rc = tensor_errors_get(out, json_get(v, "tensors"), err);
    json_free(v);
    return rc;
}

static void test_tensors_round_trip(void **state)
{
    static const char text[] =
        "{\"tensors\":[{\"name\":\"a\",\"type\":\"Q4_K\",\"nmse\":0.5,\"bytes\":7},"
        "{\"name\":\"b\\n\",\"type\":\"F32\",\"nmse\":null,\"bytes\":0}]}";
    struct tensor_errors t;
    struct buf b = {0};
    struct json_out j = json_out_init(&b, true);
    struct err err = {0};

    (void)state;
    assert_int_equal(parse(&t, text, &err), 0);
    assert_int_equal(t.n, 2);
    assert_true(t.at[0].nmse == 0.5 && t.at[0].bytes == 7 && isnan(t.at[1].nmse));
    json_open(&j, NULL, '{');
    tensor_errors_put(&j, &t);
    json_close(&j, '}');
    assert_string_equal(b.p, text);
    tensor_errors_release(&t);
    buf_release(&b);
}

static void test_tensors_absent(void **state)
{
    struct tensor_errors t;
    struct err err = {0};

    (void)state;
    assert_int_equal(parse(&t, "{}", &err), 0);
    assert_int_equal(t.n, 0);
    assert_int_equal(parse(&t, "{\"tensors\":[]}", &err), 0);
    assert_int_equal(t.n, 0);
}

static void test_tensors_broken(void **state)
{
    static const char *const texts[][2] = {
        {"{\"tensors\":1}",                                               "tensors: expected a list"       },
        {"{\"tensors\":[1]}",                                             "tensors: item 0: name: expected"},
        {"{\"tensors\":[{\"name\":\"a\"}]}",                              "item 0: type: expected a text"  },
        {"{\"tensors\":[{\"name\":\"a\",\"type\":\"t\",\"bytes\":-1}]}",  "item 0: bytes: expected"        },
        {"{\"tensors\":[{\"name\":\"a\",\"type\":\"t\",\"bytes\":1.5}]}",
         "item 0: bytes: expected"                                                                         },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct tensor_errors t;
        struct err err = {0};
        assert_int_equal(parse(&t, texts[i][0], &err), ERR_FORMAT);
        assert_non_null(strstr(err.msg, texts[i][1]));
        tensor_errors_release(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tensors_round_trip),
        cmocka_unit_test(test_tensors_absent),
        cmocka_unit_test(test_tensors_broken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
