#ifndef FORMATS_NESTED_H
#define FORMATS_NESTED_H

/* The language model inside a checkpoint of several: vision and speech models keep its
 * numbers in config.json's text_config and its tensors behind a prefix. pare takes the
 * language model and leaves the rest. */

#include "formats/arch/arch.h"
#include "formats/base/json.h"

#include <stdbool.h>
#include <stddef.h>

/* The language model's own object: text_config where there is one, else config itself. */
const json_val *nested_config(const json_val *config);

/* The class that config.json names, or the language model's class of a class that holds one:
 * "XForConditionalGeneration" is an XForCausalLM, or of the class text_config.model_type
 * suggests. NULL: none that pare knows. */
const struct arch *nested_arch(const json_val *config);

/* Does it belong to another part: vision, speech, a projector? */
bool nested_other(const char *name);

/* The name without the prefix, in dst[0, size) or `name` itself where it has none. */
const char *nested_name(char *dst, size_t size, const char *name);

#endif /* FORMATS_NESTED_H */
