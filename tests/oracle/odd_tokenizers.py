#!/usr/bin/env python3
"""Tokenizers nobody has seen, against the tokenizers library: small ones of every model
with odd normalizers, pre-tokenizers and added tokens are trained on a text, and their ids
for hard and random strings compared with `pare tokenize FILE.json`. By hand:

    odd_tokenizers.py PARE TEXT OUT [SEED]
"""
import json
import random
import subprocess
import sys

from tokenizers import AddedToken, Regex, Tokenizer
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers
from tokenizers.normalizers import (NFC, NFD, NFKC, NFKD, BertNormalizer, Lowercase, Nmt, Prepend,
                                    Replace, Strip, StripAccents)
from tokenizers.pre_tokenizers import (BertPreTokenizer, ByteLevel, CharDelimiterSplit, Digits,
                                       Metaspace, Punctuation, Split, Whitespace, WhitespaceSplit)

HARD = [
    "", " ", "  ", "a", " a", "a ", "  a  b   c", "Hello, world!", "don't I'LL we'Ve 'S x'd",
    "1234567 12 3.14 ١٢٣ ½ ² Ⅷ ①", "\t\n\r\n \x0b\x0c x", "naïve café e\u0301 a\u0300\u0323",
    "ﬁ ﬃ Ａ １ ㍿ ™", "中文字符 测试。日本語テキスト ひらがな", "한국어 \u1112\u1161\u11ab", "العربية ١٢٣",
    "हिन्दी क्षत्रिय", "👍🏽 👩‍💻 🇩🇪 ♻️ 1️⃣", "İstanbul ıŞğ ẞß ΣΊΣΥΦΟΣ ς", "x\u200by\u200dz\ufeff\u00ad",
    "\x01\x02\x7f\x85\xa0\u2028\u2029\u3000", "foo_bar-baz.qux()", "if (x) {\n\treturn  y;\n}\n",
    "<s> </s><unk>[CLS][SEP]<x> <x><x>a<x>b <y>", "A<mask> <mask>B  <mask>", "word1word", "the thetheword the",
    "▁a ▁▁b", "a▁b", "Ġthe Ċ", "<0x41><0x0A>", "\ufffd \U000e0041", "ǅ Ǆ ǆ", "q\u0307\u0323 q\u0323\u0307",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "CamelCaseWords HTTPServer fooBar", "a,b;c:d|e", "......!!!???", "http://x.y/z?a=1&b=2", "\u0345\u0301\u0300",
]
ALPHABET = ("abcdefgHIJKLM    \n\t0123456789.,!?'-_<>[]()/\\éèñçßıİΣσς中文字日本ひカ한국ع١हिक्ष👍🏽\u200d♻️"
            "\u0301\u0323\u0300\u3000\xa0▁ĠＡﬁ½²\u00ad\u0085")


def texts(rng, sample):
    out = list(HARD)
    for _ in range(150):
        out.append("".join(rng.choice(ALPHABET) for _ in range(rng.randint(1, 40))))
    for _ in range(60):
        at = rng.randrange(len(sample) - 300)
        out.append(sample[at:at + rng.randint(1, 300)])
    for _ in range(40):
        out.append("".join(chr(rng.choice([rng.randrange(1, 0x250), rng.randrange(1, 0x3000),
                                           rng.randrange(0x3000, 0xd800), rng.randrange(0x1f000, 0x1fa00)]))
                           for _ in range(rng.randint(1, 30))))
    for _ in range(60):
        out.append("".join(rng.choice(["<x>", "<y>", "the", " ", "  ", "<mask>", "word", "A", "\n", "é", "[CLS]"])
                           for _ in range(rng.randint(1, 12))))
    return out


