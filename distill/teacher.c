#include "distill/teacher_impl.h"

#include <inttypes.h>
#include <string.h>

/* ---- vocabularies ---------------------------------------------------------------- */

static bool in_use(const struct vocab *v, size_t i)
{
    return i < v->n_tokens && v->token[i].type != VOCAB_UNUSED;
}

int teacher_tok_hex(char hex[HASH_HEX_BYTES], const struct vocab *v, struct err *err)
{
    struct hash *h;
    int rc;

    hex[0] = '\0';
    if (!v)
        return 0;
    rc = hash_new(&h, err);
    if (rc)
        return rc;
    for (size_t i = 0; i < v->n_tokens; i++) {
        const struct meta_str s = v->token[i].text;
        if (!in_use(v, i))
            continue;
        hash_u64(h, i);
        hash_u64(h, s.n);
        hash_add(h, s.p, s.n);
    }
    rc = hash_hex(h, hex, err);
    hash_free(h);
    return rc;
}

static bool same_text(const struct vocab *a, const struct vocab *b, size_t i)
{
    const struct meta_str x = a->token[i].text, y = b->token[i].text;

    return x.n == y.n && !memcmp(x.p, y.p, x.n);
}

/* Its text, or that there is none. */
struct token_name {
    char text[80];
};

static struct token_name name_of(const struct vocab *v, size_t i)
{
    struct token_name name = {"absent"};
    size_t n = 0;

    if (i >= v->n_tokens)
        return name;
    const struct meta_str s = v->token[i].text;
    name.text[n++] = '\"';
    for (size_t k = 0; k < s.n && n + 2 < sizeof(name.text); k++)
        name.text[n++] = (unsigned char)s.p[k] < ' ' ? ' ' : s.p[k];
    name.text[n++] = '\"';
    name.text[n] = '\0';
    return name;
}

/* Tokens that neither uses may be called anything. */
static int compare(const struct vocab *teacher, const struct vocab *student, size_t i,
                   struct err *err)
{
    const bool a = in_use(teacher, i), b = in_use(student, i);

    if (a == b && (!a || same_text(teacher, student, i)))
        return 0;
    return err_set(err, ERR_ARG,
                   "token %zu is %s in the teacher's vocabulary and %s in the student's", i,
                   name_of(teacher, i).text, name_of(student, i).text);
}

int teacher_same_tokens(size_t *n_same, const struct vocab *teacher, size_t n_teacher,
                        const struct vocab *student, size_t n_student, struct err *err)
{
    int rc = 0;

    *n_same = n_teacher < n_student ? n_teacher : n_student;
    if ((!teacher || !student) && n_teacher != n_student)
        return err_set(err, ERR_ARG,
                       "%zu tokens of the teacher and %zu of the student, and no vocabularies that "
                       "say which are the same",
                       n_teacher, n_student);
    for (size_t i = 0; !rc && teacher && student && i < *n_same; i++)
        rc = compare(teacher, student, i, err);
    for (size_t i = *n_same; !rc && teacher && student && i < n_teacher; i++)
        if (in_use(teacher, i))
            rc = err_set(err, ERR_ARG,
                         "token %zu is %s in the teacher's vocabulary, the student has %zu", i,
                         name_of(teacher, i).text, n_student);
    return rc;
}

/* ---- any kind ---------------------------------------------------------------------- */

int teacher_init(struct teacher *t, const struct teacher_kind *kind, const struct teacher_opts *o,
                 struct err *err)
{
    if (!o->n_vocab || !o->n_tok || !o->n_rows)
        return err_set(err, ERR_ARG, "a teacher of %zu tokens, for sequences of %zu, %zu at a time",
                       o->n_vocab, o->n_tok, o->n_rows);
    t->kind = kind;
    t->n_vocab = o->n_vocab;
    t->n_tok = o->n_tok;
    t->n_rows = o->n_rows < o->n_tok ? o->n_rows : o->n_tok;
    t->n_layers = o->layers ? o->n_layers : 0;
    t->par = o->par;
    return teacher_tok_hex(t->tok_hex, o->student, err);
}

void teacher_free(struct teacher *t)
{
    if (t)
        t->kind->free(t);
}

static int check_doc(const int32_t *doc, size_t n, struct err *err)
{
    for (size_t i = 0; doc && i < n; i++) {
        const bool first = (size_t)doc[i] == i;
        if (doc[i] < 0 || (size_t)doc[i] > i || (!first && doc[i] != doc[i - 1]))
            return err_set(err, ERR_ARG, "the document of token %zu begins at %" PRId32, i, doc[i]);
    }
    return 0;
}

int teacher_sequence(struct teacher *t, uint64_t key, const int32_t *ids, const int32_t *doc,
                     size_t n, struct err *err)
{
    int rc = 0;

    t->n = 0;
    if (!n || n > t->n_tok)
        return err_set(err, ERR_ARG, "a sequence of %zu tokens for a teacher of up to %zu", n,
                       t->n_tok);
    rc = check_doc(doc, n, err);
    if (!rc)
        rc = t->kind->sequence(t, key, ids, doc, n, err);
    if (!rc)
        t->n = n;
    return rc;
}

int teacher_rows(struct loss_target *out, struct teacher *t, size_t row0, size_t n, struct err *err)
{
    if (n > t->n_rows || row0 > t->n || n > t->n - row0)
        return err_set(err, ERR_ARG, "a teacher's rows %zu to %zu, of %zu, %zu at a time", row0,
                       row0 + n, t->n, t->n_rows);
    return n ? t->kind->rows(out, t, row0, n, err) : 0;
}

const float *teacher_hidden(const struct teacher *t, size_t i)
{
    return t->kind->hidden && i < t->n_layers ? t->kind->hidden(t, i) : NULL;
}
