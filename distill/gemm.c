/* The loops around a processor's kernel. The shorter side of c is packed for all threads; pieces of the
 * longer one are packed by the thread that multiplies them. Pieces and the order of every sum depend on
 * the shape alone. */

#include "distill/gemm.h"

#include "distill/gemm_kern.h"
#include "distill/wide/wide.h"
#include "formats/base/cpu.h"

#include <stdint.h>
#include <stdlib.h>

enum {
    SHARED = 2048, /* most rows or columns that are packed for all */
    GROUP = 4,     /* most blocks of the other side in a piece ... */
    PIECES = 16,   /* ... of which there are so many, where possible */
    ALIGN = 64
};

struct gemm {
    const struct gemm_kern *kern; /* NULL: OpenBLAS */
    struct par par;
    struct gemm_small small; /* of GEMM_F32; turned NULL: none are taken */
    uint8_t *shared, *own;   /* packed sides; own: a block for each thread, own_each apart */
    size_t own_each;
};

/* NULL: none, OpenBLAS does it (GEMM_F32). */
static const struct gemm_kern *kern_of(enum gemm_math math, unsigned cpu)
{
#ifdef __x86_64__
    static const struct gemm_kern *const tiles[GEMM_MATH_COUNT] = {
        [GEMM_F32] = &gemm_amx_f32, [GEMM_BF16] = &gemm_amx_bf16};

    if (cpu & CPU_AMX)
        return tiles[math];
    if (cpu & CPU_BF16 && math == GEMM_BF16)
        return &gemm_avx512_bf16;
#endif
    (void)cpu;
    (void)math;
    return NULL;
}

static size_t most(size_t a, size_t b)
{
    return a > b ? a : b;
}

static void *aligned(size_t bytes)
{
    void *p = NULL;

    return posix_memalign(&p, ALIGN, bytes) ? NULL : p;
}

int gemm_check(enum gemm_math math, unsigned cpu, struct err *err)
{
    if (math == GEMM_BF16 && !kern_of(math, cpu))
        return err_set(err, ERR_UNSUPPORTED, "this processor has no instructions for BF16");
    return 0;
}

int gemm_new(struct gemm **out, enum gemm_math math, unsigned cpu, const struct par *par,
             struct err *err)
{
    const struct gemm_kern *k = kern_of(math, cpu);
    struct gemm *g;
    const int rc = gemm_check(math, cpu, err);

    *out = NULL;
    if (rc)
        return rc;
    g = calloc(1, sizeof(*g));
    if (!g)
        return err_nomem(err);
    g->kern = k;
    g->par = *par;
    if (math == GEMM_F32) {
        g->small = (struct gemm_small){wide_for(cpu), &g->par,
                                       aligned(GEMM_SMALL * sizeof(*g->small.turned))};
        if (!g->small.turned) {
            gemm_free(g);
            return err_nomem(err);
        }
    }
    if (k) {
        const size_t a = k->a_bytes(k->k_most), b = k->b_bytes(k->k_most);

        g->own_each = GROUP * most(a, b);
        g->shared = aligned(most((SHARED / k->m_block + 1) * a, (SHARED / k->n_block + 1) * b));
        g->own = aligned((size_t)par->n_threads * g->own_each);
        if (!g->shared || !g->own) {
            gemm_free(g);
            return err_nomem(err);
        }
    }
    *out = g;
    return 0;
}

void gemm_free(struct gemm *g)
{
    if (!g)
        return;
    free(g->small.turned);
    free(g->shared);
    free(g->own);
    free(g);
}

/* One stretch of the sum and of the shared side. */
struct work {
    struct gemm *g;
    float *c;
    size_t ld_c;
    struct gemm_piece a, b; /* all rows of a, all columns of b that take part */
    bool a_shared;
    bool add;
    size_t group; /* blocks in a piece of the other side */
};

/* Blocks of a side. */
static size_t n_blocks(const struct gemm_piece *side, size_t size)
{
    return (side->n + size - 1) / size;
}

/* Outer values i .. i + n - 1 of a side, or those of them that it has. */
static struct gemm_piece part(const struct gemm_piece *side, size_t i, size_t n)
{
    struct gemm_piece p = *side;

