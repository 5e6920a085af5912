#include "recipes/history.h"

#include "eval/student_t.h"
#include "formats/base/hash.h"
#include "formats/base/version.h"

#include <math.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BUSY_MS = 10000 };

static const char tables[] =
    "CREATE TABLE run (id INTEGER PRIMARY KEY, time INTEGER NOT NULL, model TEXT NOT NULL, "
    "pare TEXT NOT NULL, basis TEXT NOT NULL, gates_failed INTEGER NOT NULL);"
    "CREATE TABLE result (run INTEGER NOT NULL REFERENCES run, place INTEGER NOT NULL, "
    "variant TEXT NOT NULL, type TEXT NOT NULL, sha256 TEXT, bytes INTEGER NOT NULL, "
    "ppl REAL, ppl_error REAL, ppl_ratio REAL, ppl_ratio_error REAL, kld REAL, kld_error REAL, "
    "top1 REAL, top1_error REAL, window_kld BLOB, PRIMARY KEY (run, place));"
    "CREATE INDEX run_model ON run (model);";

/* ---- opening ----------------------------------------------------------------------------------- */

static int bad(sqlite3 *db, const char *path, struct err *err)
{
    const int code = db ? sqlite3_errcode(db) : SQLITE_NOMEM;

    if (code == SQLITE_NOMEM)
        return err_nomem(err);
    return err_set(err, code == SQLITE_NOTADB || code == SQLITE_CORRUPT ? ERR_FORMAT : ERR_IO,
                   "%s: %s", path, sqlite3_errmsg(db));
}

static int run_sql(sqlite3 *db, const char *path, const char *sql, struct err *err)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : bad(db, path, err);
}

static int get_version(int *out, sqlite3 *db, const char *path, struct err *err)
{
    sqlite3_stmt *q = NULL;
    int rc = 0;

    if (sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &q, NULL) != SQLITE_OK ||
        sqlite3_step(q) != SQLITE_ROW)
        rc = bad(db, path, err);
    else
        *out = sqlite3_column_int(q, 0);
    (void)sqlite3_finalize(q);
    return rc;
}

