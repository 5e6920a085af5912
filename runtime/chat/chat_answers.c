/* What the assistant says, of templates that do not mark it. */

#include "runtime/chat.h"

#include "runtime/chat/chat_parts.h"

#include <string.h>

/* A text of some of the messages beside that of all. */
struct beside {
    struct chat_text *all;
    const struct chat *c;
    const struct chat_vars *v;
};

static size_t same_begin(const struct buf *a, const struct buf *b)
{
    size_t i = 0;

    while (i < a->n && i < b->n && a->p[i] == b->p[i])
        i++;
    return i;
}

/* Bytes at their ends that are the same, `most` at most. */
static size_t same_end(const struct buf *a, const struct buf *b, size_t most)
{
    size_t i = 0;

    while (i < most && a->p[a->n - 1 - i] == b->p[b->n - 1 - i])
        i++;
    return i;
}

/* How far the text of the first n messages goes along with `all`, and how long it is. */
static int along(size_t *same, size_t *length, const struct beside *b, size_t n, bool prompt,
                 struct err *err)
{
    struct chat_vars own = *b->v;
    struct chat_text part;
    int rc;

    own.n_messages = n;
    own.add_generation_prompt = prompt;
    rc = chat_render(&part, b->c, &own, err);
    *same = rc ? 0 : same_begin(&part.text, &b->all->text);
    *length = part.text.n;
    chat_text_release(&part);
    return rc;
}

/* ---- by the content ---------------------------------------------------------------------- */

/* Where a content stands in a text. */
struct place {
    size_t from, to;
    bool begins, ends; /* that is known */
};

/* own, with message i saying `word`. */
static int render_word(struct chat_text *out, const struct chat *c, const struct chat_vars *own,
                       size_t i, const char *word, struct err *err)
{
    struct chat_vars other = *own;

    other.instead = word;
    other.n_instead = i;
    return chat_render(out, c, &other, err);
}

/* Where message i's content stands in `text`, which `own` renders to: what is not the same when it says something
 * else. Of two words one begins otherwise than it, and one ends so; they must stand there. */
static int find_content(struct place *out, const struct buf *text, const struct chat *c,
                        const struct chat_vars *own, size_t i, struct err *err)
{
    static const char *const words[2] = {"qq", "ZZ"};
    const size_t n = 2; /* bytes of each */
    struct chat_text t[2] = {0};
    int rc = 0;

    *out = (struct place){text->n, 0, true, true};
    for (int k = 0; !rc && k < 2; k++) {
        rc = render_word(&t[k], c, own, i, words[k], err);
        const size_t same = same_begin(&t[k].text, text);
        const size_t less = (t[k].text.n < text->n ? t[k].text.n : text->n) - same;
        const size_t to = text->n - same_end(&t[k].text, text, less);
        out->from = same < out->from ? same : out->from;
        out->to = to > out->to ? to : out->to;
    }
    for (int k = 0; !rc && k < 2; k++) {
        const struct buf *x = &t[k].text;
        const size_t rest = text->n - out->to;
        out->begins =
            out->begins && x->n >= out->from + n && !memcmp(x->p + out->from, words[k], n);
        out->ends = out->ends && x->n >= rest + n && !memcmp(x->p + x->n - rest - n, words[k], n);
    }
    chat_text_release(&t[0]);
    chat_text_release(&t[1]);
    return rc;
}

/* How much of what follows message i in `all` (rest) it has behind it as the last one too (end): the end of a
 * turn. Whole tokens, as far as one can tell. */
static size_t turn_end(const struct buf *end, const struct buf *rest, const struct vocab *v)
{
    const bool has = v && v->eos >= 0 && (size_t)v->eos < v->n_tokens;
    const struct meta_str eos = has ? v->token[v->eos].text : (struct meta_str){"", 0};
    size_t k = same_begin(end, rest);

    if (k == end->n)
        return k;
    if (eos.n && end->n >= eos.n && !memcmp(end->p + end->n - eos.n, eos.p, eos.n) &&
        end->n - eos.n <= k)
        return end->n - eos.n;
    while (k && rest->p[k - 1] != '\n' && rest->p[k - 1] != '>' && rest->p[k - 1] != ']')
        k--;
    return k;
}

