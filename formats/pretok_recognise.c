/* From a tokenizer.json's normalizer and pre_tokenizer to a name: the definition is
 * written down in one canonical form, a line per step, and compared with a table. */

#include "formats/base/buf.h"
#include "formats/pretok.h"
#include "formats/pretok_patterns.h"

#include <string.h>

/* The lines of the canonical form. */
#define SPLIT(re)  "split " re "\n"
#define BYTES      "bytes\n"       /* ByteLevel without its regular expression */
#define BYTES_GPT2 "bytes, gpt2\n" /* and with it */
#define DIGIT      "digits one by one\n"
#define LLAMA3     SPLIT(RE_LLAMA3) BYTES
#define QWEN2      SPLIT(RE_QWEN2) BYTES
#define DEEPSEEK3  SPLIT(RE_DIGITS3) SPLIT(RE_HAN_KANA) SPLIT(RE_DEEPSEEK3) BYTES
#define TEKKEN     SPLIT(RE_TEKKEN) BYTES
#define GPT4O      SPLIT(RE_GPT4O) BYTES

struct definition {
    const char *lines;
    const char *family; /* model_type begins so; NULL: any */
    int whole_words;    /* model.ignore_merges; -1: any */
    const char *name;
};

/* The first row that fits. Rows of one definition differ in name only, or in whether
 * whole words skip the merges. */
static const struct definition definitions[] = {
    {BYTES_GPT2,                                                                                   "phi",         -1, "phi-2"         },
    {BYTES_GPT2,                                                                                   "mpt",         -1, "mpt"           },
    {BYTES_GPT2,                                                                                   "olmo",        -1, "olmo"          },
    {BYTES_GPT2,                                                                                   NULL,          -1, "gpt-2"         },
    {DIGIT BYTES_GPT2,                                                                             "granite",     -1, "refact"        },
    {DIGIT BYTES_GPT2,                                                                             "gpt_bigcode", -1, "starcoder"     },
    {DIGIT BYTES_GPT2,                                                                             "starcoder2",  -1, "starcoder"     },
    {DIGIT BYTES_GPT2,                                                                             "cohere",      -1, "command-r"     },
    {DIGIT BYTES_GPT2,                                                                             "exaone",      -1, "exaone"        },
    {DIGIT BYTES_GPT2,                                                                             NULL,          -1, "smollm"        },
    {LLAMA3,                                                                                       "glm",         1,  "glm4"          },
    {LLAMA3,                                                                                       "glm",         0,  "chatglm-bpe"   },
    {LLAMA3,                                                                                       "lfm2",        1,  "lfm2"          },
    {LLAMA3,                                                                                       NULL,          1,  "llama-bpe"     },
    {LLAMA3,                                                                                       NULL,          0,  "dbrx"          },
    {QWEN2,                                                                                        "exaone4",     -1, "exaone4"       },
    {QWEN2,                                                                                        "stablelm",    -1, "stablelm2"     },
    {QWEN2,                                                                                        "falcon_h1",   -1, "falcon-h1"     },
    {QWEN2,                                                                                        NULL,          -1, "qwen2"         },
    {SPLIT(RE_QWEN35) BYTES,                                                                       NULL,          -1, "qwen35"        },
    {SPLIT(RE_SEED) BYTES,                                                                         NULL,          -1, "seed-coder"    },
    {SPLIT(RE_JAIS2) BYTES,                                                                        NULL,          -1, "jais-2"        },
    {SPLIT(RE_EXAONE_MOE) BYTES,                                                                   NULL,          -1, "exaone-moe"    },
    {SPLIT(RE_BAILING) BYTES,                                                                      NULL,          -1, "bailingmoe"    },
    {SPLIT(RE_DIGITS3) SPLIT(RE_MINICPM5) BYTES,                                                   NULL,          -1, "minicpm5"      },
    {SPLIT(RE_THOUSANDS) GPT4O,                                                                    NULL,          -1, "tiny_aya"      },
    {GPT4O,                                                                                        "minimax",     -1, "minimax-m2"    },
    {GPT4O,                                                                                        NULL,          -1, "gpt-4o"        },
    {TEKKEN,                                                                                       NULL,          -1, "tekken"        },
    {DEEPSEEK3,                                                                                    "hunyuan",     -1, "hunyuan-dense" },
    {DEEPSEEK3,                                                                                    NULL,          -1, "deepseek-v3"   },
    {SPLIT(RE_BLOOM_DEFINED) BYTES,                                                                NULL,          -1, "bloom"         },
    {SPLIT(RE_DIGITS3) SPLIT(RE_HAN_KANA) SPLIT(RE_SPARK) DIGIT BYTES,                             NULL,          -1, "spark2_5"      },
    {SPLIT(RE_KIMI_DEFINED) BYTES,                                                                 NULL,          -1, "kimi-k2"       },
    {SPLIT(RE_YOUTU_SCRIPTS) SPLIT(RE_YOUTU) BYTES,                                                NULL,          -1, "youtu"         },
    {SPLIT("\\p{N}+") SPLIT("(?=(\\d{3})+(?!\\d))") BYTES,                                         NULL,          -1, "superbpe"      },
    {SPLIT(RE_SENTINEL) SPLIT(RE_IMAGE) SPLIT(RE_TABS) DIGIT "punctuation Isolated\n" BYTES_GPT2,
     NULL,                                                                                                        -1, "chameleon"     },
    {SPLIT(RE_UFAKZEKA) BYTES,                                                                     NULL,          -1, "ufakzeka"      },
    {SPLIT(RE_LINES) SPLIT(RE_QWEN2) BYTES,                                                        NULL,          -1, "laguna"        },
    {SPLIT("[\\r\\n]") SPLIT("\\s?\\p{L}+") SPLIT("\\s?\\p{P}+") SPLIT(RE_HAN_HANGUL) DIGIT BYTES,
     NULL,                                                                                                        -1, "deepseek-coder"},
    {"punctuation Contiguous\n" BYTES_GPT2 "digits\n" SPLIT("[0-9][0-9][0-9]"),                    NULL,          -1, "falcon"        },
};

