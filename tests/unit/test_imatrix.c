#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "formats/base/buf.h"
#include "formats/base/map.h"
#include "formats/gguf_write.h"
#include "formats/imatrix.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { COLUMNS = 5, EXPERTS = 3 };

static void path_in(char path[128], const char *end)
{
    (void)snprintf(path, 128, "/tmp/pare-imatrix-%ld%s", (long)getpid(), end);
}

/* Two weights, one of them stacked, whose second expert was never used. */
static struct imatrix *make(float by, const char *second)
{
    const struct imatrix_entry shapes[] = {
        {second,                COLUMNS,     EXPERTS, NULL, NULL},
        {"blk.0.attn_q.weight", COLUMNS + 1, 1,       NULL, NULL},
    };
    struct imatrix *im;
    struct err err;

    assert_int_equal(imatrix_new(&im, shapes, 2, &err), 0);
    for (size_t e = 0; e < im->n_entries; e++) {
        struct imatrix_entry *t = &im->entry[e];
        for (size_t i = 0; i < t->matrices; i++)
            t->count[i] = i == 1 ? 0 : by * (float)(16 + i);
        for (size_t i = 0; i < t->matrices * t->columns; i++)
            t->sum2[i] = i / t->columns == 1 ? 0 : by * (float)(1 + i);
    }
    im->chunks = 2;
    im->chunk_size = 8;
    assert_int_equal(imatrix_add_dataset(im, "a text.txt", &err), 0);
    return im;
}

static void same(const struct imatrix *a, const struct imatrix *b)
{
    assert_int_equal(a->n_entries, b->n_entries);
    assert_int_equal(a->n_datasets, b->n_datasets);
    assert_int_equal(a->chunks, b->chunks);
    assert_int_equal(a->chunk_size, b->chunk_size);
    for (size_t i = 0; i < a->n_datasets; i++)
        assert_string_equal(a->dataset[i], b->dataset[i]);
    for (size_t i = 0; i < a->n_entries; i++) {
        const struct imatrix_entry *s = &a->entry[i], *t = &b->entry[i];
        assert_string_equal(s->name, t->name);
        assert_int_equal(s->columns, t->columns);
        assert_int_equal(s->matrices, t->matrices);
        assert_memory_equal(s->sum2, t->sum2, s->columns * s->matrices * sizeof(*s->sum2));
        assert_memory_equal(s->count, t->count, s->matrices * sizeof(*s->count));
    }
}

/* ---- the GGUF layout --------------------------------------------------------- */

static void test_imatrix_round_trip(void **state)
{
    struct imatrix *im = make(1, "blk.0.ffn_up_exps.weight"), *back;
    struct err err;
    char path[128];

    (void)state;
    path_in(path, ".gguf");
    assert_string_equal(im->entry[0].name, "blk.0.attn_q.weight");
    assert_ptr_equal(imatrix_find(im, "blk.0.ffn_up_exps.weight"), &im->entry[1]);
    assert_null(imatrix_find(im, "blk.0.ffn_up_exps"));
    assert_int_equal(imatrix_write(im, path, &err), 0);
    assert_int_equal(imatrix_read(&back, path, &err), 0);
    same(im, back);
    imatrix_free(back);
    imatrix_free(im);
    (void)unlink(path);
}

static void test_imatrix_new_twice(void **state)
{
    const struct imatrix_entry shapes[] = {
        {"x", 1, 1, NULL, NULL},
        {"y", 1, 1, NULL, NULL},
        {"x", 1, 1, NULL, NULL},
    };
    struct imatrix *im;
    struct err err;

    (void)state;
    assert_int_equal(imatrix_new(&im, shapes, 3, &err), ERR_ARG);
    assert_null(im);
    assert_non_null(strstr(err.msg, "weight x: there twice"));
}

/* A file that differs from a good one. */
struct bad {
    const char *sums, *counts; /* names; NULL: left out */
    unsigned n_sums, n_counts;
    enum dtype type;
    float value;
    const char *no_key;
    const char *part; /* of the message */
};

