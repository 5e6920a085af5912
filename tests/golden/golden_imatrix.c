/* Importance matrices: those under the golden folder, in either layout, are read, agree with
 * each other and with their tokens, and are written as they were; what is collected from
 * golden models is what llama-imatrix collected from them (tests/imatrix, by
 * tests/oracle/imatrix.sh). */

#include "eval/collect.h"
#include "formats/base/cpu.h"
#include "formats/base/hash.h"
#include "formats/base/json.h"
#include "formats/base/map.h"
#include "tests/tap.h"
#include "tests/walk.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_BYTES = 4096 };

static const char fixtures[] = "tests/imatrix";

/* ---- files ------------------------------------------------------------------------ */

/* Written again, the bytes of the file. */
static bool same_again(const struct imatrix *im, const char *path, struct err *err)
{
    char copy[64];
    struct map a = {0}, b = {0};

    (void)snprintf(copy, sizeof(copy), "/tmp/pare-imatrix-%ld.gguf", (long)getpid());
    const bool same = !imatrix_write(im, copy, err) && !map_open(&a, path, err) &&
                      !map_open(&b, copy, err) && a.size == b.size &&
                      !memcmp(a.data, b.data, a.size);
    map_release(&a);
    map_release(&b);
    (void)unlink(copy);
    return same;
}

/* Every weight counts all tokens, a stacked one's experts together a multiple. */
static bool counts_fit(const struct imatrix *im)
{
    const double tokens = (double)im->chunks * im->chunk_size;

    for (size_t i = 0; i < im->n_entries; i++) {
        const struct imatrix_entry *e = &im->entry[i];
        double sum = 0;
        for (size_t k = 0; k < e->matrices; k++)
            sum += (double)e->count[k];
        if (fmod(sum, tokens) != 0 || (e->matrices == 1 && sum != tokens))
            return false;
    }
    return im->n_entries > 0;
}

/* The legacy layout keeps means times chunks. */
static bool same_means(const struct imatrix *new, const struct imatrix *old)
{
    if (new->n_entries != old->n_entries || new->chunks != old->chunks)
        return false;
    for (size_t i = 0; i < new->n_entries; i++) {
        const struct imatrix_entry *a = &new->entry[i], *b = &old->entry[i];
        if (strcmp(a->name, b->name) || a->columns * a->matrices != b->columns)
            return false;
        for (size_t k = 0; k < b->columns; k++) {
            const float n = a->count[k / a->columns];
            const float want = n > 0 ? a->sum2[k] / n * b->count[0] : b->count[0];
            if (fabsf(b->sum2[k] - want) > 1e-6F * want)
                return false;
        }
    }
    return true;
}

/* name.gguf and name.dat beside it. */
static void check_pair(struct tap *t, const char *path)
{
    struct imatrix *new = NULL, *old = NULL;
    struct err err = {0};
    char dat[PATH_BYTES];

    if (tap_ok(t, !imatrix_read(&new, path, &err), "%s: read", path)) {
        tap_ok(t, same_again(new, path, &err), "%s: written again, the same bytes", path);
        tap_ok(t, counts_fit(new), "%s: every weight saw all tokens", path);
    } else {
        tap_note("%s", err.msg);
    }
    (void)snprintf(dat, sizeof(dat), "%.*sdat", (int)(strlen(path) - strlen("gguf")), path);
    if (new && !access(dat, R_OK))
        tap_ok(t, !imatrix_read(&old, dat, &err) && same_means(new, old), "%s: the same means",
               dat);
    imatrix_free(new);
    imatrix_free(old);
}

static void check_files(struct tap *t, const char *root)
{
    char path[PATH_BYTES];
    struct walk w = {0};

    (void)snprintf(path, sizeof(path), "%s/quant/imatrix", root);
    if (access(path, R_OK) || walk_find(&w, path, ".gguf")) {
        tap_skip(t, "importance files", "no golden ones");
        return;
    }
    for (size_t i = 0; i < w.n; i++)
        check_pair(t, w.path[i]);
    walk_release(&w);
}

/* ---- collecting --------------------------------------------------------------------- */

/* The peer's fixtures, how they were made. */
struct made {
    const char *text_path;
    int64_t ctx, chunks;
    struct map text;
};

static int collect(struct imatrix **out, const char *dir, const struct made *f, int threads,
                   struct err *err)
{
    const struct model_opts mo = {.cpu = cpu_detect(), .math = KERN_F32};
    const struct windows_opts how = {.text_name = f->text_path,
                                     .n_ctx = (size_t)f->ctx,
                                     .least = (size_t)f->ctx,
                                     .most = (size_t)f->chunks};
    struct windows text = {0};
    struct collect c = {.text = &text, .par = {threads}};
    struct model *m = NULL;

