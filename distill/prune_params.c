/* The numbers of a pruned model, and what its metadata says of them. */

#include "distill/prune.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- sizes ---------------------------------------------------------------------- */

/* Is there one value for all layers that have any? */
static bool is_even(const struct arch_params *p, enum arch_param which)
{
    const size_t n = (size_t)arch_int(p, ARCH_N_LAYER, 0);
    const uint64_t most = arch_most(p, which);

    for (size_t l = 0; l < n; l++)
        if (arch_int(p, which, l) && arch_int(p, which, l) != most)
            return false;
    return true;
}

static int too_large(const char *what, uint64_t want, uint64_t have, struct err *err)
{
    return err_set(err, ERR_ARG, "%s: %" PRIu64 " asked for, but the teacher has %" PRIu64, what,
                   want, have);
}

/* Heads go in groups of one key-value head and its query heads. */
static int check_heads(struct prune_sizes *w, const struct arch_params *p, struct err *err)
{
    const uint64_t heads = arch_most(p, ARCH_N_HEAD), kv = arch_most(p, ARCH_N_HEAD_KV);
    const uint64_t each = kv ? heads / kv : 0;

    if (!w->heads && !w->kv_heads) {
        w->heads = heads;
        w->kv_heads = kv;
        return 0;
    }
    if (!kv || !is_even(p, ARCH_N_HEAD) || !is_even(p, ARCH_N_HEAD_KV) ||
        arch_has(p, ARCH_N_HEAD_KV_SWA))
        return err_set(err, ERR_UNSUPPORTED,
                       "layers with different numbers of heads: they cannot "
                       "be pruned to one number");
    if (!w->kv_heads)
        w->kv_heads = each == 1 ? w->heads : kv;
    if (!w->heads)
        w->heads = w->kv_heads * each;
    if (w->kv_heads > kv)
        return too_large("key-value heads", w->kv_heads, kv, err);
    if (w->heads > heads)
        return too_large("heads", w->heads, heads, err);
    if (w->heads % w->kv_heads)
        return err_set(err, ERR_ARG,
                       "%" PRIu64 " heads are no multiple of %" PRIu64 " key-value heads", w->heads,
                       w->kv_heads);
    if (w->heads / w->kv_heads > each)
        return err_set(err, ERR_ARG,
                       "%" PRIu64 " heads for %" PRIu64 " key-value heads: each of the teacher's "
                       "has %" PRIu64 " query heads",
                       w->heads, w->kv_heads, each);
    if (w->heads != heads && arch_int(p, ARCH_POSITION, 0) == POS_ALIBI)
        return err_set(err, ERR_UNSUPPORTED,
                       "ALiBi's slopes follow from the number of heads: they cannot be pruned");
    return 0;
}

static int check_sizes(struct prune_sizes *w, const struct arch_params *p, struct err *err)
{
    const uint64_t hidden = arch_int(p, ARCH_N_EMBD, 0), ff = arch_most(p, ARCH_N_FF);

    if (!w->hidden)
        w->hidden = hidden;
    if (w->hidden > hidden)
        return too_large("hidden", w->hidden, hidden, err);
    if (w->ffn && (!ff || arch_int(p, ARCH_N_EXPERT, 0)))
        return err_set(err, ERR_UNSUPPORTED, "feed-forwards of experts cannot be pruned");
    if (w->ffn && w->ffn != ff && !is_even(p, ARCH_N_FF))
        return err_set(
            err, ERR_UNSUPPORTED,
            "layers with feed-forwards of different widths: they cannot be pruned to one");
    if (w->ffn > ff)
        return too_large("ffn", w->ffn, ff, err);
    if (!w->ffn)
        w->ffn = ff;
    return check_heads(w, p, err);
}

/* ---- parameters ------------------------------------------------------------------ */

/* Lists by layer follow the kept layers. */
static int follow_layers(struct prune *p, const struct arch_params *from, struct err *err)
{
    for (int i = 0; i < ARCH_PARAM_COUNT; i++) {
        struct arch_value *v = &p->q.p[i];
        if (!v->per_layer)
            continue;
        double *list = arena_array(&p->arena, p->n_layer, sizeof(*list));
        if (!list)
            return err_nomem(err);
        for (size_t l = 0; l < p->n_layer; l++)
            list[l] = from->p[i].per_layer[p->layer[l]];
        v->v = list[0];
        v->per_layer = list;
    }
    return 0;
}

