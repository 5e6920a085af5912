#include "tools/progress.h"

#include "formats/base/clock.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The one mutable object of the program: a signal handler can reach nothing else. */
static volatile sig_atomic_t stop_asked;

static void on_signal(int number)
{
    stop_asked = number;
}

void progress_end(struct progress *p)
{
    if (p->shown)
        (void)fputs("\r\033[K", stderr);
    p->shown = false;
    p->from.t = 0;
}

static void warn(void *arg, const char *msg)
{
    struct progress *p = arg;

    progress_end(p);
    (void)fprintf(stderr, "pare %s: warning: %s\n", p->name, msg);
}

static void scale(char *out, size_t n, double v)
{
    static const char *const unit[] = {"", "k", "M", "G", "T"};
    size_t i = 0;

    while (v >= 1000 && i + 1 < sizeof(unit) / sizeof(unit[0])) {
        v /= 1000;
        i++;
    }
    (void)snprintf(out, n, i ? "%.1f %s" : "%.0f %s", v, unit[i]);
}

/* Units a second over the last five to ten, as work need not be alike; 0: too early to say. */
static double speed_now(struct progress *p, double t, uint64_t done)
{
    const struct progress_mark now = {t, done};

    if (p->from.t <= 0 || done < p->from.done)
        p->from = p->mark = now;
    if (t - p->mark.t > 5) {
        p->from = p->mark;
        p->mark = now;
    }
    return t - p->from.t < 0.2 ? 0 : (double)(done - p->from.done) / (t - p->from.t);
}

static void progress(void *arg, const char *what, uint64_t done, uint64_t total)
{
    struct progress *p = arg;
    const double t = clock_seconds();
    const int units = (int)strcspn(what, ",");
    char rate[32];

    if (!p->tty)
        return;
    if (done >= total) {
        progress_end(p);
        return;
    }
    const double speed = speed_now(p, t, done);
    if (t - p->last < 0.1 || speed <= 0)
        return;
    p->last = t;
    scale(rate, sizeof(rate), speed);
    (void)fprintf(stderr, "\r\033[K%3.0f %%  %s%.*s/s%s  %.0f s left",
                  100.0 * (double)done / (double)total, rate, units, what, what + units,
                  (double)(total - done) / speed);
    (void)fflush(stderr);
    p->shown = true;
}

static int stop(void *arg)
{
    (void)arg;
    return stop_asked;
}

void progress_init(struct progress *p, struct log *out, const char *name)
{
    struct sigaction sa;

    *p = (struct progress){.name = name, .tty = isatty(STDERR_FILENO)};
    *out = (struct log){.arg = p, .warn = warn, .progress = progress, .stop = stop};
    memset(&sa, 0, sizeof(sa));
    sa.sa_handler = on_signal;
    sa.sa_flags = (int)SA_RESETHAND; /* a second signal ends the process at once */
    (void)sigaction(SIGINT, &sa, NULL);
    (void)sigaction(SIGTERM, &sa, NULL);
}
