#ifndef DISTILL_DISTILL_H
#define DISTILL_DISTILL_H

/* From a teacher and text to a written student, in one call; a run that was killed goes on when it is called
 * again with the same options. */

#include "distill/data.h"
#include "distill/qad.h"
#include "distill/student.h"
#include "distill/teacher.h"
#include "distill/train.h"
#include "quant/kern.h"

struct distill_result {
    struct student_about about;
    struct train_result train;
    struct teacher_cache_result cache; /* of what this call wrote; else zeros */
    size_t n_windows, n_held;
    uint64_t steps; /* that the run has */
};

struct distill_opts {
    const char *teacher, *out; /* out: a .gguf, or a folder */
    struct student_spec student;
    struct data_opts data; /* n_tok: of a window */
    /* optim.total 0: as `tokens` wants; lr < 0: chosen; eval_every 0: ten times; warmup UINT64_MAX: a tenth, 100 at
     * most; decay 0: a fifth; rows, hidden: chosen. */
    struct train_opts train;
    uint64_t tokens;        /* trained on, all epochs together; 0: one epoch */
    const char *hidden_map; /* as hidden_map_read; only with a loss of residual streams */
    enum kern_math teacher_math;
    const char *pre;   /* as source_opts */
    enum dtype type;   /* of the matrices in the file */
    const char *cache; /* read when it is there, else written; NULL: none */
    enum teacher_keep cache_keep;
    size_t cache_k;
    const char *quantize;     /* a mix: train through its types, write a .gguf of it; NULL: not */
    enum qad_what qad;        /* what of it is trained */
    enum codec_effort effort; /* of its encoder; EFFORT_COUNT: chosen */
    const char *imatrix;      /* for it; NULL: none */
    bool keep;                /* what it worked with, in OUT.train */
    struct comm *comm;        /* ranks that train together (mpirun), all called alike; the first
                                 one writes. NULL: alone */
    bool anew; /* begin again where OUT.train is of other options, instead of refusing it */
    /* Before anything is measured: what the student will be. Then which blocks it was left, when that was measured
     * (not of a run that goes on), and how much there is to do. NULL: nobody is told. */
    void (*planned)(void *arg, const struct student_about *about);
    void (*pruned)(void *arg, const struct student_about *about);
    void (*begun)(void *arg, const struct distill_result *so_far);
    void (*row)(void *arg, const struct train_row *row);
    void *arg;
    /* Write a finished run's page to `path`, its log being at `log`, o->train as it was used; NULL: none. */
    int (*page)(const char *path, const char *log, const struct distill_opts *o,
                const struct distill_result *r, struct err *err);
};

/* Errors: those of its parts; ERR_ARG for a run with other options in OUT.train. The log of the steps ends
 * as OUT.log.csv, its curves as OUT.report.html. */
int distill_run(struct distill_result *out, const struct distill_opts *o,
                struct err *err) WARN_UNUSED;
void distill_result_release(struct distill_result *r);

#endif /* DISTILL_DISTILL_H */
