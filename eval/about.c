#include "eval/about.h"

#include "eval/token_text.h"

#include <stdlib.h>
#include <string.h>

/* ---- tokenizer ----------------------------------------------------------------- */

/* Over its tokens in order, each with its length. */
static int tokens_sha256(char hex[HASH_HEX_BYTES], const struct vocab *v, struct err *err)
{
    struct hash *h;
    int rc = hash_new(&h, err);

    if (rc)
        return rc;
    for (size_t i = 0; i < v->n_tokens; i++) {
        hash_u64(h, v->token[i].text.n);
        hash_add(h, v->token[i].text.p, v->token[i].text.n);
    }
    rc = hash_hex(h, hex, err);
    hash_free(h);
    return rc;
}

/* ---- windows --------------------------------------------------------------------- */

/* The first n windows of a logits file. */
static int told_windows(struct windows *out, const struct model *m, const struct logits_file *f,
                        size_t n, struct err *err)
{
    const size_t n_ctx = logits_file_n_ctx(f);
    struct tok_ids ids = {.n = n * n_ctx, .cap = n * n_ctx};

    ids.id = calloc(ids.n, sizeof(*ids.id));
    if (!ids.id)
        return err_nomem(err);
    for (size_t i = 0; i < n; i++)
        logits_file_ids(ids.id + i * n_ctx, f, i);
    return windows_of(out, m, &ids, n_ctx, err);
}

/* That they are the text's: windows cut from it. */
static int check_told(const struct windows *told, const struct windows *text,
                      const struct eval_opts *opts, struct err *err)
{
    const char *path = logits_file_path(opts->logits);

    if (text->n < told->n)
        return err_set(err, ERR_FORMAT, "%s: %zu windows of %zu tokens, %s has %zu", path, told->n,
                       told->n_ctx, opts->text_name, text->n);
    for (size_t i = 0; i < told->n * told->n_ctx; i++)
        if (told->ids.id[i] != text->ids.id[i])
            return err_set(err, ERR_FORMAT, "%s: not of this text: token %zu is %d, in %s %d", path,
                           i, (int)told->ids.id[i], opts->text_name, (int)text->ids.id[i]);
    return 0;
}

static int windows_of_file(struct windows *out, const struct model *m, const char *text, size_t n,
                           const struct eval_opts *opts, struct err *err)
{
    const size_t all = logits_file_n_windows(opts->logits);
    const size_t wanted = opts->n_chunks && opts->n_chunks < all ? opts->n_chunks : all;
    const size_t n_ctx = logits_file_n_ctx(opts->logits);
    const struct windows_opts how = {opts->text_name, n_ctx, 2 * n_ctx, 0};
    struct windows w = {0};
    int rc = told_windows(out, m, opts->logits, wanted, err);

    if (rc || !text)
        return rc;
    rc = windows_cut(&w, m, text, n, &how, err);
    if (!rc)
        rc = check_told(out, &w, opts, err);
    windows_release(&w);
    return rc;
}

int eval_windows(struct windows *out, const struct model *m, const char *text, size_t text_bytes,
                 const struct eval_opts *opts, struct err *err)
{
    /* one window alone would begin at the text's start, whatever it is: as llama-perplexity */
    const struct windows_opts how = {.text_name = opts->text_name,
                                     .n_ctx = opts->n_ctx,
                                     .least = 2 * opts->n_ctx,
                                     .most = opts->n_chunks};

    *out = (struct windows){0};
    if (opts->logits)
        return windows_of_file(out, m, text, text_bytes, opts, err);
    if (opts->n_ctx < EVAL_CTX_MIN)
        return err_set(err, ERR_ARG, "windows of %zu tokens: expected %d or more", opts->n_ctx,
                       EVAL_CTX_MIN);
    return windows_cut(out, m, text, text_bytes, &how, err);
}

static int windows_texts(struct eval_about *a, const struct tok *tok, const struct windows *w,
                         struct err *err)
{
    int rc = 0;

    a->window = arena_array(&a->arena, w->n, sizeof(*a->window));
    if (!a->window)
        return err_nomem(err);
    for (size_t i = 0; !rc && i < w->n; i++)
        rc = token_text(&a->window[i], &a->arena, tok, w->ids.id + i * w->n_ctx, w->n_ctx, err);
    if (!rc)
        a->n_windows = w->n;
    return rc;
}

int eval_about_text(struct eval_about *out, const struct model *m, const char *text,
                    size_t text_bytes, const struct eval_opts *opts, struct err *err)
{
    struct windows w;

    *out = (struct eval_about){0};
    int rc = eval_windows(&w, m, text, text_bytes, opts, err);
    if (!rc)
        rc = tokens_sha256(out->tokenizer, tok_vocab(model_tok(m)), err);
    if (!rc)
        rc = windows_texts(out, model_tok(m), &w, err);
    windows_release(&w);
    return rc;
}

void eval_about_release(struct eval_about *a)
{
    arena_release(&a->arena);
    *a = (struct eval_about){0};
}

/* ---- JSON ---------------------------------------------------------------------------- */

void eval_about_put(struct json_out *j, const struct eval_about *a)
{
    json_put_str(j, "tokenizer", a->tokenizer[0] ? a->tokenizer : NULL);
    json_open(j, "windows", '[');
    for (size_t i = 0; i < a->n_windows; i++) {
        const bool flat = j->flat;
        json_open(j, NULL, '{');
        j->flat = true;
        json_put_str(j, "text", a->window[i]);
        json_close(j, '}');
        j->flat = flat;
    }
    json_close(j, ']');
}

static int get_windows(struct eval_about *a, const json_val *v, struct err *err)
{
    const size_t n = json_len(v);

    if (!json_is_array(v))
        return err_set(err, ERR_FORMAT, "windows: expected a list");
    a->window = arena_array(&a->arena, n, sizeof(*a->window));
    if (!a->window)
        return err_nomem(err);
    for (const json_val *w = json_first(v); w; w = json_next(w)) {
        const char *text = json_str(json_get(w, "text"));
        if (!text)
            return err_set(err, ERR_FORMAT, "windows: window %zu: expected a text", a->n_windows);
        a->window[a->n_windows] = arena_str(&a->arena, text);
        if (!a->window[a->n_windows++])
            return err_nomem(err);
    }
    return 0;
}

int eval_about_get(struct eval_about *out, const json_val *v, struct err *err)
{
    const char *hex = json_str(json_get(v, "tokenizer"));

    *out = (struct eval_about){0};
    if (hex && strlen(hex) + 1 != sizeof(out->tokenizer))
        return err_set(err, ERR_FORMAT, "tokenizer: expected the %d digits of a SHA-256",
                       HASH_HEX_BYTES - 1);
    if (hex)
        memcpy(out->tokenizer, hex, sizeof(out->tokenizer));
    return get_windows(out, json_get(v, "windows"), err);
}
