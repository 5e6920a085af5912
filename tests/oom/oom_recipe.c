#include "eval/formats.h"
#include "eval/report.h"
#include "eval/score.h"
#include "recipes/cache.h"
#include "recipes/engine.h"
#include "recipes/recipe.h"
#include "recipes/store.h"
#include "tests/oom/alloc.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int use_recipe(void *arg, struct err *err)
{
    static const char text[] =
        "matrix: {model: [a, b], mix: [Q6_K, Q5_K_M], effort: [fast, best]}\n"
        "quantize: [Q8_0, {name: x, type: Q4_0}, {mix: \"${matrix.mix}\", "
        "effort: \"${matrix.effort}\", tensor_type: [a=Q8_0]}]\n"
        "evaluate: {text: \"${T:-t}\", tasks: [a, b]}\n"
        "report: {html: r.html}\n";
    static const char *const sets[] = {"evaluate.chunks=3", "name=other"};
    struct recipe_list r;
    const struct recipe_opts opts = {.sets = sets, .n_sets = 2};
    const int rc = recipe_parse(&r, "a/b.yaml", text, sizeof(text) - 1, &opts, err);

    (void)arg;
    if (!rc)
        recipe_release(&r);
    return rc;
}

/* A message about an unknown key lists the known ones: it allocates too. */
static int use_unknown_key(void *arg, struct err *err)
{
    static const char text[] = "modell: .\n";
    struct recipe_list r;
    const struct recipe_opts opts = {0};
    const int rc = recipe_parse(&r, "a/b.yaml", text, sizeof(text) - 1, &opts, err);

    (void)arg;
    return rc == ERR_FORMAT ? 0 : rc;
}

/* The JSON parser can't tell why it failed, so a file of the cache that is met without memory counts
 * as unreadable, and nobody would notice: each try begins without. */
static void forget(const char *dir)
{
    char known[64];

    (void)snprintf(known, sizeof(known), "%s/.cache/hashes.json", dir);
    (void)unlink(known);
}

static int use_engine(void *arg, struct err *err)
{
    /* tokenizing two texts for each allocation that fails would take hours */
    const struct engine_opts eo = {.out_dir = arg, .allow_overlap = true, .par = par_init(1)};
    struct engine *e;

    forget(arg);
    const int rc = engine_open(&e, "recipes/demo/demo.yaml", &eo, err);
    if (!rc)
        engine_free(e);
    return rc;
}

static int use_store(void *arg, struct err *err)
{
    const char *const key[] = {"b", "a"};
    char path[64];
    struct store_locks locks = {0};
    struct buf record = {0};
    json_val *doc = NULL;
    struct store *s;
    bool found;

    (void)snprintf(path, sizeof(path), "%s/store", (const char *)arg);
    int rc = store_open(&s, path, true, true, err);
    if (rc)
        return rc;
    rc = store_lock(&locks, s, key, 2, NULL, NULL, NULL, err);
    buf_str(&record, "{}");
    if (!rc)
        rc = store_put(s, "a", &record, err);
    if (!rc)
        rc = store_get(&doc, s, "c", err); /* one that can't be read counts as absent */
    if (!rc)
        rc = store_fetch(&found, s, "0", path, NULL, err);
    json_free(doc);
    buf_release(&record);
    store_unlock(&locks);
    store_free(s);
    return rc;
}

static int use_cache(void *arg, struct err *err)
{
    char hex[HASH_HEX_BYTES];
    struct cache *c;

    forget(arg);
    int rc = cache_open(&c, arg, true, NULL, err);

    if (rc)
        return rc;
    rc = cache_hash_model(hex, c, "recipes/demo", err);
    if (!rc)
        rc = cache_save(c, err);
    cache_free(c);
    return rc;
}

static const struct score scores[] = {
    {.nll = 1.0, .kld = 0.1, .dp = 0.2, .top = 1},
    {.nll = 2.5, .kld = 0.2, .dp = 0.1, .top = 2},
    {.nll = 1.5, .kld = 0.3, .dp = 0.3, .top = 1},
    {.nll = 2.0, .kld = 0.4, .dp = 0.4, .top = 3},
};

static int render(const struct report *r, struct err *err)
{
    struct buf b = {0};
    int rc = 0;

    for (size_t i = 0; !rc && report_format_at(i); i++)
        rc = report_format_at(i)->put(&b, r, NULL, err);
    buf_release(&b);
    return rc;
}

static int use_report(void *arg, struct err *err)
{
    struct report_model m[2] = {
        {.name = "original", .file = "a",    .type = "BF16"  },
        { .name = "Q8_0",       .file = "b", .type = "Q8_0", .bytes = 1 << 20}
    };
    const struct report r = {.name = "n",
                             .text = "t",
                             .kernels = "f32",
                             .n_ctx = 8,
                             .original = m,
                             .model = m + 1,
                             .n_models = 1};
    int rc = score_summary(&m[0].result, scores, NULL, 2, 2, err);

    (void)arg;
    if (!rc)
        rc = score_summary(&m[1].result, scores, scores, 2, 2, err);
    if (!rc)
        rc = render(&r, err);
    report_model_release(&m[0]);
    report_model_release(&m[1]);
    return rc;
}

int main(void)
{
    struct tap t = {0};
    char dir[] = "/tmp/pare-oom-XXXXXX", command[64];

    if (!mkdtemp(dir))
        return 1;
    alloc_each(&t, "recipe", use_recipe, NULL);
    alloc_each(&t, "recipe: unknown key", use_unknown_key, NULL);
    alloc_each(&t, "cache", use_cache, dir);
    alloc_each(&t, "store", use_store, dir);
    alloc_each(&t, "report", use_report, NULL);
    alloc_each(&t, "engine", use_engine, dir);
    (void)snprintf(command, sizeof(command), "rm -rf %s", dir);
    if (system(command))
        tap_note("%s was left", dir);
    return tap_done(&t);
}
