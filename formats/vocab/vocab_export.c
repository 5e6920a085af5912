/* tokenizer.json, tokenizer_config.json and generation_config.json out of a vocabulary. */

#include "formats/vocab_export.h"

#include "formats/base/json.h"
#include "formats/base/strmap.h"
#include "formats/base/utf8.h"
#include "formats/pretok.h"
#include "formats/vocab/vocab_export_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SPACE "\xe2\x96\x81"

/* ---- tokens ----------------------------------------------------------------------- */

/* Does the file say how the added token is found? */
static bool is_listed(const struct vocab *v, size_t id)
{
    for (size_t i = 0; i < v->n_added; i++)
        if (v->added[i].id == id)
            return true;
    return false;
}

char *vocab_spelled(const struct vocab *v, size_t i)
{
    const struct vocab_token *t = &v->token[i];
    const bool spaces = v->kind == VOCAB_SPM && t->type == VOCAB_USER && is_listed(v, i);
    struct buf b = {0};

    buf_str(&b, "");
    for (size_t k = 0; k < t->text.n; k++)
        buf_put(&b, spaces && t->text.p[k] == ' ' ? SPACE : t->text.p + k,
                spaces && t->text.p[k] == ' ' ? 3 : 1);
    if (!b.bad)
        return b.p;
    buf_release(&b);
    return NULL;
}

bool vocab_is_pad(const struct vocab *v, size_t i)
{
    char text[40];
    const int n = snprintf(text, sizeof(text), "[PAD%zu]", i);
    const struct vocab_token *t = &v->token[i];

    return t->type == VOCAB_UNUSED && t->text.n == (size_t)n && !memcmp(t->text.p, text, t->text.n);
}

static bool is_added(const struct vocab *v, size_t i)
{
    return v->token[i].type == VOCAB_CONTROL || v->token[i].type == VOCAB_USER;
}

/* One more than the last token of the base vocabulary: added ones behind it get their ids by
 * counting on, so that none may be left out there. */
static size_t base_size(const struct vocab *v)
{
    size_t n = 0, end = v->n_tokens;

    while (end && vocab_is_pad(v, end - 1))
        end--;
    for (size_t i = 0; i < end; i++)
        if (!is_added(v, i))
            n = i + 1;
    return n;
}

/* Can JSON hold the tokens, each once? */
static bool fits_json(const struct vocab *v)
{
    struct strmap seen = {0};
    struct err ignored = {0};
    bool good = !strmap_reserve(&seen, v->n_tokens, &ignored), fresh = false;

    for (size_t i = 0; good && i < v->n_tokens; i++) {
        const struct meta_str s = v->token[i].text;
        good = s.n && utf8_bad(s.p, s.n) == s.n && !memchr(s.p, '\0', s.n) &&
               !strmap_add(&fresh, &seen, s.p, s.n, i, &ignored) && fresh;
    }
    strmap_release(&seen);
    return good;
}

static void put_vocab(struct buf *b, const struct vocab *v)
{
    const size_t n = base_size(v);
    struct json_out j = json_out_init(b, true);

    buf_str(b, "\"vocab\":");
    json_open(&j, NULL, '{');
    for (size_t i = 0; i < n; i++) {
        char *key = vocab_is_pad(v, i) ? NULL : vocab_spelled(v, i);
        if (key)
            json_put_uint(&j, key, i);
        b->bad = b->bad || (!key && !vocab_is_pad(v, i));
        free(key);
    }
    json_close(&j, '}');
}

static void put_merges(struct buf *b, const struct meta_str *merge, size_t n)
{
    struct json_out j = json_out_init(b, true);

    buf_str(b, ",\"merges\":");
    json_open(&j, NULL, '[');
    for (size_t i = 0; i < n; i++)
        json_put_strn(&j, NULL, merge[i].p, merge[i].n);
    json_close(&j, ']');
}

