/* The table of one level; its name comes from the Makefile. */

#include "distill/wide/level.h"

const struct wide WIDE_TABLE = {
    .mul = wide_mul,
    .turn = wide_turn,
    .soft = wide_soft,
    .soft_back = wide_soft_back,
    .norm = wide_norm,
    .norm_again = wide_norm_again,
    .norm_back = wide_norm_back,
    .rotate = wide_rotate,
    .act_back = {[ACT_SILU] = wide_silu_back,
                 [ACT_GELU_TANH] = wide_gelu_tanh_back,
                 [ACT_GELU_ERF] = wide_gelu_erf_back,
                 [ACT_RELU2] = wide_relu2_back,
                 [ACT_RELU] = wide_relu_back,
                 [ACT_GELU_QUICK] = wide_gelu_quick_back},
    .cap = wide_cap,
    .cap_back = wide_cap_back,
};
