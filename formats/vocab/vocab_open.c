/* The files of a checkpoint's folder that say something about its tokenizer. */

#include "formats/base/buf.h"
#include "formats/base/path.h"
#include "formats/vocab/vocab_parts.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

/* A file of JSON; *doc stays NULL when it is absent. Its text goes into *keep, unless
 * that is NULL. */
static int load_json(json_val **doc, struct map *keep, const struct ckpt *c, const char *name,
                     struct err *err)
{
    struct map m;
    bool found;

    int rc = ckpt_map(&m, &found, c, name, err);
    if (rc || !found)
        return rc;
    rc = json_parse(doc, m.data ? (const char *)m.data : "", m.size, err);
    if (keep)
        *keep = m;
    else
        map_release(&m);
    return rc ? err_wrap(err, "%s/%s", ckpt_dir(c), name) : 0;
}

/* tekken.json spells its first token "\u0000", which json_parse refuses. It is needed as
 * bytes only: in a copy the text becomes another of the same length. */
static int load_tekken(json_val **doc, const struct ckpt *c, struct err *err)
{
    struct buf b = {0};
    struct map m;
    bool found;

    int rc = ckpt_map(&m, &found, c, "tekken.json", err);
    if (rc || !found)
        return rc;
    buf_put(&b, m.data ? (const char *)m.data : "", m.size);
    buf_str(&b, "");
    rc = buf_check(&b, err);
    for (size_t i = 0; !rc && i + 6 <= b.n; i++)
        if (b.p[i] == '\\' && !memcmp(b.p + i, "\\u0000", 6))
            memcpy(b.p + i, "\\ufffd", 6);
    if (!rc)
        rc = json_parse(doc, b.p ? b.p : "", b.n, err);
    buf_release(&b);
    map_release(&m);
    return rc ? err_wrap(err, "%s/tekken.json", ckpt_dir(c)) : 0;
}

/* What stands in for tokenizer.json in old and in Mistral's own folders. */
static int open_others(struct vocab_open *o, const struct ckpt *c, struct err *err)
{
    bool found;

    int rc = load_json(&o->slow, NULL, c, "vocab.json", err);
    if (!rc)
        rc = ckpt_map(&o->merges, &found, c, "merges.txt", err);
    if (!rc && !o->slow)
        rc = load_tekken(&o->tekken, c, err);
    return rc;
}

#define EXTRA "additional_chat_templates"
enum { MOST_EXTRA = 256 };

static int by_name(const void *a, const void *b)
{
    const struct vocab_template *x = a, *y = b;

    return strcmp(x->name, y->name);
}

/* NAME.jinja: both texts go into the arena. */
static int load_extra(struct vocab_open *o, struct vocab_template *t, const struct ckpt *c,
                      const char *file, struct err *err)
{
    const char *path = arena_fmt(&o->arena, EXTRA "/%s", file);
    struct map m;
    bool found;

    if (!path)
        return err_nomem(err);
    int rc = ckpt_map(&m, &found, c, path, err);
    if (rc || !found)
        return rc;
    t->name = arena_strn(&o->arena, file, strlen(file) - strlen(".jinja"));
    t->text = arena_strn(&o->arena, (const char *)m.data, m.size);
    map_release(&m);
    return t->name && t->text ? 0 : err_nomem(err);
}

/* Templates besides chat_template.jinja, in the order of their names. */
static int open_extra(struct vocab_open *o, const struct ckpt *c, struct err *err)
{
    const char *path = arena_fmt(&o->arena, "%s/" EXTRA, ckpt_dir(c));
    struct vocab_template *list = arena_array(&o->arena, MOST_EXTRA, sizeof(*list));
    size_t n = 0;
    int rc = 0;

    if (!path || !list)
        return err_nomem(err);
    DIR *d = opendir(path);
    for (struct dirent *e; d && !rc && n < MOST_EXTRA && (e = readdir(d));) {
        if (!path_ends(e->d_name, ".jinja"))
            continue;
        rc = load_extra(o, &list[n], c, e->d_name, err);
        n += !rc && list[n].text;
    }
    if (d)
        (void)closedir(d);
    qsort(list, n, sizeof(*list), by_name);
    o->f.extra = list;
    o->f.n_extra = n;
    return rc;
}

int vocab_open(struct vocab_open *o, const struct ckpt *c, struct err *err)
{
    bool found = false;

    *o = (struct vocab_open){0};
    int rc = load_json(&o->tokenizer, &o->text, c, "tokenizer.json", err);
    if (!rc && !o->tokenizer)
        rc = open_others(o, c, err);
    if (!rc)
        rc = load_json(&o->added, NULL, c, "added_tokens.json", err);
    if (!rc)
        rc = load_json(&o->chat, NULL, c, "chat_template.json", err);
    if (!rc)
        rc = ckpt_map(&o->jinja, &found, c, "chat_template.jinja", err);
    if (rc)
        return rc;
    o->f = (struct vocab_files){
        .tokenizer = o->tokenizer,
        .tokenizer_config = ckpt_tokenizer_config(c),
        .added_tokens = o->added,
        .config = ckpt_config(c),
        .slow = o->slow,
        .tekken = o->tekken,
        .merges = (const char *)o->merges.data,
        .merges_bytes = o->merges.size,
        .generation = ckpt_generation_config(c),
        .chat_json = o->chat,
        .text = (const char *)o->text.data,
        .text_bytes = o->text.size,
    };
    if (found) {
        o->f.chat_jinja = o->jinja.data ? (const char *)o->jinja.data : "";
        o->f.chat_jinja_bytes = o->jinja.size;
    }
    return found ? open_extra(o, c, err) : 0;
}

void vocab_open_release(struct vocab_open *o)
{
    map_release(&o->text);
    map_release(&o->jinja);
    map_release(&o->merges);
    arena_release(&o->arena);
    json_free(o->slow);
    json_free(o->tekken);
    json_free(o->tokenizer);
    json_free(o->added);
    json_free(o->chat);
}
