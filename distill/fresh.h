#ifndef DISTILL_FRESH_H
#define DISTILL_FRESH_H

/* A student of fresh weights from a config.json, with the teacher's tokenizer. Seen by distill only. */

#include "distill/student.h"
#include "formats/arch/arch.h"

/* All of *out that is about the student. */
int fresh_plan(struct student_about *out, const struct student_spec *spec,
               const struct source *teacher, struct err *err) WARN_UNUSED;
/* Write it as a GGUF in F32. */
int fresh_write(const char *path, const struct student_spec *spec, const struct source *teacher,
                struct err *err) WARN_UNUSED;

/* Sizes by a model's numbers (student.c). */
void student_describe(struct student_about *out, const struct arch_params *q);

#endif /* DISTILL_FRESH_H */
