#ifndef FORMATS_ARCH_ARCH_KEYS_H
#define FORMATS_ARCH_ARCH_KEYS_H

/* Rows about numbers: where a parameter stands in config.json and in a GGUF, and which
 * layers are of which kind. */

#include "formats/arch/arch_params.h"
#include "formats/meta.h"

#include <stdbool.h>

enum arch_default {
    ARCH_REQUIRED,     /* absent in config.json: an error naming the key */
    ARCH_OPTIONAL_KEY, /* absent: not set, not written */
    ARCH_CONST,        /* absent: `value` */
    ARCH_SAME_AS,      /* absent: the value of the parameter `other` */
    ARCH_QUOTIENT,     /* absent: other / other2 (head width = hidden / heads) */
    ARCH_TIMES,        /* absent: value * other (feed-forward = 4 * hidden) */
    ARCH_SQRT,         /* absent: value * sqrt(other); not set where other is not */
    ARCH_RSQRT,        /* absent: value / sqrt(other); the same */
    ARCH_PRODUCT,      /* absent: other * other2, rounded down (rotated part of a head) */
    ARCH_CEIL,         /* absent: other / value, rounded up */
    ARCH_SUM,          /* absent: other + other2; not set where one of them is not; so are: */
    ARCH_DIFFERENCE,   /* absent: other - other2 */
    ARCH_RATIO         /* absent: other / other2, rounded down for whole numbers */
};

enum arch_key_flag {
    KEY_IN_GGUF = 1,       /* a GGUF of the family always has it: absent there is an error */
    KEY_GGUF_CONST = 2,    /* ARCH_CONST's value is also what absence in a GGUF means */
    KEY_NULL_NONE = 4,     /* null in config.json: not set; without the flag: as absent */
    KEY_ZERO = 8,          /* not only positive values make sense */
    KEY_GIVEN = 16,        /* written only when its value was given */
    KEY_DERIVED = 32,      /* written only when it was not */
    KEY_AT_ATTENTION = 64, /* 0 in recurrent layers and those without a mixer: a list when there are any */
    KEY_AT_FFN = 128,      /* 0 in layers without a feed-forward */
    KEY_LIST = 256,        /* written as a list though every layer has the same */
    KEY_LINEAR = 512,      /* written only under this scaling of rotary positions; with several */
    KEY_YARN = 1024,       /* flags, under any of them */
    KEY_LONG = 2048,
    KEY_SILENT = 4096,      /* read from GGUFs, not written: the reference converter does not */
    KEY_FOLD = 8192,        /* *_SWA: has no key of its own, the windowed layers' entries of a list */
    KEY_FIXED = 16384,      /* not from config.json; the row's default (META_STR: its `names`) is written
                          whatever the parameter is, as the reference converter does */
    KEY_FACT = 32768,       /* config.json has no say: the row's default, written under `gguf` */
    KEY_COUNT = 65536,      /* the value is how many entries a list, or letters a text, has */
    KEY_FLOOR = 131072,     /* ARCH_QUOTIENT is rounded down */
    KEY_INF_NONE = 262144,  /* infinite in config.json: not set */
    KEY_ZERO_NONE = 524288, /* 0 and false in config.json: not set */
    KEY_SECTIONS = 1048576  /* written as a list of this parameter, the next two and 0; not read */
};

/* Several rows may fill one parameter: the first that is present wins. In a GGUF an
 * absent key is an error (KEY_IN_GGUF), follows ARCH_SAME_AS or a rule of arithmetic, or
 * stays unset. A row without a key on either side is a fact of the family: its rule holds
 * for both, also ARCH_CONST. */
struct arch_key {
    enum arch_param param;
    const char *config; /* path in config.json, "a|b" for alternatives; NULL: not from there.
                           The text "auto" counts as absent */
    const char *gguf;   /* "{}.block_count": "{}" stands for the family's name; NULL: not written */
    enum meta_type type;
    enum arch_default when_absent;
    double value;
    enum arch_param other, other2; /* in rows before this one */
    unsigned flags;
    const char *names;    /* "silu=0|gelu_new=1": texts config.json may hold, and what they mean;
                          a text that is not here is an error naming those that are. With
                          "true=4|false=0" booleans mean something too. NULL: numbers */
    const char *when;     /* the row counts only where config.json asks for it (arch_asks); always in
                          a GGUF. Without `config` the row's rule holds there. NULL: always */
    unsigned gguf_layers; /* the row counts only in a GGUF of so many layers: what other programs
                             tell sizes of a family apart by. 0: always */
};

/* ACT_* by config.json's names. */
#define ARCH_ACT_NAMES                                                                     \
    "silu=0|swish=0|gelu_pytorch_tanh=1|gelu_new=1|gelu_fast=1|gelu_python_tanh=1|gelu=2|" \
    "gelu_python=2|relu2=3|relu=4|xielu=5|quick_gelu=7"

/* How a choice by layer is made. Layers count from 0. */
enum arch_rule {
    RULE_LIST,     /* an array with an entry for each layer: 1 where it is one of `names` */
    RULE_LETTERS,  /* a string with a letter for each layer, the same */
    RULE_MEMBER,   /* an array of the layers' numbers */
    RULE_LAST,     /* l % n == n - 1: every n-th */
    RULE_OFFSET,   /* l % n == offset */
    RULE_FROM,     /* l >= n */
    RULE_UPTO,     /* l <= n; every layer where n < 0 */
    RULE_ZERO,     /* the parameter `number` is 0 in the layer; not applied where it is not set */
    RULE_WINDOWED, /* ARCH_AT_WINDOW, or no layer has a window; after AT_WINDOW's rows */
    RULE_TAIL,     /* the last n layers */
    RULE_ALL
};

enum arch_choice_flag {
    CHOICE_NOT = 1,      /* 0 and 1 exchanged */
    CHOICE_LAST_NOT = 2, /* then 0 in the last layer, whatever the rule says */
    CHOICE_AND = 4       /* and the next row, which is of the same parameter, where it can be applied */
};

/* One way to make a choice; the first row of a parameter that can be applied does. From
 * config.json rows with `config` count when the key is there; from a GGUF, rows with
 * `gguf`; rows with neither count for both. */
struct arch_choice {
    enum arch_param param; /* ARCH_AT_* */
    enum arch_rule rule;
    const char *config;     /* key of the list, the letters or n; "a|b" */
    const char *gguf;       /* the same; lists there are of booleans or numbers: 1 where not 0.
                               RULE_LIST's is written, of booleans */
    const char *names;      /* "sliding_attention|local"; numbers and booleans as text */
    unsigned n, offset;     /* without keys; 0 for RULE_LAST and OFFSET: the row is not applied */
    enum arch_param number; /* n from this parameter instead, where it is set; RULE_ZERO's. 0: none */
    unsigned flags;
    const char *offset_key; /* RULE_OFFSET: config.json's offset, in place of `offset` */
};

/* A tensor of one value in each layer that a GGUF holds as metadata. */
struct arch_scalar {
    const char *hf; /* "{}" is the block */
    enum arch_param param;
    bool bare; /* its shape is [], not [1] */
};

/* A config key that changes what a model computes in a way pare does not know. */
struct arch_only {
    const char *config;  /* path; absent and null are fine */
    const char *allowed; /* values as text, "silu|swish"; "": none */
};

#endif /* FORMATS_ARCH_ARCH_KEYS_H */
