#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "formats/base/buf.h"
#include "formats/coded.h"
#include "quant/coded.h"
#include "quant/half.h"
#include "tests/tiny.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[64];

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(dir, sizeof(dir), "/tmp/pare-coded-%d", (int)getpid());
    return mkdir(dir, 0700);
}

static int tear_down(void **state)
{
    (void)state;
    return tiny_remove(dir);
}

/* ---- a checkpoint of a few tensors ------------------------------------------------------ */

struct item {
    const char *name, *dtype, *shape;
    const void *data; /* NULL: zeros */
    size_t bytes;
};

static void put_weights(const struct item *items, size_t n)
{
    static const uint8_t zeros[4096];
    struct buf head = {0}, data = {0}, file = {0};

    for (size_t i = 0; i < n; i++) {
        const size_t at = data.n;
        buf_put(&data, items[i].data ? items[i].data : zeros, items[i].bytes);
        buf_fmt(&head, "%c\"%s\":{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":[%zu,%zu]}",
                i ? ',' : '{', items[i].name, items[i].dtype, items[i].shape, at, data.n);
    }
    buf_str(&head, n ? "}" : "{}");
    buf_u64(&file, head.n);
    buf_put(&file, head.p, head.n);
    buf_put(&file, data.n ? data.p : "", data.n);
    assert_int_equal(tiny_put(dir, "model.safetensors", file.p, file.n), 0);
    buf_release(&head);
    buf_release(&data);
    buf_release(&file);
}

static void put_config(const char *quantization)
{
    struct buf b = {0};

    buf_fmt(&b, "{\"quantization_config\":%s}", quantization);
    assert_int_equal(tiny_put(dir, "config.json", b.p, b.n), 0);
    buf_release(&b);
}

static int look(struct coded_set **s, struct ckpt **c, struct err *err)
{
    *s = NULL;
    assert_int_equal(ckpt_open(c, dir, err), 0);
    return coded_open(s, *c, err);
}

/* Refused, and the message says so. */
static void refuse(int code, const char *says, const struct item *items, size_t n)
{
    struct coded_set *s;
    struct ckpt *c;
    struct err err = {0};

    put_weights(items, n);
    const int rc = look(&s, &c, &err);
    if (rc != code || !strstr(err.msg, says))
        fail_msg("expected %d with \"%s\", found %d with \"%s\"", code, says, rc, err.msg);
    assert_null(s);
    assert_non_null(strstr(err.msg, dir));
    ckpt_free(c);
}

#define REFUSE(code, says, ...)                                                                    \
    refuse(code, says, (const struct item[]){__VA_ARGS__},                                         \
           sizeof((const struct item[]){__VA_ARGS__}) / sizeof(struct item))

static void accept(const struct item *items, size_t n, size_t want)
{
    struct coded_set *s;
    struct ckpt *c;
    struct err err = {0};

    put_weights(items, n);
    if (look(&s, &c, &err))
        fail_msg("%s", err.msg);
    assert_int_equal(coded_n(s), want);
    coded_free(s);
    ckpt_free(c);
}

#define ACCEPT(want, ...)                                                                          \
    accept((const struct item[]){__VA_ARGS__},                                                     \
           sizeof((const struct item[]){__VA_ARGS__}) / sizeof(struct item), want)

/* ---- configs ------------------------------------------------------------------------------ */

