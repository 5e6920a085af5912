#ifndef TOOLS_TEXT_H
#define TOOLS_TEXT_H

/* Names and values of a model's metadata for a person to read. */

#include "formats/base/buf.h"
#include "formats/base/err.h"
#include "formats/meta.h"

/* Append a value: of long texts and arrays the beginning, and how long they are. */
void text_value(struct buf *b, const struct meta_kv *kv);

/* Print on stdout, and release. A name may hold anything: what would steer a terminal is not
 * passed on to it. */
int text_print(struct buf *b, struct err *err) WARN_UNUSED;

#endif /* TOOLS_TEXT_H */
