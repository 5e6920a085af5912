/* What a class of models asks for beyond what its files say: formats/vocab_rules.h. */

#include "formats/vocab/vocab_parts.h"

#include <string.h>

/* The id of an added token, or -1. */
static int64_t added_id(const struct vocab_files *f, const char *text)
{
    int64_t id = -1;

    for (const json_val *t = json_first(json_get(f->tokenizer, "added_tokens")); t;
         t = json_next(t)) {
        const char *content = json_str(json_get(t, "content"));
        if (content && !strcmp(content, text) && json_int(json_get(t, "id"), &id))
            return id;
    }
    return -1;
}

static void apply(struct vocab *v, const struct vocab_files *f, const struct vocab_set *s)
{
    const int64_t value = s->token ? added_id(f, s->token) : s->value;
    int32_t *id = vocab_id_slot(v, s->key);
    int *on = id ? NULL : vocab_bool_slot(v, s->key);

    if (value < 0 || value > INT32_MAX || (s->n_vocab && s->n_vocab != f->n_vocab))
        return;
    if (id && (s->always || *id < 0))
        *id = (int32_t)value;
    if (on && (s->always || *on < 0))
        *on = (int)value;
}

static const json_val *config_value(const struct vocab_files *f, const char *key)
{
    const json_val *v = json_get(json_get(f->config, "text_config"), key);

    return v ? v : json_get(f->config, key);
}

/* The end of a text and the end of a turn as HunYuan's files have them. */
static void apply_eod(struct vocab *v, const struct vocab_files *f)
{
    const json_val *ends = json_get(f->generation, "eos_token_id");
    int64_t id;

    if (json_int(config_value(f, "pad_token_id"), &id) && id < 0)
        v->pad = -1;
    if (json_int(config_value(f, "eod_token_id"), &id) && id >= 0 && id <= INT32_MAX)
        v->eos = (int32_t)id;
    if (json_is_array(ends) && json_len(ends) >= 2 && json_int(json_first(ends), &id) && id >= 0 &&
        id <= INT32_MAX)
        v->eot = (int32_t)id;
}

void vocab_apply_rules(struct vocab *v, const struct vocab_files *f)
{
    bool prefix;

    if (f->rules->config_prefix &&
        json_bool(json_get(f->tokenizer_config, "add_prefix_space"), &prefix))
        v->space_prefix = prefix;
    for (const struct vocab_set *s = f->rules->set; s && s->key; s++)
        apply(v, f, s);
    if (f->rules->config_eod)
        apply_eod(v, f);
}
