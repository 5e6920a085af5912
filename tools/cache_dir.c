#include "tools/cache_dir.h"

#include <stdlib.h>
#include <unistd.h>

int cache_dir(struct buf *out, const char *told, struct err *err)
{
    const char *dir = told ? told : getenv("PARE_CACHE");

    if (!dir || !*dir)
        return err_set(err, ERR_ARG,
                       "which cache? give its folder, or a recipe's output folder, or set "
                       "PARE_CACHE");
    if (access(dir, R_OK | X_OK))
        return err_errno(err, dir);
    buf_fmt(out, "%s/.cache", dir);
    int rc = buf_check(out, err);
    if (!rc && access(out->p, R_OK | X_OK)) {
        out->n = 0;
        buf_str(out, dir);
        rc = buf_check(out, err);
    }
    return rc;
}
