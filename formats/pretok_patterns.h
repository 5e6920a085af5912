#ifndef FORMATS_PRETOK_PATTERNS_H
#define FORMATS_PRETOK_PATTERNS_H

/* The regular expressions of published tokenizers, written once: by them a definition
 * is recognised (formats/pretok_recognise.c), and with them a text is cut
 * (formats/pretok.c). As the tokenizer.json files have them, with "\r" and "\n" spelled
 * out. */

#define RE_CONTRACTIONS "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define RE_SPACE_TAIL   "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

/* GPT-2: what ByteLevel's own regular expression does. */
#define RE_GPT2 "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"

/* cl100k (Llama 3) and its relatives: digits in threes, or one by one (Qwen2). */
#define RE_WORDS   RE_CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+"
#define RE_SYMBOLS "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*"
#define RE_LLAMA3  RE_WORDS "|\\p{N}{1,3}" RE_SYMBOLS RE_SPACE_TAIL
#define RE_QWEN2   RE_WORDS "|\\p{N}" RE_SYMBOLS RE_SPACE_TAIL
#define RE_QWEN35                                                                                  \
    RE_CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}"                                \
                    "| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*" RE_SPACE_TAIL
#define RE_SEED     RE_WORDS "|\\p{N}{1}| ?[^\\s\\p{L}\\p{N}\\r\\n]+" RE_SPACE_TAIL
#define RE_MINICPM5 RE_WORDS "|\\p{N}+" RE_SYMBOLS RE_SPACE_TAIL
#define RE_JAIS2_OF(lines)                                                                         \
    RE_WORDS "|\\p{N}{1,3}" RE_SYMBOLS "|" lines "\\s*[\\r\\n]+|\\s{512}(?!\\S)|\\s{256}(?!\\S)"   \
             "|\\s{128}(?!\\S)|\\s{64}(?!\\S)|\\s{32}(?!\\S)|\\s{16}(?!\\S)|\\s{8}(?!\\S)"         \
             "|\\s{4}(?!\\S)|\\s{1,2}(?!\\S)|\\s{1}"
#define RE_JAIS2 RE_JAIS2_OF("")
/* The same in linear time: no line end follows in a run of white space whose first part was
 * cut off, so it is not looked for again. */
#define RE_JAIS2_LINEAR RE_JAIS2_OF("(?<![^\\S\\r\\n])")
#define RE_EXAONE_MOE                                                                              \
    RE_CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?(?:\\p{L}\\p{M}*(?: \\p{L}\\p{M}*)*)+|\\p{N}"          \
                    "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]?|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+"
#define RE_BAILING                                                                                 \
    "'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+|\\p{N}"                                  \
    "| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+"

/* o200k (GPT-4o) and Tekken: words end where capitals begin. */
#define RE_HEAD  "[^\\r\\n\\p{L}\\p{N}]?"
#define RE_UPPER "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define RE_LOWER "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define RE_CASED(tail)                                                                             \
    RE_HEAD RE_UPPER "*" RE_LOWER "+" tail "|" RE_HEAD RE_UPPER "+" RE_LOWER "*" tail
#define RE_SYMBOLS_SLASH "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*"
#define RE_GPT4O         RE_CASED(RE_CONTRACTIONS "?") "|\\p{N}{1,3}" RE_SYMBOLS_SLASH RE_SPACE_TAIL
#define RE_TEKKEN        RE_CASED("") "|\\p{N}" RE_SYMBOLS_SLASH RE_SPACE_TAIL
#define RE_THOUSANDS     "\\d{1,3}(?=(?:\\d{3})*\\b)"

/* Digits in threes from the right, up to `end`, in linear time: only the first group of a
 * run looks ahead. RE_THOUSANDS is this with a word's end. */
#define RE_THREES(digit, end)                                                                      \
    "\\G(?<=" digit ")" digit "{3}|(?<!" digit ")" digit "{1,3}(?=(?:" digit "{3})*+" end ")"

/* DeepSeek V3: digits, then Han and kana, then the rest. */
#define RE_DIGITS3  "\\p{N}{1,3}"
#define RE_HAN_KANA "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+"
#define RE_DEEPSEEK3                                                                               \
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+"                                        \
    "|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*" RE_SPACE_TAIL

