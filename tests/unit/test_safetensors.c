#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "formats/base/buf.h"
#include "formats/safetensors.h"

/* An exact-size copy of a file with this header and n data bytes. */
static uint8_t *file_of(size_t *size, const char *header, size_t n)
{
    struct buf b = {0};

    buf_u64(&b, strlen(header));
    buf_str(&b, header);
    for (size_t i = 0; i < n; i++)
        buf_put(&b, &i, 1);
    uint8_t *copy = malloc(b.n);
    assert_non_null(copy);
    memcpy(copy, b.p, b.n);
    *size = b.n;
    buf_release(&b);
    return copy;
}

static void refuse(const char *header, size_t n, int code, const char *part)
{
    struct st *st;
    struct err err = {0};
    size_t size;
    uint8_t *copy = file_of(&size, header, n);

    assert_int_equal(st_parse(&st, copy, size, &err), code);
    assert_null(st);
    if (!strstr(err.msg, part))
        fail_msg("\"%s\" does not say \"%s\"", err.msg, part);
    free(copy);
}

#define TWO                                                                                        \
    "{\"__metadata__\":{\"format\":\"pt\"},"                                                       \
    "\"b\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[2,26]},"                           \
    "\"a\":{\"dtype\":\"BF16\",\"shape\":[],\"data_offsets\":[0,2]}}"

static void test_safetensors_reads(void **state)
{
    struct st *st;
    struct err err;
    size_t size;
    uint8_t *copy = file_of(&size, TWO "   ", 26);

    (void)state;
    assert_int_equal(st_parse(&st, copy, size, &err), 0);
    assert_int_equal(st_n_tensors(st), 2);
    const struct st_tensor *b = st_tensor(st, 0), *a = st_tensor(st, 1);
    assert_string_equal(b->name, "b"); /* header order, not data order */
    assert_int_equal(b->type, DTYPE_F32);
    assert_true(b->n_dims == 2 && b->dims[0] == 2 && b->dims[1] == 3);
    assert_int_equal(b->bytes, 24);
    assert_ptr_equal(b->data, a->data + 2);
    assert_int_equal(a->n_dims, 0);
    assert_int_equal(a->type, DTYPE_BF16);
    assert_ptr_equal(b->data + b->bytes, copy + size);
    st_free(st);
    free(copy);
}

/* Every dtype of the format that pare's table has. */
static void test_safetensors_dtypes(void **state)
{
    (void)state;
    for (int t = DTYPE_NONE + 1; t < DTYPE_COUNT; t++) {
        const struct dtype_info *d = dtype_get((enum dtype)t);
        char header[200];
        struct st *st;
        struct err err;
        size_t size;
        if (!d->safetensors)
            continue;
        (void)snprintf(header, sizeof(header),
                       "{\"x\":{\"dtype\":\"%s\",\"shape\":[3],\"data_offsets\":[0,%u]}}",
                       d->safetensors, 3 * d->bytes);
        uint8_t *copy = file_of(&size, header, 3 * (size_t)d->bytes);
        assert_int_equal(st_parse(&st, copy, size, &err), 0);
        assert_int_equal(st_tensor(st, 0)->type, t);
        st_free(st);
        free(copy);
    }
}

static void test_safetensors_empty(void **state)
{
    struct st *st;
    struct err err;
    size_t size;
    uint8_t *copy =
        file_of(&size, "{\"e\":{\"dtype\":\"F32\",\"shape\":[0,4],\"data_offsets\":[0,0]}}", 0);

    (void)state;
    assert_int_equal(st_parse(&st, copy, size, &err), 0);
    assert_int_equal(st_tensor(st, 0)->bytes, 0);
    st_free(st);
    free(copy);
    copy = file_of(&size, "{}", 0);
    assert_int_equal(st_parse(&st, copy, size, &err), 0);
    assert_int_equal(st_n_tensors(st), 0);
    st_free(st);
    free(copy);
    assert_int_equal(st_parse(&st, NULL, 0, &err), ERR_FORMAT);
}

static void test_safetensors_refuses_headers(void **state)
{
    const uint8_t huge[16] = {0, 0, 0, 0, 0, 1, 0, 0, '{', '}'};
    struct st *st;
    struct err err;

    (void)state;
    assert_int_equal(st_parse(&st, huge, 5, &err), ERR_FORMAT);
    assert_int_equal(st_parse(&st, huge, sizeof(huge), &err), ERR_FORMAT);
    assert_non_null(strstr(err.msg, "a header of 1099511627776 bytes, but 8 follow"));
    refuse("", 0, ERR_FORMAT, "no JSON object");
    refuse("[]", 0, ERR_FORMAT, "no JSON object");
    refuse(" {}", 0, ERR_FORMAT, "no JSON object");
    refuse("{}\n", 0, ERR_FORMAT, "no JSON object");
    refuse("{\"a\":}", 0, ERR_FORMAT, "header: line 1, column");
    refuse("{\"a\":{},\"a\":{}}", 0, ERR_FORMAT, "duplicate key \"a\"");
    refuse("{\"__metadata__\":{\"n\":1}}", 0, ERR_FORMAT, "__metadata__: n is not a string");
    refuse("{\"__metadata__\":3}", 0, ERR_FORMAT, "__metadata__ is not an object");
}

