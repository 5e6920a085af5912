#ifndef FORMATS_VOCAB_VOCAB_EXPORT_IMPL_H
#define FORMATS_VOCAB_VOCAB_EXPORT_IMPL_H

/* What the files of vocab_export share. */

#include "formats/base/arena.h"
#include "formats/base/buf.h"
#include "formats/vocab.h"

#include <stdbool.h>

/* Is it a filler that vocab_pad would make? */
bool vocab_is_pad(const struct vocab *v, size_t i);

/* Its text as a checkpoint spells it: SentencePiece's user-defined ones that the file
 * lists have U+2581 for a space. The caller frees it; NULL: memory ran out. */
char *vocab_spelled(const struct vocab *v, size_t i);

/* Ranked merges that join what scores join. */
struct vocab_merges {
    struct meta_str *merge;
    size_t n;
    struct arena arena; /* owned */
};
int vocab_merges_by_score(struct vocab_merges *out, const struct vocab *v,
                          struct err *err) WARN_UNUSED;

/* tokenizer.model: a SentencePiece ModelProto. */
void vocab_put_spm(struct buf *b, const struct vocab *v);

#endif /* FORMATS_VOCAB_VOCAB_EXPORT_IMPL_H */
