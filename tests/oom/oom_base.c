#include "formats/base/arena.h"
#include "formats/base/buf.h"
#include "formats/base/hash.h"
#include "formats/base/json.h"
#include "formats/base/out.h"
#include "formats/base/strmap.h"
#include "formats/base/yaml.h"
#include "tests/oom/alloc.h"

#include <string.h>
#include <unistd.h>

static int use_buf(void *arg, struct err *err)
{
    struct buf b = {0};

    (void)arg;
    for (int i = 0; i < 100; i++)
        buf_fmt(&b, "line %d\n", i);
    const int rc = buf_check(&b, err);
    buf_release(&b);
    return rc;
}

static int use_arena(void *arg, struct err *err)
{
    struct arena a = {0};
    const bool good = arena_alloc(&a, 100) && arena_array(&a, 1000, 100) && arena_str(&a, "text") &&
                      arena_fmt(&a, "%d", 7);

    (void)arg;
    arena_release(&a);
    return good ? 0 : err_nomem(err);
}

static int use_strmap(void *arg, struct err *err)
{
    static const char keys[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    struct strmap m = {0};
    bool fresh;
    int rc = 0;

    (void)arg;
    for (size_t i = 0; i + 1 < sizeof(keys) && !rc; i++)
        rc = strmap_add(&fresh, &m, keys + i, 1, i, err);
    strmap_release(&m);
    return rc;
}

static int use_json(void *arg, struct err *err)
{
    static const char text[] = "{\"a\":[1,2.5,\"text\",{\"b\":null}],\"c\":true}";
    struct buf b = {0};
    json_val *v;
    int rc = json_parse(&v, text, sizeof(text) - 1, err);

    (void)arg;
    if (!rc)
        rc = json_print(&b, v, err);
    json_free(v);
    buf_release(&b);
    return rc;
}

/* Enough keys for duplicates to be sought by sorting. */
static int use_large_json(void *arg, struct err *err)
{
    struct buf b = {0};
    struct json_out j = json_out_init(&b, true);
    json_val *v = NULL;

    (void)arg;
    json_open(&j, NULL, '{');
    for (int i = 0; i < 50; i++) {
        char key[16];
        (void)snprintf(key, sizeof(key), "k%d", i);
        json_put_int(&j, key, i);
    }
    json_close(&j, '}');
    int rc = buf_check(&b, err);
    if (!rc)
        rc = json_parse(&v, b.p, b.n, err);
    json_free(v);
    buf_release(&b);
    return rc;
}

static int use_yaml(void *arg, struct err *err)
{
    static const char text[] = "name: demo\nlist: [a, {b: c}]\n";
    struct arena a = {0};
    struct yaml_node *root;
    const int rc = yaml_parse(&root, &a, text, sizeof(text) - 1, err);

    (void)arg;
    arena_release(&a);
    return rc;
}

static int use_out(void *arg, struct err *err)
{
    return out_file(arg, "text", 4, err);
}

static int use_hash(void *arg, struct err *err)
{
    char hex[HASH_HEX_BYTES];

    (void)arg;
    return hash_of("text", 4, hex, err);
}

int main(void)
{
    struct tap t = {0};
    char path[64];

    (void)snprintf(path, sizeof(path), "/tmp/pare-oom-out-%ld", (long)getpid());
    alloc_each(&t, "buf", use_buf, NULL);
    alloc_each(&t, "arena", use_arena, NULL);
    alloc_each(&t, "strmap", use_strmap, NULL);
    alloc_each(&t, "json", use_json, NULL);
    alloc_each(&t, "json, many keys", use_large_json, NULL);
    alloc_each(&t, "yaml", use_yaml, NULL);
    alloc_each(&t, "out", use_out, path);
    alloc_each(&t, "hash", use_hash, NULL);
    (void)unlink(path);
    return tap_done(&t);
}
