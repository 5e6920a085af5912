/* Every allocation of reading training text. */

#include "distill/data.h"
#include "tests/oom/alloc.h"
#include "tests/vocabs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct files {
    char dir[32], plain[48], lines[48];
    struct made_vocab *v;
    struct tok *t;
};

static int use(void *arg, struct err *err)
{
    const struct files *f = arg;
    const struct data_file file[] = {
        {f->plain, 1},
        {f->lines, 2}
    };
    const struct data_opts o = {.file = file,
                                .n_files = 2,
                                .n_tok = 4,
                                .split = "|",
                                .apart = true,
                                .answers_only = true,
                                .held_back = 0.1};
    const int32_t ids[] = {1, 2, 3, 4};
    const size_t order[] = {0};
    struct data *d;

    int rc = data_open(&d, f->t, &o, err);
    if (rc)
        return rc;
    (void)data_order(d, 0);
    rc = data_hold_ids(d, ids, 4, err);
    if (!rc)
        rc = data_order_is(d, order, 1, err);
    data_free(d);
    return rc;
}

static int use_ids(void *arg, struct err *err)
{
    const int32_t ids[] = {1, 2, 3, 4};
    struct data *d;
    const int rc = data_of_ids(&d, ids, 4, 2, err);

    (void)arg;
    data_free(d);
    return rc;
}

static int put(const char *path, const char *text)
{
    FILE *f = fopen(path, "wb");

    if (!f)
        return -1;
    const int bad = fputs(text, f) < 0;
    return fclose(f) || bad ? -1 : 0;
}

int main(void)
{
    struct files f = {.dir = "/tmp/pare-oom-XXXXXX"};
    struct tap t = {0};

    f.v = made_bpe("gpt-2");
    made_add(f.v, "<s>", 0, VOCAB_CONTROL);
    f.v->v.bos = f.v->v.eos = 256;
    f.v->v.chat_template =
        "{% for m in messages %}{% generation %}{{ m.content }}{% endgeneration %}{% endfor %}";
    f.t = made_tok(f.v);
    if (!mkdtemp(f.dir))
        return 1;
    (void)snprintf(f.plain, sizeof(f.plain), "%s/a.txt", f.dir);
    (void)snprintf(f.lines, sizeof(f.lines), "%s/b.jsonl", f.dir);
    if (put(f.plain, "one two|three|four five|six|seven|eight nine ten|eleven") ||
        put(f.lines, "{\"text\": \"abcdef\"}\n{\"messages\": [{\"role\": \"user\", \"content\": "
                     "\"abc\"}]}\n{\"text\": \"ghi\"}\n{\"text\": \"ghi\"}\n"))
        return 1;
    alloc_each(&t, "training data", use, &f);
    alloc_each(&t, "training data of ids", use_ids, NULL);
    (void)remove(f.plain);
    (void)remove(f.lines);
    (void)rmdir(f.dir);
    tok_free(f.t);
    free(f.v);
    return tap_done(&t);
}
