/* `pare convert` of every golden checkpoint whose family has rows gives, for each type
 * the manifest lists, the reference converter's metadata (in any order, "pare." keys
 * besides) and exactly its tensors. The program is $PARE. */

#include "formats/arch/arch.h"
#include "formats/digest.h"
#include "tests/models.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const types[] = {"f32", "f16", "bf16", "q8_0"};

static int run_convert(const char *model, const char *out, const char *type)
{
    const char *pare = getenv("PARE");
    int status;

    (void)fflush(stdout); /* or the child would print it again */
    const pid_t pid = fork();

    if (!pare)
        pare = "build/release/pare";
    if (!pid) {
        if (freopen("/dev/null", "w", stdout))
            (void)execl(pare, pare, "convert", model, out, "--type", type, (char *)NULL);
        _exit(127);
    }
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status)
                                                                           : 1;
}

/* The digest of a GGUF as a JSON document. */
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

/* Compact text of both values is the same. */
static bool equal(const json_val *a, const json_val *b)
{
    struct buf x = {0}, y = {0};
    struct err err = {0};
    const bool same = a && b && !json_print(&x, a, &err) && !json_print(&y, b, &err) &&
                      x.n == y.n && !memcmp(x.p, y.p, x.n);

    if (!same)
        tap_note("expected %.300s", x.p ? x.p : "nothing");
    if (!same)
        tap_note("found    %.300s", y.p ? y.p : "nothing");
    buf_release(&x);
    buf_release(&y);
    return same;
}

static const json_val *by_key(const json_val *list, const char *key)
{
    for (const json_val *kv = json_first(list); kv; kv = json_next(kv))
        if (!strcmp(json_str(json_get(kv, "key")), key))
            return kv;
    return NULL;
}

static bool same_metadata(const json_val *want, const json_val *found)
{
    bool good = json_len(want) != 0;

    for (const json_val *kv = json_first(want); kv; kv = json_next(kv))
        good = equal(kv, by_key(found, json_str(json_get(kv, "key")))) && good;
    for (const json_val *kv = json_first(found); kv; kv = json_next(kv)) {
        const char *key = json_str(json_get(kv, "key"));
        if (strncmp(key, "pare.", 5) != 0 && !by_key(want, key)) {
            tap_note("not expected: %s", key);
            good = false;
        }
    }
    return good;
}

static bool same_tensors(const json_val *want, const json_val *found)
{
    const json_val *b = json_first(found);
    bool good = json_len(want) == json_len(found) && json_len(want);

    for (const json_val *a = json_first(want); good && a; a = json_next(a), b = json_next(b))
        good = equal(a, b);
    return good;
}

static bool check(const char *model, const char *type, const char *out)
{
    char want_path[4224];
    json_val *want = NULL, *found = NULL;
    struct err err = {0};
    bool good = false;

    (void)snprintf(want_path, sizeof(want_path), "%s/expected/gguf%s%s.json", model,
                   strcmp(type, "f32") ? "-" : "", strcmp(type, "f32") ? type : "");
    if (!run_convert(model, out, type) && !json_load(&want, want_path, &err) &&
        !digest(&found, out, &err)) {
        good = same_metadata(json_get(want, "metadata"), json_get(found, "metadata"));
        good = same_tensors(json_get(want, "tensors"), json_get(found, "tensors")) && good;
    } else {
        tap_note("%s", err.code ? err.msg : "pare convert failed");
    }
    json_free(want);
    json_free(found);
    (void)unlink(out);
    return good;
}

static void check_model(struct tap *t, const json_val *m, const char *dir, const char *out)
{
    const char *name = json_str(json_get(m, "name")), *class = json_str(json_get(m, "hf_class"));

    if (!class || !arch_by_class(class)) {
        tap_skip(t, name, "no architecture row");
        return;
    }
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        const char *state = json_str(json_get(json_get(m, "converter"), types[i]));
        if (!state || !strcmp(state, "ok")) /* else the reference could not either */
            (void)tap_ok(t, check(dir, types[i], out), "%s to %s", name, types[i]);
    }
}

int main(void)
{
    return models_each("convert", check_model);
}
