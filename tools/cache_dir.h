#ifndef TOOLS_CACHE_DIR_H
#define TOOLS_CACHE_DIR_H

/* Which cache a command means. */

#include "formats/base/buf.h"
#include "formats/base/err.h"

/* Its folder, appended: `told`, or the .cache of the output folder that `told` is; without
 * it $PARE_CACHE. Errors: ERR_ARG (neither), ERR_IO (no such folder). */
int cache_dir(struct buf *out, const char *told, struct err *err) WARN_UNUSED;

#endif /* TOOLS_CACHE_DIR_H */
