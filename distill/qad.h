#ifndef DISTILL_QAD_H
#define DISTILL_QAD_H

/* Quantization-aware distillation: the student computes with the values that a GGUF of the mix will hold, and what is
 * trained is either all weights (straight-through: the gradient by a decoded value is taken for the weight's) or,
 * with the codes frozen as the usual encoder chose them, the 16-bit scales of their blocks, norms and biases.
 *
 * A loop calls, with t = qad_params(q) in place of the net's own params for optimizer, clipping, average and checkpoint:
 *   qad_use(q)       before the first forward pass of a step, and before an evaluation;
 *   qad_gather(q)    when a step's gradients are all in ps->g: t->g is then complete;
 *   qad_write        the file whose values qad_use computes: the same bits. */

#include "distill/params.h"
#include "formats/base/err.h"
#include "formats/base/log.h"
#include "formats/base/par.h"
#include "formats/imatrix.h"
#include "formats/source.h"
#include "quant/codec.h"
#include "quant/mix.h"

enum qad_what {
    QAD_ALL,   /* every weight */
    QAD_SCALES /* factors of blocks' scales, norms, biases */
};

struct qad_opts {
    enum qad_what what;
    const struct mix *mix;
    struct mix_opts mix_opts;
    const struct imatrix *im; /* NULL: every column counts alike */
    const char *im_path;
    enum codec_effort effort; /* of the encoder: in every step of QAD_ALL, once of QAD_SCALES */
    unsigned cpu;
    struct par par;
    const struct log *log;
};

struct qad;

/* ps were read from s; both outlive *out. Types without scales that can be trained stay frozen, with a warning.
 * Errors: those of mix_types and importance_new; ERR_UNSUPPORTED (the mix quantizes nothing, or to a type that cannot be
 * trained through); ERR_ARG (a type that needs an importance matrix); ERR_NOMEM. */
int qad_new(struct qad **out, struct params *ps, const struct source *s,
            const struct qad_opts *opts, struct err *err) WARN_UNUSED;
void qad_free(struct qad *q); /* accepts NULL */

/* What is trained, and its gradients. QAD_ALL: as ps, its g is ps->g. */
struct params *qad_params(struct qad *q);

/* ps->w = what the file of qad_params' weights holds. Errors: ERR_FORMAT (a value that is not finite: tensor and row). */
int qad_use(struct qad *q, struct err *err) WARN_UNUSED;
/* qad_params->g from ps->g. */
void qad_gather(struct qad *q);

/* Write the GGUF of the mix whose values qad_use computes. Atomic. */
int qad_write(const char *path, struct qad *q, struct err *err) WARN_UNUSED;

#endif /* DISTILL_QAD_H */
