#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "formats/digest.h"
#include "formats/gguf_write.h"

#include <math.h>
#include <unistd.h>

/* A GGUF of metadata only, and the digest of it. */
static json_val *digest_of(const struct meta *m)
{
    char path[128];
    struct gguf_writer *w;
    struct gguf *g;
    struct buf b = {0};
    json_val *v;
    struct err err;

    (void)snprintf(path, sizeof(path), "/tmp/pare-digest-%ld.gguf", (long)getpid());
    assert_int_equal(gguf_writer_new(&w, path, m, NULL, 0, 0, &err), 0);
    assert_int_equal(gguf_writer_commit(w, &err), 0);
    gguf_writer_free(w);
    assert_int_equal(gguf_open(&g, path, &err), 0);
    assert_int_equal(digest_gguf_json(&b, g, NULL, &err), 0);
    assert_int_equal(json_parse(&v, b.p, b.n, &err), 0);
    buf_release(&b);
    gguf_free(g);
    (void)unlink(path);
    return v;
}

/* sha256_json of the only key is that of `text`. */
static void check_text(struct meta *m, const char *text)
{
    char hex[HASH_HEX_BYTES];
    struct err err;
    json_val *v = digest_of(m);

    assert_int_equal(hash_of(text, strlen(text), hex, &err), 0);
    assert_string_equal(json_str(json_get(json_first(json_get(v, "metadata")), "sha256_json")),
                        hex);
    json_free(v);
    meta_release(m);
}

/* The texts are Python's: json.dumps(list, ensure_ascii=False, separators=(",", ":")). */
static void test_digest_numbers_as_python(void **state)
{
    const double f64[] = {0.0,        -0.0, 1.0,     0.1,   1e-4,   1e-5,
                          123456.789, 1e15, 1e16,    1e300, 1.5e-7, 123456789012345680.0,
                          5e-324,     NAN,  INFINITY};
    const float f32[] = {0.1F, -1000.0F, 1e-6F};
    const int16_t i16[] = {-1, 300};
    const uint8_t flags[] = {1, 0};
    struct meta m = {0};
    struct err err;

    (void)state;
    assert_int_equal(meta_set_array(&m, "x", META_F64, 15, f64, sizeof(f64), &err), 0);
    check_text(&m, "[0.0,-0.0,1.0,0.1,0.0001,1e-05,123456.789,1000000000000000.0,1e+16,1e+300,"
                   "1.5e-07,1.2345678901234568e+17,5e-324,NaN,Infinity]");
    assert_int_equal(meta_set_array(&m, "x", META_F32, 3, f32, sizeof(f32), &err), 0);
    check_text(&m, "[0.10000000149011612,-1000.0,9.999999974752427e-07]");
    assert_int_equal(meta_set_array(&m, "x", META_I16, 2, i16, sizeof(i16), &err), 0);
    check_text(&m, "[-1,300]");
    assert_int_equal(meta_set_array(&m, "x", META_BOOL, 2, flags, sizeof(flags), &err), 0);
    check_text(&m, "[true,false]");
    assert_int_equal(meta_set_array(&m, "x", META_U64, 0, NULL, 0, &err), 0);
    check_text(&m, "[]");
}

static void test_digest_strings_as_python(void **state)
{
    static const char *const texts[] = {"a\"\\\n\b", "\xc3\xa9\x7f", "\x01", "\xff", ""};
    struct buf raw = {0};
    struct meta m = {0};
    struct err err;

    (void)state;
    for (int i = 0; i < 5; i++) {
        buf_u64(&raw, strlen(texts[i]));
        buf_str(&raw, texts[i]);
    }
    assert_int_equal(meta_set_array(&m, "x", META_STR, 5, raw.p, raw.n, &err), 0);
    buf_release(&raw);
    check_text(&m, "[\"a\\\"\\\\\\n\\b\",\"\xc3\xa9\x7f\",\"\\u0001\",\"\xef\xbf\xbd\",\"\"]");
}

static void test_digest_values(void **state)
{
    struct meta m = {0};
    struct err err;
    double d = 0;
    bool flag = false;

    (void)state;
    assert_int_equal(meta_set_f32(&m, "f", 0.1F, &err), 0);
    assert_int_equal(meta_set_bool(&m, "b", true, &err), 0);
    json_val *v = digest_of(&m);
    const json_val *f = json_first(json_get(v, "metadata"));
    assert_string_equal(json_str(json_get(f, "type")), "FLOAT32");
    assert_true(json_num(json_get(f, "value"), &d) && d == (double)0.1F);
    assert_true(json_bool(json_get(json_next(f), "value"), &flag) && flag);
    json_free(v);
    meta_release(&m);
}

/* Several slices, several threads: the same as in one piece. */
static void test_digest_hash(void **state)
{
    const size_t n = 20 * 1024 * 1024 + 5;
    uint8_t *data = malloc(n);
    struct digest_tensor t[3] = {
        {.data = data, .bytes = n},
        {.data = data,            .bytes = 0},
        {0}
    };
    char want[HASH_HEX_BYTES], none[HASH_HEX_BYTES];
    struct err err;

    (void)state;
    assert_non_null(data);
    for (size_t i = 0; i < n; i++)
        data[i] = (uint8_t)(i * i >> 8);
    t[2] = (struct digest_tensor){.data = data + 1, .bytes = n - 1};
    assert_int_equal(hash_of(data, n, want, &err), 0);
    assert_int_equal(hash_of(data, 0, none, &err), 0);
    for (int threads = 1; threads <= 2; threads++) {
        const struct par par = par_init(threads);
        assert_int_equal(digest_hash(t, 3, &par, NULL, &err), 0);
        assert_string_equal(t[0].hex, want);
        assert_string_equal(t[1].hex, none);
        assert_string_not_equal(t[2].hex, want);
    }
    free(data);
}

static int stop_now(void *arg)
{
    (void)arg;
    return 1;
}

static void test_digest_hash_stops(void **state)
{
    const struct log log = {.stop = stop_now};
    const struct par par = par_init(1);
    struct digest_tensor t = {.data = (const uint8_t *)"abc", .bytes = 3};
    struct err err;

    (void)state;
    assert_int_equal(digest_hash(&t, 1, &par, &log, &err), ERR_INTERRUPTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_digest_numbers_as_python),
        cmocka_unit_test(test_digest_strings_as_python),
        cmocka_unit_test(test_digest_values),
        cmocka_unit_test(test_digest_hash),
        cmocka_unit_test(test_digest_hash_stops),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
