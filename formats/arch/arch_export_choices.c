/* Choices by layer back into config.json's lists, letters and numbers. */

#include "formats/arch/arch_export_impl.h"

#include <stdio.h>
#include <string.h>

/* What config.json calls a layer, most wanted first; each is tried until every row of the
 * list agrees. */
static const char *const fillers[] = {"full_attention", "attention", "sliding_attention", "*",
                                      "mamba", "moe", "mlp", "M",
                                      "-", "E"};

static size_t n_layers(const struct attempt *t)
{
    return (size_t)arch_int(&t->p, ARCH_N_LAYER, ARCH_NO_LAYER);
}

/* Is it 0 in every layer, by a list? */
static bool is_nowhere(const struct attempt *t, const struct arch_value *v)
{
    for (size_t l = 0; v->per_layer && l < n_layers(t); l++)
        if (v->per_layer[l] != 0)
            return false;
    return v->per_layer;
}

/* Does the choice matter and say something a default does not? */
static bool is_told(const struct attempt *t, enum arch_param which)
{
    const struct arch_value *v = &t->p.p[which];

    if (which == ARCH_AT_WINDOW && !arch_has(&t->p, ARCH_WINDOW) && !arch_has(&t->p, ARCH_CHUNK))
        return is_nowhere(t, v);
    return v->set && (v->per_layer || !v->derived);
}

/* The first row of its parameter that config.json can have. */
static bool is_first(const struct arch *a, const struct arch_choice *c)
{
    for (const struct arch_choice *b = a->choices; b < c; b++)
        if (b->param == c->param && b->config)
            return false;
    return c->config != NULL;
}

/* ---- lists ------------------------------------------------------------------------- */

static bool same_list(const struct arch_choice *a, const struct arch_choice *b)
{
    return b->config && a->rule == b->rule && !strcmp(a->config, b->config);
}

/* Would `text` give layer l what the file has, in every row of the list? A last layer that
 * is always the other kind may be called anything. */
static bool agrees(const struct attempt *t, const struct arch_choice *list, const char *text,
                   size_t l)
{
    for (const struct arch_choice *c = t->a->choices; c->param; c++) {
        if (!same_list(list, c) || !is_first(t->a, c) || !is_told(t, c->param))
            continue;
        const bool is = arch_is_named(c->names, text, strlen(text)) != !!(c->flags & CHOICE_NOT);
        const bool forced = c->flags & CHOICE_LAST_NOT && l + 1 == n_layers(t);
        if (!forced && is != (arch_num(&t->p, c->param, l) != 0))
            return false;
    }
    return true;
}

/* A text for layer l: one of the rows' own, or a filler. dst[0] = '\0': none. */
static void find_text(char *dst, size_t size, const struct attempt *t,
                      const struct arch_choice *list, size_t l)
{
    dst[0] = '\0';
    for (const struct arch_choice *c = t->a->choices; c->param; c++) {
        if (!same_list(list, c))
            continue;
        for (const char *s = c->names; s && *s; s = strchr(s, '|') ? strchr(s, '|') + 1 : NULL) {
            (void)snprintf(dst, size, "%.*s", (int)strcspn(s, "|"), s);
            if (strcmp(dst, "linear_attention") || !arch_is_named(c->names, "mamba", 5))
                if (agrees(t, list, dst, l))
                    return;
        }
    }
    const size_t from = arch_is_named(list->names, "mamba", 5) || list->rule == RULE_LETTERS ? 1 : 0;
    for (size_t i = from; i < sizeof(fillers) / sizeof(fillers[0]); i++) {
        (void)snprintf(dst, size, "%s", fillers[i]);
        if ((list->rule != RULE_LETTERS || !dst[1]) && agrees(t, list, dst, l))
            return;
    }
    dst[0] = '\0';
}

/* A list of names, of numbers 1 and 0, or a text of letters. */
static void put_list(struct attempt *t, const struct arch_choice *c, const char *path)
{
    const bool letters = c->rule == RULE_LETTERS;
    const bool numbers = c->names && (*c->names == '0' || *c->names == '1');
    struct buf b = {0};
    char text[48];

    for (size_t l = 0; l < n_layers(t); l++) {
        find_text(text, sizeof(text), t, c, l);
        if (numbers)
            (void)snprintf(text, sizeof(text), "%d", agrees(t, c, "1", l) ? 1 : 0);
        if (letters)
            buf_fmt(&b, "%s%s", l ? "" : "\"", text);
        else
            buf_fmt(&b, numbers ? "%s%s" : "%s\"%s\"", l ? ", " : "[", text);
    }
    buf_str(&b, letters ? "\"" : "]");
    t->c.bad = t->c.bad || b.bad;
    conf_text(&t->c, path, b.p ? b.p : "[]", false);
    buf_release(&b);
}

