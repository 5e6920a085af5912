#include "eval/task_file.h"
#include "eval/task_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The prompts are those of lm-evaluation-harness 0.4 (the tasks' YAML files), without examples:
 * only with the very same text are figures the same. */

enum { PATH_BYTES = 64, LETTERS = 26, CHOICES_MAX = 256 };

/* ---- reading values ------------------------------------------------------------------------ */

static int text_at(const char **out, const struct task_line *in, const char *path, struct err *err)
{
    *out = json_str(json_path(in->v, path));
    return *out ? 0 : task_bad(in, path, err, "a text as \"%s\"", path);
}

/* A text that is not empty. */
static int words_at(const char **out, const struct task_line *in, const char *path, struct err *err)
{
    const int rc = text_at(out, in, path, err);

    if (rc || task_strip(task_span(*out)).n)
        return rc;
    return task_bad(in, path, err, "a text that is not empty as \"%s\"", path);
}

/* Item i of the list at path. */
static void item_path(char out[PATH_BYTES], const char *path, size_t i)
{
    (void)snprintf(out, PATH_BYTES, "%s.%zu", path, i);
}

/* How many there are in the list at path. */
static int list_at(size_t *n, const struct task_line *in, const char *path, struct err *err)
{
    const json_val *list = json_path(in->v, path);

    if (!json_is_array(list) || json_len(list) < 2 || json_len(list) > CHOICES_MAX)
        return task_bad(in, path, err, "a list of 2 to %d as \"%s\"", CHOICES_MAX, path);
    *n = json_len(list);
    return 0;
}

/* A whole number from `first` on, for n choices; data sets write it as number or text. */
static int answer_at(size_t *out, const struct task_line *in, const char *path, size_t first,
                     size_t n, struct err *err)
{
    const json_val *v = json_path(in->v, path);
    const char *s = json_str(v);
    int64_t x = -1;
    char *end;

    if (s && *s >= '0' && *s <= '9' && strlen(s) < 10) {
        x = strtol(s, &end, 10);
        if (*end)
            x = -1;
    } else if (!json_int(v, &x))
        x = -1;
    if (x < (int64_t)first || x >= (int64_t)(first + n))
        return task_bad(in, path, err, "a number %zu to %zu as \"%s\"", first, first + n - 1, path);
    *out = (size_t)x - first;
    return 0;
}

/* ---- making requests ------------------------------------------------------------------------- */

/* The buffer's text in the arena; the buffer is empty again. */
static const char *keep(const struct task_line *in, struct buf *b)
{
    const char *s = b->bad ? NULL : arena_strn(in->arena, b->p ? b->p : "", b->n);

    b->n = 0;
    return s;
}

static int requests_new(struct task_item *out, const struct task_line *in, size_t n,
                        struct err *err)
{
    out->request = arena_array(in->arena, n, sizeof(*out->request));
    out->n = n;
    return out->request ? 0 : err_nomem(err);
}

/* Choice i: a space and the text after the context. */
static int request(struct task_item *out, const struct task_line *in, size_t i, const char *context,
                   struct task_span choice, struct err *err)
{
    struct task_request *r = &out->request[i];

    r->context = context;
    r->continuation = arena_fmt(in->arena, " %.*s", (int)choice.n, choice.n ? choice.p : "");
    r->length = task_chars(choice);
    return r->continuation ? 0 : err_nomem(err);
}

/* The texts of the list at path after one context. */
static int choices_at(struct task_item *out, const struct task_line *in, const char *path,
                      const char *context, struct err *err)
{
    size_t n;
    int rc = context ? list_at(&n, in, path, err) : err_nomem(err);

    if (!rc)
        rc = requests_new(out, in, n, err);
    for (size_t i = 0; !rc && i < out->n; i++) {
        char at[PATH_BYTES];
        const char *s;
        item_path(at, path, i);
        rc = words_at(&s, in, at, err);
        if (!rc)
            rc = request(out, in, i, context, task_span(s), err);
    }
    return rc;
}

/* The question at path as ARC and PIQA put it. */
static int question(const char **out, const struct task_line *in, const char *path, struct err *err)
{
    const char *s;
    const int rc = words_at(&s, in, path, err);

    if (rc)
        return rc;
    *out = arena_fmt(in->arena, "Question: %s\nAnswer:", s);
    return *out ? 0 : err_nomem(err);
}

/* ---- layouts ------------------------------------------------------------------------------------ */

static int clean(const char **out, const struct task_line *in, struct buf *raw, struct err *err)
{
    struct buf b = {0};

    task_clean(&b, (struct task_span){raw->p, raw->n});
    b.bad = b.bad || raw->bad;
    raw->n = 0;
    *out = keep(in, &b);
    buf_release(&b);
    return *out ? 0 : err_nomem(err);
}

static int hellaswag_context(const char **out, const struct task_line *in, struct buf *b,
                             struct err *err)
{
    const char *label, *ctx_a, *ctx_b;
    int rc = text_at(&label, in, "activity_label", err);

