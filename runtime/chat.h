#ifndef RUNTIME_CHAT_H
#define RUNTIME_CHAT_H

/* Chat templates: the text a model expects for a list of messages, as a checkpoint's template
 * (Jinja) spells it. The subset that templates use: docs of Jinja 3.1, with the settings and the
 * additions of transformers' apply_chat_template (trim_blocks, lstrip_blocks, {% break %},
 * {% continue %}, {% generation %}, raise_exception, tojson as json.dumps). Parsed once,
 * constant; any number of threads may render. Steps, depth, memory and output of a template
 * are bounded: it comes with a model, from anywhere. */

#include "formats/base/buf.h"
#include "formats/base/err.h"
#include "formats/base/json.h"
#include "formats/vocab.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct chat;

/* Errors: ERR_FORMAT or ERR_UNSUPPORTED with line and column of the template. */
int chat_new(struct chat **out, const char *text, size_t n, struct err *err) WARN_UNUSED;
/* The template that goes with a vocabulary. Errors also: ERR_UNSUPPORTED (it has none). */
int chat_of_vocab(struct chat **out, const struct vocab *v, struct err *err) WARN_UNUSED;
void chat_free(struct chat *c); /* accepts NULL */

/* Does it mark with {% generation %} what the model writes? */
bool chat_marks(const struct chat *c);

/* What a template is given. */
struct chat_vars {
    const json_val *messages; /* a list of objects */
    size_t n_messages;        /* only the first so many; 0: all */
    const char *instead;      /* what message n_instead says, instead of its content; NULL */
    size_t n_instead;
    const json_val *tools;      /* NULL: none */
    const json_val *more;       /* an object of further variables; NULL */
    bool add_generation_prompt; /* end with the beginning of an answer */
    const struct vocab *vocab;  /* for bos_token and the like; NULL: they are not defined */
    bool has_now;
    int64_t now; /* seconds since 1970, UTC: strftime_now is there only with has_now */
};

struct chat_span {
    size_t at, n; /* bytes */
};

struct chat_text {
    struct buf text;
    struct chat_span *span; /* [n_spans] what {% generation %} marks, in order; owned */
    size_t n_spans, cap;
};

/* *out is to be released also after a failure. Errors: ERR_FORMAT with line and column (what
 * the template refuses by raise_exception, too), ERR_NOMEM. */
int chat_render(struct chat_text *out, const struct chat *c, const struct chat_vars *v,
                struct err *err) WARN_UNUSED;
void chat_text_release(struct chat_text *t);

/* chat_render, the spans being what the assistant's messages say: what the template marks. Of one that marks
 * nothing, for each message of role "assistant" all that its text has beyond the text of those before it
 * with the beginning of an answer: the token that ends a turn, too. Where the text of fewer messages does not
 * begin that of more (it ends otherwise, or earlier answers lose their thoughts), what changes with the message's
 * content, and what follows it whatever comes next. Errors also: ERR_UNSUPPORTED (neither can be told). */
int chat_answers(struct chat_text *out, const struct chat *c, const struct chat_vars *v,
                 struct err *err) WARN_UNUSED;

/* Of *t, which v renders to, drop what follows the last message's content: it was broken off. Spans may now reach
 * beyond the text. Errors: ERR_UNSUPPORTED (where the content ends cannot be told), and as chat_render. */
int chat_cut(struct chat_text *t, const struct chat *c, const struct chat_vars *v,
             struct err *err) WARN_UNUSED;

#endif /* RUNTIME_CHAT_H */