static void test_coded_configs(void **state)
{
    const struct item plain = {"a.weight", "F32", "[1]", NULL, 4};

    (void)state;
    put_config("null");
    ACCEPT(1, plain);
    put_config("{}");
    REFUSE(ERR_FORMAT, "quant_method is missing", plain);
    put_config("{\"quant_method\":\"hqq\"}");
    REFUSE(ERR_UNSUPPORTED, "\"hqq\" is not supported (pare reads fp8, ", plain);
    put_config("{\"quant_method\":\"gptq\",\"bits\":5}");
    REFUSE(ERR_UNSUPPORTED, "bits: expected 2, 3, 4 or 8, found 5", plain);
    put_config("{\"quant_method\":\"gptq\",\"bits\":4,\"checkpoint_format\":\"marlin\"}");
    REFUSE(ERR_UNSUPPORTED, "checkpoint_format \"marlin\"", plain);
    put_config("{\"quant_method\":\"awq\",\"bits\":8}");
    REFUSE(ERR_UNSUPPORTED, "bits: expected 4, found 8", plain);
    put_config("{\"quant_method\":\"awq\",\"bits\":4,\"version\":\"gemv\"}");
    REFUSE(ERR_UNSUPPORTED, "version \"gemv\"", plain);
    put_config("{\"quant_method\":\"compressed-tensors\",\"format\":\"marlin-24\"}");
    REFUSE(ERR_UNSUPPORTED, "format \"marlin-24\"", plain);
    put_config("{\"quant_method\":\"compressed-tensors\",\"format\":\"pack-quantized\"}");
    REFUSE(ERR_FORMAT, "config_groups is missing", plain);
    put_config("{\"quant_method\":\"compressed-tensors\",\"format\":\"pack-quantized\","
               "\"config_groups\":{},\"sparsity_config\":{\"format\":\"sparse-24-bitmask\"}}");
    REFUSE(ERR_UNSUPPORTED, "sparse-24-bitmask", plain);
    put_config("{\"quant_method\":\"fp8\",\"weight_block_size\":[128]}");
    ACCEPT(1, plain);
    REFUSE(ERR_FORMAT, "weight_block_size", {"a.weight", "F8_E4M3", "[2,2]", NULL, 4},
           {"a.weight_scale_inv", "F32", "[]", NULL, 4});
}

/* ---- shapes and indices -------------------------------------------------------------------- */

#define GPTQ_W                                                                                     \
    {                                                                                              \
        "a.qweight", "I32", "[4,8]", NULL, 128                                                     \
    }
#define GPTQ_Z                                                                                     \
    {                                                                                              \
        "a.qzeros", "I32", "[2,1]", NULL, 8                                                        \
    }
#define GPTQ_S                                                                                     \
    {                                                                                              \
        "a.scales", "F16", "[2,8]", NULL, 32                                                       \
    }

static void test_coded_gptq(void **state)
{
    int32_t index[32] = {0};

    (void)state;
    put_config("{\"quant_method\":\"gptq\",\"bits\":4,\"group_size\":16}");
    ACCEPT(1, GPTQ_W, GPTQ_Z, GPTQ_S);
    REFUSE(ERR_FORMAT, "a.scales is missing", GPTQ_W, GPTQ_Z);
    REFUSE(ERR_FORMAT, "a.qzeros is missing", GPTQ_W, GPTQ_S);
    REFUSE(ERR_FORMAT, "a.scales: expected shape [2, 8] beside a.qweight, found [8, 2]", GPTQ_W,
           GPTQ_Z, {"a.scales", "F16", "[8,2]", NULL, 32});
    REFUSE(ERR_FORMAT, "a.scales: expected type F16, BF16 or F32, found I16", GPTQ_W, GPTQ_Z,
           {"a.scales", "I16", "[2,8]", NULL, 32});
    REFUSE(ERR_FORMAT, "a.qzeros: expected shape [2, 1]", GPTQ_W, GPTQ_S,
           {"a.qzeros", "I32", "[1,2]", NULL, 8});
    REFUSE(ERR_FORMAT, "a.qweight: expected type I32, found F32", GPTQ_Z, GPTQ_S,
           {"a.qweight", "F32", "[4,8]", NULL, 128});
    REFUSE(ERR_FORMAT, "a.qweight: expected shape [*, *]", GPTQ_Z, GPTQ_S,
           {"a.qweight", "I32", "[32]", NULL, 128});
    REFUSE(ERR_FORMAT, "a.g_idx: expected shape [32]", GPTQ_W, GPTQ_Z, GPTQ_S,
           {"a.g_idx", "I32", "[31]", NULL, 124});
    index[7] = 2;
    REFUSE(ERR_FORMAT, "column 7: expected a group below 2, found 2", GPTQ_W, GPTQ_Z, GPTQ_S,
           {"a.g_idx", "I32", "[32]", index, 128});
    index[7] = -3;
    REFUSE(ERR_FORMAT, "found -3", GPTQ_W, GPTQ_Z, GPTQ_S, {"a.g_idx", "I32", "[32]", index, 128});
    index[7] = 0;
    index[0] = -1; /* unset, but not all of them */
    REFUSE(ERR_FORMAT, "column 0: expected a group below 2, found -1", GPTQ_W, GPTQ_Z, GPTQ_S,
           {"a.g_idx", "I32", "[32]", index, 128});
    put_config("{\"quant_method\":\"gptq\",\"bits\":3,\"group_size\":16}");
    REFUSE(ERR_FORMAT, "whole runs of 3 bits", GPTQ_W, GPTQ_Z, GPTQ_S);
}

