/* The digest of each golden GGUF equals the expected one beside it: x.f32.gguf is
 * described by gguf.json, x.TYPE.gguf by gguf-TYPE.json. */

#include "formats/digest.h"
#include "tests/tap.h"
#include "tests/walk.h"

#include <stdlib.h>
#include <string.h>

/* Both have the same values; `at` names the first place where they differ. */
static bool same(const json_val *want, const json_val *got, struct buf *at)
{
    double x, y;
    bool p, q;
    const size_t n = at->n;

    if (json_is_object(want) || json_is_array(want)) {
        if (json_is_object(want) != json_is_object(got) || json_len(want) != json_len(got))
            return false;
        const json_val *item = json_first(got);
        for (const json_val *v = json_first(want); v; v = json_next(v), item = json_next(item)) {
            const char *key = json_key(v);
            buf_fmt(at, "/%s", key ? key : "item");
            if (!same(v, key ? json_get(got, key) : item, at))
                return false;
            at->n = n;
        }
        return true;
    }
    if (json_num(want, &x))
        return json_num(got, &y) && x == y;
    if (json_bool(want, &p))
        return json_bool(got, &q) && p == q;
    if (json_is_string(want))
        return json_is_string(got) && !strcmp(json_str(want), json_str(got));
    return got && json_is_null(want) && json_is_null(got);
}

static int digest(json_val **out, const char *path, struct err *err)
{
    const struct par par = par_init(0);
    struct digest_tensor *list = NULL;
    struct gguf *g = NULL;
    struct buf b = {0};
    int rc = gguf_open(&g, path, err);

    if (!rc)
        rc = digest_gguf_list(&list, g, err);
    if (!rc)
        rc = digest_hash(list, gguf_n_tensors(g), &par, NULL, err);
    if (!rc)
        rc = digest_gguf_json(&b, g, list, err);
    if (!rc)
        rc = json_parse(out, b.p, b.n, err);
    buf_release(&b);
    free(list);
    gguf_free(g);
    return rc;
}

/* "dir/x.TYPE.gguf" -> "dir/gguf-TYPE.json" */
static int expected_name(struct buf *b, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *end = path + strlen(path) - strlen(".gguf"), *dot = end;

    while (dot > slash && *--dot != '.')
        ;
    if (dot <= slash)
        return 1;
    buf_put(b, path, (size_t)(slash - path));
    if (end - dot == 4 && !memcmp(dot, ".f32", 4))
        buf_str(b, "/gguf.json");
    else
        buf_fmt(b, "/gguf-%.*s.json", (int)(end - dot - 1), dot + 1);
    return 0;
}

static void check(struct tap *t, const char *path, const char *name)
{
    struct buf expected = {0}, at = {0};
    json_val *want = NULL, *got = NULL;
    struct err err = {0};

    if (expected_name(&expected, path) || json_load(&want, expected.p, &err)) {
        tap_skip(t, name, "no expected digest");
    } else {
        const bool good = !digest(&got, path, &err) && same(want, got, &at);
        if (!tap_ok(t, good, "%s: digest", name))
            tap_note("%s differs at %s", err.code ? err.msg : "the digest", at.p ? at.p : "/");
    }
    json_free(want);
    json_free(got);
    buf_release(&expected);
    buf_release(&at);
}

int main(void)
{
    struct tap t = {0};
    struct walk w = {0};
    struct buf models = {0};
    const char *root = tap_golden();

    buf_fmt(&models, "%s/models", root ? root : "");
    if (!root || walk_find(&w, models.p, ".gguf") || w.n == 0)
        tap_skip(&t, "golden_digest", "no golden GGUF files");
    for (size_t i = 0; i < w.n; i++)
        check(&t, w.path[i], w.path[i] + models.n + 1);
    walk_release(&w);
    buf_release(&models);
    return tap_done(&t);
}
