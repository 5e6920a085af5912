#ifndef EVAL_TOKEN_TEXT_H
#define EVAL_TOKEN_TEXT_H

/* Tokens as text to be shown: valid UTF-8 without NUL; what is none becomes U+FFFD. */

#include "formats/base/arena.h"
#include "formats/base/err.h"
#include "runtime/tokenizer.h"

#include <stddef.h>
#include <stdint.h>

enum { TOKEN_TEXT_BYTES = 160 }; /* most of one text that is kept */

/* The text of n ids together, in the arena. */
int token_text(const char **out, struct arena *arena, const struct tok *tok, const int32_t *ids,
               size_t n, struct err *err) WARN_UNUSED;

/* out[n]: the text of each of ids[before, before + n), in the arena; the `before` ids ahead of
 * them may hold the beginning of their first character. A character whose bytes are spread over
 * several tokens stands whole at the last of them, and the others before it are "". */
int token_texts(const char **out, struct arena *arena, const struct tok *tok, const int32_t *ids,
                size_t before, size_t n, struct err *err) WARN_UNUSED;

#endif /* EVAL_TOKEN_TEXT_H */
