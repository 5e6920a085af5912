#include "formats/arch/arch.h"

#include "formats/arch/arch_rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of the rows that share a GGUF name, those with a gguf_if come first; of those that share a
 * class, those with a config_if. */
static const struct arch *const archs[] = {
    &arch_mixtral,
    &arch_granite_attention,
    &arch_llama,
    &arch_mistral,
    &arch_qwen2,
    &arch_qwen3,
    &arch_gemma,
    &arch_gemma2,
    &arch_gemma3,
    &arch_gemma4,
    &arch_phi2,
    &arch_phi3,
    &arch_olmo,
    &arch_olmo3,
    &arch_olmo2,
    &arch_smollm3,
    &arch_seed_oss,
    &arch_exaone4,
    &arch_hunyuan_dense,
    &arch_arcee,
    &arch_apertus,
    &arch_mistral3,
    &arch_granite,
    &arch_granite_swa,
    &arch_ernie4_5,
    &arch_chatglm,
    &arch_glm4,
    &arch_command_r,
    &arch_cohere2,
    &arch_nemotron,
    &arch_stablelm,
    &arch_jais2,
    &arch_starcoder,
    &arch_starcoder2,
    &arch_gpt2,
    &arch_gptneox,
    &arch_falcon,
    &arch_bloom,
    &arch_mpt,
    &arch_mamba,
    &arch_falcon_mamba,
    &arch_mamba2,
    &arch_falcon_h1,
    &arch_qwen2moe,
    &arch_qwen3moe,
    &arch_olmoe,
    &arch_granitemoe,
    &arch_gpt_oss,
    &arch_deepseek3,
    &arch_deepseek2,
    &arch_minicpm3,
    &arch_glm4moe,
    &arch_dots1,
    &arch_ernie4_5_moe,
    &arch_minimax_m2,
    &arch_llama4,
    &arch_jamba,
    &arch_nemotron_h_moe,
    &arch_nemotron_h,
    &arch_granite_hybrid,
    &arch_lfm2,
    &arch_lfm2moe,
    &arch_qwen3next,
    &arch_qwen35,
    &arch_qwen35moe,
};

enum { N_ARCHS = sizeof(archs) / sizeof(archs[0]) };

const struct arch *arch_at(size_t i)
{
    return i < N_ARCHS ? archs[i] : NULL;
}

const struct arch *arch_by_name(const char *gguf_name)
{
    for (size_t i = 0; i < N_ARCHS; i++)
        if (!strcmp(archs[i]->name, gguf_name))
            return archs[i];
    return NULL;
}

static bool asked_for(const struct arch *a, const json_val *config)
{
    const char *const *c = a->config_if;

    while (c && *c && config && arch_asks(*c, config))
        c++;
    return !c || !*c;
}

const struct arch *arch_of_config(const char *hf_class, const json_val *config)
{
    for (size_t i = 0; i < N_ARCHS; i++)
        for (const char *const *c = archs[i]->classes; *c; c++)
            if (!strcmp(*c, hf_class) && asked_for(archs[i], config))
                return archs[i];
    return NULL;
}

const struct arch *arch_by_class(const char *hf_class)
{
    return arch_of_config(hf_class, NULL);
}

static bool has_key(const struct meta *meta, const struct arch *a)
{
    char key[128];

    return !a->gguf_if || (key_expand(key, sizeof(key), a->gguf_if, a) && meta_get(meta, key));
}

const struct arch *arch_of_meta(const struct meta *meta)
{
    struct meta_str name;

    if (!meta_str(meta, "general.architecture", &name))
        return NULL;
    for (size_t i = 0; i < N_ARCHS; i++)
        if (strlen(archs[i]->name) == name.n && !memcmp(archs[i]->name, name.p, name.n) &&
            has_key(meta, archs[i]))
            return archs[i];
    return NULL;
}

bool key_expand(char *dst, size_t size, const char *key, const struct arch *a)
{
    const bool family = !strncmp(key, "{}", 2);
    const int n = snprintf(dst, size, "%s%s", family ? a->name : "", family ? key + 2 : key);

    return n > 0 && (size_t)n < size;
}

/* ---- dimensions ------------------------------------------------------------- */

/* times * a * b; a row's dimension is the sum of its terms. */
struct term {
    uint64_t times; /* 0: no term */
    enum arch_param a, b;
};

#define UNIT ARCH_PARAM_COUNT /* as a factor: 1 */