static void put_bad(const char *path, const struct bad *b)
{
    const float value[8] = {1, b->value, 1, 1, 1, 1, 1, 1};
    const struct gguf_item all[] = {
        {b->sums,   b->type,   2, {b->n_sums, 1}  },
        {b->counts, DTYPE_F32, 2, {1, b->n_counts}},
    };
    const struct gguf_item *item = b->sums ? all : all + 1;
    const size_t n = (size_t)(b->sums != NULL) + (b->counts != NULL);
    struct gguf_writer *w;
    struct meta m = {0};
    struct err err;

    assert_int_equal(meta_set_str(&m, "general.type", "imatrix", &err), 0);
    assert_int_equal(meta_set_array(&m, "imatrix.datasets", META_STR, 0, "", 0, &err), 0);
    assert_int_equal(meta_set_u32(&m, "imatrix.chunk_count", 1, &err), 0);
    assert_int_equal(meta_set_u32(&m, "imatrix.chunk_size", 8, &err), 0);
    if (b->no_key)
        meta_remove(&m, b->no_key);
    assert_int_equal(gguf_writer_new(&w, path, &m, item, n, 0, &err), 0);
    for (size_t i = 0; i < n; i++) {
        size_t bytes;
        assert_int_equal(gguf_measure(&bytes, item[i].type, 2, item[i].dims, &err), 0);
        assert_int_equal(gguf_writer_put(w, value, bytes, &err), 0);
    }
    assert_int_equal(gguf_writer_commit(w, &err), 0);
    gguf_writer_free(w);
    meta_release(&m);
}

static void test_imatrix_bad_gguf(void **state)
{
    const struct bad bads[] = {
        {"x.in_sum2", "x.counts", 4, 1, DTYPE_F32, 1,        NULL,                  NULL                      },
        {"x.in_sum2", "y.counts", 4, 1, DTYPE_F32, 1,        NULL,                  "no x.counts beside"      },
        {NULL,        "y.counts", 4, 1, DTYPE_F32, 1,        NULL,                  "no y.in_sum2 beside"     },
        {"x.in_sum2", NULL,       4, 1, DTYPE_F32, 1,        NULL,                  "no x.counts beside"      },
        {"x.weight",  NULL,       4, 1, DTYPE_F32, 1,        NULL,                  "without a tensor NAME.in"},
        {"x.in_sum2", "x.counts", 4, 3, DTYPE_F32, 1,        NULL,                  "4 sums of 3 counts"      },
        {"x.in_sum2", "x.counts", 0, 1, DTYPE_F32, 1,        NULL,                  "it is empty"             },
        {"x.in_sum2", "x.counts", 4, 1, DTYPE_F16, 1,        NULL,                  "type F16, expected F32"  },
        {"x.in_sum2", "x.counts", 4, 1, DTYPE_F32, NAN,      NULL,                  "value 1 is "             },
        {"x.in_sum2", "x.counts", 4, 1, DTYPE_F32, -1,       NULL,                  "value 1 is -1"           },
        {"x.in_sum2", "x.counts", 4, 1, DTYPE_F32, INFINITY, NULL,                  "value 1 is inf"          },
        {"x.in_sum2", "x.counts", 4, 1, DTYPE_F32, 1,        "imatrix.chunk_size",
         "chunk_size is missing"                                                                              },
        {"x.in_sum2", "x.counts", 4, 1, DTYPE_F32, 1,        "imatrix.chunk_count",
         "chunk_count is missing"                                                                             },
        {"x.in_sum2", "x.counts", 4, 1, DTYPE_F32, 1,        "imatrix.datasets",    "datasets is missing"     },
    };
    char path[128];

    (void)state;
    path_in(path, "-bad.gguf");
    for (size_t i = 0; i < sizeof(bads) / sizeof(bads[0]); i++) {
        struct imatrix *im;
        struct err err = {0};
        put_bad(path, &bads[i]);
        const int rc = imatrix_read(&im, path, &err);
        assert_int_equal(rc, bads[i].part ? ERR_FORMAT : 0);
        if (bads[i].part && (!strstr(err.msg, bads[i].part) || !strstr(err.msg, path)))
            fail_msg("case %zu: \"%s\" does not say \"%s\"", i, err.msg, bads[i].part);
        imatrix_free(im);
    }
    (void)unlink(path);
}

