#include "eval/figure.h"
#include "formats/base/out.h"
#include "formats/base/size.h"
#include "recipes/store_gc.h"
#include "tools/cache_dir.h"
#include "tools/cmd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct cache_cmd {
    const char *what, *dir, *json, *most, *age;
    bool dry;
};

/* "30d", "12h", "2w", "90m" to seconds. */
static int read_age(int64_t *out, const char *text, struct err *err)
{
    static const char unit[] = "mhdw";
    static const int64_t seconds[] = {60, 3600, 86400, 604800};
    char *end;
    const long long n = strtoll(text, &end, 10);
    const char *u = *end && !end[1] ? strchr(unit, *end) : NULL;

    if (end == text || !u || n < 0 || n > 1000000)
        return err_set(err, ERR_ARG, "--older-than wants a time like 30d, 12h or 2w, not \"%s\"",
                       text);
    *out = (int64_t)n * seconds[u - unit];
    return 0;
}

/* How long ago: "3 d", "2 h", "5 min". */
static void ago(char out[FIGURE_BYTES], int64_t s)
{
    if (s >= 2 * 86400)
        (void)snprintf(out, FIGURE_BYTES, "%lld d", (long long)(s / 86400));
    else if (s >= 2 * 3600)
        (void)snprintf(out, FIGURE_BYTES, "%lld h", (long long)(s / 3600));
    else
        (void)snprintf(out, FIGURE_BYTES, "%lld min", (long long)(s < 0 ? 0 : s / 60));
}

static int write_list(const struct store_list *l, const char *path, struct err *err)
{
    struct buf b = {0};
    struct json_out j = json_out_init(&b, false);

    json_open(&j, NULL, '{');
    json_put_str(&j, "schema", "pare.cache");
    json_put_int(&j, "version", 1);
    json_put_uint(&j, "bytes", l->bytes);
    json_open(&j, "entries", '[');
    for (size_t i = 0; i < l->n; i++) {
        const struct store_entry *e = &l->at[i];
        json_open(&j, NULL, '{');
        json_put_str(&j, "key", e->key);
        json_put_bool(&j, "whole", e->whole);
        json_put_str(&j, "step", e->step);
        json_put_str(&j, "recipe", e->recipe);
        json_put_str(&j, "name", e->name);
        json_put_uint(&j, "bytes", e->bytes);
        json_put_int(&j, "used", e->used);
        json_close(&j, '}');
    }
    json_close(&j, ']');
    json_close(&j, '}');
    int rc = buf_check(&b, err);
    if (!rc)
        rc = out_file(path, b.p, b.n, err);
    buf_release(&b);
    return rc;
}

static int list(const struct cache_cmd *c, const struct store *s, struct err *err)
{
    char size[FIGURE_BYTES], age[FIGURE_BYTES];
    const int64_t now = (int64_t)time(NULL);
    struct store_list l;
    int rc = store_list(&l, s, err);

    for (size_t i = l.n; !rc && i-- > 0;) {
        const struct store_entry *e = &l.at[i];
        figure_size(size, e->bytes);
        ago(age, now - e->used);
        (void)printf("%.12s  %-9s  %-20s  %-16s  %10s  %7s ago\n", e->key,
                     e->whole ? e->step : "damaged", e->recipe, e->name, size, age);
    }
    figure_size(size, l.bytes);
    if (!rc)
        (void)printf("steps: %zu, %s in %s\n", l.n, size, store_dir(s));
    if (!rc && c->json)
        rc = write_list(&l, c->json, err);
    store_list_release(&l);
    return rc;
}

static int collect(const struct cache_cmd *c, const struct store *s, struct err *err)
{
    struct store_gc gc = {
        .most = UINT64_MAX, .oldest = INT64_MIN, .now = (int64_t)time(NULL), .dry = c->dry};
    char freed[FIGURE_BYTES], left[FIGURE_BYTES];
    int64_t age = 0;
    int rc = c->most ? size_parse(&gc.most, c->most, err) : 0;

    if (rc)
        return err_wrap(err, "--max-size");
    if (c->age) {
        rc = read_age(&age, c->age, err);
        gc.oldest = gc.now - age;
    }
    if (!rc)
        rc = store_collect(&gc, s, err);
    if (rc)
        return rc;
    figure_size(freed, gc.bytes);
    figure_size(left, gc.left);
    (void)printf("%ssteps removed: %zu, freed: %s; steps left: %zu, %s\n",
                 c->dry ? "would be: " : "", gc.n, freed, gc.kept, left);
    return 0;
}

int cmd_cache(struct cmd_env *env, int argc, char **argv, struct err *err)
{
    struct cache_cmd c = {0};
    struct cmd_common common;
    const char *operand[2] = {0};
    struct store *s = NULL;
    struct buf dir = {0};
    size_t n;
    const struct opt opts[] = {
        {"max-size",   "SIZE", "gc: remove the least recently used until the rest is that large",
         OPT_STR,                                                                                           &c.most, 0, 0},
        {"older-than", "TIME", "gc: remove what was last used longer ago (30d, 12h)",             OPT_STR,
         &c.age,                                                                                                     0, 0},
        {"dry-run",    NULL,   "gc: only say what would go",                                      OPT_FLAG, &c.dry,  0, 0},
        {"json",       "FILE", "ls: write the list",                                              OPT_STR,  &c.json, 0, 0},
    };
    int rc = cmd_options(&common, env, opts, N_OF(opts), argc, argv, operand, &n, 1, 2, err);

    if (rc || common.done)
        return rc;
    c.what = operand[0];
    const bool gc = !strcmp(c.what, "gc");
    if (!gc && strcmp(c.what, "ls") != 0)
        return err_set(err, ERR_ARG, "expected ls or gc, not \"%s\"", c.what);
    rc = cache_dir(&dir, n > 1 ? operand[1] : NULL, err);
    if (!rc)
        rc = store_open(&s, dir.p, true, false, err);
    if (!rc)
        rc = gc ? collect(&c, s, err) : list(&c, s, err);
    store_free(s);
    buf_release(&dir);
    return rc;
}
