/* The training pass beside a reference in F64: logits, residual streams, and the gradient of every
 * parameter by two losses, of $PARE_GOLDEN/distill/models. A folder with the model's config.json
 * and a gradient file in place of its weights gives the gradients in the GGUF's layout. */

#include "formats/base/json.h"
#include "formats/base/map.h"
#include "formats/safetensors.h"
#include "tests/nets.h"
#include "tests/tap.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_BYTES = 4096, DIR_BYTES = 3500 };

/* Correct F32 gives 1e-6 to 3e-6 (README of the data). */
static const double GRADIENT_BOUND = 1e-4, LOGIT_BOUND = 1e-5;

/* ---- the data --------------------------------------------------------------------- */

struct file {
    struct map map;
    struct st *st;
};

static bool file_open(struct file *f, const char *dir, const char *name)
{
    char path[PATH_BYTES];
    struct err err = {0};

    *f = (struct file){0};
    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    if (!map_open(&f->map, path, &err) && !st_parse(&f->st, f->map.data, f->map.size, &err))
        return true;
    tap_note("%s", err.msg);
    return false;
}

static void file_close(struct file *f)
{
    st_free(f->st);
    map_release(&f->map);
}

static const struct st_tensor *tensor(const struct file *f, const char *name)
{
    for (size_t i = 0; i < st_n_tensors(f->st); i++)
        if (!strcmp(st_tensor(f->st, i)->name, name))
            return st_tensor(f->st, i);
    return NULL;
}

/* A copy, for the file's bytes may lie at any address; NULL: it has none. */
static void *values(const struct file *f, const char *name)
{
    const struct st_tensor *t = tensor(f, name);
    void *p = t ? malloc(t->bytes) : NULL;

    if (p)
        memcpy(p, t->data, t->bytes);
    return p;
}

struct batch {
    struct net_batch b;
    int32_t *ids, *label;
    float *teacher;
};

static bool batch_load(struct batch *b, const char *dir)
{
    struct file f;

    *b = (struct batch){0};
    if (file_open(&f, dir, "batch.safetensors")) {
        const struct st_tensor *t = tensor(&f, "input_ids");
        b->ids = values(&f, "input_ids");
        b->label = values(&f, "labels");
        b->teacher = values(&f, "teacher_logits");
        if (t)
            b->b = (struct net_batch){
                .ids = b->ids, .n_seq = (size_t)t->dims[0], .n_tok = (size_t)t->dims[1]};
    }
    file_close(&f);
    return b->ids && b->label && b->teacher;
}

static void batch_release(struct batch *b)
{
    free(b->ids);
    free(b->label);
    free(b->teacher);
}

/* ---- gradients ---------------------------------------------------------------------- */

/* What the data's folders lack: any tokenizer will do. */
static const char tokenizer[] =
    "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2,\"c\":3},"
    "\"merges\":[\"a b\"]},\"added_tokens\":[],\"pre_tokenizer\":{\"type\":\"ByteLevel\","
    "\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":true},"
    "\"decoder\":{\"type\":\"ByteLevel\"}}";

/* A checkpoint of links: a model's config.json, and one of its files as the weights. */
struct folder {
    char dir[32], config[64], weights[64], tokens[64];
};

static bool folder_make(struct folder *f, const char *dir, const char *file)
{
    char from[PATH_BYTES];

    *f = (struct folder){.dir = "/tmp/pare-gradients-XXXXXX"};
    if (!mkdtemp(f->dir))
        return false;
    (void)snprintf(f->config, sizeof(f->config), "%s/config.json", f->dir);
    (void)snprintf(f->weights, sizeof(f->weights), "%s/model.safetensors", f->dir);
    (void)snprintf(f->tokens, sizeof(f->tokens), "%s/tokenizer.json", f->dir);
    (void)snprintf(from, sizeof(from), "%.3500s/config.json", dir);
    bool ok = !symlink(from, f->config);
    (void)snprintf(from, sizeof(from), "%.3500s/%.500s", dir, file);
    ok = ok && !symlink(from, f->weights);
    FILE *out = fopen(f->tokens, "w");
    ok = ok && out && fputs(tokenizer, out) >= 0;
    return out && !fclose(out) && ok;
}

