#include "formats/base/json.h"
#include "formats/base/version.h"
#include "quant/pipe/pipe.h"

#include <string.h>

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

static double ratio(double err2, double sum2)
{
    return sum2 > 0 ? err2 / sum2 : 0;
}

int pipe_report(struct buf *b, const char *path, const struct pipe_stat *stats, size_t n,
                const struct pipe_result *result, struct err *err)
{
    struct json_out j = json_out_init(b, false);

    json_open(&j, NULL, '{');
    json_put_str(&j, "file", base_name(path));
    json_put_str(&j, "pare", PARE_VERSION);
    json_put_uint(&j, "bytes", result->bytes);
    json_put_uint(&j, "params", result->params);
    json_open(&j, "tensors", '[');
    for (size_t i = 0; i < n; i++) {
        const struct pipe_stat *s = &stats[i];
        json_open(&j, NULL, '{');
        json_put_str(&j, "name", s->t->name);
        json_put_str(&j, "type", dtype_get(s->type)->name);
        json_put_str(&j, "from", dtype_get(s->t->type)->name);
        json_put_num(&j, "nmse", ratio(s->sums.err2, s->sums.sum2));
        json_put_num(&j, "weighted_nmse", ratio(s->sums.weighted_err2, s->sums.weighted_sum2));
        json_put_str(&j, "sha256", s->sha256);
        json_put_num(&j, "seconds", s->seconds);
        json_close(&j, '}');
    }
    json_close(&j, ']');
    json_close(&j, '}');
    buf_str(b, "\n");
    return buf_check(b, err);
}
