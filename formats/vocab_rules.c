#include "formats/vocab_rules.h"

#define END                                                                                        \
    {                                                                                              \
        NULL, NULL, 0, false, 0                                                                    \
    }
#define END_TOK "<|endoftext|>"

/* Vocabularies known by their size: Granite's code models, and Code Llama with its
 * tokens for filling in. */
static const struct vocab_set llama[] = {
    {"add_bos_token", NULL, 0,     true,  49152},
    {"eot_token_id",  NULL, 32010, false, 32016},
    END,
};
static const struct vocab_set gemma[] = {
    {"eot_token_id",     NULL, 107, false, 0},
    {"add_space_prefix", NULL, 0,   true,  0},
    END,
};
static const struct vocab_set gemma2[] = {
    {"add_space_prefix", NULL, 0, true, 0},
    END,
};
static const struct vocab_set gemma4[] = {
    {"add_space_prefix", NULL, 0, true, 0},
    {"add_bos_token",    NULL, 1, true, 0},
    END,
};
static const struct vocab_set glm[] = {
    {"eos_token_id",     END_TOK,    0, false, 0},
    {"eot_token_id",     "<|user|>", 0, false, 0},
    {"unknown_token_id", END_TOK,    0, false, 0},
    {"add_bos_token",    NULL,       0, false, 0},
    END,
};
static const struct vocab_set glm4[] = {
    {"eos_token_id",     END_TOK,    0, false, 0},
    {"eot_token_id",     "<|user|>", 0, false, 0},
    {"unknown_token_id", END_TOK,    0, false, 0},
    {"bos_token_id",     END_TOK,    0, false, 0},
    END,
};
static const struct vocab_set glm4moe[] = {
    {"bos_token_id",     "[gMASK]",         0, false, 0},
    {"eot_token_id",     "<|user|>",        0, false, 0},
    {"unknown_token_id", END_TOK,           0, false, 0},
    {"eom_token_id",     "<|observation|>", 0, false, 0},
    END,
};
static const struct vocab_set nemotron[] = {
    {"padding_token_id", NULL, 0, true, 0},
    {"unknown_token_id", NULL, 1, true, 0},
    END,
};
static const struct vocab_set phi2[] = {
    {"add_bos_token", NULL, 0, false, 0},
    END,
};

const struct vocab_rules vocab_rules_llama = {.set = llama, .config_prefix = true};
const struct vocab_rules vocab_rules_gemma = {.set = gemma};
const struct vocab_rules vocab_rules_gemma2 = {.set = gemma2};
const struct vocab_rules vocab_rules_gemma4 = {.set = gemma4, .json_first = true, .text_bpe = true};
const struct vocab_rules vocab_rules_glm = {.set = glm, .json_first = true};
const struct vocab_rules vocab_rules_glm4 = {.set = glm4, .json_first = true};
const struct vocab_rules vocab_rules_glm4moe = {.set = glm4moe, .json_first = true};
const struct vocab_rules vocab_rules_hunyuan = {.json_first = true, .config_eod = true};
const struct vocab_rules vocab_rules_nemotron = {.set = nemotron};
const struct vocab_rules vocab_rules_phi2 = {.set = phi2};
const struct vocab_rules vocab_rules_phi3 = {.json_added = true};
const struct vocab_rules vocab_rules_ernie = {.config_prefix = true};
const struct vocab_rules vocab_rules_mpt = {.json_first = true};
const struct vocab_rules vocab_rules_mamba = {.json_first = true, .pad_to = 8};
const struct vocab_rules vocab_rules_mamba2 = {.pad_to = 16};
