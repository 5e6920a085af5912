/* tokenizer.model: any bytes as a SentencePiece model; what is read must tokenize. */
#include "formats/vocab/vocab_parts.h"
#include "runtime/tokenizer.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* the first byte: as many tokens as config.json would say */
    const struct vocab_files f = {.n_vocab = size ? data[0] : 0};
    struct tok_ids ids = {0};
    struct tok *t = NULL;
    struct vocab *v;
    struct err err = {0};

    if (vocab_new(&v, &err))
        return 0;
    if (size && !vocab_read_spm(v, data + 1, size - 1, &f, &err) && !tok_new(&t, v, &err))
        (void)!tok_encode(&ids, t, (const char *)data, size < 256 ? size : 256,
                          TOK_ADD_SPECIAL | TOK_PARSE_SPECIAL, &err);
    for (size_t i = 0; i < ids.n; i++)
        if (ids.id[i] < 0 || (size_t)ids.id[i] >= v->n_tokens)
            abort();
    tok_ids_release(&ids);
    tok_free(t);
    vocab_free(v);
    return 0;
}
