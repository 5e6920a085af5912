#include "formats/base/json.h"
#include "formats/base/version.h"
#include "quant/pipe/pipe.h"

#include <string.h>

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
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
        json_put_num(&j, "nmse", s->sum2 > 0 ? s->err2 / s->sum2 : 0);
        json_put_str(&j, "sha256", s->sha256);
        json_put_num(&j, "seconds", s->seconds);
        json_close(&j, '}');
    }
    json_close(&j, ']');
    json_close(&j, '}');
    buf_str(b, "\n");
    return buf_check(b, err);
}
