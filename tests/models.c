#include "tests/models.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int models_each(const char *what, models_fn *fn)
{
    const char *root = tap_golden(), *tmp = getenv("TMPDIR");
    char path[4096], dir[256], out[512];
    json_val *manifest = NULL;
    struct err err = {0};
    struct tap t = {0};

    (void)snprintf(path, sizeof(path), "%s/models/manifest.json", root ? root : "");
    if (!root || access(path, R_OK)) {
        tap_skip(&t, what, "no golden models");
        return tap_done(&t);
    }
    (void)snprintf(dir, sizeof(dir), "%.200s/pare-models-XXXXXX", tmp ? tmp : "/tmp");
    if (!tap_ok(&t, !json_load(&manifest, path, &err) && mkdtemp(dir), "manifest.json"))
        return tap_done(&t);
    (void)snprintf(out, sizeof(out), "%s/out.gguf", dir);
    for (const json_val *m = json_first(json_get(manifest, "models")); m; m = json_next(m)) {
        const char *name = json_str(json_get(m, "name"));
        (void)snprintf(path, sizeof(path), "%s/models/%s", root, name ? name : "");
        if (name)
            fn(&t, m, path, out);
        else
            (void)tap_ok(&t, false, "a manifest entry without a name");
    }
    (void)rmdir(dir);
    json_free(manifest);
    return tap_done(&t);
}