/* One number in every layer that has any; as it is where it does not change. */
static int set_all(struct prune *p, enum arch_param which, uint64_t was, uint64_t n,
                   struct err *err)
{
    struct arch_value *v = &p->q.p[which];

    if (was == n)
        return 0;
    v->v = v->v > 0 ? (double)n : v->v;
    if (!v->per_layer)
        return 0;
    double *list = arena_array(&p->arena, p->n_layer, sizeof(*list));
    if (!list)
        return err_nomem(err);
    for (size_t l = 0; l < p->n_layer; l++)
        list[l] = v->per_layer[l] > 0 ? (double)n : 0;
    v->per_layer = list;
    return 0;
}

/* Counts of first or last layers: how many of them are kept. */
static int count_ends(struct prune *p, const struct arch_params *from, struct err *err)
{
    const uint64_t n = arch_int(from, ARCH_N_LAYER, 0);
    const uint64_t dense = arch_int(from, ARCH_N_DENSE, 0);
    const uint64_t shared = arch_int(from, ARCH_KV_SHARED, 0);
    uint64_t first = 0, last = 0;

    for (size_t l = 0; l < p->n_layer; l++) {
        first += p->layer[l] < dense;
        last += p->layer[l] + shared >= n;
    }
    if (shared && p->n_layer != n)
        return err_set(err, ERR_UNSUPPORTED,
                       "layers that share keys and values: none of them can be left out");
    if (arch_has(from, ARCH_N_DENSE))
        p->q.p[ARCH_N_DENSE].v = (double)first;
    if (arch_has(from, ARCH_KV_SHARED))
        p->q.p[ARCH_KV_SHARED].v = (double)last;
    return 0;
}

/* Embeddings times the square root of the width: of the new one, as any other program will have it. */
static void follow_width(struct prune *p, const struct arch_params *from)
{
    struct arch_value *v = &p->q.p[ARCH_EMBD_SCALE];
    const double root = sqrt(arch_num(from, ARCH_N_EMBD, 0));

    if (v->set && v->derived && fabs(v->v - root) < 1e-6 * root)
        v->v = sqrt((double)p->want.hidden);
}

/* Heads that no longer are hidden / heads wide: told, by those families that have a key for it. Of long factors
 * transformers expects as many as would be, and then takes no other width. */
static void tell_heads(struct prune *p)
{
    struct arch_value *k = &p->q.p[ARCH_HEAD_K], *v = &p->q.p[ARCH_HEAD_V];

    if (arch_int(&p->q, ARCH_ROPE_TYPE, ARCH_NO_LAYER) == ARCH_ROPE_LONG)
        return;
    if (k->v * (double)p->want.heads < (double)p->want.hidden ||
        k->v * (double)p->want.heads > (double)p->want.hidden)
        k->derived = v->derived = false;
}

static int fill_params(struct prune *p, const struct arch_params *from, struct err *err)
{
    p->q = *from;
    p->q.arena = (struct arena){0}; /* lists are the teacher's, or in p->arena */
    int rc = follow_layers(p, from, err);
    if (!rc)
        rc = count_ends(p, from, err);
    p->q.p[ARCH_N_LAYER].v = (double)p->n_layer;
    p->q.p[ARCH_N_EMBD].v = (double)p->want.hidden;
    follow_width(p, from);
    tell_heads(p);
    if (!rc)
        rc = set_all(p, ARCH_N_FF, arch_most(from, ARCH_N_FF), p->want.ffn, err);
    if (!rc)
        rc = set_all(p, ARCH_N_HEAD, arch_most(from, ARCH_N_HEAD), p->want.heads, err);
    return rc ? rc
              : set_all(p, ARCH_N_HEAD_KV, arch_most(from, ARCH_N_HEAD_KV), p->want.kv_heads, err);
}

static int check_layers(const struct prune *p, uint64_t n, struct err *err)
{
    for (size_t l = 0; l < p->n_layer; l++)
        if (p->layer[l] >= n)
            return err_set(err, ERR_ARG, "layer %" PRIu32 ": the teacher has %" PRIu64, p->layer[l],
                           n);
    return p->n_layer ? 0 : err_set(err, ERR_ARG, "a student without layers");
}