static const struct term dims_of[][3] = {
    [DIM_EMBD] = {{1, ARCH_N_EMBD, UNIT}               },
    [DIM_VOCAB] = {{1, ARCH_N_VOCAB, UNIT}              },
    [DIM_FF] = {{1, ARCH_N_FF, UNIT}                 },
    [DIM_FF_2] = {{2, ARCH_N_FF, UNIT}                 },
    [DIM_FF_EXPERT] = {{1, ARCH_N_FF_EXPERT, UNIT}          },
    [DIM_FF_EXPERT_2] = {{2, ARCH_N_FF_EXPERT, UNIT}          },
    [DIM_FF_SHARED] = {{1, ARCH_N_FF_SHARED, UNIT}          },
    [DIM_EXPERT] = {{1, ARCH_N_EXPERT, UNIT}             },
    [DIM_Q] = {{1, ARCH_N_HEAD, ARCH_HEAD_K}        },
    [DIM_Q_2] = {{2, ARCH_N_HEAD, ARCH_HEAD_K}        },
    [DIM_K] = {{1, ARCH_N_HEAD_KV, ARCH_HEAD_K}     },
    [DIM_V] = {{1, ARCH_N_HEAD_KV, ARCH_HEAD_V}     },
    [DIM_O] = {{1, ARCH_N_HEAD, ARCH_HEAD_V}        },
    [DIM_QKV] = {{1, ARCH_N_HEAD, ARCH_HEAD_K},
                  {1, ARCH_N_HEAD_KV, ARCH_HEAD_K},
                  {1, ARCH_N_HEAD_KV, ARCH_HEAD_V}},
    [DIM_HEAD_K] = {{1, ARCH_HEAD_K, UNIT}     },
    [DIM_HEAD] = {{1, ARCH_N_HEAD, UNIT}               },
    [DIM_HEAD_KV] = {{1, ARCH_N_HEAD_KV, UNIT}               },
    [DIM_CTX] = {{1, ARCH_N_CTX, UNIT}            },
    [DIM_ROT_HALF] = {{1, ARCH_N_ROT, UNIT}                }, /* halved in arch_dim */
    [DIM_SSM_CONV] = {{1, ARCH_SSM_CONV, UNIT}                },
    [DIM_SSM_STATE] = {{1, ARCH_SSM_STATE, UNIT}             },
    [DIM_SSM_INNER] = {{1, ARCH_SSM_INNER, UNIT}            },
    [DIM_SSM_INNER_2] = {{2, ARCH_SSM_INNER, UNIT}            },
    [DIM_SSM_RANK] = {{1, ARCH_SSM_DT_RANK, UNIT}            },
    [DIM_SSM_X] = {{1, ARCH_SSM_DT_RANK, UNIT},           {2, ARCH_SSM_STATE, UNIT}},
    [DIM_SSM_CH] = {{1, ARCH_SSM_INNER, UNIT},           {2, ARCH_SSM_GROUPS, ARCH_SSM_STATE}},
    [DIM_SSM_IN] = {{2, ARCH_SSM_INNER, UNIT},                                     {2, ARCH_SSM_GROUPS, ARCH_SSM_STATE}, {1, ARCH_SSM_DT_RANK, UNIT}},
    [DIM_SSM_GROUP] = {{1, ARCH_SSM_INNER, UNIT}}, /* divided in arch_dim */
    [DIM_SSM_GROUPS] = {{1, ARCH_SSM_GROUPS, UNIT}            },
    [DIM_SSM_B] = {{1, ARCH_SSM_GROUPS, ARCH_SSM_STATE}         },
    [DIM_SSM_RANK_2] = {{2, ARCH_SSM_DT_RANK, UNIT}            },
    [DIM_SSM_HEAD] = {{1, ARCH_SSM_INNER, UNIT}           }, /* divided in arch_dim */
    [DIM_EMBD_3] = {{3, ARCH_N_EMBD, UNIT} },
    [DIM_CONV] = {{1, ARCH_CONV_CACHE, UNIT}          },
    [DIM_Q_LORA] = {{1, ARCH_Q_LORA, UNIT}            },
    [DIM_KV_LORA] = {{1, ARCH_KV_LORA, UNIT}               },
    [DIM_Q_MLA] = {{1, ARCH_N_HEAD, ARCH_HEAD_K_MLA}           },
    [DIM_O_MLA] = {{1, ARCH_N_HEAD, ARCH_HEAD_V_MLA}               },
    [DIM_KV_A] = {{1, ARCH_KV_LORA, UNIT},               {1, ARCH_N_ROT, UNIT}},
    [DIM_KV_B] = {{1, ARCH_N_HEAD, ARCH_HEAD_NOPE},     {1, ARCH_N_HEAD, ARCH_HEAD_V_MLA}},
    [DIM_HEAD_NOPE] = {{1, ARCH_HEAD_NOPE, UNIT}    },
    [DIM_HEAD_V_MLA] = {{1, ARCH_HEAD_V_MLA, UNIT}              },
    [DIM_EMBD_LAYER] = {{1, ARCH_N_EMBD_LAYER, UNIT}                                    },
    [DIM_EMBD_LAYERS] = {{1, ARCH_N_LAYER, ARCH_N_EMBD_LAYER}},
    [DIM_VOCAB_LAYER] = {{1, ARCH_N_VOCAB_LAYER, UNIT}            },
    [DIM_ONE] = {{1, UNIT, UNIT}           },
};

