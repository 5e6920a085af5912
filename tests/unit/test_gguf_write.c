#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "formats/gguf_write.h"

#include <sys/stat.h>
#include <unistd.h>

static const struct gguf_item items[] = {
    {"a",     DTYPE_F32,  2, {5, 2, 0, 0} }, /* 40 bytes, padded to 64 */
    {"b",     DTYPE_Q8_0, 1, {64, 0, 0, 0}}, /* 68, 96 */
    {"empty", DTYPE_F16,  2, {0, 7, 0, 0} },
    {"c",     DTYPE_F16,  0, {0, 0, 0, 0} }, /* 2, 32 */
};

enum { N_ITEMS = 4, DATA_BYTES = 40 + 68 + 2 };

static void data_fill(uint8_t data[DATA_BYTES])
{
    for (int i = 0; i < DATA_BYTES; i++)
        data[i] = (uint8_t)(i + 1);
}

static void path_in(char path[128], const char *end)
{
    (void)snprintf(path, 128, "/tmp/pare-write-%ld%s", (long)getpid(), end);
}

static bool there(const char *path)
{
    struct stat st;

    return !stat(path, &st);
}

static void meta_fill(struct meta *m)
{
    struct err err;

    assert_int_equal(meta_set_str(m, "general.architecture", "llama", &err), 0);
    assert_int_equal(meta_set_u32(m, "llama.block_count", 2, &err), 0);
}

/* What was written reads back, whatever the pieces it came in. */
static void write_all(const char *path, size_t piece, uint64_t split)
{
    struct meta m = {0};
    struct gguf_writer *w;
    struct err err;
    uint8_t data[DATA_BYTES];

    data_fill(data);
    meta_fill(&m);
    assert_int_equal(gguf_writer_new(&w, path, &m, items, N_ITEMS, split, &err), 0);
    for (size_t at = 0; at < DATA_BYTES; at += piece)
        assert_int_equal(
            gguf_writer_put(w, data + at, DATA_BYTES - at < piece ? DATA_BYTES - at : piece, &err),
            0);
    assert_false(there(path));
    assert_int_equal(gguf_writer_put(w, data, 1, &err), ERR_ARG);
    assert_int_equal(gguf_writer_commit(w, &err), 0);
    gguf_writer_free(w);
    meta_release(&m);
}

static void check_content(const struct gguf *g)
{
    uint8_t data[DATA_BYTES];
    size_t at = 0;

    data_fill(data);
    assert_int_equal(gguf_n_tensors(g), N_ITEMS);
    assert_int_equal(gguf_meta(g)->n, 2);
    for (size_t i = 0; i < N_ITEMS; i++) {
        const struct gguf_tensor *t = gguf_tensor(g, i);
        assert_string_equal(t->name, items[i].name);
        assert_int_equal(t->type, items[i].type);
        assert_int_equal(t->n_dims, items[i].n_dims);
        assert_memory_equal(t->data, data + at, t->bytes);
        at += t->bytes;
    }
    assert_int_equal(at, DATA_BYTES);
}

static void test_gguf_write_one_file(void **state)
{
    const size_t pieces[] = {1, 7, DATA_BYTES};
    char path[128];
    struct gguf *g;
    struct err err;

    (void)state;
    path_in(path, ".gguf");
    for (size_t i = 0; i < 3; i++) {
        write_all(path, pieces[i], 0);
        assert_int_equal(gguf_open(&g, path, &err), 0);
        assert_int_equal(gguf_n_parts(g), 1);
        check_content(g);
        assert_int_equal(gguf_tensor(g, 1)->offset, 64);
        assert_int_equal(gguf_tensor(g, 3)->offset, 160);
        assert_int_equal(gguf_file_bytes(g), gguf_data_offset(g) + 192);
        gguf_free(g);
        (void)unlink(path);
    }
}

