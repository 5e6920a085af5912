/* Rotary positions of a token's heads. Back is by the opposite angles: a rotation's transpose. */

#include "distill/wide/lanes.h"
#include "distill/wide/level.h"

/* Heads narrower than a vector that fill it evenly: several at once. */
static void pairs_narrow(float *x, const struct wide_turns *t)
{
    const size_t n = t->heads * t->n_rot;
    float c[VEC], s[VEC];

    for (size_t i = 0; i < VEC; i++) {
        c[i] = t->cos[i % t->n_rot];
        s[i] = t->back ? -t->sin[i % t->n_rot] : t->sin[i % t->n_rot];
    }
    const vec cos = vec_load(c), sin = vec_load(s);
    for (size_t i = 0; i < n; i += VEC) {
        const vec v = lane_load(x + i, n - i);
        lane_store(x + i, v * cos + lane_swap(v) * sin, n - i);
    }
}

static void pairs(float *x, const struct wide_turns *t)
{
    const vec way = vec_all(t->back ? -1 : 1);

    for (size_t i = 0; i < t->n_rot; i += VEC) {
        const size_t left = t->n_rot - i;
        const vec cos = lane_load(t->cos + i, left), sin = lane_load(t->sin + i, left) * way;
        for (size_t h = 0; h < t->heads; h++) {
            const vec v = lane_load(x + h * t->width + i, left);
            lane_store(x + h * t->width + i, v * cos + lane_swap(v) * sin, left);
        }
    }
}

static void halves(float *x, const struct wide_turns *t)
{
    const size_t half = t->n_rot / 2;
    const vec way = vec_all(t->back ? -1 : 1);

    for (size_t i = 0; i < half; i += VEC) {
        const size_t left = half - i;
        const vec cos = lane_load(t->cos + i, left), sin = lane_load(t->sin + i, left) * way;
        for (size_t h = 0; h < t->heads; h++) {
            float *p = x + h * t->width + i;
            const vec a = lane_load(p, left), b = lane_load(p + half, left);
            lane_store(p, a * cos - b * sin, left);
            lane_store(p + half, b * cos + a * sin, left);
        }
    }
}

void wide_rotate(float *x, const struct wide_turns *t)
{
    if (t->halves)
        halves(x, t);
    else if (t->n_rot == t->width && t->n_rot < VEC && VEC % t->n_rot == 0)
        pairs_narrow(x, t);
    else
        pairs(x, t);
}
