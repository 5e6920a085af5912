#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "formats/base/map.h"
#include "formats/base/out_dir.h"
#include "formats/safetensors_write.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct st_item items[] = {
    {"a",            DTYPE_F32,  2, {2, 3}}, /* 24 bytes */
    {"none",         DTYPE_F16,  2, {0, 7}},
    {"b \"quoted\"", DTYPE_BF16, 1, {5}   }, /* 10 */
    {"scalar",       DTYPE_F16,  0, {0}   }, /* 2 */
};

enum { N_ITEMS = 4, DATA_BYTES = 36 };

static char dir[64];

static int make_dir(void **state)
{
    (void)state;
    (void)snprintf(dir, sizeof(dir), "/tmp/pare-st-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static void path_in(char path[256], const char *name)
{
    (void)snprintf(path, 256, "%s/%s", dir, name);
}

static bool there(const char *name)
{
    char path[256];
    struct stat st;

    path_in(path, name);
    return !stat(path, &st);
}

static void drop(const char *name)
{
    char path[256];

    path_in(path, name);
    (void)unlink(path);
}

static void write_all(size_t piece, uint64_t most, size_t files)
{
    struct st_writer *w;
    struct err err;
    uint8_t data[DATA_BYTES];

    for (int i = 0; i < DATA_BYTES; i++)
        data[i] = (uint8_t)i;
    assert_int_equal(st_writer_new(&w, dir, items, N_ITEMS, most, &err), 0);
    assert_int_equal(st_writer_bytes(w), DATA_BYTES);
    assert_int_equal(st_writer_files(w), files);
    for (size_t at = 0; at < DATA_BYTES; at += piece)
        assert_int_equal(
            st_writer_put(w, data + at, piece < DATA_BYTES - at ? piece : DATA_BYTES - at, &err),
            0);
    assert_int_equal(st_writer_put(w, data, 1, &err), ERR_ARG);
    assert_int_equal(st_writer_commit(w, &err), 0);
    st_writer_free(w);
}

/* Reads back as it was planned, whatever the pieces it came in. */
static void test_safetensors_write_reads_back(void **state)
{
    char path[256];
    struct map m;
    struct st *st;
    struct err err;

    (void)state;
    for (size_t piece = 1; piece <= DATA_BYTES; piece += 7) {
        write_all(piece, 0, 1);
        path_in(path, "model.safetensors");
        assert_int_equal(map_open(&m, path, &err), 0);
        assert_int_equal(st_parse(&st, m.data, m.size, &err), 0);
        assert_int_equal(st_n_tensors(st), N_ITEMS);
        for (size_t i = 0; i < N_ITEMS; i++) {
            const struct st_tensor *t = st_tensor(st, i);
            assert_string_equal(t->name, items[i].name);
            assert_int_equal(t->type, items[i].type);
            assert_int_equal(t->n_dims, items[i].n_dims);
            if (t->n_dims)
                assert_memory_equal(t->dims, items[i].dims, (size_t)t->n_dims * sizeof(t->dims[0]));
        }
        assert_int_equal(st_tensor(st, 2)->data[0], 24);
        assert_int_equal(st_tensor(st, 3)->data[1], 35);
        st_free(st);
        map_release(&m);
        drop("model.safetensors");
    }
}

static void test_safetensors_write_shards(void **state)
{
    char path[256], text[2048] = "";

    (void)state;
    write_all(5, 24, 2);
    assert_true(there("model-00001-of-00002.safetensors"));
    assert_true(there("model-00002-of-00002.safetensors"));
    path_in(path, "model.safetensors.index.json");
    const int fd = open(path, O_RDONLY);
    assert_true(fd >= 0 && read(fd, text, sizeof(text) - 1) > 0);
    (void)close(fd);
    assert_non_null(strstr(text, "\"total_size\": 36"));
    assert_non_null(strstr(text, "\"scalar\": \"model-00002-of-00002.safetensors\""));
    drop("model-00001-of-00002.safetensors");
    drop("model-00002-of-00002.safetensors");
    drop("model.safetensors.index.json");
}

static void test_safetensors_write_incomplete(void **state)
{
    struct st_writer *w;
    struct err err;

    (void)state;
    assert_int_equal(st_writer_new(&w, dir, items, N_ITEMS, 0, &err), 0);
    assert_int_equal(st_writer_put(w, "abc", 3, &err), 0);
    assert_int_equal(st_writer_commit(w, &err), ERR_ARG);
    assert_non_null(strstr(err.msg, "tensor a: 3 of 24 bytes"));
    st_writer_free(w);
    assert_false(there("model.safetensors"));
    assert_false(there("model.safetensors.part"));
}

static void test_safetensors_write_coded(void **state)
{
    const struct st_item coded = {"q", DTYPE_Q4_K, 1, {256}};
    struct st_writer *w;
    struct err err;

    (void)state;
    assert_int_equal(st_writer_new(&w, dir, &coded, 1, 0, &err), ERR_UNSUPPORTED);
    assert_null(w);
}

/* ---- folders ------------------------------------------------------------------------ */

static void test_out_dir_appears_whole(void **state)
{
    char path[256], part[300], file[320];
    struct out_dir d;
    struct err err;

    (void)state;
    path_in(path, "new/");
    assert_int_equal(out_dir_open(&d, path, NULL, &err), 0);
    assert_int_equal(out_dir_file(&d, "x", "1", 1, &err), 0);
    assert_false(there("new"));
    (void)snprintf(part, sizeof(part), "%s", d.part);
    (void)snprintf(file, sizeof(file), "%s/x", part);
    struct out_dir second;
    assert_int_equal(out_dir_open(&second, path, NULL, &err), ERR_IO); /* ours */
    assert_int_equal(out_dir_commit(&d, &err), 0);
    assert_true(there("new/x"));
    assert_int_equal(access(part, F_OK), -1);
    assert_int_equal(out_dir_open(&d, path, NULL, &err), ERR_ARG);
    assert_non_null(strstr(err.msg, "is not empty"));
    drop("new/x");
    assert_int_equal(out_dir_open(&d, path, NULL, &err), 0); /* an empty one will do */
    out_dir_abandon(&d);
    path_in(path, "new");
    assert_int_equal(rmdir(path), 0);
}

/* What a killed run left goes, the input does not. */
static void test_out_dir_left_over(void **state)
{
    char path[256], part[256], input[300];
    struct out_dir d;
    struct err err;

    (void)state;
    path_in(path, "o");
    path_in(part, "o.part");
    (void)snprintf(input, sizeof(input), "%s/in.gguf", part);
    assert_int_equal(mkdir(part, 0777), 0);
    const int fd = open(input, O_CREAT | O_WRONLY, 0666);
    assert_true(fd >= 0);
    (void)close(fd);
    assert_int_equal(out_dir_open(&d, path, input, &err), ERR_ARG);
    assert_non_null(strstr(err.msg, "would replace"));
    assert_int_equal(access(input, F_OK), 0);
    assert_int_equal(out_dir_open(&d, path, NULL, &err), 0);
    assert_int_equal(access(input, F_OK), -1);
    out_dir_abandon(&d);
    assert_int_equal(access(part, F_OK), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_safetensors_write_reads_back),
        cmocka_unit_test(test_safetensors_write_shards),
        cmocka_unit_test(test_safetensors_write_incomplete),
        cmocka_unit_test(test_safetensors_write_coded),
        cmocka_unit_test(test_out_dir_appears_whole),
        cmocka_unit_test(test_out_dir_left_over),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, make_dir, NULL);
}