static void test_gguf_write_split(void **state)
{
    char path[128], part[128], single[128];
    struct gguf *g;
    struct err err;

    (void)state;
    path_in(single, ".gguf");
    path_in(path, "-00001-of-00002.gguf");
    write_all(single, 9, 100); /* 64 | 96 + 0, then 32 would pass 100 */
    assert_false(there(single));
    path_in(part, "-00001-of-00003.gguf");
    assert_int_equal(gguf_open(&g, part, &err), 0);
    assert_int_equal(gguf_n_parts(g), 3);
    check_content(g);
    gguf_free(g);
    for (int i = 1; i <= 3; i++) {
        char end[32];
        (void)snprintf(end, sizeof(end), "-%05d-of-00003.gguf", i);
        path_in(part, end);
        assert_int_equal(unlink(part), 0);
    }
    /* a tensor larger than the limit is a file of its own, and no file is empty */
    write_all(single, 9, 50);
    path_in(part, "-00001-of-00003.gguf");
    assert_int_equal(gguf_open(&g, part, &err), 0);
    check_content(g);
    gguf_free(g);
    for (int i = 1; i <= 3; i++) {
        char end[32];
        (void)snprintf(end, sizeof(end), "-%05d-of-00003.gguf", i);
        path_in(part, end);
        assert_int_equal(unlink(part), 0);
    }
    /* a limit nothing passes leaves one file, under the plain name */
    write_all(single, 9, 1000);
    assert_true(there(single) && !there(path));
    (void)unlink(single);
}

static void new_fails(const struct gguf_item *list, size_t n, int code, const char *part)
{
    struct meta m = {0};
    struct gguf_writer *w;
    struct err err = {0};
    char path[128], temp[128];

    path_in(path, "-bad.gguf");
    path_in(temp, "-bad.gguf.part");
    meta_fill(&m);
    assert_int_equal(gguf_writer_new(&w, path, &m, list, n, 0, &err), code);
    assert_null(w);
    if (!strstr(err.msg, part))
        fail_msg("\"%s\" does not say \"%s\"", err.msg, part);
    assert_false(there(path) || there(temp));
    meta_release(&m);
}

static void test_gguf_write_refuses(void **state)
{
    char name[80];
    const struct gguf_item row = {
        "x", DTYPE_Q4_K, 2, {128, 4, 0, 0}
    };
    const struct gguf_item type = {
        "x", DTYPE_F8_E4M3, 1, {128, 0, 0, 0}
    };
    const struct gguf_item big = {
        "x", DTYPE_F32, 2, {1ULL << 40, 1ULL << 40, 0, 0}
    };
    const struct gguf_item twice[] = {items[0], items[0]};
    const struct gguf_item longer = {
        name, DTYPE_F32, 1, {1, 0, 0, 0}
    };

    (void)state;
    memset(name, 'n', sizeof(name));
    name[64] = '\0';
    new_fails(&row, 1, ERR_ARG,
              "tensor x: rows of 128 values, expected a multiple of 256 for Q4_K");
    new_fails(&type, 1, ERR_UNSUPPORTED, "tensor x: type F8_E4M3 cannot be in a GGUF");
    new_fails(&big, 1, ERR_ARG, "too large");
    new_fails(twice, 2, ERR_ARG, "two tensors are named a");
    new_fails(&longer, 1, ERR_UNSUPPORTED, "a name of 64 bytes");
}

static void test_gguf_write_incomplete(void **state)
{
    char path[128], temp[128];
    struct meta m = {0};
    struct gguf_writer *w;
    struct err err;

    (void)state;
    path_in(path, ".gguf");
    path_in(temp, ".gguf.part");
    assert_int_equal(gguf_writer_new(&w, path, &m, items, N_ITEMS, 0, &err), 0);
    assert_int_equal(gguf_writer_put(w, "abcd", 4, &err), 0);
    assert_true(there(temp));
    assert_int_equal(gguf_writer_commit(w, &err), ERR_ARG);
    assert_non_null(strstr(err.msg, "tensor a: 4 bytes were written, expected 40"));
    gguf_writer_free(w);
    assert_false(there(path) || there(temp));
}