    if (!rc)
        rc = text_at(&ctx_a, in, "ctx_a", err);
    if (!rc)
        rc = text_at(&ctx_b, in, "ctx_b", err);
    if (rc)
        return rc;
    buf_fmt(b, "%s: %s ", label, ctx_a);
    task_capitalize(b, task_span(ctx_b));
    return clean(out, in, b, err);
}

static int hellaswag(struct task_item *out, const struct task_line *in, struct err *err)
{
    const char *context, *ending;
    struct buf b = {0};
    size_t n;
    int rc = hellaswag_context(&context, in, &b, err);

    if (!rc)
        rc = list_at(&n, in, "endings", err);
    if (!rc)
        rc = requests_new(out, in, n, err);
    for (size_t i = 0; !rc && i < out->n; i++) {
        char at[PATH_BYTES];
        item_path(at, "endings", i);
        rc = text_at(&ending, in, at, err);
        if (rc)
            break;
        buf_str(&b, ending);
        rc = clean(&ending, in, &b, err);
        if (!rc) /* some are nothing but what the clean-up takes away */
            rc = request(out, in, i, context, task_span(ending), err);
    }
    buf_release(&b);
    return rc ? rc : answer_at(&out->answer, in, "label", 0, out->n, err);
}

/* The label of a choice that answerKey names. */
static int labelled_answer(struct task_item *out, const struct task_line *in, struct err *err)
{
    const char *key, *label;
    size_t n;
    int rc = text_at(&key, in, "answerKey", err);

    if (!rc)
        rc = list_at(&n, in, "choices.label", err);
    if (rc)
        return rc;
    if (n != out->n)
        return task_bad(in, "choices.label", err, "%zu labels, as many as texts", out->n);
    while (*key == ' ')
        key++;
    for (size_t i = 0; i < n; i++) {
        char at[PATH_BYTES];
        item_path(at, "choices.label", i);
        rc = text_at(&label, in, at, err);
        if (rc)
            return rc;
        if (!strcmp(label, key)) {
            out->answer = i;
            return 0;
        }
    }
    return task_bad(in, "answerKey", err, "one of the labels as \"answerKey\"");
}

static int arc(struct task_item *out, const struct task_line *in, struct err *err)
{
    const char *context;
    int rc = question(&context, in, "question", err);

    if (!rc)
        rc = choices_at(out, in, "choices.text", context, err);
    return rc ? rc : labelled_answer(out, in, err);
}

static int openbookqa(struct task_item *out, const struct task_line *in, struct err *err)
{
    const char *stem;
    int rc = words_at(&stem, in, "question_stem", err);

    if (!rc)
        rc = choices_at(out, in, "choices.text", arena_str(in->arena, stem), err);
    return rc ? rc : labelled_answer(out, in, err);
}

static int piqa(struct task_item *out, const struct task_line *in, struct err *err)
{
    static const char *const keys[] = {"sol1", "sol2"};
    const char *context, *s;
    int rc = question(&context, in, "goal", err);

    if (!rc)
        rc = requests_new(out, in, 2, err);
    for (size_t i = 0; !rc && i < 2; i++) {
        rc = words_at(&s, in, keys[i], err);
        if (!rc)
            rc = request(out, in, i, context, task_span(s), err);
    }
    return rc ? rc : answer_at(&out->answer, in, "label", 0, 2, err);
}

/* What is compared is the rest of the sentence, after either option. */
static int winogrande(struct task_item *out, const struct task_line *in, struct err *err)
{
    static const char *const keys[] = {"option1", "option2"};
    const char *sentence, *option;
    int rc = words_at(&sentence, in, "sentence", err);

    if (!rc)
        rc = requests_new(out, in, 2, err);
    if (rc)
        return rc;
    const char *gap = strchr(sentence, '_');
    if (!gap)
        return task_bad(in, "sentence", err, "a \"_\" in \"sentence\"");
    for (size_t i = 0; !rc && i < 2; i++) {
        rc = words_at(&option, in, keys[i], err);
        if (rc)
            break;
        const char *context =
            arena_fmt(in->arena, "%.*s%s", (int)(gap - sentence), sentence, option);
        rc = context ? request(out, in, i, context, task_strip(task_span(gap + 1)), err)
                     : err_nomem(err);
    }
    return rc ? rc : answer_at(&out->answer, in, "answer", 1, 2, err);
}

/* The subject's name with spaces, as the tasks of each subject describe themselves. */
static void mmlu_subject(struct buf *b, const char *subject)
{
    buf_str(b, "The following are multiple choice questions (with answers) about ");
    for (; *subject; subject++)
        buf_put(b, *subject == '_' ? " " : subject, 1);
    buf_str(b, ".\n\n");
}

