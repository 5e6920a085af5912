#ifndef QUANT_UNPACK_H
#define QUANT_UNPACK_H

/* From a GGUF's tensors to a checkpoint's in one streamed pass: groups of rows are decoded,
 * put back in their order, written in a plain type. Memory is bounded by a few groups. */

#include "formats/base/err.h"
#include "formats/base/log.h"
#include "formats/base/par.h"
#include "formats/hf_plan.h"
#include "formats/safetensors_write.h"

/* Every tensor of the plan, in order; the writer's items are the plan's. Errors name the
 * tensor. */
int unpack(struct st_writer *w, const struct hf_plan *plan, unsigned cpu, const struct par *par,
           const struct log *log, struct err *err) WARN_UNUSED;

#endif /* QUANT_UNPACK_H */
