#include "tools/quantize_plan.h"

#include <inttypes.h>
#include <stdio.h>

struct sum {
    size_t n;
    uint64_t values, bytes;
};

static struct sum sum_of(const struct source *s, const enum dtype *types, enum dtype type)
{
    struct sum sum = {0};
    size_t row;

    for (size_t i = 0; i < source_n_tensors(s); i++) {
        const struct source_tensor *t = source_tensor(s, i);
        if (types[i] != type || !dtype_row_bytes(&row, type, source_row_len(t)))
            continue;
        sum.n++;
        sum.values += source_row_len(t) * source_n_rows(t);
        sum.bytes += row * source_n_rows(t);
    }
    return sum;
}

void quantize_plan_print(const struct source *s, const enum dtype *types, uint64_t bytes)
{
    printf("%-9s %8s %16s %16s %8s\n", "type", "tensors", "values", "bytes", "bits");
    for (int t = DTYPE_NONE + 1; t < DTYPE_COUNT; t++) {
        const struct sum sum = sum_of(s, types, (enum dtype)t);
        if (!sum.n)
            continue;
        printf("%-9s %8zu %16" PRIu64 " %16" PRIu64 " %8.4g\n", dtype_get((enum dtype)t)->name,
               sum.n, sum.values, sum.bytes,
               sum.values ? 8.0 * (double)sum.bytes / (double)sum.values : 0);
        bytes -= sum.bytes;
    }
    printf("%-9s %8s %16s %16" PRIu64 "\n", "the rest", "", "", bytes);
}

void quantize_plan_warn(const struct source *s, const struct mix *mix, const enum dtype *types,
                        const struct log *log)
{
    for (size_t i = 0; i < source_n_tensors(s); i++) {
        const struct source_tensor *t = source_tensor(s, i);
        if (t->type == types[i] ||
            !mix_needs_importance(mix, t->row ? t->row->role : ROLE_NONE, types[i]))
            continue;
        log_warn(log,
                 "%s needs an importance matrix (--imatrix) to be written: tensor %s becomes %s",
                 mix_name(mix), t->name, dtype_get(types[i])->name);
        return;
    }
}