static void put_members(struct attempt *t, const struct arch_choice *c, const char *path)
{
    struct buf b = {0};
    bool any = false;

    buf_str(&b, "[");
    for (size_t l = 0; l < n_layers(t); l++)
        if ((arch_num(&t->p, c->param, l) != 0) != !!(c->flags & CHOICE_NOT)) {
            buf_fmt(&b, "%s%zu", any ? ", " : "", l);
            any = true;
        }
    buf_str(&b, "]");
    t->c.bad = t->c.bad || b.bad;
    conf_text(&t->c, path, b.p ? b.p : "[]", false);
    buf_release(&b);
}

/* ---- numbers ------------------------------------------------------------------------ */

/* What a rule of a number says of layer l. */
static bool rule_at(const struct attempt *t, const struct arch_choice *c, uint64_t n,
                    uint64_t offset, size_t l)
{
    bool is = true;

    switch (c->rule) {
    case RULE_LAST:
        is = l % n == n - 1;
        break;
    case RULE_OFFSET:
        is = l % n == offset;
        break;
    case RULE_FROM:
        is = l >= n;
        break;
    case RULE_UPTO:
        is = l <= n;
        break;
    case RULE_TAIL:
        is = l + n >= n_layers(t);
        break;
    default:
        break;
    }
    return is != !!(c->flags & CHOICE_NOT);
}

/* Is it right everywhere; or, where rows that follow restrict it, nowhere too strict? */
static bool serves(const struct attempt *t, const struct arch_choice *c, uint64_t n,
                   uint64_t offset)
{
    for (size_t l = 0; l < n_layers(t); l++) {
        const bool want = arch_num(&t->p, c->param, l) != 0, is = rule_at(t, c, n, offset, l);
        const bool joined = c->flags & CHOICE_AND ||
                            (c > t->a->choices && c[-1].param == c->param &&
                             c[-1].flags & CHOICE_AND);
        if (want ? !is : is && !joined)
            return false;
    }
    return true;
}

static void put_number(struct attempt *t, const struct arch_choice *c, const char *path)
{
    const bool divides = c->rule == RULE_LAST || c->rule == RULE_OFFSET;
    const uint64_t most = 2 * n_layers(t) + 1;

    /* a list of exceptions follows: the least strict serves, else the strictest */
    for (uint64_t i = divides ? 1 : 0; i <= most; i++) {
        const uint64_t n = c->rule == RULE_UPTO ? most - i : i;
        for (uint64_t offset = 0; offset < (c->rule == RULE_OFFSET ? n : 1); offset++)
            if (serves(t, c, n, offset)) {
                conf_num(&t->c, path, (double)n, false);
                if (c->offset_key)
                    conf_num(&t->c, c->offset_key, (double)offset, false);
                return;
            }
    }
}

/* ---- all ---------------------------------------------------------------------------- */

/* Does the row follow one of the same parameter that it restricts? */
static bool joins_written(const struct arch *a, const struct arch_choice *c)
{
    return c > a->choices && c[-1].param == c->param && c[-1].flags & CHOICE_AND && c[-1].config;
}

int export_choices(struct attempt *t, struct err *err)
{
    char path[KEY_BYTES];

    for (const struct arch_choice *c = t->a->choices; c && c->param; c++) {
        if (!c->config || !is_told(t, c->param) ||
            (!is_first(t->a, c) && !joins_written(t->a, c)))
            continue;
        if (!export_path(path, sizeof(path), c->config))
            return err_set(err, ERR_UNSUPPORTED, "%s: the key is too long", c->config);
        if (c->rule == RULE_LIST || c->rule == RULE_LETTERS)
            put_list(t, c, path);
        else if (c->rule == RULE_MEMBER)
            put_members(t, c, path);
        else
            put_number(t, c, path);
    }
    return 0;
}