static void test_coded_awq(void **state)
{
    (void)state;
    put_config("{\"quant_method\":\"awq\",\"bits\":4,\"group_size\":8}");
    ACCEPT(1, {"a.qweight", "I32", "[16,1]", NULL, 64}, {"a.qzeros", "I32", "[2,1]", NULL, 8},
           {"a.scales", "F16", "[2,8]", NULL, 32});
    REFUSE(ERR_FORMAT, "a.qzeros: expected shape [2, 1]", {"a.qweight", "I32", "[16,1]", NULL, 64},
           {"a.qzeros", "I32", "[2]", NULL, 8}, {"a.scales", "F16", "[2,8]", NULL, 32});
    REFUSE(ERR_FORMAT, "no values", {"a.qweight", "I32", "[0,1]", NULL, 0});
}

static void test_coded_fp8(void **state)
{
    const struct item w = {"a.weight", "F8_E4M3", "[6,6]", NULL, 36};

    (void)state;
    put_config("{\"quant_method\":\"fp8\",\"weight_block_size\":[4,4]}");
    ACCEPT(1, w, {"a.weight_scale_inv", "F32", "[2,2]", NULL, 16},
           {"a.input_scale", "F32", "[]", NULL, 4});
    REFUSE(ERR_FORMAT, "a.weight_scale_inv is missing (a.weight is F8_E4M3)", w);
    REFUSE(ERR_FORMAT, "a.weight_scale_inv: expected shape [2, 2] beside a.weight, found [2, 3]", w,
           {"a.weight_scale_inv", "F32", "[2,3]", NULL, 24});
    REFUSE(ERR_FORMAT, "found I32", w, {"a.weight_scale_inv", "I32", "[2,2]", NULL, 16});
    REFUSE(ERR_FORMAT, "expected a matrix", {"a.weight", "F8_E4M3", "[36]", NULL, 36},
           {"a.weight_scale_inv", "F32", "[2,2]", NULL, 16});
}

#define CT                                                                                         \
    "{\"quant_method\":\"compressed-tensors\",\"format\":\"pack-quantized\","                      \
    "\"config_groups\":{\"g\":{\"weights\":{\"num_bits\":4,\"type\":\"int\",\"group_size\":16}}}}"

static void test_coded_compressed(void **state)
{
    const int64_t shape[2] = {8, 32}, negative[2] = {8, -32}, other[2] = {8, 64};
    const struct item w = {"a.weight_packed", "I32", "[8,4]", NULL, 128};
    const struct item s = {"a.weight_scale", "BF16", "[8,2]", NULL, 32};
    const struct item k = {"a.weight_shape", "I64", "[2]", shape, 16};

    (void)state;
    put_config(CT);
    ACCEPT(1, w, s, k);
    REFUSE(ERR_FORMAT, "a.weight_shape is missing", w, s);
    REFUSE(ERR_FORMAT, "a.weight_scale is missing", w, k);
    REFUSE(ERR_FORMAT, "expected positive numbers", w, s,
           {"a.weight_shape", "I64", "[2]", negative, 16});
    REFUSE(ERR_FORMAT, "4 words a row hold no 64 codes", w, s,
           {"a.weight_shape", "I64", "[2]", other, 16});
    REFUSE(ERR_FORMAT, "a.weight_scale: expected shape", w, k,
           {"a.weight_scale", "BF16", "[2,8]", NULL, 32});
    REFUSE(ERR_FORMAT, "a.weight_zero_point: expected shape [1, 2]", w, s, k,
           {"a.weight_zero_point", "I32", "[2,1]", NULL, 8});
    REFUSE(ERR_FORMAT, "a.weight_packed: expected type I32 or U8, found I64", s, k,
           {"a.weight_packed", "I64", "[8,2]", NULL, 128});
    REFUSE(ERR_FORMAT, "a.weight_global_scale is missing",
           {"a.weight_packed", "U8", "[2,32]", NULL, 64},
           {"a.weight_scale", "F8_E4M3", "[2,4]", NULL, 8});
}

static void refuse_state(int code, const char *says, const char *json)
{
    char shape[32];

    (void)snprintf(shape, sizeof(shape), "[%zu]", strlen(json));
    REFUSE(code, says, {"a.weight", "U8", "[64,1]", NULL, 64},
           {"a.weight.absmax", "F32", "[2]", NULL, 8},
           {"a.weight.quant_state.bitsandbytes__nf4", "U8", shape, json, strlen(json)});
}

