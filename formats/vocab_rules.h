#ifndef FORMATS_VOCAB_RULES_H
#define FORMATS_VOCAB_RULES_H

/* What a class of models wants of its tokenizer's metadata beyond the general rules
 * (formats/vocab.h): an architecture's row points at one of these, or at none.
 * Source: the reference converter's class for each family. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A key that gets a value of the class' own: of an id, or 0 and 1 of an add_... */
struct vocab_set {
    const char *key;   /* behind "tokenizer.ggml.": "eot_token_id", "add_bos_token" */
    const char *token; /* the id of this added token, when there is one; NULL: `value` */
    int32_t value;
    bool always;    /* whatever the files say; else only where they say nothing */
    size_t n_vocab; /* only where vocab_size is this; 0: any */
};

/* All zeros is the default: nothing. */
struct vocab_rules {
    const struct vocab_set *set; /* ends with a NULL key; NULL: none */
    bool json_first;             /* tokenizer.json is read also where there is a tokenizer.model */
    bool text_bpe;      /* BPE with byte fallback keeps its merges: the model is "gemma4" */
    bool config_prefix; /* tokenizer_config.json's add_prefix_space is add_space_prefix */
    bool json_added;    /* tokenizer.json's added tokens are laid over tokenizer.model's,
                           control only where they are marked special */
    bool config_eod;    /* config.json's eod_token_id is the eos, and the first of several
                           eos_token_id in generation_config.json ends a turn */
    unsigned pad_to;    /* vocab_size rounded up to a multiple of it, or of config.json's
                           pad_vocab_size_multiple; 0: as it is */
};

extern const struct vocab_rules
    vocab_rules_llama,    /* everything that derives from Llama: LlamaForCausalLM, Mistral, Mixtral,
                               Ministral3 (Mistral3), SmolLM3, Arcee, Apertus, Granite, GraniteSWA,
                               GraniteMoe, GraniteMoeShared; not Llama4 */
    vocab_rules_gemma,    /* GemmaForCausalLM */
    vocab_rules_gemma2,   /* Gemma2ForCausalLM, Gemma3ForCausalLM,
                               Gemma3ForConditionalGeneration, Gemma3n */
    vocab_rules_gemma4,   /* Gemma4ForCausalLM, Gemma4ForConditionalGeneration */
    vocab_rules_glm,      /* GlmForCausalLM */
    vocab_rules_glm4,     /* Glm4ForCausalLM */
    vocab_rules_glm4moe,  /* Glm4MoeForCausalLM, Glm4MoeLite, GlmMoeDsa */
    vocab_rules_hunyuan,  /* HunYuanDenseV1ForCausalLM */
    vocab_rules_nemotron, /* NemotronForCausalLM */
    vocab_rules_phi2,     /* PhiForCausalLM */
    vocab_rules_phi3,     /* Phi3ForCausalLM, PhiMoEForCausalLM */
    vocab_rules_ernie,    /* Ernie4_5ForCausalLM, Ernie4_5_MoeForCausalLM; InternLM3 */
    vocab_rules_mpt,      /* MPTForCausalLM */
    vocab_rules_mamba,    /* MambaForCausalLM, FalconMambaForCausalLM, NemotronHForCausalLM,
                               GraniteMoeHybridForCausalLM */
    vocab_rules_mamba2;   /* Mamba2ForCausalLM */

#endif /* FORMATS_VOCAB_RULES_H */