static void test_imatrix_cut(void **state)
{
    struct imatrix *im = make(1, "blk.0.ffn_up_exps.weight"), *back;
    struct map map;
    struct err err;
    char path[128];

    (void)state;
    path_in(path, "-cut.gguf");
    assert_int_equal(imatrix_write(im, path, &err), 0);
    assert_int_equal(map_open(&map, path, &err), 0);
    /* the padding at the end may be missing */
    for (size_t n = 0; n + 32 < map.size; n++) {
        assert_int_not_equal(imatrix_parse(&back, map.data, n, &err), 0);
        assert_null(back);
    }
    map_release(&map);
    imatrix_free(im);
    (void)unlink(path);
}

/* ---- the legacy layout --------------------------------------------------------- */

static void dat_entry(struct buf *b, const char *name, uint32_t calls, uint32_t n, float first)
{
    buf_u32(b, (uint32_t)strlen(name));
    buf_str(b, name);
    buf_u32(b, calls);
    buf_u32(b, n);
    for (uint32_t i = 0; i < n; i++) {
        const float v = first + (float)i;
        buf_put(b, &v, sizeof(v));
    }
}

static void test_imatrix_legacy(void **state)
{
    struct buf b = {0};
    struct imatrix *im;
    struct err err;

    (void)state;
    buf_u32(&b, 2);
    dat_entry(&b, "z", 3, 4, 6);
    dat_entry(&b, "a", 2, 2, 0);
    for (int end = 0; end < 3; end++) {
        if (end == 1)
            buf_u32(&b, 7);
        if (end == 2) {
            buf_u32(&b, 1);
            buf_str(&b, "t");
        }
        assert_int_equal(imatrix_parse(&im, b.p, b.n, &err), 0);
        assert_int_equal(im->n_entries, 2);
        assert_string_equal(im->entry[0].name, "a");
        assert_true(im->entry[1].sum2[3] == 9 && im->entry[1].count[0] == 3);
        assert_int_equal(im->chunks, end ? 7 : 0);
        assert_int_equal(im->n_datasets, end == 2);
        assert_int_equal(im->chunk_size, 0);
        imatrix_free(im);
    }
    for (size_t n = 0; n < b.n; n++) {
        const bool whole = n == b.n - 5 || n == b.n - 9; /* without the end, or its name */
        assert_int_equal(imatrix_parse(&im, b.p, n, &err), whole ? 0 : ERR_FORMAT);
        imatrix_free(im);
    }
    buf_release(&b);
}

static void legacy_fails(struct buf *b, const char *part)
{
    struct imatrix *im;
    struct err err = {0};

    assert_int_equal(imatrix_parse(&im, b->p, b->n, &err), ERR_FORMAT);
    assert_null(im);
    if (!strstr(err.msg, part))
        fail_msg("\"%s\" does not say \"%s\"", err.msg, part);
    b->n = 0;
}

static void test_imatrix_bad_legacy(void **state)
{
    struct buf b = {0};

    (void)state;
    buf_str(&b, "some text that is no importance matrix");
    legacy_fails(&b, "neither a GGUF nor");
    buf_u32(&b, 0);
    legacy_fails(&b, "neither a GGUF nor");
    buf_u32(&b, 0x7fffffff); /* of entries */
    dat_entry(&b, "a", 1, 2, 0);
    legacy_fails(&b, "neither a GGUF nor");
    buf_u32(&b, 2);
    dat_entry(&b, "a", 1, 2, 0);
    dat_entry(&b, "a", 1, 2, 0);
    legacy_fails(&b, "weight a: there twice");
    buf_u32(&b, 1);
    dat_entry(&b, "a", 1, 2, -1);
    legacy_fails(&b, "entry a: value 0 is -1");
    buf_u32(&b, 1);
    dat_entry(&b, "a", 1, 2, NAN);
    legacy_fails(&b, "entry a: value 0");
    buf_u32(&b, 1);
    dat_entry(&b, "a", 1, 2, 1);
    buf_str(&b, "more than a count of chunks");
    legacy_fails(&b, "does not end with");
    buf_release(&b);
}

/* ---- merging ------------------------------------------------------------------- */

