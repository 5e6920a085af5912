#include "tools/reports.h"

#include "formats/base/out.h"

#include <string.h>

size_t reports_options(struct opt *opts, size_t n, struct reports *r)
{
    for (size_t i = 0; i < REPORT_FORMATS_MAX && report_format_at(i); i++)
        opts[n++] = (struct opt){report_format_at(i)->name, "FILE", report_format_at(i)->what,
                                 OPT_STR, &r->path[i]};
    return n;
}

bool reports_any(const struct reports *r)
{
    for (size_t i = 0; i < REPORT_FORMATS_MAX; i++)
        if (r->path[i])
            return true;
    return false;
}

int reports_apart(const struct reports *r, const char *other, const char *name, struct err *err)
{
    for (size_t i = 0; i < REPORT_FORMATS_MAX; i++) {
        if (!r->path[i] || out_is_device(r->path[i]))
            continue;
        if (other && !strcmp(r->path[i], other))
            return err_set(err, ERR_ARG, "%s: --%s and --%s are one file", other,
                           report_format_at(i)->name, name);
        for (size_t k = 0; k < i; k++)
            if (r->path[k] && !strcmp(r->path[i], r->path[k]))
                return err_set(err, ERR_ARG, "%s: --%s and --%s are one file", r->path[i],
                               report_format_at(k)->name, report_format_at(i)->name);
    }
    return 0;
}

int reports_write(const struct reports *r, const struct report *report,
                  const struct gate_results *gates, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; !rc && i < REPORT_FORMATS_MAX; i++) {
        struct buf b = {0};
        if (!r->path[i])
            continue;
        rc = report_format_at(i)->put(&b, report, gates, err);
        if (!rc)
            rc = out_file(r->path[i], b.p, b.n, err);
        buf_release(&b);
    }
    return rc;
}

void reports_command(struct buf *out, const char *command, int argc, char **argv)
{
    buf_fmt(out, "pare %s", command);
    for (int i = 1; i < argc; i++) {
        const bool plain = *argv[i] && !strpbrk(argv[i], " \t\n\"'\\$`*?[]{}()<>|&;#~!");
        buf_str(out, plain ? " " : " '");
        for (const char *s = argv[i]; *s; s++)
            buf_put(out, *s == '\'' ? "'\\''" : s, *s == '\'' ? 4 : 1);
        buf_str(out, plain ? "" : "'");
    }
}
