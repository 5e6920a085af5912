#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "formats/base/out.h"
#include "formats/checkpoint.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- a folder of small files -------------------------------------------------------- */

static char dir[64];

static void path_of(char path[256], const char *name)
{
    (void)snprintf(path, 256, "%s/%s", dir, name);
}

static void put(const char *name, const char *text)
{
    char path[256];
    struct err err;

    path_of(path, name);
    assert_int_equal(out_file(path, text, strlen(text), &err), 0);
}

/* A shard with tensors of one byte each, named by the letters. */
static void put_shard(const char *name, const char *letters)
{
    struct buf head = {0}, b = {0};
    char path[256];
    struct err err;
    const size_t n = strlen(letters);

    buf_str(&head, "{");
    for (size_t i = 0; i < n; i++)
        buf_fmt(&head, "%s\"%c\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[%zu,%zu]}",
                i ? "," : "", letters[i], i, i + 1);
    buf_str(&head, "}");
    buf_u64(&b, head.n);
    buf_put(&b, head.p, head.n);
    buf_str(&b, letters);
    path_of(path, name);
    assert_int_equal(out_file(path, b.p, b.n, &err), 0);
    buf_release(&head);
    buf_release(&b);
}

static int make(void **state)
{
    (void)state;
    (void)snprintf(dir, sizeof(dir), "/tmp/pare-ckpt-%ld", (long)getpid());
    if (mkdir(dir, 0700))
        return -1;
    put("config.json", "{\"model_type\":\"llama\"}");
    return 0;
}

static int sweep(void **state)
{
    DIR *d = opendir(dir);
    struct dirent *e;

    (void)state;
    while (d && (e = readdir(d))) {
        char path[512];
        (void)snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
        if (e->d_name[0] != '.')
            (void)unlink(path);
    }
    if (d)
        (void)closedir(d);
    return rmdir(dir);
}

static void refuse(int code, const char *part)
{
    struct ckpt *c;
    struct err err = {0};

    assert_int_equal(ckpt_open(&c, dir, &err), code);
    assert_null(c);
    if (!strstr(err.msg, part))
        fail_msg("\"%s\" does not say \"%s\"", err.msg, part);
}

static struct ckpt *opened(void)
{
    struct ckpt *c;
    struct err err = {0};

    if (ckpt_open(&c, dir, &err))
        fail_msg("%s", err.msg);
    return c;
}

/* ---- */

static void test_checkpoint_single(void **state)
{
    struct map m;
    struct err err;
    bool found;

    (void)state;
    put_shard("model.safetensors", "ba");
    put_shard("other.safetensors", "z");
    put("tokenizer_config.json", "{\"add_bos_token\":true}");
    put("tokenizer.json", "{ }");
    struct ckpt *c = opened();
    assert_string_equal(ckpt_dir(c), dir);
    assert_string_equal(json_str(json_get(ckpt_config(c), "model_type")), "llama");
    assert_non_null(ckpt_tokenizer_config(c));
    assert_null(ckpt_generation_config(c));
    assert_null(ckpt_special_tokens_map(c));
    assert_int_equal(ckpt_n_tensors(c), 2);            /* not those of other.safetensors */
    assert_string_equal(ckpt_tensor(c, 0)->name, "a"); /* by name */
    assert_ptr_equal(ckpt_find(c, "b"), ckpt_tensor(c, 1));
    assert_null(ckpt_find(c, "z"));
    assert_string_equal(ckpt_tensor_file(c, 0), "model.safetensors");
    const struct map *shard = ckpt_tensor_map(c, 1);
    assert_ptr_equal(ckpt_tensor(c, 0)->data + 1, shard->data + shard->size);
    assert_int_equal(ckpt_map(&m, &found, c, "tokenizer.json", &err), 0);
    assert_true(found && m.size == 3);
    map_release(&m);
    assert_int_equal(ckpt_map(&m, &found, c, "tokenizer.model", &err), 0);
    assert_false(found);
    ckpt_free(c);
}

static void test_checkpoint_is(void **state)
{
    (void)state;
    assert_true(ckpt_is(dir));
    assert_false(ckpt_is("/"));
    assert_false(ckpt_is("/no/such/folder"));
}

