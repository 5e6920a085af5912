/* Kinds of steps: a row each, in the order they are planned. */

#include "recipes/engine_impl.h"

static const struct engine_ops *const kinds[ENGINE_KINDS] = {
    [ENGINE_CALIBRATE] = &engine_calibrate_ops, [ENGINE_DISTILL] = &engine_distill_ops,
    [ENGINE_CONVERT] = &engine_convert_ops,     [ENGINE_QUANTIZE] = &engine_quantize_ops,
    [ENGINE_EVALUATE] = &engine_evaluate_ops,   [ENGINE_REPORT] = &engine_report_ops,
};

const struct engine_ops *engine_ops(enum engine_kind kind)
{
    return kinds[kind];
}

const char *engine_kind_name(enum engine_kind kind)
{
    return kinds[kind]->name;
}