int prune_init(struct prune *out, const struct source *s, const uint32_t *layers, size_t n_layer,
               const struct prune_sizes *want, struct err *err)
{
    const struct arch_params *from = source_params(s);
    struct prune *p = out;

    *p = (struct prune){.s = s, .want = *want, .n_layer = n_layer};
    if (!from)
        return err_set(err, ERR_UNSUPPORTED, "%s: an unknown architecture cannot be pruned",
                       source_path(s));
    const size_t n = (size_t)arch_int(from, ARCH_N_LAYER, 0);
    uint32_t *kept = arena_array(&p->arena, n_layer + 1, sizeof(*kept));
    p->list = arena_array(&p->arena, (n + 1) * PRUNE_AXES, sizeof(*p->list));
    int rc = kept && p->list ? 0 : err_nomem(err);
    if (!rc) {
        memcpy(kept, layers, n_layer * sizeof(*kept));
        p->layer = kept;
        rc = check_layers(p, n, err);
    }
    if (!rc)
        rc = check_sizes(&p->want, from, err);
    if (!rc)
        rc = fill_params(p, from, err);
    if (!rc && n_layer < n)
        rc = prune_keep(p, PRUNE_LAYER, -1, layers, n_layer, err);
    if (rc)
        prune_release(p);
    return rc;
}

void prune_release(struct prune *p)
{
    arena_release(&p->arena);
    memset(p, 0, sizeof(*p));
}

static bool prune_is_all(const struct prune *p)
{
    const struct arch_params *from = source_params(p->s);

    return p->n_layer == arch_int(from, ARCH_N_LAYER, 0) &&
           p->want.hidden == arch_int(from, ARCH_N_EMBD, 0) &&
           p->want.ffn == arch_most(from, ARCH_N_FF) &&
           p->want.heads == arch_most(from, ARCH_N_HEAD) &&
           p->want.kv_heads == arch_most(from, ARCH_N_HEAD_KV);
}

int prune_keep(struct prune *p, enum prune_axis axis, int layer, const uint32_t *keep, size_t n,
               struct err *err)
{
    struct prune_list *l = &p->list[(size_t)(layer + 1) * PRUNE_AXES + axis];
    uint32_t *at = arena_array(&p->arena, n + 1, sizeof(*at));

    if (!at)
        return err_nomem(err);
    memcpy(at, keep, n * sizeof(*at));
    *l = (struct prune_list){at, n};
    return 0;
}

/* ---- metadata --------------------------------------------------------------------- */

static bool of_family(const char *key, const struct arch *a)
{
    const size_t n = strlen(a->name);

    return (!strncmp(key, a->name, n) && key[n] == '.') || !strncmp(key, "pare.arch.", 10);
}

/* Numbers that a family works out of its width and heads, and now are others. */
static int check_said(const struct meta *meta, const struct prune *p, const struct log *log,
                      struct err *err)
{
    static const char *const widths[] = {"pare.arch.head_k", "pare.arch.head_v", "pare.arch.n_rot"};
    const struct meta *was = source_meta(p->s);
    const char *name = source_arch(p->s)->name;
    char key[128];

    for (size_t i = 0; i < sizeof(widths) / sizeof(widths[0]); i++)
        if (meta_get(meta, widths[i]) && !meta_get(was, widths[i]))
            return err_set(
                err, ERR_ARG,
                "hidden %" PRIu64 " with %" PRIu64 " heads: in %s a head is hidden / heads "
                "wide, and the teacher's are %" PRIu64,
                p->want.hidden, p->want.heads, name, arch_int(source_params(p->s), ARCH_HEAD_K, 0));
    (void)snprintf(key, sizeof(key), "%s.attention.key_length", name);
    if (meta_get(meta, key) && !meta_get(was, key))
        log_warn(log,
                 "the student's heads are not hidden / heads wide: transformers and pare read "
                 "that, other programs may not from a GGUF of %s",
                 name);
    for (size_t i = 0; i < meta->n; i++)
        if (!strncmp(meta->kv[i].key, "pare.arch.", 10) && !meta_get(was, meta->kv[i].key))
            log_warn(
                log,
                "the student's %s is not what other programs take a GGUF of %s for; pare reads it",
                meta->kv[i].key + 10, name);
    return 0;
}

int prune_meta(struct meta *meta, const struct prune *p, const struct log *log, struct err *err)
{
    const struct meta *was = source_meta(p->s);
    const struct arch *a = source_arch(p->s);
    int rc = 0;

    if (prune_is_all(p))
        return 0;
    for (size_t i = 0; i < was->n; i++)
        if (of_family(was->kv[i].key, a))
            meta_remove(meta, was->kv[i].key);
    rc = arch_params_to_meta(meta, a, &p->q, err);
    if (rc)
        return err_wrap(err, "hidden %" PRIu64 " with %" PRIu64 " heads", p->want.hidden,
                        p->want.heads);
    return check_said(meta, p, log, err);
}