static bool on(const json_val *step, const char *key, bool otherwise)
{
    bool value = otherwise;

    (void)json_bool(json_get(step, key), &value);
    return value;
}

static const char *text(const json_val *v, const char *otherwise)
{
    const char *s = json_str(v);

    return s ? s : otherwise;
}

/* A regular expression may hold a line end as such, or as an escape. */
static void put_regex(struct buf *b, const char *s)
{
    for (; *s; s++) {
        if (*s == '\r' || *s == '\n')
            buf_str(b, *s == '\r' ? "\\r" : "\\n");
        else
            buf_put(b, s, 1);
    }
}

static void put_split(struct buf *b, const json_val *step)
{
    const char *behavior = text(json_get(step, "behavior"), "?");
    const bool invert = on(step, "invert", false);
    const char *regex = json_str(json_path(step, "pattern.Regex"));

    buf_str(b, "split ");
    /* keeping only what matches, in patterns that match everything, is the same */
    if (strcmp(behavior, "Isolated") ? strcmp(behavior, "Removed") || !invert : invert)
        buf_fmt(b, "(%s%s) ", behavior, invert ? ", inverted" : "");
    if (regex)
        put_regex(b, regex);
    else
        buf_fmt(b, "the text \"%s\"", text(json_path(step, "pattern.String"), "?"));
    buf_str(b, "\n");
}

/* The steps of a pre_tokenizer, sequences laid flat. */
static void put_steps(struct buf *b, const json_val *step, int depth)
{
    const char *type = text(json_get(step, "type"), "?");

    if (json_is_null(step) || depth > 8)
        return;
    if (!strcmp(type, "Sequence")) {
        for (const json_val *s = json_first(json_get(step, "pretokenizers")); s; s = json_next(s))
            put_steps(b, s, depth + 1);
    } else if (!strcmp(type, "Split")) {
        put_split(b, step);
    } else if (!strcmp(type, "ByteLevel")) {
        buf_fmt(b, "bytes%s%s\n", on(step, "use_regex", true) ? ", gpt2" : "",
                on(step, "add_prefix_space", false) ? ", with a space in front" : "");
    } else if (!strcmp(type, "Digits")) {
        buf_fmt(b, "digits%s\n", on(step, "individual_digits", false) ? " one by one" : "");
    } else if (!strcmp(type, "Punctuation")) {
        buf_fmt(b, "punctuation %s\n", text(json_get(step, "behavior"), "Isolated"));
    } else {
        buf_fmt(b, "%s\n", type);
    }
}

/* "NFC" and its like; NULL: another kind of normalizer. */
static const char *unicode_form(const char *type)
{
    static const char *const forms[] = {"NFC", "NFD", "NFKC", "NFKD"};

    for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++)
        if (!strcmp(type, forms[i]))
            return forms[i];
    return NULL;
}

/* A Unicode form is not part of a name: GGUF files do not carry it, and programs that
 * read them do not apply it. *form gets it; a second one is part of the definition. */