/* How an added token is found in a text: as the file says, or the general rule. */
static unsigned flags_of(const struct vocab *v, size_t id)
{
    for (size_t i = 0; i < v->n_added; i++)
        if (v->added[i].id == id)
            return v->added[i].flags;
    if (v->kind == VOCAB_SPM && v->token[id].type == VOCAB_USER)
        return 0; /* in the text as it is, spaces and all */
    return v->token[id].type == VOCAB_CONTROL ? VOCAB_SPECIAL : VOCAB_NORMALIZED;
}

static void put_added_token(struct json_out *j, const struct vocab *v, size_t id)
{
    const unsigned flags = flags_of(v, id);
    char *text = vocab_spelled(v, id);

    json_open(j, NULL, '{');
    json_put_uint(j, "id", id);
    json_put_str(j, "content", text);
    j->b->bad = j->b->bad || !text;
    free(text);
    json_put_bool(j, "single_word", flags & VOCAB_SINGLE_WORD);
    json_put_bool(j, "lstrip", flags & VOCAB_LSTRIP);
    json_put_bool(j, "rstrip", flags & VOCAB_RSTRIP);
    json_put_bool(j, "normalized", flags & VOCAB_NORMALIZED);
    json_put_bool(j, "special", flags & VOCAB_SPECIAL);
    json_close(j, '}');
}

/* In the order the file gives, else by id. */
static void put_added(struct buf *b, const struct vocab *v)
{
    struct json_out j = json_out_init(b, true);

    buf_str(b, "\"added_tokens\":");
    json_open(&j, NULL, '[');
    for (size_t i = 0; i < v->n_added; i++)
        put_added_token(&j, v, v->added[i].id);
    for (size_t i = 0; !v->n_added && i < v->n_tokens; i++)
        if (is_added(v, i) || (v->kind == VOCAB_SPM && v->token[i].type == VOCAB_UNKNOWN))
            put_added_token(&j, v, i);
    json_close(&j, ']');
}

/* ---- what is added around a text ---------------------------------------------------- */

static bool is_id(const struct vocab *v, int32_t id)
{
    return id >= 0 && (size_t)id < v->n_tokens;
}

/* Readers of GGUFs have a rule for files that do not say. */
static bool adds_bos(const struct vocab *v)
{
    const struct pretok *p = pretok_by_name(v->pre);

    if (v->add_bos >= 0)
        return v->add_bos && is_id(v, v->bos);
    return is_id(v, v->bos) &&
           (v->kind == VOCAB_SPM || (v->kind == VOCAB_BPE && p && p->flags & PRETOK_ADD_BOS));
}

static void put_special(struct json_out *j, const struct vocab *v, int32_t id)
{
    json_open(j, NULL, '{');
    json_open(j, "SpecialToken", '{');
    json_put_strn(j, "id", v->token[id].text.p, v->token[id].text.n);
    json_put_int(j, "type_id", 0);
    json_close(j, '}');
    json_close(j, '}');
}

static void put_sequence(struct json_out *j, const char *which, int type)
{
    json_open(j, NULL, '{');
    json_open(j, "Sequence", '{');
    json_put_str(j, "id", which);
    json_put_int(j, "type_id", type);
    json_close(j, '}');
    json_close(j, '}');
}

static void put_template(struct json_out *j, const struct vocab *v, bool bos, bool eos)
{
    const int32_t ids[] = {bos ? v->bos : -1, eos && v->eos != (bos ? v->bos : -1) ? v->eos : -1};

    json_open(j, NULL, '{');
    json_put_str(j, "type", "TemplateProcessing");
    json_open(j, "single", '[');
    if (bos)
        put_special(j, v, v->bos);
    put_sequence(j, "A", 0);
    if (eos)
        put_special(j, v, v->eos);
    json_close(j, ']');
    json_open(j, "pair", '[');
    if (bos)
        put_special(j, v, v->bos);
    put_sequence(j, "A", 0);
    if (eos)
        put_special(j, v, v->eos);
    if (bos)
        put_special(j, v, v->bos);
    put_sequence(j, "B", 1);
    if (eos)
        put_special(j, v, v->eos);
    json_close(j, ']');
    json_open(j, "special_tokens", '{');
    for (size_t i = 0; i < 2; i++) {
        char *name = ids[i] < 0 ? NULL : strndup(v->token[ids[i]].text.p, v->token[ids[i]].text.n);
        if (!name)
            continue;
        json_open(j, name, '{');
        json_put_str(j, "id", name);
        json_open(j, "ids", '[');
        json_put_int(j, NULL, ids[i]);
        json_close(j, ']');
        json_open(j, "tokens", '[');
        json_put_str(j, NULL, name);
        json_close(j, ']');
        json_close(j, '}');
        free(name);
    }
    json_close(j, '}');
    json_close(j, '}');
}

