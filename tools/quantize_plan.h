#ifndef TOOLS_QUANTIZE_PLAN_H
#define TOOLS_QUANTIZE_PLAN_H

/* What `pare quantize --dry-run` says. */

#include "formats/base/log.h"
#include "formats/dtype.h"
#include "formats/source.h"
#include "quant/mix.h"

#include <stdint.h>

/* Tensors, values and bytes by type, and what the files hold besides: `bytes` is of all. */
void quantize_plan_print(const struct source *s, const enum dtype *types, uint64_t bytes);

/* Warn when writing would need an importance matrix. */
void quantize_plan_warn(const struct source *s, const struct mix *mix, const enum dtype *types,
                        const struct log *log);

#endif /* TOOLS_QUANTIZE_PLAN_H */
