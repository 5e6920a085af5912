/* Evaluations of which one fails: files are damaged between the steps that make and measure
 * them. */

#include "recipes/engine.h"

#include "formats/base/cpu.h"
#include "formats/base/out.h"
#include "recipes/engine_impl.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define HEAD                                                                                       \
    "name: x\nquantize: [Q8_0, Q4_0, Q5_0]\n"                                                      \
    "evaluate: {text: text, ctx: 16, chunks: 1}\nreport: {json: r.json}\n"

enum { VARIANTS = 3 };
enum damage { NONE, CUT, NOT_FINITE };

struct fixture {
    char dir[32], recipe[64], out[64], model[64];
    enum damage damage[VARIANTS]; /* what befalls the variants' files before they are measured */
    const char *sets[1];
    struct engine_opts opts;
    struct engine *e;
    struct err err;
};

static void spoil(const char *path, enum damage how)
{
    static unsigned char ones[1 << 19];
    struct stat st;

    assert_int_equal(stat(path, &st), 0);
    if (how == CUT) {
        assert_int_equal(truncate(path, st.st_size / 2), 0);
    } else if (how == NOT_FINITE) { /* scales of the last blocks */
        const int fd = open(path, O_WRONLY | O_CLOEXEC);
        (void)memset(ones, 0xff, sizeof(ones));
        assert_true(fd >= 0);
        assert_int_equal(pwrite(fd, ones, sizeof(ones), st.st_size - (off_t)sizeof(ones)),
                         sizeof(ones));
        assert_int_equal(close(fd), 0);
    }
}

static void on_step(void *arg, const struct engine_step *s)
{
    static const char *const name[VARIANTS] = {"Q8_0", "Q4_0", "Q5_0"};
    struct fixture *f = arg;
    char path[128];

    if (s->kind != ENGINE_EVALUATE || s->item ||
        (s->state != ENGINE_RUNNING && s->state != ENGINE_CACHED))
        return;
    for (size_t i = 0; i < VARIANTS; i++) {
        (void)snprintf(path, sizeof(path), "%s/x-%s.gguf", f->out, name[i]);
        spoil(path, f->damage[i]);
    }
}

static void put(const struct fixture *f, const char *name, const char *text)
{
    struct err err;
    char path[64];

    (void)snprintf(path, sizeof(path), "%s/%s", f->dir, name);
    assert_int_equal(out_file(path, text, strlen(text), &err), 0);
}

static void fixture_new(struct fixture *f)
{
    char text[4096];

    *f = (struct fixture){.dir = "/tmp/pare-engine-XXXXXX"};
    assert_non_null(mkdtemp(f->dir));
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = i % 5 ? (char)('a' + i % 23) : ' ';
    text[sizeof(text) - 1] = '\0';
    put(f, "text", text);
    put(f, "r.yaml", HEAD);
    (void)snprintf(f->recipe, sizeof(f->recipe), "%s/r.yaml", f->dir);
    (void)snprintf(f->out, sizeof(f->out), "%s/out", f->dir);
    (void)snprintf(f->model, sizeof(f->model), "model=%s", "recipes/demo");
}

static void fixture_free(struct fixture *f)
{
    char command[64];

    engine_free(f->e);
    (void)snprintf(command, sizeof(command), "rm -rf %s", f->dir);
    assert_int_equal(system(command), 0);
}

static int run(struct fixture *f, bool keep_going)
{
    engine_free(f->e);
    f->err = (struct err){0};
    f->sets[0] = f->model;
    f->opts = (struct engine_opts){
        .out_dir = f->out,
        .recipe = {.sets = f->sets, .n_sets = 1},
        .keep_going = keep_going,
        .jobs = 1,
        .cpu = cpu_detect(),
        .par = {1              },
        .on_step = on_step,
        .arg = f
    };
    assert_int_equal(engine_open(&f->e, f->recipe, &f->opts, &f->err), 0);
    return engine_run(f->e, &f->err);
}

