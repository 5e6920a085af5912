#include "eval/figure.h"
#include "formats/apart.h"
#include "formats/base/json.h"
#include "formats/base/out.h"
#include "recipes/history.h"
#include "tools/cache_dir.h"
#include "tools/cmd.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct history_cmd {
    const char *model, *cache, *json, *svg;
    int64_t limit;
};

static const char *const change_name[] = {[HISTORY_UNKNOWN] = "unknown",
                                          [HISTORY_SAME] = "same",
                                          [HISTORY_BETTER] = "better",
                                          [HISTORY_WORSE] = "worse"};

/* "2026-11-22 01:15", UTC: the same text on every machine. */
static void date(char out[FIGURE_BYTES], int64_t at)
{
    const time_t t = (time_t)at;
    struct tm tm;

    if (!gmtime_r(&t, &tm) || !strftime(out, FIGURE_BYTES, "%Y-%m-%d %H:%M", &tm))
        (void)snprintf(out, FIGURE_BYTES, "%lld", (long long)at);
}

/* Only what is a difference is called one. */
static void change(char out[FIGURE_BYTES], const struct history_row *r)
{
    if (r->change == HISTORY_BETTER || r->change == HISTORY_WORSE)
        (void)snprintf(out, FIGURE_BYTES, "%+.2g %s", r->diff, change_name[r->change]);
    else
        (void)snprintf(out, FIGURE_BYTES, "%s", r->change == HISTORY_SAME ? "same" : "");
}

/* The original has nothing to lose. */
static bool is_original(const struct history_row *r)
{
    return isnan(r->kld.value) && !strcmp(r->variant, "original");
}

static void print_row(const struct history_row *r)
{
    char when[FIGURE_BYTES], size[FIGURE_BYTES], kld[FIGURE_BYTES], ratio[FIGURE_BYTES];
    char top1[FIGURE_BYTES], moved[FIGURE_BYTES], grew[FIGURE_BYTES] = "";

    date(when, r->time);
    figure_size(size, r->bytes);
    figure_mean(kld, r->kld, 0);
    figure_mean(ratio, r->ppl_ratio, 4);
    figure_percent(top1, r->top1);
    change(moved, r);
    if (r->bytes_before >= 0 && (uint64_t)r->bytes_before != r->bytes)
        (void)snprintf(grew, sizeof(grew), "  size %+lld B",
                       (long long)r->bytes - (long long)r->bytes_before);
    (void)printf("%4lld  %-16s  %-16s  %-14s  %10s  %-22s  %-20s  %-14s  %s%s%s\n",
                 (long long)r->run, when, r->model, r->variant, size, kld, ratio, top1, moved, grew,
                 r->n_failed ? "  gates failed" : "");
}

static void put_mean(struct json_out *j, const char *key, struct stats_mean m)
{
    json_open(j, key, '{');
    json_put_num(j, "value", m.value);
    json_put_num(j, "error", m.error);
    json_close(j, '}');
}

static void put_row(struct json_out *j, const struct history_row *r)
{
    json_open(j, NULL, '{');
    json_put_int(j, "run", r->run);
    json_put_int(j, "time", r->time);
    json_put_str(j, "model", r->model);
    json_put_str(j, "variant", r->variant);
    json_put_str(j, "type", r->type);
    json_put_str(j, "pare", r->pare);
    json_put_uint(j, "bytes", r->bytes);
    put_mean(j, "ppl", r->ppl);
    put_mean(j, "ppl_ratio", r->ppl_ratio);
    put_mean(j, "kld", r->kld);
    put_mean(j, "top1", r->top1);
    json_put_int(j, "gates_failed", r->n_failed);
    json_put_str(j, "change", change_name[r->change]);
    json_put_num(j, "kld_diff", r->diff);
    json_close(j, '}');
}

static int write_json(const struct history *h, const char *path, struct err *err)
{
    struct buf b = {0};
    struct json_out j = json_out_init(&b, false);

    json_open(&j, NULL, '{');
    json_put_str(&j, "schema", "pare.history");
    json_put_int(&j, "version", 1);
    json_open(&j, "rows", '[');
    for (size_t i = 0; i < h->n; i++)
        put_row(&j, &h->at[i]);
    json_close(&j, ']');
    json_close(&j, '}');
    int rc = buf_check(&b, err);
    if (!rc)
        rc = out_file(path, b.p, b.n, err);
    buf_release(&b);
    return rc;
}

static int write_svg(const struct history *h, const char *path, struct err *err)
{
    struct buf b = {0};
    int rc = history_svg(&b, h, err);

    if (!rc)
        rc = out_file(path, b.p, b.n, err);
    buf_release(&b);
    return rc;
}

static int show(const struct history_cmd *c, const struct history *h, struct err *err)
{
    int rc = 0;

    if (!h->n && c->model)
        return err_set(err, ERR_ARG, "no run of \"%s\" is in the log", c->model);
    (void)printf("%4s  %-16s  %-16s  %-14s  %10s  %-21s  %-20s  %-14s  %s\n", "run", "date (UTC)",
                 "model", "variant", "size", "KLD", "PPL ratio", "top-1 %", "KLD since");
    for (size_t i = 0; i < h->n; i++)
        if (!is_original(&h->at[i]))
            print_row(&h->at[i]);
    if (c->json)
        rc = write_json(h, c->json, err);
    if (!rc && c->svg)
        rc = write_svg(h, c->svg, err);
    return rc;
}

/* The log in the cache told, in $PARE_CACHE, or in the folder that `pare run` makes of the
 * model's name here. */
static int find_log(struct buf *out, const struct history_cmd *c, struct err *err)
{
    struct buf dir = {0}, own = {0};
    int rc;

    if (c->model && !c->cache)
        buf_fmt(&own, "%s.out", c->model);
    rc = buf_check(&own, err);
    if (!rc)
        rc = cache_dir(&dir,
                       c->cache                        ? c->cache
                       : own.n && !access(own.p, F_OK) ? own.p
                                                       : NULL,
                       err);
    if (!rc) {
        buf_fmt(out, "%s/history.db", dir.p);
        rc = buf_check(out, err);
    }
    buf_release(&own);
    buf_release(&dir);
    return rc;
}

int cmd_history(struct cmd_env *env, int argc, char **argv, struct err *err)
{
    struct history_cmd c = {0};
    struct cmd_common common;
    struct history h = {0};
    struct buf path = {0};
    size_t n;
    const struct opt opts[] = {
        {"cache", "DIR",  "cache or output folder (default: MODEL.out, where it is; $PARE_CACHE)",
         OPT_STR,                                                                                           &c.cache, 0, 0  },
        {"limit", "N",    "the last N runs (default: all)",                                        OPT_INT, &c.limit, 1, 1e9},
        {"json",  "FILE", "write the rows",                                                        OPT_STR, &c.json,  0, 0  },
        {"svg",   "FILE", "draw loss and size by run",                                             OPT_STR, &c.svg,   0, 0  },
    };
    int rc = cmd_options(&common, env, opts, N_OF(opts), argc, argv, &c.model, &n, 0, 1, err);

    if (rc || common.done)
        return rc;
    rc = find_log(&path, &c, err);
    if (!rc)
        rc = apart(c.json, path.p, false, err);
    if (!rc)
        rc = apart(c.svg, path.p, false, err);
    if (!rc)
        rc = history_read(&h, path.p, c.model, (size_t)c.limit, err);
    if (!rc)
        rc = show(&c, &h, err);
    history_release(&h);
    buf_release(&path);
    return rc;
}