static uint64_t factor(enum arch_param which, const struct arch_params *p, size_t layer)
{
    return which == UNIT ? 1 : arch_int(p, which, layer);
}

/* n + times * a * b; what no file can hold where that is too much. */
static uint64_t plus(uint64_t n, uint64_t times, uint64_t a, uint64_t b)
{
    uint64_t v;

    if (__builtin_mul_overflow(a, b, &v) || __builtin_mul_overflow(v, times, &v) ||
        __builtin_add_overflow(n, v, &v))
        return UINT64_MAX;
    return v;
}

static uint64_t divided(uint64_t n, uint64_t by)
{
    return by ? n / by : 0;
}

uint64_t arch_dim(enum arch_dim d, const struct arch_params *p, size_t layer)
{
    uint64_t n = 0;

    for (size_t i = 0; i < 3; i++) {
        const struct term *t = &dims_of[d][i];
        if (t->times)
            n = plus(n, t->times, factor(t->a, p, layer), factor(t->b, p, layer));
    }
    if (d == DIM_ROT_HALF)
        return n / 2;
    if (d == DIM_SSM_GROUP)
        return divided(n, arch_int(p, ARCH_SSM_GROUPS, layer));
    if (d == DIM_SSM_HEAD)
        return divided(n, arch_int(p, ARCH_SSM_DT_RANK, layer));
    return n;
}

int arch_dims(uint64_t dims[4], const struct arch_tensor *row, const struct arch_params *p,
              size_t layer)
{
    int n = 0;

    while (n < 4 && row->dims[n] != DIM_END) {
        dims[n] = arch_dim(row->dims[n], p, layer);
        n++;
    }
    return n;
}

/* ---- names --------------------------------------------------------------------- */

/* A decimal number without leading zeros, below 10^9; the text after it, or NULL. */
static const char *number(int *out, const char *s)
{
    int v = 0, digits = 0;

    while (s[digits] >= '0' && s[digits] <= '9') {
        if (digits == 9)
            return NULL;
        v = v * 10 + (s[digits++] - '0');
    }
    if (!digits || (digits > 1 && s[0] == '0'))
        return NULL;
    *out = v;
    return s + digits;
}

/* Does `name` follow the pattern that ends at '|' or '\0'? "*" ends it with anything. */
static bool matches_one(const char *pattern, const char *name, int *layer, int *expert)
{
    *layer = -1;
    *expert = -1;
    while (*pattern && *pattern != '|') {
        if (*pattern == '*')
            return true;
        if (*pattern == '{') {
            const bool is_expert = pattern[1] == 'e';
            name = number(is_expert ? expert : layer, name);
            if (!name)
                return false;
            pattern += is_expert ? 3 : 2;
        } else if (*pattern++ != *name++) {
            return false;
        }
    }
    return *name == '\0';
}

static bool matches(const char *pattern, const char *name, int *layer, int *expert)
{
    while (pattern) {
        if (matches_one(pattern, name, layer, expert))
            return true;
        pattern = strchr(pattern, '|');
        pattern = pattern ? pattern + 1 : NULL;
    }
    return false;
}

bool name_matches(const char *pattern, const char *name, int *layer)
{
    int expert;

    return matches(pattern, name, layer, &expert);
}

const struct arch_tensor *arch_row(const struct arch *a, size_t i)
{
    for (const struct arch_tensor *const *set = a->tensors; *set; set++)
        for (const struct arch_tensor *row = *set; row->gguf; row++)
            if (!i--)
                return row;
    return NULL;
}

/* The first row after `after` (NULL: from the start) with such a checkpoint name. */
static const struct arch_tensor *match_after(const struct arch *a, const struct arch_tensor *after,
                                             const char *name, int *layer, int *expert)
{
    const struct arch_tensor *row;
    bool seen = !after;

    for (size_t i = 0; (row = arch_row(a, i)); i++) {
        if (seen && row->hf && matches(row->hf, name, layer, expert))
            return row;
        seen = seen || row == after;
    }
    *layer = -1;
    *expert = -1;
    return NULL;
}

const struct arch_tensor *arch_match_hf(const struct arch *a, const char *name, int *layer,
                                        int *expert)
{
    return match_after(a, NULL, name, layer, expert);
}

const struct arch_tensor *arch_match_next(const struct arch *a, const struct arch_tensor *row,
                                          const char *name)
{
    int layer, expert;

    return match_after(a, row, name, &layer, &expert);
}

