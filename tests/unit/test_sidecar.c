#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "formats/sidecar.h"

#include "formats/base/out.h"
#include "formats/safetensors_write.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char dir[64];

static int make_dir(void **state)
{
    (void)state;
    (void)snprintf(dir, sizeof(dir), "/tmp/pare-side-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static void put(const char *name, const char *text)
{
    char path[256];
    struct err err;

    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    assert_int_equal(out_file(path, text, strlen(text), &err), 0);
}

/* A value of every type. */
static void fill(struct meta *m)
{
    static const uint8_t strings[] = {1, 0, 0, 0, 0, 0, 0, 0, 'x', 2, 0, 0, 0, 0, 0, 0, 0, 0xff, 0};
    static const uint8_t plain[] = {1, 0, 0, 0, 0, 0, 0, 0, 'y', 0, 0, 0, 0, 0, 0, 0, 0};
    const float f[] = {1, -2.5F, 0.1F};
    struct err err;

    assert_int_equal(meta_set_u32(m, "u32", 4000000000U, &err), 0);
    assert_int_equal(meta_set_u64(m, "u64", UINT64_MAX, &err), 0);
    assert_int_equal(meta_set_u16(m, "u16", 7, &err), 0);
    assert_int_equal(meta_set_i32(m, "i32", -5, &err), 0);
    assert_int_equal(meta_set_f32(m, "f32", 0.1F, &err), 0);
    assert_int_equal(meta_set_bool(m, "yes", true, &err), 0);
    assert_int_equal(meta_set_bool(m, "no", false, &err), 0);
    assert_int_equal(meta_set_str(m, "text", "a \"b\"\n\xe2\x96\x81", &err), 0);
    assert_int_equal(meta_set_strn(m, "raw", "\0\xff", 2, &err), 0);
    assert_int_equal(meta_set_array(m, "floats", META_F32, 3, f, sizeof(f), &err), 0);
    assert_int_equal(meta_set_array(m, "strings", META_STR, 2, strings, sizeof(strings), &err), 0);
    assert_int_equal(meta_set_array(m, "plain", META_STR, 2, plain, sizeof(plain), &err), 0);
    assert_int_equal(meta_set_array(m, "nothing", META_I32, 0, "", 0, &err), 0);
    assert_int_equal(meta_set_str(m, "general.name", "N", &err), 0);
    assert_int_equal(meta_set_str(m, "pare.recipe", "r", &err), 0);
}

static void write_sidecar(const struct meta *from, const struct meta *made, const char *more)
{
    struct buf b = {0};
    struct json_out j = json_out_init(&b, false);

    json_open(&j, NULL, '{');
    sidecar_put_meta(&j, from, made, false);
    json_close(&j, '}');
    assert_false(b.bad);
    if (more) { /* before the last brace */
        b.n--;
        buf_fmt(&b, ", %s}", more);
    }
    put("pare.json", b.p);
    buf_release(&b);
}

static void open_folder(struct ckpt **c, struct sidecar *s)
{
    struct err err = {0};

    assert_int_equal(ckpt_open(c, dir, &err), 0);
    assert_int_equal(sidecar_open(s, *c, NULL, &err), 0);
}

/* What was written comes back, of every type; what both have is not written. */
static void test_sidecar_comes_back(void **state)
{
    struct meta from = {0}, made = {0};
    struct sidecar s;
    struct ckpt *c;
    struct err err;

    (void)state;
    fill(&from);
    assert_int_equal(meta_set_str(&made, "general.name", "Guessed", &err), 0);
    assert_int_equal(meta_set_str(&made, "general.author", "Nobody", &err), 0);
    assert_int_equal(meta_set_str(&made, "added", "by conversion", &err), 0);
    assert_int_equal(meta_set_i32(&made, "i32", -5, &err), 0);
    write_sidecar(&from, &made, NULL);
    open_folder(&c, &s);
    assert_null(meta_get(&s.set, "i32")); /* conversion gives it */
    assert_non_null(meta_get(&s.last, "pare.recipe"));
    assert_int_equal(sidecar_apply(&made, &s, &err), 0);
    for (size_t i = 0; i < from.n; i++)
        if (strcmp(from.kv[i].key, "pare.recipe") != 0)
            assert_true(meta_same(&from.kv[i], meta_get(&made, from.kv[i].key)));
    assert_null(meta_get(&made, "general.author"));
    assert_null(meta_get(&made, "added"));
    sidecar_release(&s);
    ckpt_free(c);
    meta_release(&from);
    meta_release(&made);
}

/* Another config.json than the export wrote: of its metadata only names count. */
static void test_sidecar_changed(void **state)
{
    struct meta from = {0}, made = {0};
    struct sidecar s;
    struct ckpt *c;
    struct err err;

    (void)state;
    fill(&from);
    write_sidecar(&from, &made, "\"files\": {\"config.json\": \"00\"}");
    open_folder(&c, &s);
    assert_true(s.changed);
    assert_false(sidecar_has(&s, "u32"));
    assert_int_equal(sidecar_apply(&made, &s, &err), 0);
    assert_int_equal(made.n, 1);
    assert_non_null(meta_get(&made, "general.name"));
    sidecar_release(&s);
    ckpt_free(c);
    meta_release(&from);
    meta_release(&made);
}

static void test_sidecar_values(void **state)
{
    const struct meta none = {0};
    struct sidecar s;
    struct ckpt *c;
    float v[2] = {0};

    (void)state;
    write_sidecar(&none, &none,
                  "\"tensors\": {\"t\": \"0000803f000000c0\"}, \"types\": {\"x\": \"F16\"}");
    open_folder(&c, &s);
    assert_true(sidecar_values(v, 2, &s, "t"));
    assert_true(v[0] == 1 && v[1] == -2);
    assert_false(sidecar_values(v, 1, &s, "t"));
    assert_false(sidecar_values(v, 2, &s, "u"));
    assert_int_equal(sidecar_type(&s, "x"), DTYPE_F16);
    assert_int_equal(sidecar_type(&s, "y"), DTYPE_NONE);
    sidecar_release(&s);
    ckpt_free(c);
}

static void test_sidecar_bad(void **state)
{
    static const char *const bad[] = {
        "{\"metadata\": [{\"key\": \"a\", \"type\": \"UINT32\"}]}",
        "{\"metadata\": [{\"type\": \"UINT32\", \"value\": \"1\"}]}",
        "{\"metadata\": [{\"key\": \"a\", \"type\": \"FLOAT32\", \"hex\": \"00\"}]}",
        "{\"metadata\": [{\"key\": \"a\", \"type\": \"STRING\", \"hex\": \"0g\"}]}",
        "{\"metadata\": [{\"key\": \"a\", \"type\": \"ARRAY\", \"of\": \"ARRAY\"}]}",
        "{\"metadata\": [{\"key\": \"a\", \"type\": \"ARRAY\", \"of\": \"INT32\", \"n\": 2, "
        "\"hex\": \"00000000\"}]}",
        "{\"metadata\": [{\"key\": \"a\", \"type\": \"ARRAY\", \"of\": \"STRING\", \"n\": 1, "
        "\"hex\": \"ffffffffffffffff\"}]}",
    };
    struct sidecar s;
    struct ckpt *c;
    struct err err;

    (void)state;
    assert_int_equal(ckpt_open(&c, dir, &err), 0);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        put("pare.json", bad[i]);
        assert_int_equal(sidecar_open(&s, c, NULL, &err), ERR_FORMAT);
        assert_non_null(strstr(err.msg, "pare.json: metadata"));
    }
    put("pare.json", "{\"files\": [\"config.json\"]}");
    assert_int_equal(sidecar_open(&s, c, NULL, &err), ERR_FORMAT);
    assert_non_null(strstr(err.msg, "pare.json: files: expected an object"));
    ckpt_free(c);
}

static int make_folder(void **state)
{
    const struct st_item item = {"a", DTYPE_F32, 1, {1}};
    struct st_writer *w;
    struct err err;

    if (make_dir(state) || st_writer_new(&w, dir, &item, 1, 0, &err) ||
        st_writer_put(w, "abcd", 4, &err) || st_writer_commit(w, &err))
        return -1;
    st_writer_free(w);
    put("config.json", "{}");
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sidecar_comes_back),
        cmocka_unit_test(test_sidecar_changed),
        cmocka_unit_test(test_sidecar_values),
        cmocka_unit_test(test_sidecar_bad),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, make_folder, NULL);
}