NORMS = [
    None, NFC(), NFD(), NFKC(), NFKD(), Lowercase(), Strip(), Strip(left=False), StripAccents(), Nmt(),
    Replace("a", "bb"), Replace(Regex(r"\s+"), " "), Replace(Regex(" {2,}"), "▁"), Replace("the", ""), Prepend("▁"),
    BertNormalizer(), BertNormalizer(lowercase=False), BertNormalizer(clean_text=False, strip_accents=True),
    BertNormalizer(handle_chinese_chars=False, lowercase=True, strip_accents=False),
    normalizers.Sequence([NFD(), StripAccents(), Lowercase()]), normalizers.Sequence([Prepend("▁"), Replace(" ", "▁")]),
    normalizers.Sequence([Strip(), NFKC(), Replace(Regex(r"\d"), "0")]), normalizers.ByteLevel(),
    Replace(Regex(r"(?=[A-Z])"), "^"), Replace(Regex(r"\w+(?=ing\b)"), "W"),
]
REGEXES = [r"\w+|[^\w\s]+", r"\s+", r"[A-Z]?[a-z]+", r"(?=[A-Z])", r"\d{1,3}(?=(?:\d{3})*\b)", r"[^\s\p{L}\p{N}]+|\p{N}",
           r"[\p{L}&&[^\p{Han}]]+|\p{Han}", r"\b", r"^.", r".$", r"\p{Lu}\p{Ll}*+", r"[[:punct:]]|[[a-f][0-4]]+", r"\p{N}{1,2}+",
           r" ?[^(\s|[.,!?…。，、।۔،])]+", r"(?i:the)|\h{2}", r"[^\W\d_]+", r"\p{Letter}+|\p{Punctuation}", r"\s*[\r\n]+|\s+(?!\S)|\s+", "[^a-c\\W]"]
BEHAVIORS = ["removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"]


def pre(rng):
    kind = rng.randrange(16)
    if kind == 0:
        return None
    if kind <= 2:
        return ByteLevel(add_prefix_space=rng.random() < .5, use_regex=rng.random() < .6)
    if kind == 3:
        return Digits(individual_digits=rng.random() < .5)
    if kind == 4:
        return Punctuation(rng.choice(BEHAVIORS))
    if kind == 5:
        return Whitespace()
    if kind == 6:
        return WhitespaceSplit()
    if kind == 7:
        return BertPreTokenizer()
    if kind <= 9:
        return Metaspace(prepend_scheme=rng.choice(["always", "first", "never"]), split=rng.random() < .7)
    if kind == 10:
        return CharDelimiterSplit(rng.choice("a ,-"))
    if kind <= 12:
        return Split(Regex(rng.choice(REGEXES)), rng.choice(BEHAVIORS), invert=rng.random() < .3)
    if kind == 13:
        return Split(rng.choice([" ", "the", "a", "\n"]), rng.choice(BEHAVIORS), invert=rng.random() < .3)
    if kind == 14:
        return pre_tokenizers.Sequence([p for p in (pre(rng), pre(rng), pre(rng)) if p] or [Whitespace()])
    return pre_tokenizers.Sequence([Split(Regex(rng.choice(REGEXES)), "isolated"), ByteLevel(False, use_regex=False)])


def model(rng):
    """A model and its trainer."""
    kind = rng.choice(["bpe", "bpe", "bpe", "unigram", "wordpiece", "wordlevel"])
    special = ["<unk>", "<s>", "</s>"]
    size = rng.choice([200, 600, 1500])
    if kind == "bpe":
        prefix = rng.choice([None, None, None, "##"])
        suffix = rng.choice([None, None, None, "</w>"])
        fallback = rng.random() < .3
        options = {"unk_token": rng.choice([None, "<unk>"]), "continuing_subword_prefix": prefix,
                   "end_of_word_suffix": suffix}
        m = models.BPE(fuse_unk=rng.random() < .5, byte_fallback=fallback, ignore_merges=rng.random() < .3,
                       **{k: v for k, v in options.items() if v})
        extra = {}
        if prefix:
            extra["continuing_subword_prefix"] = prefix
        if suffix:
            extra["end_of_word_suffix"] = suffix
        bytes_ = ["<0x%02X>" % i for i in range(256)] if fallback else []
        t = trainers.BpeTrainer(vocab_size=size + len(bytes_), special_tokens=special + bytes_, show_progress=False,
                                limit_alphabet=rng.choice([40, 1000]),
                                initial_alphabet=rng.choice([[], ByteLevel.alphabet()]), **extra)
    elif kind == "unigram":
        m = models.Unigram()
        t = trainers.UnigramTrainer(vocab_size=size, special_tokens=special, unk_token="<unk>", show_progress=False)
    elif kind == "wordpiece":
        m = models.WordPiece(unk_token="<unk>", max_input_chars_per_word=rng.choice([100, 10]))
        t = trainers.WordPieceTrainer(vocab_size=size, special_tokens=special, show_progress=False)
    else:
        m = models.WordLevel(unk_token="<unk>")
        t = trainers.WordLevelTrainer(vocab_size=size, special_tokens=special, show_progress=False)
    return kind, m, t


