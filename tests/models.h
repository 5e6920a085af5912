#ifndef TESTS_MODELS_H
#define TESTS_MODELS_H

/* The golden models, one after another, for tests that hard-code no case. */

#include "formats/base/json.h"
#include "tests/tap.h"

/* One model: its entry in the manifest, its folder, and a name for a file that the test may
 * write and removes again. */
typedef void models_fn(struct tap *t, const json_val *entry, const char *dir, const char *out);

/* A whole test program: every model of $PARE_GOLDEN/models; one skip named `what` where that
 * folder is absent. The exit status. */
int models_each(const char *what, models_fn *fn);

#endif /* TESTS_MODELS_H */