static void put_normalizer(struct buf *b, const char **form, const json_val *n, int depth)
{
    const char *type = text(json_get(n, "type"), "?");

    if (json_is_null(n) || depth > 8)
        return;
    if (!strcmp(type, "Sequence")) {
        for (const json_val *s = json_first(json_get(n, "normalizers")); s; s = json_next(s))
            put_normalizer(b, form, s, depth + 1);
    } else if (!*form && unicode_form(type)) {
        *form = unicode_form(type);
    } else {
        buf_fmt(b, "normalizer %s\n", type);
    }
}

static bool fits(const struct definition *d, const char *lines, const char *family, int whole)
{
    return !strcmp(d->lines, lines) && (d->whole_words < 0 || d->whole_words == whole) &&
           (!d->family || (family && !strncmp(family, d->family, strlen(d->family))));
}

int pretok_recognise(const char **name, const char **normalizer, const json_val *tokenizer,
                     const char *family, struct err *err)
{
    const bool whole = on(json_get(tokenizer, "model"), "ignore_merges", false);
    struct buf b = {0};

    *name = NULL;
    *normalizer = NULL;
    put_normalizer(&b, normalizer, json_get(tokenizer, "normalizer"), 0);
    put_steps(&b, json_get(tokenizer, "pre_tokenizer"), 0);
    int rc = buf_check(&b, err);
    for (size_t i = 0; !rc && !*name && i < sizeof(definitions) / sizeof(*definitions); i++)
        if (fits(&definitions[i], b.p ? b.p : "", family, whole))
            *name = definitions[i].name;
    if (!rc && !*name) {
        for (char *p = b.p; p && *p; p++)
            *p = *p == '\n' ? (p[1] ? ';' : '\0') : *p;
        rc = err_set(err, ERR_UNSUPPORTED, "no name is known for its pre-tokenizer (%.250s)",
                     b.p && *b.p ? b.p : "none");
    }
    buf_release(&b);
    return rc;
}

/* ---- the other way ---------------------------------------------------------------- */

/* The definition of a name; NULL: of another that cuts alike, or none. */
static const struct definition *definition_of(const char *name)
{
    const size_t n = sizeof(definitions) / sizeof(*definitions);
    const struct pretok *p = pretok_by_name(name);

    for (size_t i = 0; i < n; i++)
        if (!strcmp(definitions[i].name, name))
            return &definitions[i];
    for (size_t i = 0; p && i < n; i++) {
        const struct pretok *q = pretok_by_name(definitions[i].name);
        if (q && q->pattern == p->pattern)
            return &definitions[i];
    }
    return NULL;
}

static void define_split(struct json_out *j, const char *regex, size_t n)
{
    json_put_str(j, "type", "Split");
    json_open(j, "pattern", '{');
    json_put_strn(j, "Regex", regex, n);
    json_close(j, '}');
    json_put_str(j, "behavior", "Isolated");
    json_put_bool(j, "invert", false);
}

static void define_bytes(struct json_out *j, bool regex)
{
    json_put_str(j, "type", "ByteLevel");
    json_put_bool(j, "add_prefix_space", false);
    json_put_bool(j, "trim_offsets", true);
    json_put_bool(j, "use_regex", regex);
}

/* One line of the canonical form. */
static void define_step(struct json_out *j, const char *line, size_t n)
{
    json_open(j, NULL, '{');
    if (!strncmp(line, "split ", 6)) {
        define_split(j, line + 6, n - 6);
    } else if (!strncmp(line, "bytes", 5)) {
        define_bytes(j, n > 5);
    } else if (!strncmp(line, "digits", 6)) {
        json_put_str(j, "type", "Digits");
        json_put_bool(j, "individual_digits", n > 6);
    } else {
        json_put_str(j, "type", "Punctuation");
        json_put_strn(j, "behavior", line + 12, n - 12);
    }
    json_close(j, '}');
}

void pretok_define(struct buf *b, bool *whole_words, const char *name)
{
    const struct definition *d = definition_of(name);
    const struct pretok *p = pretok_by_name(name);
    struct json_out j = json_out_init(b, true);
    const char *line = d ? d->lines : "";

    *whole_words = d && d->whole_words >= 0 ? d->whole_words : p && p->flags & PRETOK_WHOLE_WORDS;
    json_open(&j, NULL, '{');
    json_put_str(&j, "type", "Sequence");
    json_open(&j, "pretokenizers", '[');
    for (; *line; line += strcspn(line, "\n") + 1)
        define_step(&j, line, strcspn(line, "\n"));
    for (size_t i = 0; !d && p && p->pattern[i]; i++) {
        json_open(&j, NULL, '{');
        define_split(&j, p->pattern[i], strlen(p->pattern[i]));
        json_close(&j, '}');
    }
    if (!d) {
        json_open(&j, NULL, '{');
        define_bytes(&j, !p);
        json_close(&j, '}');
    }
    json_close(&j, ']');
    json_close(&j, '}');
}