def added(rng, tok):
    for content in rng.sample(["<x>", "<y>", "<mask>", "the", "[CLS]", " a", "word", "Àé", "▁▁", "<x", "é"], rng.randint(0, 5)):
        a = AddedToken(content, single_word=rng.random() < .3, lstrip=rng.random() < .3, rstrip=rng.random() < .3,
                       normalized=rng.random() < .5)
        if rng.random() < .5:
            tok.add_special_tokens([a])
        else:
            tok.add_tokens([a])


def main():
    pare, text, out = sys.argv[1:4]
    rng = random.Random(int(sys.argv[4]) if len(sys.argv) > 4 else 1)
    sample = open(text, encoding="utf-8").read()[:40000]
    count = int(sys.argv[5]) if len(sys.argv) > 5 else 60
    bad = 0
    for i in range(count):
        kind, m, trainer = model(rng)
        tok = Tokenizer(m)
        n = rng.choice(NORMS)
        p = pre(rng)
        if n:
            tok.normalizer = n
        if p:
            tok.pre_tokenizer = p
        try:
            tok.train_from_iterator([sample[k:k + 200] for k in range(0, len(sample), 200)], trainer)
            added(rng, tok)
            if rng.random() < .4:
                tok.post_processor = processors.TemplateProcessing(
                    single=rng.choice(["<s> $A </s>", "<s> $A", "$A </s>"]),
                    special_tokens=[("<s>", tok.token_to_id("<s>")), ("</s>", tok.token_to_id("</s>"))])
        except BaseException as e:  # pylint: disable=broad-except
            print(i, "not trained:", str(e)[:80])
            continue
        path = "%s/%d.json" % (out, i)
        tok.save(path)
        cases = texts(rng, sample)
        want = []
        for t in cases:
            try:
                want.append(tok.encode(t).ids)
            except BaseException:  # pylint: disable=broad-except
                want.append(None)
        with open(path + "l", "w", encoding="utf-8") as f:
            for t in cases:
                f.write(json.dumps({"text": t}) + "\n")
        r = subprocess.run([pare, "tokenize", path, "--jsonl", path + "l", "--special", "--add-special"],
                           capture_output=True, text=True, check=False)
        name = "%d %s %s %s" % (i, kind, tok.normalizer, tok.pre_tokenizer)
        if r.returncode:
            print(name[:200], "pare:", r.stderr.strip()[:300])
            bad += 1
            continue
        got = [json.loads(line) for line in r.stdout.splitlines()]
        wrong = [k for k in range(len(cases)) if want[k] is not None and got[k] != want[k]]
        if wrong:
            bad += 1
            k = min(wrong, key=lambda k: len(cases[k]))
            at = next((j for j, (a, b) in enumerate(zip(got[k], want[k])) if a != b), min(len(got[k]), len(want[k])))
            print(name[:300], "%d of %d differ; %s at %d: got %s want %s" %
                  (len(wrong), len(cases), ascii(cases[k])[:200], at, got[k][at:at + 5], want[k][at:at + 5]))
    print("%d tokenizers, %d differ" % (count, bad))
    return bad != 0


if __name__ == "__main__":
    sys.exit(main())