const struct arch_tensor *arch_match_gguf(const struct arch *a, const char *name, int *layer)
{
    const struct arch_tensor *row;
    int expert;

    for (size_t i = 0; (row = arch_row(a, i)); i++)
        if (matches(row->gguf, name, layer, &expert))
            return row;
    *layer = -1;
    return NULL;
}

bool arch_ignores(const struct arch *a, const char *name)
{
    int layer, expert;

    for (const char *const *p = a->ignored; p && *p; p++)
        if (matches(*p, name, &layer, &expert))
            return true;
    return false;
}

bool arch_is_beyond(const struct arch_params *p, const char *name)
{
    const uint64_t n_layer = arch_int(p, ARCH_N_LAYER, 0);
    int layer, expert;

    return matches_one("model.layers.{}.*", name, &layer, &expert) &&
           (uint64_t)layer >= n_layer &&
           (uint64_t)layer - n_layer < arch_int(p, ARCH_N_PREDICT, ARCH_NO_LAYER);
}

bool arch_is_at(enum arch_where where, const struct arch_params *p, size_t layer)
{
    const bool mixer = arch_int(p, ARCH_AT_MIXER, layer), ffn = arch_int(p, ARCH_AT_FFN, layer);
    const bool recurrent = arch_int(p, ARCH_AT_RECURRENT, layer);
    const bool experts = arch_int(p, ARCH_AT_EXPERTS, layer);

    switch (where) {
    case AT_ALL:
        return true;
    case AT_ATTENTION:
        return mixer && !recurrent;
    case AT_RECURRENT:
        return mixer && recurrent;
    case AT_DENSE:
        return ffn && !experts;
    case AT_EXPERTS:
        return ffn && experts;
    case AT_FFN:
        return ffn;
    }
    return false;
}

/* Does a list have one of "a|b", or a text one of them as a letter? */
static bool has_entry(const json_val *v, const char *want)
{
    while (*want) {
        const size_t n = strcspn(want, "|");
        if (json_str(v) && n == 1 && strchr(json_str(v), *want))
            return true;
        for (const json_val *e = json_first(v); e; e = json_next(e))
            if (json_str(e) && strlen(json_str(e)) == n && !memcmp(json_str(e), want, n))
                return true;
        want += n + (want[n] == '|');
    }
    return false;
}

bool arch_asks(const char *when, const json_val *config)
{
    char paths[256];
    bool truth;
    double num;

    if (!when)
        return true;
    const bool negated = when[0] == '!';
    const size_t n = strcspn(when + negated, "=:");
    const char *want = when[negated + n] ? when + negated + n + 1 : "true";
    if (n >= sizeof(paths))
        return false;
    memcpy(paths, when + negated, n);
    paths[n] = '\0';
    const json_val *v = config_find(config, paths);
    const char *text = json_str(v);
    if (when[negated + n] == ':')
        return has_entry(v, want) != negated;
    if (json_bool(v, &truth))
        text = truth ? "true" : "false";
    const double wanted = strtod(want, NULL);
    const bool asked =
        text ? !strcmp(text, want) : json_num(v, &num) && num >= wanted && num <= wanted;
    return asked != negated;
}

bool arch_in_block(const struct arch_tensor *row)
{
    return strstr(row->gguf, "{}") != NULL;
}

bool arch_expand(char *dst, size_t size, const char *pattern, int layer, int expert)
{
    size_t n = 0;

    while (*pattern && *pattern != '|' && n < size) {
        if (*pattern == '{') {
            const bool is_expert = pattern[1] == 'e';
            const int wrote = snprintf(dst + n, size - n, "%d", is_expert ? expert : layer);
            n += wrote > 0 ? (size_t)wrote : size;
            pattern += is_expert ? 3 : 2;
        } else {
            dst[n++] = *pattern++;
        }
    }
    if (n >= size)
        return false;
    dst[n] = '\0';
    return true;
}

/* ---- tensors made from parameters ------------------------------------------------ */

bool arch_makes(const struct arch_tensor *row, const struct arch_params *p)
{
    const uint64_t type = arch_int(p, ARCH_ROPE_TYPE, ARCH_NO_LAYER);

    if (!(row->flags & TENSOR_MADE))
        return false;
    if (row->role == ROLE_ROPE_FREQS)
        return type == ARCH_ROPE_LLAMA3 || type == ARCH_ROPE_TABLE;
    return (row->role == ROLE_ROPE_LONG || row->role == ROLE_ROPE_SHORT) && type == ARCH_ROPE_LONG;
}

void arch_make(float *dst, size_t n, const struct arch_tensor *row, const struct arch_params *p)
{
    const float *from = row->role == ROLE_ROPE_LONG ? p->rope_long : p->rope_short;

    if (row->role == ROLE_ROPE_FREQS)
        rope_divisors(dst, n, p);
    else if (from && n == p->rope_n)
        memcpy(dst, from, n * sizeof(*dst));
}
