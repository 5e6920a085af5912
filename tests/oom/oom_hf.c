/* Every allocation of executing a tokenizer.json: the fuzzer's small ones. */

#include "formats/base/json.h"
#include "runtime/tokenizer.h"
#include "tests/oom/alloc.h"

#include <stdio.h>
#include <string.h>

struct file {
    char text[1 << 16];
    size_t n;
};

/* The text before the first zero byte: after it comes one to cut. */
static bool load(struct file *f, const char *name)
{
    char path[128];

    (void)snprintf(path, sizeof(path), "tests/fuzz/corpus/hf/%s", name);
    FILE *in = fopen(path, "rb");
    if (!in)
        return false;
    f->n = fread(f->text, 1, sizeof(f->text), in);
    const char *zero = memchr(f->text, 0, f->n);
    f->n = zero ? (size_t)(zero - f->text) : f->n;
    return !fclose(in) && f->n;
}

static int use(void *arg, struct err *err)
{
    static const char text[] = " Hello\tworld, don't 12345 na\xc3\xafve \xe4\xb8\xad\xe6\x96\x87 "
                               "e\xcc\x81 \xff <s> A\n\n";
    const struct file *f = arg;
    struct tok_ids ids = {0};
    json_val *doc = NULL;
    struct tok *t = NULL;
    struct buf b = {0};
    int rc = json_parse(&doc, f->text, f->n, err);

    if (!rc)
        rc = tok_new_json(&t, NULL, doc, err);
    if (!rc)
        rc = tok_encode(&ids, t, text, sizeof(text) - 1, TOK_ADD_SPECIAL | TOK_PARSE_SPECIAL, err);
    for (size_t i = 0; i < ids.n && !rc; i++)
        rc = tok_decode(&b, t, ids.id[i], true, err);
    buf_release(&b);
    tok_ids_release(&ids);
    tok_free(t);
    json_free(doc);
    return rc;
}

int main(void)
{
    static const char *const names[] = {"affix",   "bpe",       "bytes",
                                        "unigram", "wordlevel", "wordpiece"};
    static struct file f;
    struct tap t = {0};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (tap_ok(&t, load(&f, names[i]), "%s is there", names[i]))
            alloc_each(&t, names[i], use, &f);
    return tap_done(&t);
}
