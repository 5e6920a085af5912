#include "eval/student_t.h"

#include <math.h>

/* ln(Gamma(x + 1/2) / Gamma(x)). For large x the difference of two large logarithms would
 * lose its digits: the asymptotic series, whose next term is below 1e-15 from 50 on.
 * Source: Abramowitz and Stegun 6.1.47. */
static double ln_gamma_half(double x)
{
    const double y = 1 / x, yy = y * y;

    if (x < 50)
        return lgamma(x + 0.5) - lgamma(x);
    return 0.5 * log(x) - y * (1.0 / 8 - yy * (1.0 / 192 - yy / 640));
}

/* The continued fraction of the incomplete beta function, by Lentz's method.
 * Source: Abramowitz and Stegun 26.5.8. */
static double beta_fraction(double a, double b, double x)
{
    const double tiny = 1e-300, eps = 1e-16;
    const int most = 200000; /* some sqrt(max(a, b)) are needed */
    double c = 1, d = 1 - (a + b) * x / (a + 1);

    d = 1 / (fabs(d) < tiny ? tiny : d);
    double f = d;
    for (int m = 1; m <= most; m++) {
        const double k = m;
        const double even = k * (b - k) * x / ((a + 2 * k - 1) * (a + 2 * k));
        const double odd = -(a + k) * (a + b + k) * x / ((a + 2 * k) * (a + 2 * k + 1));
        d = 1 + even * d;
        d = 1 / (fabs(d) < tiny ? tiny : d);
        c = 1 + even / c;
        c = fabs(c) < tiny ? tiny : c;
        f *= d * c;
        d = 1 + odd * d;
        d = 1 / (fabs(d) < tiny ? tiny : d);
        c = 1 + odd / c;
        c = fabs(c) < tiny ? tiny : c;
        f *= d * c;
        if (fabs(d * c - 1) < eps)
            break;
    }
    return f;
}

/* P(T > t), t >= 0: half the incomplete beta function I_x(df/2, 1/2) at x = df / (df + t^2). */
static double tail(double t, double df)
{
    const double a = df / 2, b = 0.5, pi = 3.14159265358979323846;
    const double y = t * t / (df + t * t), x = df / (df + t * t);

    if (t == 0)
        return 0.5;
    const double ln_x = y < 0.5 ? log1p(-y) : log(x);
    const double front = exp(ln_gamma_half(a) + a * ln_x + b * log(y)) / sqrt(pi);
    if (x < (a + 1) / (a + b + 2)) /* where the fraction converges fast */
        return 0.5 * front * beta_fraction(a, b, x) / a;
    return 0.5 - 0.5 * front * beta_fraction(b, a, y) / b;
}

double student_t_cdf(double t, double df)
{
    return t > 0 ? 1 - tail(t, df) : tail(-t, df);
}

double student_t_quantile(double p, double df)
{
    const double beyond = p < 0.5 ? p : 1 - p; /* what is left in the tail */
    double low = 0, high = 1;

    if (p == 0.5)
        return 0;
    while (tail(high, df) > beyond && high < 1e300) {
        low = high;
        high *= 2;
    }
    for (int i = 0; i < 100; i++) { /* halving, to the last bit */
        const double mid = low + (high - low) / 2;
        if (mid <= low || mid >= high)
            break;
        if (tail(mid, df) > beyond)
            low = mid;
        else
            high = mid;
    }
    return p < 0.5 ? -high : high;
}

double student_t_needed(double distance, double deviation, double share)
{
    double low = 1, high = 2; /* too few; enough */

    if (!(distance > 0) || !isfinite(deviation))
        return (double)INFINITY;
    while (student_t_quantile(share, high - 1) * deviation >= distance * sqrt(high)) {
        low = high;
        high *= 2;
        if (high > 1e9)
            return (double)INFINITY;
    }
    while (high - low > 1) {
        const double mid = floor((low + high) / 2);
        if (student_t_quantile(share, mid - 1) * deviation >= distance * sqrt(mid))
            low = mid;
        else
            high = mid;
    }
    return high;
}