    p.i += i;
    p.n = side->n - i < n ? side->n - i : n;
    return p;
}

/* Pack n blocks of a side from block i on. */
static void pack(uint8_t *dst, const struct gemm_kern *k, const struct gemm_piece *side, bool is_a,
                 size_t i, size_t n)
{
    const size_t size = is_a ? k->m_block : k->n_block;

    for (size_t j = 0; j < n && (i + j) * size < side->n; j++) {
        const struct gemm_piece p = part(side, (i + j) * size, size);

        if (is_a)
            k->a_pack(dst + j * k->a_bytes(p.n_k), &p);
        else
            k->b_pack(dst + j * k->b_bytes(p.n_k), &p);
    }
}

static void share(void *arg, size_t i, int thread)
{
    const struct work *w = arg;
    const struct gemm_kern *k = w->g->kern;
    const struct gemm_piece *side = w->a_shared ? &w->a : &w->b;
    const size_t each = w->a_shared ? k->a_bytes(side->n_k) : k->b_bytes(side->n_k);

    (void)thread;
    pack(w->g->shared + i * each, k, side, w->a_shared, i, 1);
}

/* A group of blocks of the other side with all of the shared one. */
static void piece(void *arg, size_t g, int thread)
{
    const struct work *w = arg;
    const struct gemm_kern *k = w->g->kern;
    const struct gemm_piece *side = w->a_shared ? &w->b : &w->a;
    const size_t n = w->group * (w->a_shared ? k->n_block : k->m_block);
    const struct gemm_piece own = part(side, g * n, n);
    const struct gemm_piece *a = w->a_shared ? &w->a : &own, *b = w->a_shared ? &own : &w->b;
    const size_t mnk[3] = {a->n, b->n, a->n_k};
    uint8_t *packed = w->g->own + (size_t)thread * w->g->own_each;

    pack(packed, k, side, !w->a_shared, g * w->group, w->group);
    k->mul(w->c + a->i * w->ld_c + b->i, w->ld_c, w->a_shared ? w->g->shared : packed,
           w->a_shared ? packed : w->g->shared, mnk, w->add);
}

static void stretch(struct work *w)
{
    const struct gemm_kern *k = w->g->kern;
    const size_t na = n_blocks(&w->a, k->m_block), nb = n_blocks(&w->b, k->n_block);

    par_for(&w->g->par, w->a_shared ? na : nb, share, w);
    w->group = (w->a_shared ? nb : na) / PIECES;
    w->group = w->group < 1 ? 1 : w->group > GROUP ? GROUP : w->group;
    par_for(&w->g->par, ((w->a_shared ? nb : na) + w->group - 1) / w->group, piece, w);
}

static void by_kernel(struct work *w, const size_t mnk[3])
{
    struct gemm_piece *shared = w->a_shared ? &w->a : &w->b;
    const size_t n = w->a_shared ? mnk[0] : mnk[1], k_most = w->g->kern->k_most;
    const bool add = w->add;

    for (size_t i = 0; i < n; i += SHARED)
        for (size_t k = 0; k < mnk[2]; k += k_most) {
            shared->i = i;
            shared->n = n - i < SHARED ? n - i : SHARED;
            w->a.k = w->b.k = k;
            w->a.n_k = w->b.n_k = mnk[2] - k < k_most ? mnk[2] - k : k_most;
            w->add = add || k;
            stretch(w);
        }
}

void gemm(struct gemm *g, float *c, size_t ld_c, const struct gemm_side *a,
          const struct gemm_side *b, const size_t mnk[3], bool add)
{
    struct work w = {.g = g, .c = c, .ld_c = ld_c, .a_shared = mnk[0] <= mnk[1], .add = add};

    if (g->small.turned && gemm_is_small(b, mnk)) {
        gemm_small(&g->small, c, ld_c, a, b, mnk, add);
        return;
    }
    if (!g->kern) {
        gemm_blas(&g->par, c, ld_c, a, b, mnk, add);
        return;
    }
    w.a = (struct gemm_piece){.x = a->x, .ld = a->ld, .strided = a->transposed, .n = mnk[0]};
    w.b = (struct gemm_piece){.x = b->x, .ld = b->ld, .strided = !b->transposed, .n = mnk[1]};
    by_kernel(&w, mnk);
}
