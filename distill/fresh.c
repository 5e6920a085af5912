#include "distill/fresh.h"

int fresh_plan(struct student_about *out, const struct student_spec *spec,
               const struct source *teacher, struct err *err)
{
    (void)out;
    (void)teacher;
    return err_set(err, ERR_UNSUPPORTED, "%s: fresh weights are not made yet", spec->from);
}

int fresh_write(const char *path, const struct student_spec *spec, const struct source *teacher,
                struct err *err)
{
    (void)path;
    (void)teacher;
    return err_set(err, ERR_UNSUPPORTED, "%s: fresh weights are not made yet", spec->from);
}
