/* What of the options decides the result. */

#include "distill/distill_impl.h"

static void hash_text(struct hash *h, const char *s)
{
    hash_str(h, s ? s : "");
}

static void hash_loss(struct hash *h, const struct loss *l)
{
    for (size_t i = 0; i < l->n; i++) {
        hash_u64(h, (uint64_t)l->term[i].kind);
        hash_f64(h, l->term[i].weight);
        hash_f64(h, l->term[i].param);
    }
    hash_f64(h, l->temperature);
    hash_u64(h, l->no_t2);
}

static void hash_optim(struct hash *h, const struct optim_opts *o)
{
    const double nums[] = {o->lr,  o->min_lr_ratio, o->beta1, o->beta2,
                           o->eps, o->weight_decay, o->clip,  o->ema};
    const uint64_t ints[] = {(uint64_t)o->schedule, o->warmup, o->total, o->decay};

    for (size_t i = 0; i < sizeof(nums) / sizeof(nums[0]); i++)
        hash_f64(h, nums[i]);
    for (size_t i = 0; i < sizeof(ints) / sizeof(ints[0]); i++)
        hash_u64(h, ints[i]);
}

/* They decide the order of windows, which the digest of the data leaves open. */
static void hash_weights(struct hash *h, const struct data_opts *o)
{
    for (size_t i = 0; i < o->n_files; i++)
        if (o->file[i].weight < 1 || o->file[i].weight > 1) {
            hash_u64(h, i);
            hash_f64(h, o->file[i].weight);
        }
}

void distill_hash(struct hash *h, const struct distill_opts *o, const struct train_opts *t,
                  const char *from)
{
    const struct student_spec *s = &o->student;
    const uint64_t ints[] = {s->hidden,
                             s->ffn,
                             s->heads,
                             s->kv_heads,
                             s->seed,
                             o->data.seed,
                             t->n_seq,
                             t->accumulate,
                             t->eval_every,
                             t->save_every,
                             t->patience,
                             t->math,
                             (uint64_t)o->teacher_math,
                             o->cache != NULL,
                             o->cache ? (uint64_t)o->cache_keep : 0,
                             o->cache ? o->cache_k : 0};

    hash_text(h, s->layers);
    hash_text(h, from);
    if (s->ends)
        hash_u64(h, s->ends);
    for (size_t i = 0; i < sizeof(ints) / sizeof(ints[0]); i++)
        hash_u64(h, ints[i]);
    hash_loss(h, &t->loss);
    if (o->hidden_map)
        hash_str(h, o->hidden_map);
    hash_optim(h, &t->optim);
    hash_text(h, t->only);
    for (size_t i = 0; t->freeze && t->freeze[i]; i++)
        hash_text(h, t->freeze[i]);
    hash_weights(h, &o->data);
}

int distill_from_sha256(char hex[HASH_HEX_BYTES], const struct distill_opts *o, struct err *err)
{
    const char *from = o->student.from;
    struct source *s = NULL;
    int rc;

    hex[0] = '\0';
    if (!from)
        return 0;
    if (student_is_fresh(&o->student))
        return hash_file(from, hex, err);
    rc = source_open(&s, from, NULL, err);
    if (!rc)
        rc = source_sha256(hex, s, &o->train.par, o->train.log, err);
    source_free(s);
    return rc;
}