static void test_checkpoint_sharded(void **state)
{
    (void)state;
    put_shard("m-2.safetensors", "cd");
    put_shard("m-1.safetensors", "xb");
    put_shard("stray.safetensors", "q");
    put("model.safetensors.index.json",
        "{\"weight_map\":{\"c\":\"m-2.safetensors\",\"b\":\"m-1.safetensors\"}}");
    struct ckpt *c = opened();
    /* shards by name, tensors by name, those beyond the index too */
    assert_int_equal(ckpt_n_tensors(c), 4);
    const char *order = "bxcd";
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(ckpt_tensor(c, i)->name[0], order[i]);
    assert_string_equal(ckpt_tensor_file(c, 3), "m-2.safetensors");
    ckpt_free(c);
}

static void test_checkpoint_without_index(void **state)
{
    (void)state;
    refuse(ERR_UNSUPPORTED, "no safetensors file in this folder");
    put_shard("b.safetensors", "b");
    put_shard("a.safetensors", "a");
    struct ckpt *c = opened();
    assert_int_equal(ckpt_n_tensors(c), 2);
    assert_string_equal(ckpt_tensor(c, 0)->name, "a");
    ckpt_free(c);
    put_shard("c.safetensors", "a");
    refuse(ERR_FORMAT, "tensor a is in a.safetensors and in c.safetensors");
}

static void test_checkpoint_refuses_index(void **state)
{
    const char *index = "model.safetensors.index.json";

    (void)state;
    put_shard("m-1.safetensors", "a");
    put(index, "{\"weight_map\":{\"a\":\"m-1.safetensors\",\"b\":\"m-2.safetensors\"}}");
    refuse(ERR_IO, "m-2.safetensors: No such file");
    put_shard("m-2.safetensors", "c");
    refuse(ERR_FORMAT, "tensor b is not in m-2.safetensors");
    put(index, "{\"weight_map\":{\"a\":\"m-2.safetensors\",\"c\":\"m-1.safetensors\"}}");
    refuse(ERR_FORMAT, "tensor a expected in m-2.safetensors, found in m-1.safetensors");
    put(index, "{\"weight_map\":{\"a\":\"../m-1.safetensors\"}}");
    refuse(ERR_FORMAT, "tensor a: no name of a file of this folder");
    put(index, "{\"weight_map\":{\"a\":1}}");
    refuse(ERR_FORMAT, "tensor a: no name of a file");
    put(index, "{\"weight_map\":{}}");
    refuse(ERR_FORMAT, "weight_map names no tensor");
    put(index, "{\"weight_map\":[]}");
    refuse(ERR_FORMAT, "no object under \"weight_map\"");
    put(index, "{");
    refuse(ERR_FORMAT, "model.safetensors.index.json: line 1");
}

static void test_checkpoint_refuses_documents(void **state)
{
    char path[256];

    (void)state;
    put_shard("model.safetensors", "a");
    put("generation_config.json", "[1]");
    refuse(ERR_FORMAT, "generation_config.json: not a JSON object");
    put("generation_config.json", "{}");
    put("config.json", "{\"a\":1} x");
    refuse(ERR_FORMAT, "config.json: line 1, column 9");
    path_of(path, "config.json");
    (void)unlink(path);
    refuse(ERR_IO, "config.json: No such file");
}

static void test_checkpoint_refuses_shards(void **state)
{
    (void)state;
    put("model.safetensors", "");
    refuse(ERR_FORMAT, "model.safetensors: not a safetensors file: it is empty");
    put("model.safetensors", "12345678{}");
    refuse(ERR_FORMAT, "model.safetensors: not a safetensors file");
}

#define IN_FOLDER(f) cmocka_unit_test_setup_teardown(f, make, sweep)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(test_checkpoint_single),         IN_FOLDER(test_checkpoint_is),
        IN_FOLDER(test_checkpoint_sharded),        IN_FOLDER(test_checkpoint_without_index),
        IN_FOLDER(test_checkpoint_refuses_index),  IN_FOLDER(test_checkpoint_refuses_documents),
        IN_FOLDER(test_checkpoint_refuses_shards),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
