#ifndef RUNTIME_TOK_CHECK_H
#define RUNTIME_TOK_CHECK_H

/* Whether a converted tokenizer says what the checkpoint's says: about 130 hard texts, and
 * every added token in a few surroundings, through tokenizer.json as it is defined and
 * through the vocabulary as a GGUF holds it. */

#include "formats/base/log.h"
#include "formats/source.h"

/* Compare. A checkpoint without tokenizer.json has nothing to compare: 0. forced: the
 * pre-tokenizer was named by the user, a difference is only warned of; so is a definition
 * that pare cannot execute. Errors: ERR_FORMAT with the text and the first difference. */
int tok_check(const struct source *s, bool forced, const struct log *log,
              struct err *err) WARN_UNUSED;

/* The same of metadata and a tokenizer.json. */
int tok_check_meta(const struct meta *meta, const json_val *doc, struct err *err) WARN_UNUSED;

#endif /* RUNTIME_TOK_CHECK_H */
