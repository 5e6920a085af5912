#include "distill/distill_impl.h"

#include "formats/apart.h"

int distill_qad_check(const struct distill_opts *o, struct err *err)
{
    const struct mix *mix;

    if (!o->quantize)
        return o->imatrix ? err_set(err, ERR_ARG, "an importance matrix is for --quantize") : 0;
    if (distill_to_folder(o))
        return err_set(err, ERR_ARG, "%s: a quantized student is written as a .gguf", o->out);
    const int rc = apart(o->out, o->imatrix, false, err);
    return rc ? rc : mix_read(&mix, o->quantize, err);
}

/* All weights are encoded at each step; the codes that scales go with, once. */
static enum codec_effort effort(const struct distill_opts *o)
{
    if (o->effort != EFFORT_COUNT)
        return o->effort;
    return o->qad == QAD_ALL ? EFFORT_FAST : EFFORT_NORMAL;
}

int distill_qad_hash(struct hash *h, const struct distill_opts *o, struct err *err)
{
    char hex[HASH_HEX_BYTES];
    int rc;

    if (!o->quantize)
        return 0;
    hash_str(h, o->quantize);
    hash_u64(h, (uint64_t)o->qad);
    hash_u64(h, (uint64_t)effort(o));
    if (!o->imatrix)
        return 0;
    rc = hash_file(o->imatrix, hex, err);
    if (!rc)
        hash_str(h, hex);
    return rc;
}

int distill_qad_open(struct qad **out, struct imatrix **im, struct params *ps,
                     const struct source *start, const struct distill_opts *o, struct err *err)
{
    struct qad_opts q = {.what = o->qad,
                         .effort = effort(o),
                         .cpu = o->train.cpu,
                         .par = o->train.par,
                         .log = o->train.log};
    int rc;

    if (!o->quantize)
        return 0;
    rc = mix_read(&q.mix, o->quantize, err);
    if (!rc && o->imatrix)
        rc = imatrix_read(im, o->imatrix, err);
    q.im = *im;
    q.im_path = o->imatrix;
    return rc ? rc : qad_new(out, ps, start, &q, err);
}

/* Scales are factors, about 1; weights are small. Measured on recipes/demo's model and one of 191 M. */
double distill_rate(const struct distill_opts *o)
{
    if (o->train.optim.lr >= 0)
        return o->train.optim.lr;
    return !o->quantize ? 3e-4 : o->qad == QAD_ALL ? 5e-5 : 1e-3;
}
