#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "formats/base/out.h"
#include "formats/gguf.h"
#include "formats/meta_wire.h"

#include <sys/stat.h>
#include <unistd.h>

/* ---- a small file, built field by field so that each can be wrong ---------------- */

struct info {
    const char *name;
    uint32_t n_dims;
    uint64_t dims[GGUF_MAX_DIMS];
    uint32_t type;
    uint64_t offset;
};

struct file {
    const char *magic;
    uint32_t version;
    uint64_t n_tensors, n_kv; /* as claimed */
    struct info info[4];
    size_t n_info;
    const char *key; /* of the one u32 pair that is always there */
    const char *raw; /* more pairs, as bytes */
    size_t raw_n;
    uint64_t alignment; /* 0: no such key */
    size_t data;        /* bytes of the data section */
};

static struct file good(void)
{
    return (struct file){
        .magic = "GGUF",
        .version = 3,
        .n_tensors = 2,
        .n_kv = 1,
        .info = {{"a.weight", 2, {32, 2, 0, 0}, 0, 0}, {"b.weight", 1, {64, 0, 0, 0}, 8, 256}},
        .n_info = 2,
        .key = "llama.block_count",
        .data = 256 + 96,
    };
}

static void put_str(struct buf *b, const char *s)
{
    buf_u64(b, strlen(s));
    buf_str(b, s);
}

static void build(struct buf *b, const struct file *f)
{
    const uint64_t alignment = f->alignment ? f->alignment : 32;

    buf_str(b, f->magic);
    buf_u32(b, f->version);
    buf_u64(b, f->n_tensors);
    buf_u64(b, f->n_kv);
    put_str(b, f->key);
    buf_u32(b, META_U32);
    buf_u32(b, 2);
    if (f->alignment) {
        put_str(b, "general.alignment");
        buf_u32(b, META_U32);
        buf_u32(b, (uint32_t)f->alignment);
    }
    if (f->raw_n)
        buf_put(b, f->raw, f->raw_n);
    for (size_t i = 0; i < f->n_info; i++) {
        const struct info *t = &f->info[i];
        put_str(b, t->name);
        buf_u32(b, t->n_dims);
        for (uint32_t k = 0; k < t->n_dims && k < GGUF_MAX_DIMS; k++)
            buf_u64(b, t->dims[k]);
        buf_u32(b, t->type);
        buf_u64(b, t->offset);
    }
    while (b->n % alignment && alignment < 4096)
        buf_put(b, "", 1);
    for (size_t i = 0; i < f->data; i++)
        buf_put(b, "\x2a", 1);
    assert_false(b->bad);
}

/* Parse an exact-size copy, so that ASan sees a read past the end. */
static int parse(struct gguf **g, uint8_t **copy, const struct file *f, struct err *err)
{
    struct buf b = {0};

    build(&b, f);
    *copy = malloc(b.n);
    assert_non_null(*copy);
    memcpy(*copy, b.p, b.n);
    const int rc = gguf_parse(g, *copy, b.n, err);
    buf_release(&b);
    return rc;
}

static void refuse(const struct file *f, int code, const char *part)
{
    struct gguf *g;
    struct err err = {0};
    uint8_t *copy;

    assert_int_equal(parse(&g, &copy, f, &err), code);
    assert_null(g);
    if (!strstr(err.msg, part))
        fail_msg("\"%s\" does not say \"%s\"", err.msg, part);
    free(copy);
}

/* ---- reading ---------------------------------------------------------------------- */

static void test_gguf_reads(void **state)
{
    const struct file f = good();
    struct gguf *g;
    struct err err;
    uint8_t *copy;
    uint64_t layers = 0;

    (void)state;
    assert_int_equal(parse(&g, &copy, &f, &err), 0);
    assert_int_equal(gguf_version(g), 3);
    assert_int_equal(gguf_alignment(g), 32);
    assert_int_equal(gguf_n_parts(g), 1);
    assert_int_equal(gguf_n_tensors(g), 2);
    assert_true(meta_u64(gguf_meta(g), "llama.block_count", &layers) && layers == 2);
    const struct gguf_tensor *a = gguf_find(g, "a.weight"), *b = gguf_tensor(g, 1);
    assert_ptr_equal(a, gguf_tensor(g, 0));
    assert_int_equal(a->type, DTYPE_F32);
    assert_int_equal(a->bytes, 32 * 2 * 4);
    assert_true(a->dims[0] == 32 && a->dims[1] == 2 && a->dims[2] == 1 && a->dims[3] == 1);
    assert_int_equal(b->type, DTYPE_Q8_0);
    assert_int_equal(b->bytes, 68);
    assert_ptr_equal(b->data, copy + gguf_data_offset(g) + 256);
    assert_null(gguf_find(g, "c.weight"));
    gguf_free(g);
    free(copy);
}

