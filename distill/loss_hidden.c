/* Losses between residual streams. */

#include "distill/loss.h"

#include <math.h>

static double mse(float *d, const float *h, const float *t, size_t n, double scale)
{
    const double c = 2 * scale / (double)n;
    double sum = 0;

    for (size_t i = 0; i < n; i++) {
        const double apart = (double)h[i] - (double)t[i];

        sum += apart * apart;
        d[i] += (float)(c * apart);
    }
    return sum / (double)n;
}

/* A stream of zeros has no direction: value 1, gradient 0. */
static double cosine(float *d, const float *h, const float *t, size_t n, double scale)
{
    double hh = 0, tt = 0, ht = 0, norm, cos;

    for (size_t i = 0; i < n; i++) {
        hh += (double)h[i] * (double)h[i];
        tt += (double)t[i] * (double)t[i];
        ht += (double)h[i] * (double)t[i];
    }
    norm = sqrt(hh * tt);
    if (!(norm > 0) && !isnan(norm))
        return 1;
    cos = ht / norm;
    for (size_t i = 0; i < n; i++)
        d[i] += (float)(scale * (cos * (double)h[i] / hh - (double)t[i] / norm));
    return 1 - cos;
}

double loss_hidden_row(float *d, const struct loss *l, const float *h, const float *t, size_t n,
                       double scale)
{
    double value = 0;

    for (size_t i = 0; i < l->n && n; i++) {
        const double w = l->term[i].weight;

        if (l->term[i].kind == LOSS_HIDDEN_MSE)
            value += w * mse(d, h, t, n, w * scale);
        else if (l->term[i].kind == LOSS_HIDDEN_COS)
            value += w * cosine(d, h, t, n, w * scale);
    }
    return value;
}