static int mmlu_context(struct buf *b, const struct task_line *in, size_t *n, struct err *err)
{
    const bool have_subject = !json_is_null(json_get(in->v, "subject"));
    const char *s;
    int rc = have_subject ? text_at(&s, in, "subject", err) : 0;

    if (!rc && have_subject)
        mmlu_subject(b, s);
    if (!rc)
        rc = words_at(&s, in, "question", err);
    if (!rc)
        rc = list_at(n, in, "choices", err);
    if (rc)
        return rc;
    if (*n > LETTERS)
        return task_bad(in, "choices", err, "at most %d choices", LETTERS);
    const struct task_span q = task_strip(task_span(s));
    buf_put(b, q.p, q.n);
    for (size_t i = 0; !rc && i < *n; i++) {
        char at[PATH_BYTES];
        item_path(at, "choices", i);
        rc = text_at(&s, in, at, err);
        if (!rc)
            buf_fmt(b, "\n%c. %s", (char)('A' + (int)i), s);
    }
    buf_str(b, "\nAnswer:");
    return rc;
}

static int mmlu_answer(struct task_item *out, const struct task_line *in, struct err *err)
{
    const char *s = json_str(json_get(in->v, "answer"));

    if (!s || strlen(s) != 1 || *s < 'A' || (size_t)(*s - 'A') >= out->n)
        return answer_at(&out->answer, in, "answer", 0, out->n, err);
    out->answer = (size_t)(*s - 'A');
    return 0;
}

static int mmlu(struct task_item *out, const struct task_line *in, struct err *err)
{
    struct buf b = {0};
    size_t n;
    int rc = mmlu_context(&b, in, &n, err);
    const char *context = rc ? NULL : keep(in, &b);

    buf_release(&b);
    if (!rc)
        rc = context ? requests_new(out, in, n, err) : err_nomem(err);
    for (size_t i = 0; !rc && i < out->n; i++) {
        const char letter = (char)('A' + (int)i);
        rc = request(out, in, i, context, (struct task_span){&letter, 1}, err);
    }
    return rc ? rc : mmlu_answer(out, in, err);
}

/* The last word is what the rest must lead to. */
static int lambada(struct task_item *out, const struct task_line *in, struct err *err)
{
    const char *text;
    int rc = words_at(&text, in, "text", err);

    if (!rc)
        rc = requests_new(out, in, 1, err);
    if (rc)
        return rc;
    const char *space = strrchr(text, ' ');
    if (!space || !space[1])
        return task_bad(in, "text", err, "two or more words, and no space after them, as \"text\"");
    const char *context = arena_strn(in->arena, text, (size_t)(space - text));
    return context ? request(out, in, 0, context, task_span(space + 1), err) : err_nomem(err);
}

static int own_choices(struct task_item *out, const struct task_line *in, struct err *err)
{
    const char *context;
    int rc = text_at(&context, in, "context", err);

    if (!rc)
        rc = choices_at(out, in, "choices", arena_str(in->arena, context), err);
    if (rc || !json_get(in->v, "answer"))
        return rc;
    return answer_at(&out->answer, in, "answer", 0, out->n, err);
}

static int own_cloze(struct task_item *out, const struct task_line *in, struct err *err)
{
    const char *context, *target;
    int rc = text_at(&context, in, "context", err);

    if (!rc)
        rc = words_at(&target, in, "target", err);
    if (!rc)
        rc = requests_new(out, in, 1, err);
    if (rc)
        return rc;
    context = arena_str(in->arena, context);
    return context ? request(out, in, 0, context, task_span(target), err) : err_nomem(err);
}

static const struct task_layout layouts[] = {
    {"hellaswag",  {"ctx_a", "ctx_b", "activity_label", "endings", "label"}, true,  false, hellaswag  },
    {"arc",        {"question", "choices", "answerKey"},                     true,  false, arc        },
    {"openbookqa", {"question_stem", "choices", "answerKey"},                true,  false, openbookqa },
    {"winogrande", {"sentence", "option1", "option2", "answer"},             false, false, winogrande },
    {"piqa",       {"goal", "sol1", "sol2", "label"},                        true,  false, piqa       },
    {"mmlu",       {"question", "choices", "answer"},                        false, false, mmlu       },
    {"choices",    {"context", "choices"},                                   true,  false, own_choices},
    {"cloze",      {"context", "target"},                                    false, true,  own_cloze  },
    {"lambada",    {"text"},                                                 false, true,  lambada    },
};

const struct task_layout *task_layout_at(size_t i)
{
    return i < sizeof(layouts) / sizeof(layouts[0]) ? &layouts[i] : NULL;
}

const struct task_layout *task_layout_of(const json_val *object)
{
    const struct task_layout *l;

    for (size_t i = 0; (l = task_layout_at(i)); i++) {
        size_t k = 0;
        while (k < TASK_KEYS && l->key[k] && json_get(object, l->key[k]))
            k++;
        if (k == TASK_KEYS || !l->key[k])
            return l;
    }
    return NULL;
}
