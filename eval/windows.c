#include "eval/windows.h"

#include "formats/base/utf8.h"

#include <string.h>

/* What the tokenizer puts before nothing is what it puts before every text. */
static int find_bos(struct windows *w, const struct tok *tok, struct err *err)
{
    struct tok_ids empty = {0};
    const int rc = tok_encode(&empty, tok, "", 0, TOK_ADD_SPECIAL, err);

    w->bos = tok_vocab(tok)->bos;
    w->add_bos = !rc && w->bos >= 0 && empty.n && empty.id[0] == w->bos;
    tok_ids_release(&empty);
    return rc;
}

static int tokenize(struct windows *w, const struct tok *tok, const char *text, size_t n,
                    struct err *err)
{
    const int rc = find_bos(w, tok, err);

    return rc ? rc
              : tok_encode(&w->ids, tok, text, n && text[n - 1] == '\n' ? n - 1 : n,
                           TOK_ADD_SPECIAL, err);
}

/* m's tokenizer. */
static int need_tok(const struct tok **out, const struct model *m, struct err *err)
{
    *out = model_tok(m);
    return *out ? 0
                : err_set(err, ERR_UNSUPPORTED, "%s: has no tokenizer, so text can't be measured",
                          source_path(model_source(m)));
}

int windows_of(struct windows *w, const struct model *m, const struct tok_ids *ids, size_t n_ctx,
               struct err *err)
{
    const struct tok *tok;
    int rc = need_tok(&tok, m, err);

    *w = (struct windows){.n_ctx = n_ctx, .n = ids->n / n_ctx, .ids = *ids};
    if (!rc && find_bos(w, tok, err))
        rc = err_wrap(err, "%s", source_path(model_source(m)));
    return rc;
}

/* Tokenizers differ in what they make of other bytes, so figures would not be comparable. */
static int check_utf8(const char *name, const char *text, size_t n, struct err *err)
{
    size_t line = 1, column = 1;

    for (size_t i = 0, k; i < n; i += k) {
        bool good;
        k = utf8_step(&good, text + i, n - i);
        if (!good)
            return err_set(err, ERR_FORMAT,
                           "%s: line %zu, column %zu: byte 0x%02x where UTF-8 was expected", name,
                           line, column, (unsigned)(unsigned char)text[i]);
        column = text[i] == '\n' ? 1 : column + 1;
        line += text[i] == '\n';
    }
    return 0;
}

int windows_cut(struct windows *w, const struct model *m, const char *text, size_t n,
                const struct windows_opts *opts, struct err *err)
{
    const char *path = source_path(model_source(m));
    const struct tok *tok;
    const int rc = need_tok(&tok, m, err);

    *w = (struct windows){.n_ctx = opts->n_ctx};
    if (rc)
        return rc;
    if (check_utf8(opts->text_name, text, n, err))
        return ERR_FORMAT;
    if (tokenize(w, tok, text, n, err))
        return err_wrap(err, "%s", path);
    if (w->ids.n < opts->least)
        return err_set(err, ERR_FORMAT,
                       "%s: too short a text: %zu tokens, and windows of %zu need %zu",
                       opts->text_name, w->ids.n, opts->n_ctx, opts->least);
    w->n = w->ids.n / opts->n_ctx;
    if (opts->most && opts->most < w->n)
        w->n = opts->most;
    return 0;
}

void windows_get(int32_t *ids, const struct windows *w, size_t i)
{
    memcpy(ids, w->ids.id + i * w->n_ctx, w->n_ctx * sizeof(*ids));
    if (w->add_bos)
        ids[0] = w->bos;
}

void windows_release(struct windows *w)
{
    tok_ids_release(&w->ids);
}
