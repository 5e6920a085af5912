#ifndef FORMATS_ARCH_ARCH_EXPORT_H
#define FORMATS_ARCH_ARCH_EXPORT_H

/* A family's rows run backwards: from a GGUF's parameters to the config.json they were read
 * from, by the same rows. What it gives is read again, and the reading of several that comes
 * closest to the file is kept. */

#include "formats/arch/arch.h"
#include "formats/base/buf.h"
#include "formats/base/err.h"

#include <stdbool.h>

/* The model config.json is made for. */
struct arch_model {
    const struct meta *meta; /* of the GGUF */
    /* Its tensors' names, and whether there is one of a name. */
    const char *(*name)(const void *arg, size_t i);
    bool (*has)(const void *arg, const char *gguf);
    const void *arg;
    size_t n_tensors;
    /* Rotary divisors that stand among the tensors; NULL: none. */
    const float *freqs, *freqs_long, *freqs_short;
    size_t n_freqs;
    uint64_t n_vocab, n_vocab_layer; /* rows of the embeddings */
    const char *dtype;               /* "bfloat16" */
    const uint32_t *ends;            /* [n_ends] ids for eos_token_id, where several are listed */
    size_t n_ends;
};

/* A config.json and the row it is for. */
struct arch_config {
    const struct arch *arch;
    struct buf text; /* owned */
};

/* Of all rows of the name, the one that fits the file best. Errors: ERR_UNSUPPORTED
 * (no row), those of arch_params_from_meta. On failure out->text is empty. */
int arch_export(struct arch_config *out, const struct arch_model *m, struct err *err) WARN_UNUSED;

/* Can a config.json of the row, or of another of its name, say these sizes? Errors: ERR_UNSUPPORTED (one has no key,
 * and is not what follows from the others: BLOOM's feed-forward is four times the width; no class takes them). */
int arch_export_can(const struct arch *a, const struct arch_params *p, struct err *err) WARN_UNUSED;
/* Is the width one that the row's class does not load (`whole_heads`)? */
bool arch_export_refuses(const struct arch *a, const struct arch_params *p);

#endif /* FORMATS_ARCH_ARCH_EXPORT_H */
