#ifndef RUNTIME_CHAT_CHAT_FILTERS_H
#define RUNTIME_CHAT_CHAT_FILTERS_H

/* Filters come from two files. */

#include "runtime/chat/chat_parts.h"

/* A filter of lists, or NULL. */
const struct chat_func *chat_sift(struct chat_str name);

#endif /* RUNTIME_CHAT_CHAT_FILTERS_H */
