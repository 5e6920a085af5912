#include "tests/nets.h"

#include "formats/base/cpu.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int open_net(struct nets *t, const struct nets_opts *o, unsigned cpu, struct err *err)
{
    const struct net_opts no = {.n_seq = o->n_seq,
                                .n_tok = o->n_tok,
                                .head_rows = o->head_rows,
                                .cpu = cpu,
                                .par = {o->threads}};
    int rc = params_read(&t->ps, model_source(t->m), err);

    if (!rc)
        rc = net_new(&t->n, t->m, &t->ps, &no, err);
    if (rc)
        return rc;
    const size_t values = net_head_rows(t->n) * model_n_vocab(t->m);
    t->logits = calloc(values, sizeof(float));
    t->d = calloc(values, sizeof(float));
    return t->logits && t->d ? 0 : err_nomem(err);
}

int nets_open(struct nets *t, const char *path, const struct nets_opts *o, struct err *err)
{
    static const struct log silent;
    struct model_opts mo = {.math = KERN_F32, .pre = o->pre, .log = &silent};
    int rc;

    *t = (struct nets){0};
    rc = cpu_mask(&mo.cpu, o->level ? o->level : "native", err);
    mo.cpu &= cpu_detect();
    if (!rc)
        rc = model_open(&t->m, path, &mo, err);
    if (!rc)
        rc = open_net(t, o, mo.cpu, err);
    if (rc)
        nets_free(t);
    return rc;
}

void nets_free(struct nets *t)
{
    free(t->logits);
    free(t->d);
    net_free(t->n);
    params_release(&t->ps);
    model_free(t->m);
    *t = (struct nets){0};
}

static double log_sum(const float *z, double temperature, size_t n)
{
    double max = -INFINITY, sum = 0;

    for (size_t i = 0; i < n; i++)
        max = fmax(max, (double)z[i] / temperature);
    for (size_t i = 0; i < n; i++)
        sum += exp((double)z[i] / temperature - max);
    return max + log(sum);
}

/* Value of a row, and d = scale * its gradient. */
static double cross_entropy(float *d, const float *z, int32_t label, double scale, size_t n)
{
    const double all = log_sum(z, 1, n);

    for (size_t i = 0; i < n; i++)
        d[i] = (float)(scale * (exp((double)z[i] - all) - ((int32_t)i == label)));
    return all - (double)z[label];
}

static double divergence(float *d, const float *z, const float *teacher, double temperature,
                         double scale, size_t n)
{
    const double of_z = log_sum(z, temperature, n), of_t = log_sum(teacher, temperature, n);
    double kl = 0;

    for (size_t i = 0; i < n; i++) {
        const double log_p = (double)teacher[i] / temperature - of_t;
        const double log_q = (double)z[i] / temperature - of_z;
        kl += exp(log_p) * (log_p - log_q);
        d[i] = (float)(scale * temperature * (exp(log_q) - exp(log_p)));
    }
    return temperature * temperature * kl;
}

static double row_loss(float *d, const float *z, const struct nets_target *t, const struct kern *k,
                       size_t row, double scale, size_t n)
{
    const struct loss_target target = {.logits = t->teacher ? t->teacher + row * n : NULL,
                                       .label = t->label[row],
                                       .counted = t->label[row] >= 0};

    if (t->loss)
        return loss_row(d, t->loss, k, z, &target, n, scale);
    memset(d, 0, n * sizeof(*d));
    if (t->label[row] < 0)
        return 0;
    return t->teacher ? divergence(d, z, t->teacher + row * n, t->temperature, scale, n)
                      : cross_entropy(d, z, t->label[row], scale, n);
}

double nets_loss(struct nets *t, const struct net_batch *b, const struct nets_target *target,
                 float *all, int back, struct err *err)
{
    const size_t rows = b->n_seq * b->n_tok, v = model_n_vocab(t->m), most = net_head_rows(t->n);
    double counted = target->counted, sum = 0;
    struct kern kern;

    for (size_t r = 0; !(target->counted > 0) && r < rows; r++)
        counted += target->label[r] >= 0;
    if (net_forward(t->n, b, err))
        return (double)NAN;
    kern_init(&kern, cpu_detect());
    for (size_t r0 = 0; r0 < rows; r0 += most) {
        const size_t n = rows - r0 < most ? rows - r0 : most;
        net_logits(t->n, t->logits, r0, n);
        if (all)
            memcpy(all + r0 * v, t->logits, n * v * sizeof(*all));
        for (size_t i = 0; i < n; i++)
            sum += row_loss(t->d + i * v, t->logits + i * v, target, &kern, r0 + i, 1 / counted, v);
        if (back)
            net_logits_back(t->n, t->d, t->logits, r0, n);
    }
    if (back)
        net_backward(t->n);
    return sum / counted;
}

double nets_distance(const float *a, const float *b, size_t n)
{
    double apart = 0, size = 0;

    for (size_t i = 0; i < n; i++) {
        const double y = b ? (double)b[i] : 0, x = (double)a[i] - y;
        apart += x * x;
        size += y * y;
    }
    return b && size > 0 ? sqrt(apart / size) : sqrt(apart);
}
