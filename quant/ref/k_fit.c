#include "quant/ref/k_fit.h"

#include "quant/half.h"
#include "quant/ref/search.h"

enum { RUN = 32, RUNS = 8, MOST = 63 };

/* A run's scale and minimum as real numbers, in units of d and dmin. */
struct ideal {
    float s, m;
};

static int clamp_six(float v)
{
    return v < 0 ? 0 : v > (float)MOST ? MOST : (int)v;
}

/* The best of sixteen pairs of whole numbers around the ideal. */
static void choose_pair(struct k_fit *f, int k, float d, float dmin, struct ideal ideal,
                        const float *x, const float *w, int max_code)
{
    const int s0 = clamp_six(ideal.s) - 1, m0 = clamp_six(ideal.m) - 1;
    struct srch_line line[SRCH_LANES];
    float err[SRCH_LANES];
    int best = 0;

    for (int i = 0; i < SRCH_LANES; i++) {
        line[i].scale = d * (float)clamp_six((float)(s0 + i % 4));
        line[i].offset = -(dmin * (float)clamp_six((float)(m0 + i / 4)));
    }
    srch_affine_errors(err, line, x, w, RUN, max_code);
    for (int i = 1; i < SRCH_LANES; i++)
        if (err[i] < err[best])
            best = i;
    f->s[k] = (uint8_t)clamp_six((float)(s0 + best % 4));
    f->m[k] = (uint8_t)clamp_six((float)(m0 + best / 4));
}

static void set_codes(struct k_fit *f, const float *x, int max_code)
{
    const float d = f32_from_f16(f->d), dmin = f32_from_f16(f->dmin);

    for (int k = 0; k < RUNS; k++)
        srch_codes(f->code + RUN * k, x + RUN * k, RUN, d * (float)f->s[k],
                   -(dmin * (float)f->m[k]), 0, max_code);
}

/* d and dmin of least squares for given s, m and codes; false where that is not
 * better than what is there: no unique answer, or F16 too coarse for it. */
static int refit(struct k_fit *f, const float *x, const float *w)
{
    double a = 0, b = 0, c = 0, p = 0, q = 0;

    for (int k = 0; k < RUNS; k++) {
        float sw[8] = {0}, sl[8] = {0}, sll[8] = {0}, sx[8] = {0}, sxl[8] = {0};
        const double s = f->s[k], m = f->m[k];
        for (int i = 0; i < RUN; i += 8)
            for (int j = 0; j < 8; j++) {
                const int at = RUN * k + i + j;
                const float l = f->code[at], wl = w[at] * l;
                sw[j] += w[at];
                sx[j] += w[at] * x[at];
                sl[j] += wl;
                sll[j] += wl * l;
                sxl[j] += wl * x[at];
            }
        for (int j = 1; j < 8; j++) {
            sw[0] += sw[j];
            sx[0] += sx[j];
            sl[0] += sl[j];
            sll[0] += sll[j];
            sxl[0] += sxl[j];
        }
        a += s * s * (double)sll[0];
        b += s * m * (double)sl[0];
        c += m * m * (double)sw[0];
        p += s * (double)sxl[0];
        q += m * (double)sx[0];
    }
    const double det = a * c - b * b;
    uint16_t d, dmin = 0;
    if (det > 1e-9 * a * c) {
        d = f16_from_f32((float)((p * c - b * q) / det));
        dmin = f16_from_f32((float)((b * p - a * q) / det));
        if (dmin < SRCH_F16_COARSE || dmin >= 0x7c00)
            return 0;
    } else if (c == 0 && a > 0) {
        d = f16_from_f32((float)(p / a));
    } else {
        return 0;
    }
    if (d < SRCH_F16_COARSE || d >= 0x7c00)
        return 0;
    f->d = d;
    f->dmin = dmin;
    return 1;
}

static void choose_all(struct k_fit *f, const struct ideal ideal[RUNS], const float *x,
                       const float *w, int max_code)
{
    const float d = f32_from_f16(f->d), dmin = f32_from_f16(f->dmin);

    for (int k = 0; k < RUNS; k++)
        choose_pair(f, k, d, dmin, ideal[k], x + RUN * k, w + RUN * k, max_code);
    set_codes(f, x, max_code);
}

void k_fit(struct k_fit *f, const float *x, const float *w, int max_code, enum srch_effort effort)
{
    struct srch_line line[RUNS];
    struct ideal ideal[RUNS];
    float most = 0, most_min = 0;

    for (int k = 0; k < RUNS; k++) {
        line[k] = srch_affine(x + RUN * k, w + RUN * k, RUN, max_code, 1, effort);
        most = line[k].scale > most ? line[k].scale : most;
        most_min = -line[k].offset > most_min ? -line[k].offset : most_min;
    }
    f->d = srch_f16_up(most / MOST);
    f->dmin = srch_f16_up(most_min / MOST);
    for (int step = 0;; step++) {
        const float d = f32_from_f16(f->d), dmin = f32_from_f16(f->dmin);
        for (int k = 0; k < RUNS; k++) {
            ideal[k].s = d > 0 ? line[k].scale / d : 0;
            ideal[k].m = dmin > 0 ? -line[k].offset / dmin : 0;
        }
        choose_all(f, ideal, x, w, max_code);
        if (step == 1 || !refit(f, x, w))
            break;
    }
    if (f->d != 0)
        (void)refit(f, x, w), set_codes(f, x, max_code);
}