static void test_safetensors_refuses_tensors(void **state)
{
#define ONE(dtype, shape, offsets)                                                                 \
    "{\"x\":{\"dtype\":" dtype ",\"shape\":" shape ",\"data_offsets\":" offsets "}}"
    (void)state;
    refuse("{\"x\":7}", 0, ERR_FORMAT, "tensor x: not an object");
    refuse("{\"x\":{}}", 0, ERR_FORMAT, "tensor x: no string under \"dtype\"");
    refuse(ONE("3", "[1]", "[0,4]"), 4, ERR_FORMAT, "tensor x: no string under \"dtype\"");
    refuse(ONE("\"F4\"", "[1]", "[0,4]"), 4, ERR_UNSUPPORTED, "tensor x: dtype F4 is not known");
    refuse(ONE("\"F32\"", "1", "[0,4]"), 4, ERR_FORMAT, "tensor x: no array under \"shape\"");
    refuse(ONE("\"F32\"", "[-1]", "[0,4]"), 4, ERR_FORMAT, "tensor x: dimension 0");
    refuse(ONE("\"F32\"", "[1.5]", "[0,4]"), 4, ERR_FORMAT, "tensor x: dimension 0");
    refuse(ONE("\"F32\"", "[1,1,1,1,1,1,1,1,1]", "[0,4]"), 4, ERR_UNSUPPORTED, "9 dimensions");
    refuse(ONE("\"F32\"", "[4294967296,4294967296]", "[0,0]"), 0, ERR_FORMAT, "too large");
    refuse(ONE("\"F32\"", "[1]", "[0]"), 4, ERR_FORMAT, "tensor x: no two whole numbers");
    refuse(ONE("\"F32\"", "[1]", "[0,4,4]"), 4, ERR_FORMAT, "tensor x: no two whole numbers");
    refuse(ONE("\"F32\"", "[1]", "[0,8]"), 4, ERR_FORMAT, "[0, 8] outside the 4 bytes of data");
    refuse(ONE("\"F32\"", "[1]", "[4,0]"), 4, ERR_FORMAT, "[4, 0] outside");
    refuse(ONE("\"F32\"", "[1]", "[-4,0]"), 4, ERR_FORMAT, "[-4, 0] outside");
    refuse(ONE("\"F32\"", "[2]", "[0,4]"), 4, ERR_FORMAT, "are 4 bytes, dtype and shape ask for 8");
    refuse(ONE("\"F32\"", "[1]", "[0,4]"), 5, ERR_FORMAT, "end at byte 4 of the data, which has 5");
    refuse(ONE("\"F32\"", "[1]", "[1,5]"), 5, ERR_FORMAT, "begins at 1, expected 0 (a hole)");
    refuse("{\"x\":{\"dtype\":\"I8\",\"shape\":[4],\"data_offsets\":[0,4]},"
           "\"y\":{\"dtype\":\"I8\",\"shape\":[4],\"data_offsets\":[2,6]}}",
           6, ERR_FORMAT, "tensor y: its data begins at 2, expected 4 (an overlap)");
}

static void test_safetensors_truncated_anywhere(void **state)
{
    size_t size;
    uint8_t *whole = file_of(&size, TWO, 26);

    (void)state;
    for (size_t n = 1; n < size; n++) {
        struct st *st;
        struct err err;
        uint8_t *copy = malloc(n);
        assert_non_null(copy);
        memcpy(copy, whole, n);
        assert_int_equal(st_parse(&st, copy, n, &err), ERR_FORMAT);
        free(copy);
    }
    free(whole);
}

static void test_safetensors_flipped_anywhere(void **state)
{
    size_t size;
    uint8_t *data = file_of(&size, TWO, 26);

    (void)state;
    for (size_t i = 0; i < size - 26; i++)
        for (int bit = 0; bit < 8; bit++) {
            struct st *st;
            struct err err;
            data[i] = (uint8_t)(data[i] ^ 1U << bit);
            (void)!st_parse(&st, data, size, &err);
            st_free(st);
            data[i] = (uint8_t)(data[i] ^ 1U << bit);
        }
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_safetensors_reads),
        cmocka_unit_test(test_safetensors_dtypes),
        cmocka_unit_test(test_safetensors_empty),
        cmocka_unit_test(test_safetensors_refuses_headers),
        cmocka_unit_test(test_safetensors_refuses_tensors),
        cmocka_unit_test(test_safetensors_truncated_anywhere),
        cmocka_unit_test(test_safetensors_flipped_anywhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