static void test_gguf_reads_v2_and_alignment(void **state)
{
    struct file f = good();
    struct gguf *g;
    struct err err;
    uint8_t *copy;

    (void)state;
    f.version = 2;
    f.alignment = 64;
    f.n_kv = 2;
    assert_int_equal(parse(&g, &copy, &f, &err), 0);
    assert_int_equal(gguf_version(g), 2);
    assert_int_equal(gguf_alignment(g), 64);
    assert_int_equal(gguf_data_offset(g) % 64, 0);
    gguf_free(g);
    free(copy);
}

static void test_gguf_refuses_heads(void **state)
{
    struct file f = good();
    struct gguf *g;
    struct err err;

    (void)state;
    assert_int_equal(gguf_parse(&g, NULL, 0, &err), ERR_FORMAT);
    f.magic = "GGML";
    refuse(&f, ERR_FORMAT, "not a GGUF");
    f = good(), f.version = 1;
    refuse(&f, ERR_UNSUPPORTED, "version 1, expected 2 or 3");
    f = good(), f.version = 0x03000000;
    refuse(&f, ERR_UNSUPPORTED, "big-endian");
    f = good(), f.n_kv = UINT64_MAX;
    refuse(&f, ERR_FORMAT, "18446744073709551615 metadata keys");
    f = good(), f.n_tensors = UINT64_MAX / 2;
    refuse(&f, ERR_FORMAT, "tensors, but only");
    f = good(), f.alignment = 48, f.n_kv = 2;
    refuse(&f, ERR_FORMAT, "general.alignment is 48, expected a power of two");
    f = good(), f.alignment = 4, f.n_kv = 2;
    refuse(&f, ERR_FORMAT, "general.alignment is 4, expected a power of two from 8 on");
}

static void refuse_pairs(const void *raw, size_t n, int code, const char *part)
{
    struct file f = good();

    f.n_kv = 2;
    f.raw = raw;
    f.raw_n = n;
    refuse(&f, code, part);
}

static void test_gguf_refuses_keys(void **state)
{
    struct file f = good();
    struct buf b = {0};

    (void)state;
    put_str(&b, "llama.block_count"), buf_u32(&b, META_U8), buf_put(&b, "\1", 1);
    refuse_pairs(b.p, b.n, ERR_FORMAT, "duplicate key \"llama.block_count\"");
    b.n = 0, put_str(&b, "x"), buf_u32(&b, 13), buf_u64(&b, 0);
    refuse_pairs(b.p, b.n, ERR_FORMAT, "key x: value type 13");
    b.n = 0, put_str(&b, "x"), buf_u32(&b, META_BOOL), buf_put(&b, "\2", 1);
    refuse_pairs(b.p, b.n, ERR_FORMAT, "key x: a BOOL of 2");
    b.n = 0, put_str(&b, "x"), buf_u32(&b, META_ARRAY), buf_u32(&b, META_BOOL);
    buf_u64(&b, 2), buf_put(&b, "\1\3", 2);
    refuse_pairs(b.p, b.n, ERR_FORMAT, "key x: a BOOL of 3 at index 1");
    b.n = 0, put_str(&b, "x"), buf_u32(&b, META_ARRAY), buf_u32(&b, META_ARRAY), buf_u64(&b, 1);
    refuse_pairs(b.p, b.n, ERR_UNSUPPORTED, "key x: an array of arrays");
    b.n = 0, put_str(&b, "x"), buf_u32(&b, META_ARRAY), buf_u32(&b, 99), buf_u64(&b, 1);
    refuse_pairs(b.p, b.n, ERR_FORMAT, "array element type 99");
    b.n = 0, put_str(&b, "x"), buf_u32(&b, META_ARRAY), buf_u32(&b, META_F64);
    buf_u64(&b, UINT64_MAX / 8 + 2); /* times 8 is small again */
    refuse_pairs(b.p, b.n, ERR_FORMAT, "FLOAT64, but only");
    b.n = 0, put_str(&b, "x"), buf_u32(&b, META_STR), buf_u64(&b, UINT64_MAX);
    refuse_pairs(b.p, b.n, ERR_FORMAT, "key x");
    b.n = 0, put_str(&b, "");
    refuse_pairs(b.p, b.n, ERR_FORMAT, "a key of 0 bytes");
    b.n = 0, buf_u64(&b, 1U << 20);
    refuse_pairs(b.p, b.n, ERR_FORMAT, "a key of 1048576 bytes");
    b.n = 0, buf_u64(&b, 3), buf_put(&b, "a\0b", 3), buf_u32(&b, META_U8), buf_u64(&b, 0);
    refuse_pairs(b.p, b.n, ERR_FORMAT, "NUL");
    buf_release(&b);
    f.key = "two\nlines";
    f.n_kv = 2;
    refuse(&f, ERR_FORMAT, ""); /* and the message is one line: see test_base_err */
    b = (struct buf){0};
    for (f = good(), f.n_kv = 0; f.n_kv <= 1 << 14; f.n_kv++)
        buf_put(&b, "no more bytes", 14);
    f.raw = b.p;
    f.raw_n = b.n;
    refuse(&f, ERR_UNSUPPORTED, "16385 metadata keys, expected at most 16384");
    buf_release(&b);
}

