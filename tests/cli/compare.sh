#!/bin/sh
# pare compare: the same report twice, a smaller file beside a larger one, what is written,
# and what it refuses.
# shellcheck source=tests/lib.sh
. tests/lib.sh
text=$demo/evaluation.txt

# report NAME MODELS... [-- OPTIONS...]
report() {
    name=$1
    shift
    "$PARE" eval "$@" --against $demo --text $text --json "$d/$name.json" >/dev/null 2>>"$d/err"
}

: >"$d/err"
"$PARE" quantize $demo "$d/small.gguf" Q4_0 >/dev/null 2>>"$d/err" &&
    "$PARE" quantize $demo "$d/large.gguf" Q8_0 >/dev/null 2>>"$d/err" &&
    report large "$d/large.gguf" --ctx 64 --chunks 12 &&
    report small "$d/small.gguf" --ctx 64 --chunks 10 &&
    report both "$d/small.gguf" "$d/large.gguf" --ctx 64 --chunks 12
ok $? "reports are made"

"$PARE" compare "$d/large.json" "$d/large.json" --json "$d/same.json" >"$d/same" 2>>"$d/err"
ok $? "a report with itself"
[ "$(grep -c ' 0  no difference$' "$d/same")" = 10 ] && ! grep -qE 'better|worse|differ most' "$d/same"
ok $? "no difference, with no error, in ten figures"
[ "$(grep -c '"verdict": "same"' "$d/same.json")" = 10 ] && [ "$(grep -c '"error": 0$' "$d/same.json")" = 10 ]
ok $? "the same in JSON"

"$PARE" compare "$d/large.json" "$d/small.json" --json "$d/c.json" >"$d/c" 2>>"$d/err"
ok $? "a smaller file"
grep -qE '^mean KLD .*\+0\.0[0-9]+ +\+0\.0[0-9]+ … \+0\.0[0-9]+ +worse$' "$d/c" && grep -qE '^size .*-1\.19 MiB \(-44\.[0-9]+ %\) +better$' "$d/c"
ok $? "is worse, and smaller"
grep -qF '10 windows of 64 tokens of recipes/demo/evaluation.txt, paired' "$d/c"
ok $? "the windows that both have are paired"
grep -A 6 'where they differ most (mean KLD):' "$d/c" | grep -c '[a-z]' | grep -qx 7
ok $? "five windows with their text"
grep -q '"schema": "pare.comparison"' "$d/c.json"
ok $? "JSON is written"

"$PARE" compare "$d/both.json" --models large.gguf,small.gguf >"$d/m" 2>>"$d/err" && grep -q '^mean KLD .* worse$' "$d/m" &&
    grep -q '^A: large.gguf' "$d/m" && grep -q '^B: small.gguf' "$d/m"
ok $? "two models of one report"
"$PARE" compare "$d/large.json" "$d/both.json" >"$d/u" 2>>"$d/err" && grep -q '^small.gguf: only one of the reports has it$' "$d/u" && grep -q '^B: large.gguf' "$d/u"
ok $? "models pair by name"
"$PARE" compare "$d/both.json" "$d/small.json" --model-a large.gguf >"$d/u" 2>>"$d/err" && grep -q '^A: large.gguf' "$d/u" && grep -q '^B: small.gguf' "$d/u"
ok $? "--model-a chooses"
[ ! -s "$d/err" ] || sed 's/^/# /' "$d/err"
[ ! -s "$d/err" ]
ok $? "nothing on stderr"

report ctx "$d/small.gguf" --ctx 32 --chunks 10
report fast "$d/small.gguf" --ctx 64 --chunks 10 --kernels fast
head -c 4000 $text >"$d/other.txt"
"$PARE" eval "$d/small.gguf" --against $demo --text "$d/other.txt" --ctx 64 --chunks 3 --json "$d/other.json" >/dev/null
"$PARE" eval "$d/small.gguf" --against "$d/large.gguf" --text $text --ctx 64 --chunks 3 --json "$d/orig.json" >/dev/null
"$PARE" eval "$d/small.gguf" --text $text --ctx 64 --chunks 3 --json "$d/alone.json" >/dev/null
refused 1 "can't be compared: measured with different contexts: 64 and 32" compare "$d/small.json" "$d/ctx.json"
refused 1 "can't be compared: measured with different kernels: bf16 and fast" compare "$d/small.json" "$d/fast.json"
refused 1 "can't be compared: measured on different texts: $text" compare "$d/small.json" "$d/other.json"
refused 1 "can't be compared: different originals: demo" compare "$d/small.json" "$d/orig.json"
refused 1 "was measured against an original (demo), the other against none" compare "$d/small.json" "$d/alone.json"
sed '/"tokenizer"/s/": "[0-9a-f]/": "x/; /"tokenizer"/s/x/0/' "$d/small.json" | sed '/"tokenizer"/s/": "\(..\)../": "\1ff/' >"$d/tok.json"
refused 1 "can't be compared: different tokenizers" compare "$d/small.json" "$d/tok.json"

refused 1 "$d/none.json: No such file" compare "$d/none.json" "$d/small.json"
refused 1 "$d/text.json: line 1, column 1: not valid JSON" compare "$d/small.json" "$(cp $text "$d/text.json" && echo "$d/text.json")"
sed '0,/"version": 2/s//"version": 1/' "$d/small.json" >"$d/v1.json"
refused 1 "v1.json: line 3, column 14: version: a report of version 1; this pare reads version 2" compare "$d/v1.json" "$d/small.json"
perl -pe 'if (/"kld"/) { $k = 1 } if ($k == 1 && s/("value": 0\.0)/${1}0/) { $k = 2 }' "$d/small.json" >"$d/edited.json"
refused 1 "models.0.against.kld.mean.value: expected 0.0" compare "$d/edited.json" "$d/small.json"
grep -qE 'edited.json: line [0-9]+, column [0-9]+: models' "$d/err"
ok $? "with line and column"
refused 1 "no models of the same name" compare "$d/small.json" "$(sed 's/"small.gguf"/"x.gguf"/' "$d/both.json" | sed 's/"large.gguf"/"y.gguf"/' >"$d/xy.json" && echo "$d/xy.json")"

refused 2 "usage: pare compare" compare
refused 2 "one report alone: --models X,Y says" compare "$d/both.json"
refused 2 "--models wants two names" compare "$d/both.json" --models large.gguf
refused 2 "--models X,Y is of one report" compare "$d/both.json" "$d/both.json" --models large.gguf,small.gguf
refused 2 "both.json holds no model \"other\"" compare "$d/both.json" --models other,small.gguf
refused 2 "is read" compare "$d/both.json" --models large.gguf,small.gguf --json "$d/both.json"
refused 1 "/dev/full: No space left" compare "$d/both.json" --models large.gguf,small.gguf --json /dev/full