static void test_imatrix_merge(void **state)
{
    struct imatrix *a = make(1, "blk.0.ffn_up_exps.weight");
    struct imatrix *b = make(2, "blk.0.ffn_up_exps.weight");
    struct imatrix *three = make(3, "blk.0.ffn_up_exps.weight");
    struct imatrix *more = make(1, "output.weight");
    struct err err;

    (void)state;
    assert_int_equal(imatrix_merge(a, b, &err), 0);
    three->chunks = 4;
    assert_int_equal(imatrix_add_dataset(three, "a text.txt", &err), 0);
    same(a, three);
    /* a weight that only one has */
    assert_int_equal(imatrix_merge(a, more, &err), 0);
    assert_int_equal(a->n_entries, 3);
    assert_true(imatrix_find(a, "output.weight")->sum2[0] == 1);
    assert_true(imatrix_find(a, "blk.0.ffn_up_exps.weight")->sum2[0] == 3);
    assert_true(imatrix_find(a, "blk.0.attn_q.weight")->sum2[0] == 4);
    /* windows of another length */
    b->chunk_size = 16;
    assert_int_equal(imatrix_merge(a, b, &err), 0);
    assert_int_equal(a->chunks, 6 + 4);
    imatrix_free(a);
    imatrix_free(b);
    imatrix_free(three);
    imatrix_free(more);
}

/* Sums by chunk get the tokens of those they are added to. */
static void test_imatrix_merge_legacy(void **state)
{
    for (int order = 0; order < 2; order++) {
        struct imatrix *a = make(1, "blk.0.ffn_up_exps.weight"), *old;
        struct buf b = {0};
        struct err err;

        (void)state;
        buf_u32(&b, 1);
        dat_entry(&b, "blk.0.ffn_up_exps.weight", 2, COLUMNS * EXPERTS, 10);
        buf_u32(&b, 2);
        assert_int_equal(imatrix_parse(&old, b.p, b.n, &err), 0);
        struct imatrix *to = order ? old : a, *from = order ? a : old;
        assert_int_equal(imatrix_merge(to, from, &err), 0);
        const struct imatrix_entry *e = imatrix_find(to, "blk.0.ffn_up_exps.weight");
        assert_int_equal(e->matrices, EXPERTS);
        assert_int_equal(e->columns, COLUMNS);
        assert_true(e->count[0] == 16 + 2 * 8 && e->count[1] == 2 * 8);
        assert_true(e->sum2[0] == 1 + 8 * 10 && e->sum2[COLUMNS] == 8 * (10 + COLUMNS));
        assert_int_equal(to->chunks, 4);
        assert_int_equal(to->chunk_size, 8);
        imatrix_free(a);
        imatrix_free(old);
        buf_release(&b);
    }
}

static void test_imatrix_merge_other(void **state)
{
    const struct imatrix_entry other = {"blk.0.ffn_gate.weight", 3, 1, NULL, NULL};
    const struct imatrix_entry longer = {"blk.0.attn_q.weight", 7, 1, NULL, NULL};
    struct imatrix *a = make(1, "blk.0.ffn_up_exps.weight"), *b;
    struct err err;

    (void)state;
    assert_int_equal(imatrix_new(&b, &other, 1, &err), 0);
    assert_int_equal(imatrix_merge(a, b, &err), ERR_FORMAT);
    assert_non_null(strstr(err.msg, "of another model: it has blk.0.ffn_gate.weight"));
    imatrix_free(b);
    assert_int_equal(imatrix_new(&b, &longer, 1, &err), 0);
    assert_int_equal(imatrix_merge(a, b, &err), ERR_FORMAT);
    assert_non_null(strstr(err.msg, "blk.0.attn_q.weight: 7 columns of 1 matrices, expected 6"));
    imatrix_free(b);
    imatrix_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_imatrix_round_trip),  cmocka_unit_test(test_imatrix_new_twice),
        cmocka_unit_test(test_imatrix_bad_gguf),    cmocka_unit_test(test_imatrix_cut),
        cmocka_unit_test(test_imatrix_legacy),      cmocka_unit_test(test_imatrix_bad_legacy),
        cmocka_unit_test(test_imatrix_merge),       cmocka_unit_test(test_imatrix_merge_legacy),
        cmocka_unit_test(test_imatrix_merge_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