static void put_post(struct buf *b, const struct vocab *v)
{
    const bool bos = adds_bos(v), eos = v->add_eos == 1 && is_id(v, v->eos);
    struct json_out j = json_out_init(b, true);

    buf_str(b, "\"post_processor\":");
    if (bos || eos)
        put_template(&j, v, bos, eos);
    else if (v->kind == VOCAB_BPE)
        buf_str(b, "{\"type\":\"ByteLevel\",\"add_prefix_space\":true,\"trim_offsets\":false,"
                   "\"use_regex\":true}");
    else
        buf_str(b, "null");
}

/* ---- kinds --------------------------------------------------------------------------- */

#define REPLACE(from, to)                                                                          \
    "{\"type\":\"Replace\",\"pattern\":{\"String\":\"" from "\"},\"content\":\"" to "\"}"
#define BYTES_DECODER                                                                              \
    "{\"type\":\"ByteLevel\",\"add_prefix_space\":true,\"trim_offsets\":true,\"use_regex\":true}"

static void put_model(struct buf *b, const struct vocab *v, bool fallback, bool whole,
                      const char *unk)
{
    struct json_out j = json_out_init(b, true);

    buf_str(b, "\"model\":{\"type\":\"BPE\",\"dropout\":null,\"unk_token\":");
    json_put_str(&j, NULL, unk);
    buf_fmt(b,
            ",\"continuing_subword_prefix\":null,\"end_of_word_suffix\":null,\"fuse_unk\":%s,"
            "\"byte_fallback\":%s,\"ignore_merges\":%s,",
            fallback ? "true" : "false", fallback ? "true" : "false", whole ? "true" : "false");
    put_vocab(b, v);
}

static void put_bpe(struct buf *b, const struct vocab *v)
{
    bool whole = false;

    if (v->normalizer)
        buf_fmt(b, ",\"normalizer\":{\"type\":\"%s\"}", v->normalizer);
    else
        buf_str(b, ",\"normalizer\":null");
    buf_str(b, ",\"pre_tokenizer\":");
    pretok_define(b, &whole, v->pre);
    buf_str(b, ",");
    put_post(b, v);
    buf_str(b, ",\"decoder\":" BYTES_DECODER ",");
    put_model(b, v, false, whole, NULL);
    put_merges(b, v->merge, v->n_merges);
}

/* Characters with U+2581 for a space, and bytes for what has no token. */
static int put_text_bpe(struct buf *b, const struct vocab *v, const struct meta_str *merge,
                        size_t n, struct err *err)
{
    const bool prefix = v->add_space_prefix;
    char *unk = is_id(v, v->unk) ? strndup(v->token[v->unk].text.p, v->token[v->unk].text.n) : NULL;

    if (is_id(v, v->unk) && !unk)
        return err_nomem(err);
    buf_str(b, prefix ? ",\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":"
                        "\"Prepend\",\"prepend\":\"" SPACE "\"}," REPLACE(" ", SPACE) "]}"
                      : ",\"normalizer\":" REPLACE(" ", SPACE));
    buf_str(b, v->kind == VOCAB_TEXT_BPE
                   ? ",\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"String\":\" \"},"
                     "\"behavior\":\"MergedWithPrevious\",\"invert\":false},"
                   : ",\"pre_tokenizer\":null,");
    put_post(b, v);
    buf_str(b, ",\"decoder\":{\"type\":\"Sequence\",\"decoders\":[" REPLACE(
                   SPACE, " ") ",{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"}");
    buf_str(b,
            prefix ? ",{\"type\":\"Strip\",\"content\":\" \",\"start\":1,\"stop\":0}]}," : "]},");
    put_model(b, v, true, false, unk);
    put_merges(b, merge, n);
    free(unk);
    return 0;
}

