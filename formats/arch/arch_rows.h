#ifndef FORMATS_ARCH_ARCH_ROWS_H
#define FORMATS_ARCH_ARCH_ROWS_H

/* Inside formats/arch: the families' rows, row sets they share, and how rotary
 * scaling is read, which is the same for all of them. */

#include "formats/arch/arch.h"

/* The families, one file each. */
extern const struct arch arch_llama, arch_mistral;

/* Shared key sets (families/sets.c): block count, context, width, feed-forward width, heads and
 * key-value heads; vocab_size written or not; RMS norm's epsilon. */
extern const struct arch_key arch_keys_common[], arch_keys_vocab[], arch_keys_vocab_silent[],
    arch_keys_rms[];
/* rope.* keys, filled by rope_from_config and rope_from_meta. */
extern const struct arch_key arch_keys_rope[];

/* Shared tensor sets, in the names most checkpoints use. `pairs`: Q and K permuted. */
extern const struct arch_tensor arch_rows_ends[], arch_rows_norms[], arch_rows_attn[],
    arch_rows_attn_pairs[], arch_rows_qkv_bias[], arch_rows_bias_if_asked[],
    arch_rows_bias_if_asked_pairs[], arch_rows_qk_norm[], arch_rows_gated[],
    arch_rows_mlp_bias_if_asked[], arch_rows_experts[], arch_rows_shared_expert[];

/* Buffers of rotary frequencies that old checkpoints carry. */
extern const char *const arch_ignored_rotary[];

/* Set a parameter; negative zero and NaN never get here. */
void param_set(struct arch_params *p, enum arch_param which, double v);

/* rope_theta, rope_scaling and rope_parameters as transformers 5 standardizes them: the
 * older object wins when it is not empty, theta inside wins over theta beside.
 * Errors: ERR_UNSUPPORTED (the kind of scaling), ERR_FORMAT (a key of it). */
int rope_from_config(struct arch_params *p, const json_val *config, struct err *err) WARN_UNUSED;

/* After the keys were read: a factor without a type is linear scaling. */
int rope_from_meta(struct arch_params *p, const struct arch *a, const struct meta *meta,
                   struct err *err) WARN_UNUSED;

/* Is this parameter written under the scaling in use? True for others than rope's. */
bool rope_writes(const struct arch_params *p, enum arch_param which);
/* rope.scaling.type's value; NULL: the key is not written. */
const char *rope_type_name(const struct arch_params *p);

/* Rotary divisors of llama3 scaling, n = half a head. */
void rope_divisors(float *dst, size_t n, const struct arch_params *p);

/* "{}" in a metadata key replaced by the family's name; false: it does not fit. */
bool key_expand(char *dst, size_t size, const char *key, const struct arch *a);

#endif /* FORMATS_ARCH_ARCH_ROWS_H */
