#include "formats/pretok.h"

#include "formats/pretok_patterns.h"

#include <string.h>

/* Falcon's definition is in terms of Unicode categories and ASCII symbols. */
#define RE_PUNCTUATION "[\\p{P}\\$\\+<=>\\^~\\|`]+"
#define RE_THREE       "[0-9][0-9][0-9]"

typedef const char *const patterns[];

/* of a file that names none */
static patterns any = {"[\\p{P}\\$\\+<=>\\^~\\|]+", RE_GPT2, RE_DIGITS, RE_THREE, NULL};
static patterns gpt2 = {RE_GPT2, NULL};
static patterns digits_gpt2 = {RE_DIGIT, RE_GPT2, NULL};
static patterns llama3 = {RE_LLAMA3, NULL};
static patterns qwen2 = {RE_QWEN2, NULL};
static patterns qwen35 = {RE_QWEN35, NULL};
static patterns jais2 = {RE_JAIS2, NULL};
static patterns minicpm5 = {RE_DIGITS3, RE_MINICPM5, NULL};
static patterns exaone_moe = {RE_EXAONE_MOE, NULL};
static patterns seed = {RE_SEED, NULL};
static patterns bailing = {RE_BAILING, NULL};
static patterns gpt4o = {RE_GPT4O, NULL};
static patterns aya = {RE_THREES("\\d", "\\b"), RE_GPT4O, NULL};
static patterns tekken = {RE_TEKKEN, NULL};
static patterns deepseek3 = {RE_DIGITS3, RE_HAN_KANA, RE_DEEPSEEK3, NULL};
static patterns deepseek_coder = {RE_LINE_END, RE_LETTERS, RE_MARKS, RE_HAN_HANGUL, RE_DIGIT, NULL};
static patterns deepseek_llm = {
    RE_LINE_END, RE_CASED_ONLY, RE_VISIBLE, RE_TAIL, RE_HAN_HANGUL, RE_DIGITS, NULL,
};
static patterns falcon = {RE_PUNCTUATION, RE_GPT2, RE_THREE, NULL};
static patterns bloom = {RE_BLOOM, NULL};
static patterns spark = {RE_DIGITS3, RE_HAN_KANA, RE_SPARK, RE_DIGIT, NULL};
static patterns kimi = {RE_KIMI, NULL};
static patterns youtu = {RE_YOUTU_SCRIPTS, RE_YOUTU, NULL};
static patterns afmoe = {RE_THREES(RE_DIGIT, "(?!\\p{N})"), RE_ASIAN, RE_DEEPSEEK3, NULL};
static patterns superbpe = {RE_DIGITS, RE_THREES("\\d", "(?!\\d)"), NULL};
static patterns chameleon = {RE_SENTINEL, RE_IMAGE, RE_TABS, RE_DIGIT, RE_ASCII_SYM, RE_GPT2, NULL};
static patterns ufakzeka = {RE_UFAKZEKA, NULL};
static patterns laguna = {RE_LINES, RE_QWEN2, NULL};
static patterns lines = {RE_LINES, NULL};
static patterns viking = {RE_BLOOM, RE_DIGIT, NULL};

