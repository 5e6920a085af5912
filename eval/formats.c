#include "eval/formats.h"

#include "eval/csv.h"
#include "eval/html.h"
#include "eval/junit.h"
#include "eval/markdown.h"

#include <string.h>

static int put_json(struct buf *out, const struct report *r, const struct gate_results *gates,
                    struct err *err)
{
    (void)gates; /* a report is what was measured; gates are read from it */
    return report_json(out, r, err);
}

static int put_junit(struct buf *out, const struct report *r, const struct gate_results *gates,
                     struct err *err)
{
    const struct gate_results none = {0};

    return junit_gates(out, r->name, gates ? gates : &none, err);
}

static const struct report_format formats[] = {
    {"html",     "write the report as a page",                       html_report    },
    {"json",     "write the report",                                 put_json       },
    {"markdown", "write the report as Markdown, for a pull request", markdown_report},
    {"csv",      "write the report as CSV, a row a model",           csv_report     },
    {"junit",    "write the gates as JUnit XML",                     put_junit      },
};

#define N_FORMATS (sizeof(formats) / sizeof(formats[0]))
_Static_assert(N_FORMATS <= REPORT_FORMATS_MAX, "arrays by row have room");

const struct report_format *report_format_at(size_t i)
{
    return i < N_FORMATS ? &formats[i] : NULL;
}

const struct report_format *report_format_find(const char *name)
{
    for (size_t i = 0; i < N_FORMATS; i++)
        if (!strcmp(formats[i].name, name))
            return &formats[i];
    return NULL;
}