static void folder_remove(const struct folder *f)
{
    (void)unlink(f->config);
    (void)unlink(f->weights);
    (void)unlink(f->tokens);
    (void)rmdir(f->dir);
}

/* Conversion adds 1 to some weights; of a gradient that would leave few digits. */
static bool as_stored(struct params *ps, const char *dir, const char *file)
{
    struct file f;
    bool good = file_open(&f, dir, file);

    for (size_t i = 0; good && i < ps->n; i++) {
        const struct param *p = &ps->p[i];
        float *x = p->t->change == CHANGE_ADD_ONE ? values(&f, p->t->stored) : NULL;

        if (x)
            memcpy(ps->w + p->at, x, p->n * sizeof(*x));
        good = x || p->t->change != CHANGE_ADD_ONE;
        free(x);
    }
    file_close(&f);
    return good;
}

/* The gradients of a file as the params of a model. */
static int reference(struct params *out, struct source **s, const char *dir, const char *file,
                     struct err *err)
{
    static const struct log silent;
    const struct source_opts so = {.log = &silent, .pre = "gpt-2"};
    struct folder f;
    int rc = folder_make(&f, dir, file) ? 0 : err_errno(err, f.dir);

    if (!rc)
        rc = source_open(s, f.dir, &so, err);
    if (!rc)
        rc = params_read(out, *s, err);
    folder_remove(&f);
    return rc || as_stored(out, dir, file)
               ? rc
               : err_set(err, ERR_FORMAT, "%s: a tensor is missing", file);
}

static double worst_gradient(const struct params *ps, const struct params *want)
{
    double worst = 0;

    if (ps->n != want->n)
        return (double)INFINITY;
    for (size_t i = 0; i < ps->n; i++) {
        const struct param *p = &ps->p[i];
        if (p->fixed)
            continue;
        const double far = nets_distance(ps->g + p->at, want->w + want->p[i].at, p->n);
        if (!(far <= GRADIENT_BOUND))
            tap_note("%s: %.1e", p->t->name, far);
        worst = far > worst ? far : isnan(far) ? (double)INFINITY : worst;
    }
    return worst;
}

/* The whole batch at once, or each of its sequences alone. */
static double run_loss(struct nets *t, const struct batch *b, const struct nets_target *target,
                       bool apart, struct err *err)
{
    const size_t rows = b->b.n_tok, v = model_n_vocab(t->m);
    struct nets_target one = *target;
    double sum = 0;

    memset(t->ps.g, 0, t->ps.n_values * sizeof(float));
    if (!apart)
        return nets_loss(t, &b->b, target, NULL, 1, err);
    for (size_t r = 0; r < b->b.n_seq * rows; r++)
        one.counted += b->label[r] >= 0;
    for (size_t i = 0; i < b->b.n_seq; i++) {
        const struct net_batch row = {.ids = b->ids + i * rows, .n_seq = 1, .n_tok = rows};
        one.label = target->label + i * rows;
        one.teacher = target->teacher ? target->teacher + i * rows * v : NULL;
        sum += nets_loss(t, &row, &one, NULL, 1, err);
    }
    return sum;
}

static void check_gradients(struct tap *t, struct nets *net, const char *dir, const char *name,
                            const struct batch *b, const json_val *entry)
{
    const struct {
        const char *loss, *file, *text;
        struct nets_target target;
    } rows[] = {
        {"ce",     "grad_ce.safetensors", "ce",         {.label = b->label}},
        {"fkl_T2",
         "grad_fkl_T2.safetensors",       "forward_kl",
         {.label = b->label, .teacher = b->teacher}                        },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct params want = {0};
        struct source *s = NULL;
        struct err err = {0};
        struct nets_target target = rows[i].target;
        struct loss how;
        double loss = 0;
        int rc = loss_parse(&how, rows[i].text, &err);
        how.temperature = 2;
        target.loss = &how;
        (void)json_num(json_get(json_get(entry, rows[i].loss), "loss"), &loss);
        if (!rc)
            rc = reference(&want, &s, dir, rows[i].file, &err);
        (void)tap_ok(t, !rc, "%s: %s: reference %s", name, rows[i].loss, err.msg);
        for (int apart = 0; !rc && apart < 2; apart++) {
            const double got = run_loss(net, b, &target, apart, &err);
            const double far = worst_gradient(&net->ps, &want);
            (void)tap_ok(t, fabs(got - loss) <= 1e-5 * loss && far <= GRADIENT_BOUND,
                         "%s: %s%s: loss %.6f, gradients within %.1e", name, rows[i].loss,
                         apart ? " by sequences" : "", got, far);
        }
        params_release(&want);
        source_free(s);
    }
}