/* What of `rest`, which follows message i, ends its turn: as much as follows it as the last one too. */
static int end_of(size_t *n, bool *good, const struct beside *b, size_t i, const struct buf *rest,
                  struct err *err)
{
    struct chat_vars own = *b->v;
    struct place content = {0};
    struct chat_text t;
    int rc;

    own.n_messages = i + 1;
    rc = chat_render(&t, b->c, &own, err);
    if (!rc)
        rc = find_content(&content, &t.text, b->c, &own, i, err);
    *good = !rc && content.ends;
    if (*good) {
        const struct buf end = {.p = t.text.p + content.to, .n = t.text.n - content.to};
        *n = turn_end(&end, rest, b->v->vocab);
    }
    chat_text_release(&t);
    return rc;
}

static int by_content(struct place *out, const struct beside *b, size_t i, struct err *err)
{
    const struct buf *all = &b->all->text;
    size_t more = 0;
    int rc = find_content(out, all, b->c, b->v, i, err);

    if (!rc && out->ends) {
        const struct buf rest = {.p = all->p + out->to, .n = all->n - out->to};
        rc = end_of(&more, &out->ends, b, i, &rest, err);
        out->to += more;
    }
    return rc;
}

/* ---- by the messages before -------------------------------------------------------------- */

/* What message i, the assistant's, says. */
static int answer_of(const struct beside *b, size_t i, struct err *err)
{
    size_t before = 0, from = 0, to = 0, n_before = 0, n_from = 0, n_to = 0;
    struct place content = {0};
    int rc = i ? along(&before, &n_before, b, i, false, err) : 0;

    if (!rc && i) /* a prompt may go on otherwise than the message does: <think> */
        rc = along(&from, &n_from, b, i, true, err);
    if (!rc)
        rc = along(&to, &n_to, b, i + 1, false, err);
    const bool begins = (before == n_before && from >= before) || (i && from == n_from);
    const bool ends = to == n_to;
    if (!rc && (!begins || !ends))
        rc = by_content(&content, b, i, err);
    if (rc)
        return rc;
    if ((!begins && !content.begins) || (!ends && !content.ends))
        return err_set(err, ERR_UNSUPPORTED,
                       "the chat template marks nothing with {%% generation %%}, and the text of "
                       "the first %zu messages is not how that of all begins: what the assistant "
                       "says cannot be told",
                       begins ? i + 1 : i);
    if (!begins)
        from = content.from;
    if (!ends)
        to = content.to;
    return to > from ? chat_span_add(b->all, from, to - from, err) : 0;
}

int chat_answers(struct chat_text *out, const struct chat *c, const struct chat_vars *v,
                 struct err *err)
{
    const struct beside b = {out, c, v};
    size_t i = 0;
    int rc = chat_render(out, c, v, err);

    if (rc || chat_marks(c))
        return rc;
    for (const json_val *m = json_first(v->messages); !rc && m; m = json_next(m), i++) {
        const char *role = json_str(json_get(m, "role"));
        if (role && !strcmp(role, "assistant"))
            rc = answer_of(&b, i, err);
    }
    return rc;
}

int chat_cut(struct chat_text *t, const struct chat *c, const struct chat_vars *v, struct err *err)
{
    struct place content = {0};
    size_t n = 0;

    for (const json_val *m = json_first(v->messages); m; m = json_next(m))
        n++;
    if (!n)
        return 0;
    const int rc = find_content(&content, &t->text, c, v, n - 1, err);
    if (!rc && !content.ends)
        return err_set(err, ERR_UNSUPPORTED,
                       "\"cut\": the chat template does not show where the last message's "
                       "content ends");
    if (!rc)
        t->text.n = content.to;
    return rc;
}
