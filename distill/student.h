#ifndef DISTILL_STUDENT_H
#define DISTILL_STUDENT_H

/* A student made from its teacher: fewer blocks, narrower ones, or fresh weights; written as a GGUF in F32,
 * which training then starts from. All is done on the GGUF's names and roles, for any family. */

#include "formats/base/err.h"
#include "formats/base/log.h"
#include "formats/base/par.h"
#include "formats/dtype.h"
#include "runtime/model.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Blocks that go are those of least influence: 1 - mean cosine of a block's input and output. Channels are kept by
 * mean |what the blocks' norms give|, neurons of the feed-forward by mean |what the down projection meets|,
 * key-value heads with their query heads by the mean norm of their attention output, and of these the same
 * number in each; all weights are the teacher's, unchanged. Fresh ones: normal, of config.json's
 * initializer_range (0.02); what is added to the residual stream by that / sqrt(2 layers); norms 1, biases 0. */
struct student_spec {
    const char *layers; /* "20" (how many: the least influence go) or "0,2,4-7"; NULL: all */
    uint64_t ends;      /* with `layers` a number: as many first and last blocks stay in any case */
    uint64_t hidden, ffn, heads, kv_heads; /* 0: as the teacher */
    /* config.json (fresh weights, the teacher's tokenizer: another one beside it is an error), checkpoint or
     * GGUF; NULL: the teacher */
    const char *from;
    uint64_t seed; /* of fresh weights */
    bool folder;   /* to be written as one: sizes that config.json cannot say are an error */
};

/* It begins as the teacher, nothing cut out. */
bool student_is_whole(const struct student_spec *s);

/* `from` is a config.json: no weights. */
bool student_is_fresh(const struct student_spec *s);

/* What the importance of blocks, heads and channels is measured on. */
struct student_sample {
    const int32_t *ids; /* [n_seq, n_tok] */
    size_t n_seq, n_tok;
};

struct student_about {
    uint64_t n_params, n_params_teacher;
    uint64_t layers, hidden, ffn, heads, kv_heads, head_dim, vocab;
    uint64_t *kept_layers; /* [layers] of the teacher; NULL: not made from it; owned */
    uint64_t n_teacher_layers;
    double *influence; /* [n_teacher_layers] 1 - mean cosine of in- and output; owned, or NULL */
};

/* What the student will be, before anything is measured or written: all fields but kept_layers and influence. Where
 * layers differ in size and the least of influence go, n_params is that of as many first layers.
 * Errors: ERR_ARG (a number that does not divide, or is larger than the teacher's: which), ERR_UNSUPPORTED (`folder`),
 * those of opening `from`. */
int student_plan(struct student_about *out, const struct student_spec *spec,
                 const struct source *teacher, struct err *err) WARN_UNUSED;
/* Measure, choose, write `path`. sample: NULL when nothing has to be measured. */
int student_make(struct student_about *out, const char *path, const struct student_spec *spec,
                 const struct model *teacher, const struct student_sample *sample,
                 const struct par *par, const struct log *log, struct err *err) WARN_UNUSED;
void student_about_release(struct student_about *a);

struct params;
/* Write the weights of a student that was read from `start`: a GGUF, or a Hugging Face folder. type: F32, F16 or BF16
 * for matrices. Atomic. */
int student_write_gguf(const char *path, const struct source *start, const struct params *ps,
                       enum dtype type, struct err *err) WARN_UNUSED;
int student_write_folder(const char *dir, const struct source *start, const struct params *ps,
                         enum dtype type, const struct par *par, struct err *err) WARN_UNUSED;

#endif /* DISTILL_STUDENT_H */