static void test_coded_bitsandbytes(void **state)
{
    static const char good[] =
        "{\"quant_type\":\"nf4\",\"blocksize\":64,\"dtype\":\"float32\",\"shape\":[8,16]}";
    const struct item w = {"a.weight", "U8", "[64,1]", NULL, 64};
    const struct item json = {"a.weight.quant_state.bitsandbytes__nf4", "U8", "[68]", good, 68};

    (void)state;
    assert_int_equal(strlen(good), 68);
    put_config("{\"quant_method\":\"bitsandbytes\"}");
    ACCEPT(1, w, json, {"a.weight.absmax", "F32", "[2]", NULL, 8});
    REFUSE(ERR_FORMAT, "a.weight.absmax is missing", w, json);
    REFUSE(ERR_FORMAT, "a.weight.absmax: expected shape [2]", w, json,
           {"a.weight.absmax", "F32", "[3]", NULL, 12});
    REFUSE(ERR_FORMAT, "a.weight.absmax: expected type F32, found U8", w, json,
           {"a.weight.absmax", "U8", "[2]", NULL, 2});
    REFUSE(ERR_FORMAT, "expected 64 bytes by its quant_state, found 60", json,
           {"a.weight", "U8", "[60,1]", NULL, 60}, {"a.weight.absmax", "F32", "[2]", NULL, 8});
    refuse_state(ERR_FORMAT, "quant_state.bitsandbytes__nf4: ", "{\"quant_type\":");
    refuse_state(ERR_FORMAT, "quant_type: expected \"nf4\", found \"fp4\"",
                 "{\"quant_type\":\"fp4\"}");
    refuse_state(ERR_FORMAT, "blocksize", "{\"blocksize\":63}");
    refuse_state(ERR_FORMAT, "dtype", "{\"blocksize\":64,\"dtype\":\"int8\"}");
    refuse_state(ERR_FORMAT, "shape", "{\"blocksize\":64,\"dtype\":\"float32\",\"shape\":[128]}");
    refuse_state(ERR_FORMAT, "shape",
                 "{\"blocksize\":64,\"dtype\":\"float32\",\"shape\":[9007199254740991,2]}");
    refuse_state(
        ERR_FORMAT, "nested_offset",
        "{\"blocksize\":64,\"dtype\":\"float32\",\"shape\":[8,16],\"nested_blocksize\":256}");
    REFUSE(ERR_FORMAT, "a.SCB is missing", {"a.weight", "I8", "[4,8]", NULL, 32});
    REFUSE(ERR_FORMAT, "a.SCB: expected shape [4]", {"a.weight", "I8", "[4,8]", NULL, 32},
           {"a.SCB", "F32", "[8]", NULL, 32});
}

static void test_coded_float4(void **state)
{
    (void)state;
    put_config("{\"quant_method\":\"mxfp4\"}");
    ACCEPT(1, {"a_blocks", "U8", "[2,2,1,16]", NULL, 64}, {"a_scales", "U8", "[2,2,1]", NULL, 4});
    REFUSE(ERR_FORMAT, "a_scales is missing", {"a_blocks", "U8", "[2,2,1,16]", NULL, 64});
    REFUSE(ERR_FORMAT, "a_scales: expected shape [2, 2, 1]",
           {"a_blocks", "U8", "[2,2,1,16]", NULL, 64}, {"a_scales", "U8", "[2,1,2]", NULL, 4});
    REFUSE(ERR_FORMAT, "a_blocks: expected shape [*, *, *, 16]",
           {"a_blocks", "U8", "[2,2,2,8]", NULL, 64}, {"a_scales", "U8", "[2,2,2]", NULL, 8});
    put_config("{\"quant_method\":\"modelopt\"}");
    REFUSE(ERR_UNSUPPORTED, "without the F8_E4M3 a.weight_scale",
           {"a.weight", "U8", "[2,32]", NULL, 64}, {"a.weight_scale", "F8_E4M3", "[2,4]", NULL, 8});
    REFUSE(ERR_FORMAT, "a.weight_scale: expected shape [2, 4]",
           {"a.weight", "U8", "[2,32]", NULL, 64}, {"a.weight_scale", "F8_E4M3", "[2,3]", NULL, 6},
           {"a.weight_scale_2", "F32", "[]", NULL, 4});
    REFUSE(ERR_FORMAT, "a.weight_scale_2: expected 1 value", {"a.weight", "U8", "[2,32]", NULL, 64},
           {"a.weight_scale", "F8_E4M3", "[2,4]", NULL, 8},
           {"a.weight_scale_2", "F32", "[2]", NULL, 8});
    REFUSE(ERR_UNSUPPORTED, "smoothed inputs", {"a.pre_quant_scale", "F32", "[2]", NULL, 8});
}