static void test_gguf_refuses_tensors(void **state)
{
    struct file f = good();

    (void)state;
    f.info[1].name = "a.weight";
    refuse(&f, ERR_FORMAT, "duplicate tensor a.weight");
    f = good(), f.info[0].name = "";
    refuse(&f, ERR_FORMAT, "a name of 0 bytes");
    f = good(), f.info[0].n_dims = 5;
    refuse(&f, ERR_FORMAT, "tensor a.weight: 5 dimensions");
    f = good(), f.info[0].type = 4;
    refuse(&f, ERR_UNSUPPORTED, "tensor a.weight: tensor type number 4");
    f = good(), f.info[1].dims[0] = 48;
    refuse(&f, ERR_FORMAT, "tensor b.weight: rows of 48 values, expected a multiple of 32");
    f = good(), f.info[0].dims[0] = 1ULL << 40, f.info[0].dims[1] = 1ULL << 40;
    refuse(&f, ERR_FORMAT, "tensor a.weight: its dimensions are too large");
    f = good(), f.info[0].dims[0] = 1ULL << 62;
    refuse(&f, ERR_FORMAT, "tensor a.weight: its dimensions are too large");
    f = good(), f.info[0].dims[0] = 0, f.info[0].dims[1] = 1ULL << 40;
    refuse(&f, ERR_FORMAT, "tensor a.weight: 1.1e+12 rows without values");
    f = good(), f.info[1].offset = 257;
    refuse(&f, ERR_FORMAT, "tensor b.weight: data offset 257 is not a multiple");
    f = good(), f.info[1].offset = 320;
    refuse(&f, ERR_FORMAT, "tensor b.weight: 68 bytes at offset 320");
    f = good(), f.info[1].offset = UINT64_MAX - 31;
    refuse(&f, ERR_FORMAT, "tensor b.weight");
    f = good(), f.info[1].offset = 224;
    refuse(&f, ERR_FORMAT, "tensors a.weight and b.weight overlap");
    f = good(), f.data = 323;
    refuse(&f, ERR_FORMAT, "which has 323");
}

/* What may lie: no dimension, an empty tensor, space between tensors. */
static void test_gguf_accepts_corners(void **state)
{
    struct file f = good();
    struct gguf *g;
    struct err err;
    uint8_t *copy;

    (void)state;
    f.info[0].n_dims = 0;
    f.info[1].dims[0] = 0;
    f.info[2] = (struct info){
        "c", 4, {1, 1, 1, 3},
          0, 320
    };
    f.n_info = 3;
    f.n_tensors = 3;
    assert_int_equal(parse(&g, &copy, &f, &err), 0);
    assert_int_equal(gguf_tensor(g, 0)->bytes, 4);
    assert_int_equal(gguf_tensor(g, 1)->bytes, 0);
    assert_int_equal(gguf_tensor(g, 2)->bytes, 12);
    gguf_free(g);
    free(copy);
}

static void test_gguf_truncated_anywhere(void **state)
{
    const struct file f = good();
    struct buf b = {0};
    struct err err;

    (void)state;
    build(&b, &f);
    const size_t whole = b.n - (96 - 68); /* the last tensor's padding may be missing */
    for (size_t n = 1; n < whole; n++) {
        struct gguf *g;
        uint8_t *copy = malloc(n);
        assert_non_null(copy);
        memcpy(copy, b.p, n);
        assert_int_equal(gguf_parse(&g, copy, n, &err), ERR_FORMAT);
        free(copy);
    }
    buf_release(&b);
}

