/* The windows of the golden distillation curve: made from the text again, token for token. */

#include "distill/data.h"
#include "formats/base/json.h"
#include "formats/base/map.h"
#include "runtime/model.h"
#include "tests/tap.h"

#include <stdio.h>
#include <string.h>

enum { PATH_BYTES = 512 };

struct curve {
    const char *root;
    const struct tok *t;
    size_t n_tok;
};

/* How many windows are those of tokens (16 bits, little endian) in the file, from its beginning. */
static size_t same_windows(const struct data *d, const struct map *tokens)
{
    const size_t n = data_n_tok(d);

    for (size_t i = 0; i < data_n_windows(d); i++)
        for (size_t k = 0; k < n; k++) {
            const size_t at = 2 * (i * n + k);
            if (at + 2 > tokens->size ||
                data_window(d, i).ids[k] != (tokens->data[at] | tokens->data[at + 1] << 8))
                return i;
        }
    return data_n_windows(d);
}

static void check(struct tap *t, const struct curve *c, const char *text, const char *tokens,
                  bool all)
{
    char path[PATH_BYTES], expected[PATH_BYTES];
    struct map map = {0};
    struct data *d = NULL;
    struct err err = {0};

    (void)snprintf(path, sizeof(path), "%s/../models/stories260k/text/%s", c->root, text);
    (void)snprintf(expected, sizeof(expected), "%s/distill/curve/%s", c->root, tokens);
    const struct data_file file = {path, 1};
    const struct data_opts o = {.file = &file, .n_files = 1, .n_tok = c->n_tok, .split = "\n\n"};
    int rc = map_open(&map, expected, &err);
    if (!rc)
        rc = data_open(&d, c->t, &o, &err);
    if (rc) {
        tap_note("%s", err.msg);
        tap_ok(t, false, "%s", text);
    } else {
        const size_t in_file = map.size / 2 / c->n_tok, same = same_windows(d, &map);
        tap_ok(t, same == in_file && (!all || in_file == data_n_windows(d)),
               "%s: %zu of %zu windows are those of %s", text, same, in_file, tokens);
    }
    data_free(d);
    map_release(&map);
}

int main(void)
{
    struct curve c = {.root = tap_golden()};
    const struct model_opts mo = {0};
    char path[PATH_BYTES];
    struct model *m = NULL;
    json_val *curve = NULL;
    struct err err = {0};
    struct tap t = {0};
    int64_t n_tok = 0;

    if (!c.root) {
        tap_skip(&t, "golden windows", "no golden data");
        return tap_done(&t);
    }
    (void)snprintf(path, sizeof(path), "%s/distill/curve/curve.json", c.root);
    int rc = json_load(&curve, path, &err);
    (void)snprintf(path, sizeof(path), "%s/../models/stories260k", c.root);
    if (!rc)
        rc = model_open(&m, path, &mo, &err);
    if (rc || !json_int(json_path(curve, "hyper.window"), &n_tok) || n_tok < 1) {
        tap_skip(&t, "golden windows", rc ? err.msg : "no window in curve.json");
    } else {
        c.t = model_tok(m);
        c.n_tok = (size_t)n_tok;
        check(&t, &c, "train.txt", "train_tokens.u16.bin", true);
        check(&t, &c, "valid.txt", "eval_tokens.u16.bin", false);
    }
    model_free(m);
    json_free(curve);
    return tap_done(&t);
}