/* What became of the evaluations, the original first, and of the report: "DFSC" each. */
static const char *outcome(const struct fixture *f)
{
    static const char letter[] = {
        [ENGINE_TODO] = 't', [ENGINE_CACHED] = 'C', [ENGINE_WAITING] = 'w', [ENGINE_RUNNING] = 'r',
        [ENGINE_DONE] = 'D', [ENGINE_FAILED] = 'F', [ENGINE_SKIPPED] = 'S'};
    static char text[VARIANTS + 3];
    size_t n = 0;

    for (size_t i = 0; engine_step(f->e, i); i++)
        if (engine_step(f->e, i)->kind >= ENGINE_EVALUATE)
            text[n++] = letter[engine_step(f->e, i)->state];
    text[n] = '\0';
    return text;
}

static const char *reason(const struct fixture *f, size_t model)
{
    for (size_t i = 0; engine_step(f->e, i); i++)
        if (engine_step(f->e, i)->kind == ENGINE_EVALUATE && engine_step(f->e, i)->item == model)
            return engine_step(f->e, i)->why;
    return NULL;
}

/* A file that can't be opened, one that opens and can't be measured, and both. */
static void test_engine_fail_alone(void **state)
{
    struct fixture f;

    (void)state;
    fixture_new(&f);
    f.damage[1] = CUT;
    assert_int_equal(run(&f, true), ERR_FORMAT);
    assert_string_equal(outcome(&f), "DDFDS");
    assert_non_null(strstr(reason(&f, 2), "x-Q4_0.gguf"));
    assert_non_null(strstr(f.err.msg, "2 of 8 steps were not done; first: "));
    f.damage[1] = NONE;
    assert_int_equal(run(&f, true), 0);
    assert_string_equal(outcome(&f), "CCDCD");
    fixture_free(&f);

    fixture_new(&f);
    f.damage[0] = NOT_FINITE;
    f.damage[2] = CUT;
    assert_int_equal(run(&f, true), ERR_FORMAT);
    assert_string_equal(outcome(&f), "DFDFS");
    assert_non_null(strstr(reason(&f, 1), "x-Q8_0.gguf"));
    assert_non_null(strstr(reason(&f, 3), "x-Q5_0.gguf"));
    /* the original is known: what can't be measured with others is tried beside it alone */
    f.damage[2] = NOT_FINITE;
    assert_int_equal(run(&f, true), ERR_FORMAT);
    assert_string_equal(outcome(&f), "CFCFS");
    f.damage[0] = NOT_FINITE;
    f.damage[2] = NONE;
    assert_int_equal(run(&f, false), ERR_FORMAT);
    assert_string_equal(outcome(&f), "CFCFt");
    fixture_free(&f);
}

/* The student's weights, gradients and moments, not the teacher's file times something. */
static void test_engine_memory(void **state)
{
    struct fixture f;
    struct stat st;
    uint64_t bytes[2];

    (void)state;
    fixture_new(&f);
    put(&f, "r.yaml",
        "name: x\ndistill:\n- {name: whole, text: text, ctx: 16}\n"
        "- {name: small, text: text, ctx: 16, layers: 1}\n"
        "evaluate: {text: text, ctx: 16, chunks: 1}\n");
    f.sets[0] = f.model;
    f.opts = (struct engine_opts){
        .out_dir = f.out,
        .recipe = {.sets = f.sets, .n_sets = 1},
        .plan_only = true,
        .allow_overlap = true,
        .cpu = cpu_detect(),
        .par = {1             }
    };
    if (engine_open(&f.e, f.recipe, &f.opts, &f.err))
        fail_msg("%s", f.err.msg);
    for (size_t i = 0, n = 0; n < 2; i++)
        if (engine_step(f.e, i)->kind == ENGINE_DISTILL)
            bytes[n++] = engine_memory_of(&f.e->branch[0], engine_step(f.e, i));
    assert_int_equal(stat("recipes/demo/model.safetensors", &st), 0);
    assert_int_equal(bytes[0] - bytes[1], 16 * 2 * 786944); /* two layers' parameters */
    assert_true(bytes[0] >= 16 * 2623232 + (uint64_t)st.st_size);
    fixture_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_engine_fail_alone),
        cmocka_unit_test(test_engine_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