    *out = NULL;
    int rc = model_open(&m, dir, &mo, err);
    c.model = m;
    if (!rc)
        rc = windows_cut(&text, m, (const char *)f->text.data, f->text.size, &how, err);
    if (!rc)
        rc = collect_sums(out, &c, err);
    if (!rc)
        rc = imatrix_add_dataset(*out, f->text_path, err);
    collect_release(&c);
    windows_release(&text);
    model_free(m);
    return rc;
}

/* Largest difference of a column, relative; columns that are next to nothing in their matrix
 * count as a millionth of its largest. -1: names, lengths or counts differ. */
static double difference(const struct imatrix *ours, const struct imatrix *peer, struct err *err)
{
    double worst = 0;

    for (size_t i = 0; i < peer->n_entries; i++) {
        const struct imatrix_entry *p = &peer->entry[i], *o = imatrix_find(ours, p->name);
        float most = 0;

        if (!o || o->columns != p->columns || o->matrices != p->matrices ||
            memcmp(o->count, p->count, p->matrices * sizeof(*p->count))) {
            (void)err_set(err, ERR_FORMAT, "%s: its lengths or counts differ", p->name);
            return -1;
        }
        for (size_t k = 0; k < p->columns * p->matrices; k++)
            most = fmaxf(most, p->sum2[k]);
        for (size_t k = 0; k < p->columns * p->matrices; k++)
            worst = fmax(worst, fabs((double)o->sum2[k] - (double)p->sum2[k]) /
                                    fmax((double)p->sum2[k], 1e-6 * (double)most));
    }
    return worst;
}

static void check_model(struct tap *t, const char *dir, const char *name, const struct made *f)
{
    struct imatrix *ours = NULL, *peer = NULL, *two = NULL;
    char path[PATH_BYTES];
    struct err err = {0};
    double d = -1;

    (void)snprintf(path, sizeof(path), "%s/%s.gguf", fixtures, name);
    int rc = imatrix_read(&peer, path, &err);
    if (!rc)
        rc = collect(&ours, dir, f, 1, &err);
    if (!rc)
        rc = collect(&two, dir, f, 2, &err);
    if (!rc)
        d = difference(ours, peer, &err);
    /* measured: at most 3e-5 (qwen3next) */
    if (!tap_ok(t, !rc && d >= 0 && d <= 1e-3, "%s: llama-imatrix's sums", name))
        tap_note("difference %g %s", d, err.msg);
    /* the peer collects nothing for a tied output */
    tap_ok(t,
           !rc && ours->n_entries ==
                      peer->n_entries + (imatrix_find(ours, "token_embd.weight") != NULL),
           "%s: the same weights", name);
    tap_ok(t, !rc && ours->n_entries == two->n_entries && difference(ours, two, &err) == 0,
           "%s: the same on two threads", name);
    imatrix_free(ours);
    imatrix_free(peer);
    imatrix_free(two);
}

/* Are these the weights that the peer ran? */
static bool same_weights(const char *dir, const char *want)
{
    char hex[HASH_HEX_BYTES] = "";
    struct walk w = {0};
    struct hash *h = NULL;
    struct err err;
    bool good = !walk_find(&w, dir, ".safetensors") && !hash_new(&h, &err);

    for (size_t i = 0; good && i < w.n; i++) {
        struct map map;
        good = !map_open(&map, w.path[i], &err);
        if (good)
            hash_add(h, map.data, map.size);
        map_release(&map);
    }
    good = good && !hash_hex(h, hex, &err) && want && !strcmp(hex, want);
    hash_free(h);
    walk_release(&w);
    return good;
}

static void check_models(struct tap *t, const char *root)
{
    struct made f = {0};
    json_val *doc = NULL;
    struct err err = {0};
    char path[PATH_BYTES];

    (void)snprintf(path, sizeof(path), "%s/manifest.json", fixtures);
    if (!tap_ok(t,
                !json_load(&doc, path, &err) && json_int(json_get(doc, "ctx"), &f.ctx) &&
                    json_int(json_get(doc, "chunks"), &f.chunks) &&
                    (f.text_path = json_str(json_get(doc, "text"))) &&
                    !map_open(&f.text, f.text_path, &err),
                "%s", path))
        tap_note("%s", err.msg);
    for (const json_val *m = f.text.data ? json_first(json_get(doc, "models")) : NULL; m;
         m = json_next(m)) {
        const char *name = json_str(json_get(m, "name"));
        (void)snprintf(path, sizeof(path), "%s/models/%s", root, name);
        if (same_weights(path, json_str(json_get(m, "sha256"))))
            check_model(t, path, name, &f);
        else
            tap_skip(t, name, "no golden model with the weights that llama-imatrix ran");
    }
    map_release(&f.text);
    json_free(doc);
}

int main(void)
{
    const char *root = tap_golden();
    struct tap t = {0};

    if (!root) {
        tap_skip(&t, "importance matrices", "no golden folder");
        return tap_done(&t);
    }
    check_files(&t, root);
    check_models(&t, root);
    return tap_done(&t);
}