#define RE_SPARK                                                                                   \
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+"                                        \
    "|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+|[\\r\\n]|\\s+(?!\\S)|\\s+"

/* Kimi: o200k with runs of Han letters apart. Its class intersection is a look-ahead to
 * PCRE2. */
#define RE_HAN "[\\p{Han}]+"
#define RE_KIMI_OF(upper, lower)                                                                   \
    RE_HAN "|" RE_HEAD upper "*" lower "+" RE_CONTRACTIONS "?|" RE_HEAD upper "+" lower            \
           "*" RE_CONTRACTIONS "?|\\p{N}{1,3}" RE_SYMBOLS RE_SPACE_TAIL
#define RE_KIMI RE_KIMI_OF("(?:(?!\\p{Han})" RE_UPPER ")", "(?:(?!\\p{Han})" RE_LOWER ")")
#define RE_KIMI_DEFINED                                                                            \
    RE_KIMI_OF("[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}&&[^\\p{Han}]]",                                \
               "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}&&[^\\p{Han}]]")

/* Youtu: scripts without spaces first. */
#define RE_YOUTU_SCRIPTS                                                                           \
    "[\uac00-\ud7a3\u3131-\u318e]+"                                                                \
    "|[\uff01\u2026\u201c\u201d\u2018\u2019\u2014\uff1a\uff1b\uff0c\u3001-\u303f\ufe30-\ufe4f]+"   \
    "|[\u3105-\u312f]+|[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+"
#define RE_YOUTU RE_CASED(RE_CONTRACTIONS "?") "|\\p{N}" RE_SYMBOLS_SLASH RE_SPACE_TAIL

/* AFMoE: runs of scripts without spaces. */
#define RE_ASIAN                                                                                   \
    "[\u4e00-\u9fff\u3400-\u4dbf\u8c48-\ufaff\u3040-\u309f\u30a0-\u30ff\uff65-\uff9f"              \
    "\u2f00-\u2fdf\u0e40-\u0e7f\u0e80-\u0eff\u1780-\u17ff\u1000-\u109f\uaa60-\uaa7f\ua9e0-"        \
    "\ua9ff\uac00-\ud7af\u1100-\u11ff]+"

/* Chameleon: marks of images, then what is not letters. */
#define RE_SENTINEL  "<sentinel:[0-9]+>"
#define RE_IMAGE     "(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z"
#define RE_TABS      "([\\t\\n]|    |  )"
#define RE_ASCII_SYM "[\\p{P}!-/:-@\\[-`{-~]"

/* DeepSeek's first: Han, what lies before it, Hangul. */
#define RE_HAN_HANGUL "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+"

/* Their other steps; DeepSeek LLM's list of letters is that of the cased ones, without
 * Georgian Mkhedruli. */
#define RE_LINE_END   "[\\r\\n]"
#define RE_LETTERS    "\\s?\\p{L}+"
#define RE_MARKS      "\\s?\\p{P}+"
#define RE_CASED_ONLY "\\s?(?:(?![\u10d0-\u10ff])[\\p{Lu}\\p{Ll}\\p{Lt}])+"
#define RE_VISIBLE    "\\s?[!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002]+"
#define RE_TAIL       "\\s+$"
#define RE_DIGIT      "\\p{N}"
#define RE_DIGITS     "\\p{N}+"

/* Lines and the gaps between them. */
#define RE_LINES "[^\\n]+|[\\n]+"

/* Qwen2 without contractions. */
#define RE_UFAKZEKA "[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}" RE_SYMBOLS RE_SPACE_TAIL

/* BLOOM: the class holds a class, which PCRE2 cannot say; as one class it is the
 * second. */
#define RE_BLOOM_DEFINED " ?[^(\\s|[.,!?\u2026\u3002\uff0c\u3001\u0964\u06d4\u060c])]+"
#define RE_BLOOM         " ?[^(\\s|.,!?\u2026\u3002\uff0c\u3001\u0964\u06d4\u060c)]+"

#endif /* FORMATS_PRETOK_PATTERNS_H */