static int put_tokenizer(struct buf *b, const struct vocab *v, struct err *err)
{
    struct vocab_merges m = {0};
    int rc = 0;

    if (v->hf_json) {
        buf_put(b, v->hf_json, v->hf_json_bytes);
        return 0;
    }
    if ((v->kind != VOCAB_BPE && v->kind != VOCAB_SPM && v->kind != VOCAB_TEXT_BPE) ||
        !fits_json(v))
        return 0;
    buf_str(b, "{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,");
    put_added(b, v);
    if (v->kind == VOCAB_BPE) {
        put_bpe(b, v);
    } else if (v->kind == VOCAB_TEXT_BPE) {
        rc = put_text_bpe(b, v, v->merge, v->n_merges, err);
    } else {
        rc = vocab_merges_by_score(&m, v, err);
        if (!rc)
            rc = put_text_bpe(b, v, m.merge, m.n, err);
        arena_release(&m.arena);
    }
    buf_str(b, "}}\n");
    return rc;
}

/* ---- the smaller files ----------------------------------------------------------------- */

static void put_token(struct json_out *j, const char *key, const struct vocab *v, int32_t id)
{
    if (is_id(v, id))
        json_put_strn(j, key, v->token[id].text.p, v->token[id].text.n);
}

static void put_templates(struct json_out *j, const struct vocab *v)
{
    if (!v->n_templates) {
        if (v->chat_template)
            json_put_str(j, "chat_template", v->chat_template);
        return;
    }
    json_open(j, "chat_template", '[');
    for (size_t i = 0; i <= v->n_templates; i++) {
        const char *name = i ? v->templates[i - 1].name : "default";
        const char *text = i ? v->templates[i - 1].text : v->chat_template;
        if (!text)
            continue;
        json_open(j, NULL, '{');
        json_put_str(j, "name", name);
        json_put_str(j, "template", text);
        json_close(j, '}');
    }
    json_close(j, ']');
}

/* Types of a SentencePiece model's tokens that its own file does not say. */
static void put_decoder(struct json_out *j, const struct vocab *v)
{
    json_open(j, "added_tokens_decoder", '{');
    for (size_t i = 0; i < v->n_tokens; i++) {
        char key[24];
        if (!is_added(v, i))
            continue;
        const unsigned flags = flags_of(v, i);
        char *text = vocab_spelled(v, i);
        (void)snprintf(key, sizeof(key), "%zu", i);
        json_open(j, key, '{');
        json_put_str(j, "content", text);
        j->b->bad = j->b->bad || !text;
        free(text);
        json_put_bool(j, "lstrip", flags & VOCAB_LSTRIP);
        json_put_bool(j, "normalized", flags & VOCAB_NORMALIZED);
        json_put_bool(j, "rstrip", flags & VOCAB_RSTRIP);
        json_put_bool(j, "single_word", flags & VOCAB_SINGLE_WORD);
        json_put_bool(j, "special", flags & VOCAB_SPECIAL);
        json_close(j, '}');
    }
    json_close(j, '}');
}

