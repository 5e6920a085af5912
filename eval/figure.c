#include "eval/figure.h"

#include <math.h>
#include <stdio.h>

void figure_num(char out[FIGURE_BYTES], double x, int decimals)
{
    if (isnan(x))
        (void)snprintf(out, FIGURE_BYTES, "-");
    else if (x == 0)
        (void)snprintf(out, FIGURE_BYTES, "0");
    else if (fabs(x) >= 1e12)
        (void)snprintf(out, FIGURE_BYTES, "%.3g", x);
    else
        (void)snprintf(out, FIGURE_BYTES, "%.*f", decimals, x);
}

void figure_mean(char out[FIGURE_BYTES], struct stats_mean m, int decimals)
{
    const int decimals_max = 8;
    const double noise = 1e-12 * fabs(m.value); /* windows that agree, but for rounding */

    if (!(m.error > noise) || !isfinite(m.value) || fabs(m.value) >= 1e12 || m.error >= 1e12) {
        /* no error to go by (one window, or all alike): at least four digits that mean something */
        const int least =
            m.value == 0 || !isfinite(m.value) ? 0 : 3 - (int)floor(log10(fabs(m.value)));
        decimals = least > decimals ? least : decimals;
        figure_num(out, m.value, decimals < decimals_max ? decimals : decimals_max);
        return;
    }
    int show = 1 - (int)floor(log10(m.error));
    show = show < decimals ? decimals : show;
    show = show > decimals_max ? decimals_max : show;
    (void)snprintf(out, FIGURE_BYTES, "%.*f ± %.*f", show, m.value, show, m.error);
}

void figure_percent(char out[FIGURE_BYTES], struct stats_mean m)
{
    const struct stats_mean percent = {100 * m.value, 100 * m.error};

    figure_mean(out, percent, 2);
}

void figure_size(char out[FIGURE_BYTES], uint64_t bytes)
{
    static const char *const unit[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double v = (double)bytes;
    size_t i = 0;

    while (v >= 1024 && i + 1 < sizeof(unit) / sizeof(unit[0])) {
        v /= 1024;
        i++;
    }
    (void)snprintf(out, FIGURE_BYTES, "%.*f %s", !i ? 0 : v < 100 ? 2 : 1, v, unit[i]);
}

void figure_text(struct buf *b, const char *s)
{
    for (; *s; s++) {
        const unsigned char c = (unsigned char)*s;
        if (c == '<')
            buf_str(b, "&lt;");
        else if (c == '>')
            buf_str(b, "&gt;");
        else if (c == '&')
            buf_str(b, "&amp;");
        else if (c == '"')
            buf_str(b, "&quot;");
        else if (c == '\n' || c == '\r' || c == '\t')
            buf_str(b, " ");
        else if (c >= 0x20)
            buf_put(b, s, 1);
    }
}