/* One part that cannot get its name: none of them appears. */
static void test_gguf_write_commit_fails(void **state)
{
    char path[128], first[128], third[128], temp[128];
    struct meta m = {0};
    struct gguf_writer *w;
    struct err err;
    uint8_t data[DATA_BYTES];

    (void)state;
    path_in(path, ".gguf");
    path_in(first, "-00001-of-00003.gguf");
    path_in(third, "-00003-of-00003.gguf");
    path_in(temp, "-00001-of-00003.gguf.part");
    data_fill(data);
    assert_int_equal(gguf_writer_new(&w, path, &m, items, N_ITEMS, 50, &err), 0);
    assert_int_equal(gguf_writer_put(w, data, DATA_BYTES, &err), 0);
    assert_int_equal(mkdir(first, 0700), 0);
    assert_int_equal(gguf_writer_commit(w, &err), ERR_IO);
    gguf_writer_free(w);
    assert_int_equal(rmdir(first), 0);
    assert_false(there(third) || there(temp));
}

static void test_gguf_write_disk_full(void **state)
{
    struct meta m = {0};
    struct gguf_writer *w;
    struct err err;

    (void)state;
    meta_fill(&m);
    assert_int_equal(gguf_writer_new(&w, "/dev/full", &m, items, N_ITEMS, 0, &err), ERR_IO);
    assert_non_null(strstr(err.msg, "/dev/full: No space left"));
    assert_int_equal(gguf_writer_new(&w, "/no/such/folder/x.gguf", &m, items, 1, 0, &err), ERR_IO);
    meta_release(&m);
}

static void test_gguf_write_alignment(void **state)
{
    char path[128];
    struct meta m = {0};
    struct gguf_writer *w;
    struct gguf *g;
    struct err err;
    uint8_t data[DATA_BYTES];

    (void)state;
    path_in(path, ".gguf");
    data_fill(data);
    assert_int_equal(meta_set_u32(&m, "general.alignment", 128, &err), 0);
    assert_int_equal(gguf_writer_new(&w, path, &m, items, N_ITEMS, 0, &err), 0);
    assert_int_equal(gguf_writer_put(w, data, DATA_BYTES, &err), 0);
    assert_int_equal(gguf_writer_commit(w, &err), 0);
    const uint64_t planned = gguf_writer_bytes(w);
    gguf_writer_free(w);
    assert_int_equal(gguf_open(&g, path, &err), 0);
    assert_int_equal(gguf_tensor(g, 1)->offset, 128);
    assert_int_equal(gguf_file_bytes(g), planned);
    gguf_free(g);
    assert_int_equal(meta_set_u32(&m, "general.alignment", 33, &err), 0);
    assert_int_equal(gguf_writer_new(&w, path, &m, items, N_ITEMS, 0, &err), ERR_ARG);
    meta_release(&m);
    (void)unlink(path);
}

/* Without tensors a file ends with its metadata. */
static void test_gguf_write_no_tensors(void **state)
{
    char path[128];
    struct meta m = {0};
    struct gguf_writer *w;
    struct gguf *g;
    struct err err;

    (void)state;
    path_in(path, ".gguf");
    meta_fill(&m);
    assert_int_equal(gguf_writer_new(&w, path, &m, NULL, 0, 0, &err), 0);
    assert_int_equal(gguf_writer_put(w, "x", 1, &err), ERR_ARG);
    assert_int_equal(gguf_writer_commit(w, &err), 0);
    gguf_writer_free(w);
    assert_int_equal(gguf_open(&g, path, &err), 0);
    assert_int_equal(gguf_n_tensors(g), 0);
    assert_int_equal(gguf_meta(g)->n, 2);
    gguf_free(g);
    meta_release(&m);
    (void)unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gguf_write_one_file),
        cmocka_unit_test(test_gguf_write_split),
        cmocka_unit_test(test_gguf_write_refuses),
        cmocka_unit_test(test_gguf_write_incomplete),
        cmocka_unit_test(test_gguf_write_commit_fails),
        cmocka_unit_test(test_gguf_write_disk_full),
        cmocka_unit_test(test_gguf_write_alignment),
        cmocka_unit_test(test_gguf_write_no_tensors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