static void put_config(struct buf *b, const struct vocab *v, uint64_t n_ctx)
{
    struct json_out j = json_out_init(b, false);

    json_open(&j, NULL, '{');
    json_put_str(&j, "tokenizer_class", "PreTrainedTokenizerFast");
    if (v->add_bos >= 0)
        json_put_bool(&j, "add_bos_token", v->add_bos);
    if (v->add_eos >= 0)
        json_put_bool(&j, "add_eos_token", v->add_eos);
    if (v->add_sep >= 0)
        json_put_bool(&j, "add_sep_token", v->add_sep);
    if (v->space_prefix >= 0)
        json_put_bool(&j, "add_prefix_space", v->space_prefix);
    put_token(&j, "bos_token", v, v->bos);
    put_token(&j, "eos_token", v, v->eos);
    put_token(&j, "unk_token", v, v->unk);
    put_token(&j, "sep_token", v, v->sep);
    put_token(&j, "pad_token", v, v->pad);
    put_token(&j, "mask_token", v, v->mask);
    json_put_bool(&j, "clean_up_tokenization_spaces", false);
    if (n_ctx)
        json_put_uint(&j, "model_max_length", n_ctx);
    put_templates(&j, v);
    put_decoder(&j, v);
    json_close(&j, '}');
    buf_str(b, "\n");
}

static void put_ids(struct json_out *j, const struct vocab *v)
{
    uint32_t own[VOCAB_OWN_ENDS];
    const uint32_t *ids;
    const size_t n = vocab_ends(&ids, own, v);

    if (v->bos >= 0)
        json_put_int(j, "bos_token_id", v->bos);
    if (n == 1)
        json_put_uint(j, "eos_token_id", ids[0]);
    if (n > 1) {
        json_open(j, "eos_token_id", '[');
        for (size_t i = 0; i < n; i++)
            json_put_uint(j, NULL, ids[i]);
        json_close(j, ']');
    }
    if (v->pad >= 0)
        json_put_int(j, "pad_token_id", v->pad);
}

/* general.sampling.* as transformers calls it. */
static void put_generation(struct buf *b, const struct vocab *v, const struct meta *meta)
{
    static const struct {
        const char *key, *name;
    } rows[] = {
        {"top_k",           "top_k"             },
        {"top_p",           "top_p"             },
        {"min_p",           "min_p"             },
        {"xtc_probability", "xtc_probability"   },
        {"xtc_threshold",   "xtc_threshold"     },
        {"temp",            "temperature"       },
        {"penalty_last_n",  "penalty_last_n"    },
        {"penalty_repeat",  "repetition_penalty"},
        {"mirostat",        "mirostat"          },
        {"mirostat_tau",    "mirostat_tau"      },
        {"mirostat_eta",    "mirostat_eta"      },
    };
    struct json_out j = json_out_init(b, false);
    bool samples = false;
    char key[64];
    double x;

    json_open(&j, NULL, '{');
    if (v)
        put_ids(&j, v);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        (void)snprintf(key, sizeof(key), "general.sampling.%s", rows[i].key);
        const struct meta_kv *kv = meta_get(meta, key);
        if (!meta_f64(meta, key, &x))
            continue;
        samples = true;
        for (int digits = 1; kv->type == META_F32 && digits <= 9; digits++) {
            char text[40];
            (void)snprintf(text, sizeof(text), "%.*g", digits, x);
            const double back = strtod(text, NULL);
            if ((float)back == (float)x) {
                x = back;
                break;
            }
        }
        json_put_num(&j, rows[i].name, x);
    }
    if (samples)
        json_put_bool(&j, "do_sample", true);
    json_close(&j, '}');
    buf_str(b, "\n");
}

int vocab_export(struct vocab_texts *out, const struct vocab *v, const struct meta *meta,
                 uint64_t n_ctx, struct err *err)
{
    int rc = 0;

    *out = (struct vocab_texts){0};
    put_generation(&out->generation, v, meta);
    if (v)
        rc = put_tokenizer(&out->tokenizer, v, err);
    if (!rc && v && v->kind == VOCAB_SPM && !v->hf_json)
        vocab_put_spm(&out->spm, v);
    if (!rc && v)
        put_config(&out->config, v, n_ctx);
    if (!rc && (out->tokenizer.bad || out->config.bad || out->spm.bad || out->generation.bad))
        rc = err_nomem(err);
    if (rc)
        vocab_texts_release(out);
    return rc;
}

void vocab_texts_release(struct vocab_texts *t)
{
    buf_release(&t->tokenizer);
    buf_release(&t->config);
    buf_release(&t->spm);
    buf_release(&t->generation);
}