/* Rows that are no whole blocks of MXFP4 are decoded. */
static void test_coded_float4_rows(void **state)
{
    static const struct {
        const char *codes, *scales;
        size_t bytes, n_scales;
        enum dtype type;
    } cases[] = {
        {"[2,32]", "[2,2]", 64, 4, DTYPE_MXFP4},
        {"[2,20]", "[2,2]", 40, 4, DTYPE_F32  },
        {"[2,8]",  "[2,1]", 16, 2, DTYPE_F32  },
    };

    (void)state;
    put_config("{\"quant_method\":\"compressed-tensors\",\"format\":\"mxfp4-pack-quantized\","
               "\"config_groups\":{\"g\":{\"weights\":{\"num_bits\":4,\"type\":\"float\","
               "\"group_size\":32}}}}");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct item items[] = {
            {"a.weight_packed", "U8", cases[i].codes,  NULL, cases[i].bytes   },
            {"a.weight_scale",  "U8", cases[i].scales, NULL, cases[i].n_scales},
        };
        struct coded_set *s;
        struct ckpt *c;
        struct err err = {0};
        put_weights(items, 2);
        assert_int_equal(look(&s, &c, &err), 0);
        assert_int_equal(coded_at(s, 0)->st.type, cases[i].type);
        coded_free(s);
        ckpt_free(c);
    }
}

/* Weights first, in place, or last: the reference converter's order. */
static void test_coded_order(void **state)
{
    struct coded_set *s;
    struct ckpt *c;
    struct err err;
    const struct item items[] = {
        GPTQ_W, GPTQ_Z, GPTQ_S, {"z.weight", "F32", "[1]", NULL, 4}
    };

    (void)state;
    put_config("{\"quant_method\":\"gptq\",\"bits\":4,\"group_size\":16}");
    put_weights(items, 4);
    assert_int_equal(look(&s, &c, &err), 0);
    assert_int_equal(coded_n(s), 2);
    assert_string_equal(coded_at(s, 0)->st.name, "z.weight");
    assert_null(coded_at(s, 0)->coded);
    assert_string_equal(coded_at(s, 1)->st.name, "a.weight");
    assert_true(coded_at(s, 1)->turned);
    assert_int_equal(coded_at(s, 1)->coded->n_side, 2);
    assert_false(coded_rowwise(coded_at(s, 1)->coded));
    coded_free(s);
    ckpt_free(c);
}

/* Every code of E4M3 and E5M2, scaled by one, is what half.h says. */
static void test_coded_every_float8(void **state)
{
    uint8_t code[256];
    float x[256];
    const float one = 1;
    struct coded c = {.layout = CODED_BYTES,
                      .value = CODED_E4M3,
                      .bits = 8,
                      .rows = 1,
                      .out = 1,
                      .cols = 256,
                      .code = code,
                      .scale = (const uint8_t *)&one,
                      .scale_type = DTYPE_F32,
                      .rows_per = 1,
                      .cols_per = 256,
                      .n_groups = 1};

    (void)state;
    for (int i = 0; i < 256; i++)
        code[i] = (uint8_t)i;
    for (int e5 = 0; e5 < 2; e5++) {
        c.value = e5 ? CODED_E5M2 : CODED_E4M3;
        coded_rows(x, &c, 0, 1);
        for (int i = 0; i < 256; i++) {
            const float want = e5 ? f32_from_e5m2((uint8_t)i) : f32_from_e4m3((uint8_t)i);
            if (isnan(want))
                assert_true(isnan(x[i]));
            else
                assert_memory_equal(&want, &x[i], sizeof(want));
        }
    }
}

#define IN_FOLDER(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(test_coded_configs),    IN_FOLDER(test_coded_gptq),
        IN_FOLDER(test_coded_awq),        IN_FOLDER(test_coded_fp8),
        IN_FOLDER(test_coded_compressed), IN_FOLDER(test_coded_bitsandbytes),
        IN_FOLDER(test_coded_float4),     IN_FOLDER(test_coded_float4_rows),
        IN_FOLDER(test_coded_order),      cmocka_unit_test(test_coded_every_float8),
    };

    return cmocka_run_group_tests_name("coded", tests, NULL, NULL);
}