/* A new file gets its tables; two programs may be at it at once, so look under the lock. */
static int make_tables(sqlite3 *db, const char *path, struct err *err)
{
    int version = 0;
    int rc = run_sql(db, path, "BEGIN IMMEDIATE", err);

    if (!rc)
        rc = get_version(&version, db, path, err);
    if (!rc && !version)
        rc = run_sql(db, path, tables, err);
    if (!rc && !version)
        rc = run_sql(db, path, "PRAGMA user_version = 1", err);
    if (!rc)
        return run_sql(db, path, "COMMIT", err);
    (void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    return rc;
}

static int open_log(sqlite3 **out, const char *path, bool create, struct err *err)
{
    const int flags = create ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY;
    sqlite3 *db = NULL;
    int version = 0, rc = 0;

    *out = NULL;
    if (!create && access(path, R_OK))
        return err_errno(err, path);
    if (sqlite3_open_v2(path, &db, flags, NULL) != SQLITE_OK)
        rc = bad(db, path, err);
    if (!rc)
        (void)sqlite3_busy_timeout(db, BUSY_MS);
    if (!rc && create)
        rc = run_sql(db, path, "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL", err);
    if (!rc)
        rc = get_version(&version, db, path, err);
    if (!rc && !version && create)
        rc = make_tables(db, path, err);
    else if (!rc && version != HISTORY_VERSION)
        rc = err_set(err, ERR_UNSUPPORTED, "%s: a run log of version %d, expected %d", path,
                     version, HISTORY_VERSION);
    if (rc)
        (void)sqlite3_close(db);
    else
        *out = db;
    return rc;
}

/* ---- writing ----------------------------------------------------------------------------------- */

/* What two runs must have in common for their windows to be the same. */
static int basis_of(char hex[HASH_HEX_BYTES], const struct report *r, struct err *err)
{
    struct hash *h;
    int rc = hash_new(&h, err);

    if (rc)
        return rc;
    hash_str(h, r->text_sha256 ? r->text_sha256 : "");
    hash_str(h, r->about ? r->about->tokenizer : "");
    hash_str(h, r->kernels ? r->kernels : "");
    hash_u64(h, r->n_ctx);
    rc = hash_hex(h, hex, err);
    hash_free(h);
    return rc;
}

static void bind_text(sqlite3_stmt *q, int at, const char *s)
{
    (void)sqlite3_bind_text(q, at, s, -1, SQLITE_TRANSIENT);
}

static void bind_mean(sqlite3_stmt *q, int at, struct stats_mean m)
{
    (void)sqlite3_bind_double(q, at, m.value); /* NaN becomes NULL */
    (void)sqlite3_bind_double(q, at + 1, m.error);
}

/* The windows' means as they lie in memory, little endian on every machine pare runs on. */
static void bind_windows(sqlite3_stmt *q, int at, const struct eval_result *e)
{
    const size_t n = e->n_windows * sizeof(double);

    if (e->window_kld && n < (1u << 30))
        (void)sqlite3_bind_blob(q, at, e->window_kld, (int)n, SQLITE_STATIC);
}

static int put_run(sqlite3 *db, const char *path, const struct history_run *run, struct err *err)
{
    static const char sql[] = "INSERT INTO run (time, model, pare, basis, gates_failed) "
                              "VALUES (?, ?, ?, ?, ?)";
    char basis[HASH_HEX_BYTES];
    sqlite3_stmt *q = NULL;
    int rc = basis_of(basis, run->report, err);

    if (!rc && sqlite3_prepare_v2(db, sql, -1, &q, NULL) != SQLITE_OK)
        rc = bad(db, path, err);
    if (!rc) {
        (void)sqlite3_bind_int64(q, 1, run->time);
        bind_text(q, 2, run->recipe);
        bind_text(q, 3, PARE_VERSION);
        bind_text(q, 4, basis);
        (void)sqlite3_bind_int64(q, 5, (sqlite3_int64)run->n_failed);
        if (sqlite3_step(q) != SQLITE_DONE)
            rc = bad(db, path, err);
    }
    (void)sqlite3_finalize(q);
    return rc;
}

static int put_result(sqlite3 *db, const char *path, int64_t run, size_t place,
                      const struct report_model *m, struct err *err)
{
    static const char sql[] = "INSERT INTO result VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
                              "?, ?)";
    const struct stats_mean none = {(double)NAN, (double)NAN};
    const struct eval_result *e = &m->result;
    sqlite3_stmt *q = NULL;
    int rc = 0;

    if (sqlite3_prepare_v2(db, sql, -1, &q, NULL) != SQLITE_OK)
        return bad(db, path, err);
    (void)sqlite3_bind_int64(q, 1, run);
    (void)sqlite3_bind_int64(q, 2, (sqlite3_int64)place);
    bind_text(q, 3, m->name);
    bind_text(q, 4, m->type ? m->type : "");
    bind_text(q, 5, m->sha256);
    (void)sqlite3_bind_int64(q, 6, (sqlite3_int64)m->bytes);
    bind_mean(q, 7, e->ppl);
    bind_mean(q, 9, e->have_original ? e->ppl_ratio : none);
    bind_mean(q, 11, e->have_original ? e->kld : none);
    bind_mean(q, 13, e->have_original ? e->top1 : none);
    bind_windows(q, 15, e);
    if (sqlite3_step(q) != SQLITE_DONE)
        rc = bad(db, path, err);
    (void)sqlite3_finalize(q);
    return rc;
}

int history_append(const char *path, const struct history_run *run, struct err *err)
{
    const struct report *r = run->report;
    sqlite3 *db;
    int rc = open_log(&db, path, true, err);

    if (rc)
        return rc;
    rc = run_sql(db, path, "BEGIN IMMEDIATE", err);
    if (!rc) {
        rc = put_run(db, path, run, err);
        const int64_t id = sqlite3_last_insert_rowid(db);
        if (!rc && r->original)
            rc = put_result(db, path, id, 0, r->original, err);
        for (size_t i = 0; !rc && i < r->n_models; i++)
            rc = put_result(db, path, id, i + 1, &r->model[i], err);
        if (!rc)
            rc = run_sql(db, path, "COMMIT", err);
        if (rc)
            (void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    }
    (void)sqlite3_close(db);
    return rc;
}

/* ---- reading ----------------------------------------------------------------------------------- */

/* The last seen of a variant: what the next is compared with. */
struct last {
    const char *model, *variant, *basis;
    const double *window; /* NULL: none */
    size_t n;
    uint64_t bytes;
};

struct reading {
    struct history *out;
    const char *path;
    sqlite3_stmt *q;
    size_t cap;
    struct last *last; /* in the arena */
    size_t n_last, cap_last;
};

/* One more of *n in an array of the arena; NULL: no memory. */
static void *grown(struct arena *a, void *at, size_t n, size_t *cap, size_t each)
{
    if (n < *cap)
        return at;
    void *more = arena_array(a, 2 * *cap + 16, each);
    if (more && n)
        memcpy(more, at, n * each);
    *cap = 2 * *cap + 16;
    return more;
}

static const char *column_text(struct reading *r, int at)
{
    const unsigned char *text = sqlite3_column_text(r->q, at);

    return arena_str(&r->out->arena, text ? (const char *)text : "");
}

static struct stats_mean column_mean(const struct reading *r, int at)
{
    struct stats_mean m = {(double)NAN, (double)NAN};

    if (sqlite3_column_type(r->q, at) != SQLITE_NULL)
        m.value = sqlite3_column_double(r->q, at);
    if (sqlite3_column_type(r->q, at + 1) != SQLITE_NULL)
        m.error = sqlite3_column_double(r->q, at + 1);
    return m;
}

/* Paired by window: is the mean difference beyond what windows vary? */
static void compare(struct history_row *row, const double *a, const double *b, size_t n)
{
    double sum = 0, square = 0;

    if (n < 2)
        return;
    for (size_t i = 0; i < n; i++)
        sum += b[i] - a[i];
    row->diff = sum / (double)n;
    for (size_t i = 0; i < n; i++) {
        const double d = b[i] - a[i] - row->diff;
        square += d * d;
    }
    const double error = sqrt(square / (double)(n - 1) / (double)n);
    const double most = error * student_t_quantile(0.975, (double)(n - 1));
    row->change = fabs(row->diff) <= most ? HISTORY_SAME
                  : row->diff < 0         ? HISTORY_BETTER
                                          : HISTORY_WORSE;
}

static struct last *find_last(struct reading *r, const struct history_row *row)
{
    struct last *l = r->last;

    for (size_t i = 0; i < r->n_last; i++, l++)
        if (!strcmp(l->model, row->model) && !strcmp(l->variant, row->variant))
            return l;
    r->last = grown(&r->out->arena, r->last, r->n_last, &r->cap_last, sizeof(*r->last));
    if (!r->last)
        return NULL;
    l = &r->last[r->n_last++];
    *l = (struct last){.model = row->model, .variant = row->variant};
    return l;
}

/* Compare with the one before, and take its place. */
static int follow(struct reading *r, struct history_row *row, struct err *err)
{
    struct last *l = find_last(r, row);
    const char *basis = column_text(r, 17);
    const size_t n = (size_t)sqlite3_column_bytes(r->q, 16) / sizeof(double);
    double *window = arena_array(&r->out->arena, n + 1, sizeof(*window));

    if (!l || !basis || !window)
        return err_nomem(err);
    if (n)
        memcpy(window, sqlite3_column_blob(r->q, 16), n * sizeof(*window));
    row->bytes_before = l->basis ? (int64_t)l->bytes : -1;
    if (l->window && !strcmp(l->basis, basis))
        compare(row, l->window, window, n < l->n ? n : l->n);
    l->basis = basis;
    l->window = n ? window : NULL;
    l->n = n;
    l->bytes = row->bytes;
    return 0;
}

static int read_row(struct reading *r, struct err *err)
{
    struct history *h = r->out;

    h->at = grown(&h->arena, h->at, h->n, &r->cap, sizeof(*h->at));
    if (!h->at)
        return err_nomem(err);
    struct history_row *row = &h->at[h->n];
    *row = (struct history_row){.run = sqlite3_column_int64(r->q, 0),
                                .time = sqlite3_column_int64(r->q, 1),
                                .model = column_text(r, 2),
                                .pare = column_text(r, 3),
                                .n_failed = sqlite3_column_int64(r->q, 4),
                                .variant = column_text(r, 5),
                                .type = column_text(r, 6),
                                .bytes = (uint64_t)sqlite3_column_int64(r->q, 7),
                                .ppl = column_mean(r, 8),
                                .ppl_ratio = column_mean(r, 10),
                                .kld = column_mean(r, 12),
                                .top1 = column_mean(r, 14),
                                .diff = (double)NAN};
    if (!row->model || !row->pare || !row->variant || !row->type)
        return err_nomem(err);
    h->n++;
    return follow(r, row, err);
}

/* Keep the rows of the last `limit` runs; the earlier ones were there to compare with. */
static void cut(struct history *h, size_t limit)
{
    size_t runs = 0, from = h->n;

    while (limit && from) {
        if (from == h->n || h->at[from - 1].run != h->at[from].run)
            runs++;
        if (runs > limit)
            break;
        from--;
    }
    if (limit) {
        h->at += from;
        h->n -= from;
    }
}

int history_read(struct history *out, const char *path, const char *model, size_t limit,
                 struct err *err)
{
    static const char sql[] =
        "SELECT id, time, model, pare, gates_failed, variant, type, bytes, ppl, ppl_error, "
        "ppl_ratio, ppl_ratio_error, kld, kld_error, top1, top1_error, window_kld, basis "
        "FROM run JOIN result ON run.id = result.run WHERE ?1 IS NULL OR model = ?1 "
        "ORDER BY id, place";
    struct reading r = {.out = out, .path = path};
    sqlite3 *db;
    int rc, got = SQLITE_DONE;

    *out = (struct history){0};
    rc = open_log(&db, path, false, err);
    if (rc)
        return rc;
    if (sqlite3_prepare_v2(db, sql, -1, &r.q, NULL) != SQLITE_OK)
        rc = bad(db, path, err);
    if (!rc && model)
        bind_text(r.q, 1, model);
    while (!rc && (got = sqlite3_step(r.q)) == SQLITE_ROW)
        rc = read_row(&r, err);
    if (!rc && got != SQLITE_DONE)
        rc = bad(db, path, err);
    (void)sqlite3_finalize(r.q);
    (void)sqlite3_close(db);
    if (!rc)
        cut(out, limit);
    return rc;
}

void history_release(struct history *h)
{
    arena_release(&h->arena);
    *h = (struct history){0};
}