/* ---- activations ----------------------------------------------------------------------- */

static void check_activations(struct tap *t, struct nets *net, const char *dir, const char *name,
                              const struct batch *b)
{
    const size_t rows = b->b.n_seq * b->b.n_tok, v = model_n_vocab(net->m);
    const struct nets_target target = {.label = b->label};
    float *all = malloc(rows * v * sizeof(*all));
    struct err err = {0};
    struct file f;
    char hidden[32];

    if (all && file_open(&f, dir, "activations.safetensors")) {
        (void)nets_loss(net, &b->b, &target, all, 0, &err);
        float *want = values(&f, "logits");
        const double far = want ? nets_distance(all, want, rows * v) : (double)INFINITY;
        (void)tap_ok(t, far <= LOGIT_BOUND, "%s: logits within %.1e", name, far);
        free(want);
        for (size_t i = 0;; i++) {
            (void)snprintf(hidden, sizeof(hidden), "hidden.%zu", i + 1);
            const struct st_tensor *x = tensor(&f, hidden);
            if (!x)
                break;
            want = values(&f, hidden);
            const double apart =
                want ? nets_distance(net_hidden(net->n, i), want, x->bytes / sizeof(*want))
                     : (double)INFINITY;
            (void)tap_ok(t, apart <= LOGIT_BOUND, "%s: %s within %.1e", name, hidden, apart);
            free(want);
        }
        file_close(&f);
    }
    free(all);
}

static void check_model(struct tap *t, const char *root, const json_val *entry,
                        const struct batch *b)
{
    const char *name = json_key(entry);
    char dir[DIR_BYTES];
    struct nets net;
    struct err err = {0};
    struct folder f;
    const struct nets_opts o = {
        .pre = "gpt-2", .n_seq = b->b.n_seq, .n_tok = b->b.n_tok, .head_rows = 24, .threads = 2};

    (void)snprintf(dir, sizeof(dir), "%.3200s/%.200s", root, name);
    const bool made = folder_make(&f, dir, "model.safetensors");
    const int rc = made ? nets_open(&net, f.dir, &o, &err) : err_errno(&err, f.dir);
    folder_remove(&f);
    if (tap_ok(t, !rc, "%s: opened %s", name, err.msg)) {
        check_activations(t, &net, dir, name, b);
        check_gradients(t, &net, dir, name, b, entry);
        nets_free(&net);
    }
}

int main(void)
{
    char *golden = tap_golden() ? realpath(tap_golden(), NULL) : NULL; /* links are made to it */
    char root[DIR_BYTES - 256], path[PATH_BYTES];
    struct tap t = {0};
    struct err err = {0};
    struct batch b;
    json_val *index = NULL;

    (void)snprintf(root, sizeof(root), "%s/distill/models", golden ? golden : "");
    (void)snprintf(path, sizeof(path), "%s/models.json", root);
    if (!golden || access(path, R_OK)) {
        tap_skip(&t, "gradients", "no golden gradients");
        free(golden);
        return tap_done(&t);
    }
    if (tap_ok(&t, !json_load(&index, path, &err) && batch_load(&b, root), "index %s", err.msg)) {
        const json_val *m = json_first(json_get(index, "models"));
        for (; m; m = json_next(m))
            check_model(&t, root, m, &b);
        batch_release(&b);
    }
    json_free(index);
    free(golden);
    return tap_done(&t);
}