/* Any byte of the header may be anything: an answer, no crash. */
static void test_gguf_flipped_anywhere(void **state)
{
    const struct file f = good();
    struct buf b = {0};
    struct err err;

    (void)state;
    build(&b, &f);
    for (size_t i = 0; i < b.n - f.data; i++)
        for (int bit = 0; bit < 8; bit++) {
            struct gguf *g;
            b.p[i] = (char)(b.p[i] ^ (1 << bit));
            (void)!gguf_parse(&g, b.p, b.n, &err);
            gguf_free(g);
            b.p[i] = (char)(b.p[i] ^ (1 << bit));
        }
    buf_release(&b);
}

/* ---- split files ------------------------------------------------------------------ */

static void put_split(struct buf *b, uint16_t no, uint16_t count, uint32_t tensors)
{
    put_str(b, "split.no"), buf_u32(b, META_U16), buf_put(b, &no, 2);
    put_str(b, "split.count"), buf_u32(b, META_U16), buf_put(b, &count, 2);
    put_str(b, "split.tensors.count"), buf_u32(b, META_I32), buf_u32(b, tensors);
}

static void write_part(const char *dir, unsigned i, unsigned n, unsigned no, uint32_t tensors)
{
    struct file f = good();
    struct buf raw = {0}, b = {0};
    char path[256];
    struct err err;

    if (i > 1)
        f.info[0].name = "c.weight", f.info[1].name = "d.weight";
    put_split(&raw, (uint16_t)no, (uint16_t)n, tensors);
    f.raw = raw.p;
    f.raw_n = raw.n;
    f.n_kv = 4;
    build(&b, &f);
    (void)snprintf(path, sizeof(path), "%s/m-%05u-of-%05u.gguf", dir, i, n);
    assert_int_equal(out_file(path, b.p, b.n, &err), 0);
    buf_release(&raw);
    buf_release(&b);
}

static void open_fails(const char *path, int code, const char *part)
{
    struct gguf *g;
    struct err err = {0};

    assert_int_equal(gguf_open(&g, path, &err), code);
    assert_null(g);
    if (!strstr(err.msg, part))
        fail_msg("\"%s\" does not say \"%s\"", err.msg, part);
}

static void test_gguf_split(void **state)
{
    char dir[64], one[128], two[128];
    struct gguf *g;
    struct err err;

    (void)state;
    (void)snprintf(dir, sizeof(dir), "/tmp/pare-split-%ld", (long)getpid());
    (void)snprintf(one, sizeof(one), "%s/m-00001-of-00002.gguf", dir);
    (void)snprintf(two, sizeof(two), "%s/m-00002-of-00002.gguf", dir);
    assert_int_equal(mkdir(dir, 0700), 0);
    write_part(dir, 1, 2, 0, 4);
    open_fails(one, ERR_IO, "part 2 of 2");
    write_part(dir, 2, 2, 1, 4);
    assert_int_equal(gguf_open(&g, one, &err), 0);
    assert_int_equal(gguf_n_parts(g), 2);
    assert_int_equal(gguf_n_tensors(g), 4);
    assert_int_equal(gguf_meta(g)->n, 1);
    const struct gguf_tensor *c = gguf_find(g, "c.weight");
    assert_ptr_not_equal(c->map, gguf_find(g, "a.weight")->map);
    assert_true(c->data > c->map->data && c->data + c->bytes <= c->map->data + c->map->size);
    gguf_free(g);
    open_fails(two, ERR_FORMAT, "part 2 of 2 of a split model, open the first");
    write_part(dir, 2, 2, 0, 4);
    open_fails(one, ERR_FORMAT, "split.no is 0, expected 1");
    write_part(dir, 2, 2, 1, 4);
    write_part(dir, 1, 2, 0, 5);
    open_fails(one, ERR_FORMAT, "split.tensors.count is 5, expected 4");
    (void)unlink(one);
    (void)unlink(two);
    (void)rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gguf_reads),
        cmocka_unit_test(test_gguf_reads_v2_and_alignment),
        cmocka_unit_test(test_gguf_refuses_heads),
        cmocka_unit_test(test_gguf_refuses_keys),
        cmocka_unit_test(test_gguf_refuses_tensors),
        cmocka_unit_test(test_gguf_accepts_corners),
        cmocka_unit_test(test_gguf_truncated_anywhere),
        cmocka_unit_test(test_gguf_flipped_anywhere),
        cmocka_unit_test(test_gguf_split),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
