/* pare distill TEACHER OUT --text FILE: a smaller model that is trained to say what its teacher does. */

#include "distill/distill.h"
#include "formats/base/buf.h"
#include "recipes/distill_page.h"
#include "tools/cmd.h"
#include "tools/distill_opts.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* What the callbacks print with. */
struct show {
    const struct log *log;
    uint64_t steps, per_step;
    double loss; /* of late */
    bool whole;  /* nothing was asked for that makes a student smaller */
    char what[64];
};

static void print_planned(void *arg, const struct student_about *a)
{
    const struct show *s = arg;

    printf("student: %" PRIu64 " layers, hidden %" PRIu64 ", ffn %" PRIu64 ", %" PRIu64
           " heads of %" PRIu64 ", %" PRIu64 " for keys and values, vocabulary %" PRIu64 ": %.2f M "
           "parameters (teacher: %.2f M)\n",
           a->layers, a->hidden, a->ffn, a->heads, a->head_dim, a->kv_heads, a->vocab,
           1e-6 * (double)a->n_params, 1e-6 * (double)a->n_params_teacher);
    (void)fflush(stdout);
    if (s->whole)
        log_warn(s->log,
                 "the student is the whole teacher: --layers, --hidden, --ffn or --heads make a "
                 "smaller one, --quantize one of fewer bits");
}

/* The blocks that went, of least influence. */
static void print_pruned(void *arg, const struct student_about *a)
{
    const char *before = "blocks that go, and their influence:";

    (void)arg;
    for (uint64_t i = 0, kept = 0; i < a->n_teacher_layers; i++)
        if (kept < a->layers && a->kept_layers[kept] == i) {
            kept++;
        } else {
            printf("%s %" PRIu64 " (%.4f)", before, i, a->influence[i]);
            before = ",";
        }
    if (*before == ',')
        printf("\n");
}

static void print_begun(void *arg, const struct distill_result *r)
{
    struct show *s = arg;

    s->steps = r->steps;
    printf("%zu windows to train on, %zu held back; %" PRIu64 " steps of %" PRIu64 " tokens\n",
           r->n_windows, r->n_held, r->steps, s->per_step);
    if (r->cache.n_tokens)
        printf("cache: %" PRIu64 " tokens, %.1f bytes each, ", r->cache.n_tokens,
               (double)r->cache.bytes / (double)r->cache.n_tokens);
    if (r->cache.n_tokens && isfinite(r->cache.kl))
        printf("mean KL it introduces %.3g, mean mass of the rest %.3g\n", r->cache.kl,
               r->cache.rest);
    else if (r->cache.n_tokens)
        printf("drawn: right on average\n");
    (void)fflush(stdout);
}

/* A KL is not below 0 but for rounding. */
static double positive(double kl)
{
    return kl < 0 ? 0 : kl;
}

static void print_row(void *arg, const struct train_row *row)
{
    struct show *s = arg;

    if (!row->evaluated) {
        s->loss = s->loss > 0 ? 0.9 * s->loss + 0.1 * row->loss : row->loss;
        (void)snprintf(s->what, sizeof(s->what), "tokens, loss %.4f", s->loss);
        log_progress(s->log, s->what, row->step * s->per_step, s->steps * s->per_step);
        return;
    }
    log_progress(s->log, "", 1, 1);
    printf("step %" PRIu64 ": ", row->step);
    if (isfinite(row->kl))
        printf("KL %.4f, top-1 %.1f %%, ", positive(row->kl), 100 * row->top1);
    printf("PPL %.3f\n", row->ppl);
    (void)fflush(stdout);
}

static void print_result(const struct distill_result *r, const char *out)
{
    const struct train_result *t = &r->train;

    printf("%s: ", out);
    if (r->n_held)
        printf(
            "KL %.4f -> %.4f, PPL %.3f -> %.3f, top-1 %.1f %%, step %" PRIu64 " of %" PRIu64 "%s, ",
            positive(t->first_kl), positive(t->best_kl), t->first_ppl, t->best_ppl,
            100 * t->best_top1, t->best_step, t->steps, t->stopped_early ? " (stopped early)" : "");
    else if (t->n_losses)
        printf("loss %.4f -> %.4f, ", t->first_loss, t->last_loss);
    printf("%" PRIu64 " tokens, %.1f s, %.0f tokens/s\n", t->tokens, t->seconds,
           t->seconds > 0 ? (double)t->tokens / t->seconds : 0.0);
}

/* Ranks end together. They mostly fail alike: then the first one says why. */
static void end_ranks(struct comm *comm, int rc, const struct err *err)
{
    const struct timespec while_first_speaks = {.tv_sec = 2};

    /* a signal that ends the pause is mpirun's, which ends this rank: the other has spoken */
    if (rc && comm_size(comm) > 1 && !(comm_rank(comm) && nanosleep(&while_first_speaks, NULL)))
        fprintf(stderr, "pare distill: rank %d: %s\n", comm_rank(comm), err->msg);
    comm_close(comm, rc != 0);
}

int cmd_distill(struct cmd_env *env, int argc, char **argv, struct err *err)
{
    struct show show = {.log = &env->log};
    struct distill_cmd cmd = {0};
    struct distill_result r;
    struct comm *comm = NULL;
    int rc = comm_open(&comm, getenv("OMPI_COMM_WORLD_SIZE") != NULL, err);

    if (!rc)
        rc = distill_cmd_read(&cmd, env, argc, argv, err);
    if (rc || cmd.common.done)
        goto done;
    show.per_step = (uint64_t)cmd.o.train.n_seq * cmd.o.train.accumulate * cmd.o.data.n_tok;
    show.whole = distill_cmd_is_whole(&cmd.o);
    cmd.o.planned = print_planned;
    cmd.o.pruned = print_pruned;
    cmd.o.begun = print_begun;
    cmd.o.row = print_row;
    cmd.o.page = distill_page;
    cmd.o.arg = &show;
    cmd.o.comm = comm;
    if (comm_rank(comm))
        env->log.progress = NULL;
    rc = distill_run(&r, &cmd.o, err);
    log_progress(&env->log, "", 1, 1);
    if (!rc) {
        if (!comm_rank(comm))
            print_result(&r, cmd.o.out);
        distill_result_release(&r);
    }
done:
    end_ranks(comm, rc, err);
    distill_cmd_release(&cmd);
    return rc;
}
