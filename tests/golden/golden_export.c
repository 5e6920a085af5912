/* Every golden checkpoint, converted to F32, F16 and BF16, exported and converted again: the
 * same metadata, in any order, and the same tensors, byte for byte. Files with coded tensors
 * must export and convert. The program is $PARE. */

#include "formats/arch/arch.h"
#include "formats/digest.h"
#include "tests/models.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const types[] = {"f32", "f16", "bf16"};

/* pare COMMAND FROM TO [--type TYPE]: 0 when it succeeded. */
static int pare(const char *command, const char *from, const char *to, const char *type)
{
    const char *program = getenv("PARE");
    int status;

    (void)fflush(stdout); /* or the child would print it again */
    const pid_t pid = fork();
    if (!program)
        program = "build/release/pare";
    if (!pid) {
        if (freopen("/dev/null", "w", stdout))
            (void)execl(program, program, command, from, to, type ? "--type" : (char *)NULL, type,
                        (char *)NULL);
        _exit(127);
    }
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status)
                                                                           : 1;
}

/* Every value of a is in b. */
static bool holds(const struct meta *a, const struct meta *b, const char *where)
{
    bool good = true;

    for (size_t i = 0; i < a->n; i++)
        if (!meta_same(&a->kv[i], meta_get(b, a->kv[i].key))) {
            tap_note("%s: %s", a->kv[i].key, where);
            good = false;
        }
    return good;
}

static bool same_tensors(const struct gguf *a, const struct gguf *b)
{
    bool good = gguf_n_tensors(a) == gguf_n_tensors(b);

    for (size_t i = 0; i < gguf_n_tensors(a); i++) {
        const struct gguf_tensor *x = gguf_tensor(a, i), *y = gguf_find(b, x->name);
        if (!y || x->type != y->type || memcmp(x->dims, y->dims, sizeof(x->dims)) != 0 ||
            x->bytes != y->bytes || (x->bytes && memcmp(x->data, y->data, x->bytes) != 0)) {
            tap_note("tensor %s differs", x->name);
            good = false;
        }
    }
    return good;
}

static bool is_coded(const struct gguf *g)
{
    for (size_t i = 0; i < gguf_n_tensors(g); i++)
        if (dtype_get(gguf_tensor(g, i)->type)->block > 1)
            return true;
    return false;
}

static bool same_files(const char *first, const char *second)
{
    struct gguf *a = NULL, *b = NULL;
    struct err err = {0};
    bool good = !gguf_open(&a, first, &err) && !gguf_open(&b, second, &err);

    if (!good)
        tap_note("%s", err.msg);
    if (good && !is_coded(a)) {
        good = holds(gguf_meta(a), gguf_meta(b), "not as it was");
        good = holds(gguf_meta(b), gguf_meta(a), "was not so") && good;
        good = same_tensors(a, b) && good;
    }
    gguf_free(a);
    gguf_free(b);
    return good;
}

static void remove_folder(const char *dir)
{
    static const char *const files[] = {"config.json",           "generation_config.json",
                                        "tokenizer.json",        "tokenizer.model",
                                        "tokenizer_config.json", "pare.json",
                                        "model.safetensors"};
    char path[1024];

    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
        (void)unlink(path);
    }
    (void)rmdir(dir);
}

static bool check(const char *model, const char *type, const char *out)
{
    char dir[600], second[600];

    (void)snprintf(dir, sizeof(dir), "%s.folder", out);
    (void)snprintf(second, sizeof(second), "%s.2", out);
    bool good = !pare("convert", model, out, type);
    good = good && !pare("export", out, dir, NULL);
    good = good && !pare("convert", dir, second, NULL);
    good = good && same_files(out, second);
    (void)unlink(out);
    (void)unlink(second);
    remove_folder(dir);
    return good;
}

static void check_model(struct tap *t, const json_val *m, const char *dir, const char *out)
{
    const char *name = json_str(json_get(m, "name")), *class = json_str(json_get(m, "hf_class"));

    if (!class || !arch_by_class(class)) {
        tap_skip(t, name, "no architecture row");
        return;
    }
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        (void)tap_ok(t, check(dir, types[i], out), "%s in %s, exported and converted", name,
                     types[i]);
}

int main(void)
{
    return models_each("export", check_model);
}
