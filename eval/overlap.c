#include "eval/overlap.h"

#include "formats/base/buf.h"
#include "formats/base/map.h"
#include "formats/lines.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- shared runs -------------------------------------------------------------------------- */

/* Runs of `a` by their hash: as many at a time as fit a table of 16 MiB, each one in the pass
 * that its hash belongs to. Equal runs are kept once, so that a text that repeats itself costs
 * no more than another. */
enum { SLOTS = 1 << 21, RUNS_A_PASS = 1 << 20 };

struct slot {
    uint32_t tag; /* upper bits of the hash */
    uint32_t at;  /* where the run begins, + 1; 0: free */
};

struct finder {
    const struct tok_ids *a, *b;
    struct slot *slot; /* owned; SLOTS */
    uint64_t pass, passes;
};

static const uint64_t base = 0x9E3779B97F4A7C15; /* odd: every token counts */

/* base^(OVERLAP_RUN - 1), what the token that leaves was multiplied with. */
static uint64_t leaving(void)
{
    uint64_t p = 1;

    for (int i = 1; i < OVERLAP_RUN; i++)
        p *= base;
    return p;
}

static uint64_t mixed(uint64_t h)
{
    h ^= h >> 32;
    h *= 0xD6E8FEB86659FD93;
    return h ^ h >> 32;
}

static bool same(const int32_t *a, const int32_t *b)
{
    return !memcmp(a, b, OVERLAP_RUN * sizeof(*a));
}

/* The slot of an equal run of `a`, or the free one where it would be. */
static struct slot *probe(const struct finder *f, uint64_t h, const int32_t *run)
{
    size_t i = (size_t)(h & (SLOTS - 1));

    while (f->slot[i].at &&
           !(f->slot[i].tag == (uint32_t)(h >> 32) && same(f->a->id + f->slot[i].at - 1, run)))
        i = (i + 1) & (SLOTS - 1);
    return &f->slot[i];
}

/* Visit the runs of `ids` that belong to this pass: those of `a` are kept, one of `b` that is
 * there ends it. */
static bool visit(size_t *at_a, size_t *at_b, struct finder *f, const struct tok_ids *ids)
{
    const uint64_t out = leaving();
    uint64_t h = 0;

    for (size_t i = 0; i < ids->n; i++) {
        if (i >= OVERLAP_RUN)
            h -= out * (uint32_t)ids->id[i - OVERLAP_RUN];
        h = h * base + (uint32_t)ids->id[i];
        const uint64_t m = mixed(h);
        if (i + 1 < OVERLAP_RUN || (m >> 21) % f->passes != f->pass)
            continue;
        const size_t at = i + 1 - OVERLAP_RUN;
        struct slot *s = probe(f, m, ids->id + at);
        if (ids == f->a && !s->at)
            *s = (struct slot){(uint32_t)(m >> 32), (uint32_t)(at + 1)};
        if (ids == f->b && s->at) {
            *at_a = s->at - 1;
            *at_b = at;
            return true;
        }
    }
    return false;
}

int overlap_find(bool *found, size_t *at_a, size_t *at_b, const struct tok_ids *a,
                 const struct tok_ids *b, struct err *err)
{
    struct finder f = {.a = a, .b = b, .passes = a->n / RUNS_A_PASS + 1};

    *found = false;
    if (a->n < OVERLAP_RUN || b->n < OVERLAP_RUN)
        return 0;
    if (a->n > UINT32_MAX - 1)
        return err_set(err, ERR_UNSUPPORTED, "a text of %zu tokens is too long", a->n);
    f.slot = malloc(SLOTS * sizeof(*f.slot));
    if (!f.slot)
        return err_nomem(err);
    for (; !*found && f.pass < f.passes; f.pass++) {
        memset(f.slot, 0, SLOTS * sizeof(*f.slot));
        (void)visit(at_a, at_b, &f, a);
        *found = visit(at_a, at_b, &f, b);
    }
    free(f.slot);
    return 0;
}

/* ---- what to say of one ------------------------------------------------------------------- */

/* Its text, without blanks before it. */
static int decode(struct buf *out, const struct tok *tok, const int32_t *run, struct err *err)
{
    size_t blank = 0;
    int rc = 0;

    for (size_t i = 0; !rc && i < OVERLAP_RUN; i++)
        rc = tok_decode(out, tok, run[i], true, err);
    if (!rc)
        rc = buf_check(out, err);
    if (rc || !out->n)
        return rc;
    while (blank < out->n && (out->p[blank] == ' ' || out->p[blank] == '\n'))
        blank++;
    memmove(out->p, out->p + blank, out->n - blank + 1);
    out->n -= blank;
    return 0;
}

/* The line where `run` begins, from 1; 0: it is not there, because the tokenizer changes what
 * it reads. */
static size_t line_of(const struct overlap_text *t, const struct buf *run)
{
    const char *p = t->text, *end = t->text + t->n;
    size_t line = 1, n = run->n;
    const char *want = run->p;

    for (; n && (size_t)(end - p) >= n; p++) {
        if (!memcmp(p, want, n))
            return line;
        line += *p == '\n';
    }
    return 0;
}

static void place(struct buf *out, const struct overlap_text *t, const struct buf *run)
{
    const size_t line = line_of(t, run);

    buf_str(out, t->path);
    if (line)
        buf_fmt(out, " (line %zu)", line);
}

/* Its first words, on one line. */
static void excerpt(struct buf *out, const struct buf *run)
{
    size_t n = run->n < 60 ? run->n : 60;

    while (n && n < run->n && ((unsigned char)run->p[n] & 0xC0) == 0x80)
        n--;
    for (size_t i = 0; i < n; i++) {
        const char c = run->p[i];
        buf_put(out, (unsigned char)c < ' ' || c == 0x7F ? " " : &c, 1);
    }
}

