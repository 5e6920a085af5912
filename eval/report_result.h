#ifndef EVAL_REPORT_RESULT_H
#define EVAL_REPORT_RESULT_H

/* What was measured of one model, as members of a JSON object: docs/formats.md, "Report
 * JSON", RESULT. */

#include "eval/eval.h"
#include "formats/base/err.h"
#include "formats/base/json.h"

/* Into the open object; not what lies behind r->fast. */
void report_result_put(struct json_out *j, const struct eval_result *r);

/* Back from that object. To be released also after a failure.
 * Errors: ERR_FORMAT saying which member and what was expected. */
int report_result_get(struct eval_result *out, const json_val *v, struct err *err) WARN_UNUSED;

#endif /* EVAL_REPORT_RESULT_H */