static const struct pretok pretoks[] = {
    {"default",                  any,            0                                  },
    {"llama-bpe",                llama3,         PRETOK_WHOLE_WORDS | PRETOK_ADD_BOS},
    {"llama3",                   llama3,         PRETOK_WHOLE_WORDS | PRETOK_ADD_BOS},
    {"llama-v3",                 llama3,         PRETOK_WHOLE_WORDS | PRETOK_ADD_BOS},
    {"falcon3",                  llama3,         PRETOK_WHOLE_WORDS | PRETOK_ADD_BOS},
    {"falcon-h1",                llama3,         PRETOK_WHOLE_WORDS | PRETOK_ADD_BOS},
    {"pixtral",                  llama3,         PRETOK_WHOLE_WORDS | PRETOK_ADD_BOS},
    {"midm-2.0",                 llama3,         PRETOK_WHOLE_WORDS | PRETOK_ADD_BOS},
    {"lfm2",                     llama3,         PRETOK_WHOLE_WORDS | PRETOK_ADD_BOS},
    {"jina-v5-nano",             llama3,         PRETOK_WHOLE_WORDS | PRETOK_ADD_BOS},
    {"dbrx",                     llama3,         0                                  },
    {"smaug-bpe",                llama3,         0                                  },
    {"chatglm-bpe",              llama3,         0                                  },
    {"glm4",                     llama3,         PRETOK_WHOLE_WORDS                 },
    {"glm5",                     llama3,         PRETOK_WHOLE_WORDS                 },
    {"jais-2",                   jais2,          0                                  },
    {"minicpm5",                 minicpm5,       PRETOK_WHOLE_WORDS                 },
    {"gpt-2",                    gpt2,           0                                  },
    {"phi-2",                    gpt2,           0                                  },
    {"mpt",                      gpt2,           0                                  },
    {"olmo",                     gpt2,           0                                  },
    {"jais",                     gpt2,           0                                  },
    {"trillion",                 gpt2,           0                                  },
    {"granite-docling",          gpt2,           0                                  },
    {"gigachat",                 gpt2,           0                                  },
    {"a.x-4.0",                  gpt2,           0                                  },
    {"mellum",                   gpt2,           0                                  },
    {"modern-bert",              gpt2,           0                                  },
    {"roberta-bpe",              gpt2,           0                                  },
    {"jina-es",                  gpt2,           0                                  },
    {"jina-de",                  gpt2,           0                                  },
    {"jina-v1-en",               gpt2,           0                                  },
    {"jina-v2-es",               gpt2,           0                                  },
    {"jina-v2-de",               gpt2,           0                                  },
    {"jina-v2-code",             gpt2,           0                                  },
    {"smollm",                   digits_gpt2,    0                                  },
    {"starcoder",                digits_gpt2,    0                                  },
    {"refact",                   digits_gpt2,    0                                  },
    {"command-r",                digits_gpt2,    0                                  },
    {"codeshell",                digits_gpt2,    0                                  },
    {"exaone",                   digits_gpt2,    0                                  },
    {"minerva-7b",               digits_gpt2,    0                                  },
    {"mellum2",                  digits_gpt2,    0                                  },
    {"qwen2",                    qwen2,          0                                  },
    {"deepseek-r1-qwen",         qwen2,          0                                  },
    {"kormo",                    qwen2,          0                                  },
    {"f2llmv2",                  qwen2,          0                                  },
    {"megrez",                   qwen2,          0                                  },
    {"stablelm2",                qwen2,          0                                  },
    {"hunyuan",                  qwen2,          0                                  },
    {"solar-open",               qwen2,          0                                  },
    {"grok-2",                   qwen2,          0                                  },
    {"exaone4",                  qwen2,          0                                  },
    {"qwen35",                   qwen35,         0                                  },
    {"exaone-moe",               exaone_moe,     0                                  },
    {"seed-coder",               seed,           0                                  },
    {"bailingmoe",               bailing,        0                                  },
    {"bailingmoe2",              bailing,        0                                  },
    {"llada-moe",                bailing,        0                                  },
    {"gpt-4o",                   gpt4o,          0                                  },
    {"llama4",                   gpt4o,          0                                  },
    {"kanana2",                  gpt4o,          0                                  },
    {"talkie",                   gpt4o,          0                                  },
    {"minimax-m2",               gpt4o,          0                                  },
    {"tiny_aya",                 aya,            0                                  },
    {"cohere2moe",               aya,            0                                  },
    {"tekken",                   tekken,         PRETOK_WHOLE_WORDS | PRETOK_ADD_BOS},
    {"deepseek-v3",              deepseek3,      0                                  },
    {"hunyuan-dense",            deepseek3,      0                                  },
    {"joyai-llm",                deepseek3,      0                                  },
    {"hy_v4",                    deepseek3,      0                                  },
    {"deepseek-llm",             deepseek_llm,   0                                  },
    {"deepseek-coder",           deepseek_coder, 0                                  },
    {"falcon",                   falcon,         0                                  },
    {"bloom",                    bloom,          0                                  },
    {"poro-chat",                bloom,          0                                  },
    {"gpt3-finnish",             bloom,          0                                  },
    {"viking",                   viking,         0                                  },
    {"spark2_5",                 spark,          0                                  },
    {"kimi-k2",                  kimi,           0                                  },
    {"youtu",                    youtu,          PRETOK_WHOLE_WORDS                 },
    {"afmoe",                    afmoe,          0                                  },
    {"superbpe",                 superbpe,       0                                  },
    {"chameleon",                chameleon,      PRETOK_ADD_BOS                     },
    {"ufakzeka",                 ufakzeka,       0                                  },
    {"laguna",                   laguna,         0                                  },
    {"granite-embed-multi-97m",  gpt4o,          PRETOK_WHOLE_WORDS                 },
    {"granite-embed-multi-311m", lines,          PRETOK_TEXT                        },
    {"gemma4",                   lines,          PRETOK_TEXT                        },
    {"sarvam-moe",               lines,          PRETOK_TEXT                        },
};

const struct pretok *pretok_at(size_t i)
{
    return i < sizeof(pretoks) / sizeof(*pretoks) ? &pretoks[i] : NULL;
}

const struct pretok *pretok_by_name(const char *name)
{
    for (size_t i = 0; i < sizeof(pretoks) / sizeof(*pretoks); i++)
        if (!strcmp(pretoks[i].name, name))
            return &pretoks[i];
    return NULL;
}