static int tell(const struct tok *tok, const struct overlap_text *a, const struct overlap_text *b,
                const int32_t *run, struct err *err)
{
    struct buf words = {0}, msg = {0};
    int rc = decode(&words, tok, run, err);

    if (!rc) {
        place(&msg, a, &words);
        buf_str(&msg, " and ");
        place(&msg, b, &words);
        buf_fmt(&msg, " share a run of %d tokens, which begins \"", OVERLAP_RUN);
        excerpt(&msg, &words);
        buf_str(&msg, "\"");
        rc = buf_check(&msg, err);
    }
    if (!rc)
        rc = err_set(err, ERR_FORMAT,
                     "%s: figures measured on calibration text say nothing of other text "
                     "(--allow-overlap to insist)",
                     msg.p);
    buf_release(&words);
    buf_release(&msg);
    return rc;
}

static int check_pair(const struct tok *tok, const struct overlap_text *a,
                      const struct overlap_text *b, struct err *err)
{
    struct tok_ids ids_a = {0}, ids_b = {0};
    bool found = false;
    size_t at_a = 0, at_b = 0;
    int rc = tok_encode(&ids_a, tok, a->text, a->n, 0, err);

    if (!rc)
        rc = tok_encode(&ids_b, tok, b->text, b->n, 0, err);
    if (!rc)
        rc = overlap_find(&found, &at_a, &at_b, &ids_a, &ids_b, err);
    if (!rc && found)
        rc = tell(tok, a, b, ids_b.id + at_b, err);
    tok_ids_release(&ids_a);
    tok_ids_release(&ids_b);
    return rc;
}

/* ---- JSON Lines ------------------------------------------------------------------------------ */

/* A text as it stands, and where that is JSON Lines what these say: escapes part the runs of it. */
struct forms {
    struct overlap_text text[2];
    size_t n;
    struct buf path, said; /* owned; of the second */
};

static void forms_release(struct forms *f)
{
    buf_release(&f->path);
    buf_release(&f->said);
}

/* To be released also after a failure. */
static int forms_of(struct forms *f, const struct overlap_text *t, struct err *err)
{
    *f = (struct forms){.text[0] = *t, .n = 1};
    if (!lines_named(t->path))
        return 0;
    buf_fmt(&f->path, "%s, its texts", t->path); /* whose lines are not the file's */
    int rc = buf_check(&f->path, err);
    if (!rc)
        rc = lines_said(&f->said, t->text, t->n, err);
    if (!rc && f->said.n)
        f->text[f->n++] = (struct overlap_text){f->path.p, f->said.p, f->said.n};
    return rc;
}

int overlap_check(const struct tok *tok, const struct overlap_text *a, const struct overlap_text *b,
                  struct err *err)
{
    struct forms fa, fb = {0};
    int rc = forms_of(&fa, a, err);

    if (!rc)
        rc = forms_of(&fb, b, err);
    for (size_t i = 0; !rc && i < fa.n; i++)
        for (size_t k = 0; !rc && k < fb.n; k++)
            rc = check_pair(tok, &fa.text[i], &fb.text[k], err);
    forms_release(&fa);
    forms_release(&fb);
    return rc;
}

/* ---- the text a model's importance was collected on ----------------------------------------- */

static bool is_file(const char *path)
{
    struct stat st;

    return !stat(path, &st) && S_ISREG(st.st_mode);
}

static bool one_file(const char *a, const char *b)
{
    struct stat x, y;

    return !stat(a, &x) && !stat(b, &y) && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* `name` in the folder that `beside` lies in. */
static void beside_of(struct buf *out, const char *beside, const char *name)
{
    const char *slash = strrchr(beside, '/'), *last = strrchr(name, '/');

    out->n = 0;
    buf_fmt(out, "%.*s%s", slash ? (int)(slash + 1 - beside) : 0, beside, last ? last + 1 : name);
}

/* *found: its path, in `out`. A guess that hits the text measured on proves nothing. */
static int find_text(bool *found, struct buf *out, const char *told, const char *model,
                     const char *text, struct err *err)
{
    const char *const where[] = {model, text};

    buf_str(out, told);
    int rc = buf_check(out, err);
    *found = !rc && is_file(out->p);
    for (size_t i = 0; !rc && !*found && i < 2; i++) {
        beside_of(out, where[i], told);
        rc = buf_check(out, err);
        *found = !rc && is_file(out->p) && !one_file(out->p, text);
    }
    return rc;
}

int overlap_check_named(const struct tok *tok, const char *told, const char *beside,
                        const struct overlap_text *b, struct err *err)
{
    struct buf path = {0};
    struct map map = {0};
    bool found = false;
    int rc = find_text(&found, &path, told, beside, b->path, err);

    if (!rc && found)
        rc = map_open(&map, path.p, err);
    if (!rc && found) {
        const char *text = map.size ? (const char *)map.data : "";
        const struct overlap_text a = {path.p, text, map.size};
        rc = overlap_check(tok, &a, b, err);
    }
    map_release(&map);
    buf_release(&path);
    return rc;
}

int overlap_check_model(const struct model *m, const struct overlap_text *b, struct err *err)
{
    const struct source *s = model_source(m);
    struct meta_str told = {0};
    struct buf name = {0};
    int rc;

    if (!model_tok(m) || !meta_str(source_meta(s), "quantize.imatrix.dataset", &told) || !told.n)
        return 0;
    buf_put(&name, told.p, told.n);
    rc = buf_check(&name, err);
    if (!rc)
        rc = overlap_check_named(model_tok(m), name.p, source_path(s), b, err);
    buf_release(&name);
    return rc;
}
