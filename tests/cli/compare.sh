#!/bin/sh
# pare compare: the same report twice, a smaller file beside a larger one, what is written,
# and what it refuses.
set -u
PARE=${PARE:-build/release/pare}
d=$(mktemp -d) || exit 1
trap 'rm -rf "$d"' EXIT
demo=recipes/demo
text=$demo/evaluation.txt

# ok CONDITION-STATUS WHAT
ok() {
    if [ "$1" = 0 ]; then echo "ok - $2"; else echo "not ok - $2"; fi
}

# fails STATUS WORDS ARGUMENTS...: that exit status, one line on stderr with the words
fails() {
    want=$1 words=$2
    shift 2
    "$PARE" compare "$@" >"$d/out" 2>"$d/err"
    status=$?
    [ $status = "$want" ] && [ "$(wc -l <"$d/err")" = 1 ] && grep -qF -- "$words" "$d/err"
    good=$?
    [ $good = 0 ] || echo "# compare $*: exit $status: $(head -c 300 "$d/err")"
    ok $good "compare: ${words#"$d"/}"
}

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
grep -qE '^mean KLD .*\+0\.00[0-9]+ +\+0\.00[0-9]+ … \+0\.00[0-9]+ +worse$' "$d/c" && grep -qE '^size .*-1\.19 MiB \(-44\.[0-9]+ %\) +better$' "$d/c"
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
fails 1 "can't be compared: measured with different contexts: 64 and 32" "$d/small.json" "$d/ctx.json"
fails 1 "can't be compared: measured with different kernels: bf16 and fast" "$d/small.json" "$d/fast.json"
fails 1 "can't be compared: measured on different texts: $text" "$d/small.json" "$d/other.json"
fails 1 "can't be compared: different originals: demo" "$d/small.json" "$d/orig.json"
fails 1 "was measured against an original (demo), the other against none" "$d/small.json" "$d/alone.json"
sed '/"tokenizer"/s/": "[0-9a-f]/": "x/; /"tokenizer"/s/x/0/' "$d/small.json" | sed '/"tokenizer"/s/": "\(..\)../": "\1ff/' >"$d/tok.json"
fails 1 "can't be compared: different tokenizers" "$d/small.json" "$d/tok.json"

fails 1 "$d/none.json: No such file" "$d/none.json" "$d/small.json"
fails 1 "$d/text.json: line 1, column 1: not valid JSON" "$d/small.json" "$(cp $text "$d/text.json" && echo "$d/text.json")"
sed '0,/"version": 2/s//"version": 1/' "$d/small.json" >"$d/v1.json"
fails 1 "v1.json: line 3, column 14: version: a report of version 1; this pare reads version 2" "$d/v1.json" "$d/small.json"
perl -pe 'if (/"kld"/) { $k = 1 } if ($k == 1 && s/("value": 0\.0)/${1}0/) { $k = 2 }' "$d/small.json" >"$d/edited.json"
fails 1 "models.0.against.kld.mean.value: expected 0.0" "$d/edited.json" "$d/small.json"
grep -qE 'edited.json: line [0-9]+, column [0-9]+: models' "$d/err"
ok $? "with line and column"
fails 1 "no models of the same name" "$d/small.json" "$(sed 's/"small.gguf"/"x.gguf"/' "$d/both.json" | sed 's/"large.gguf"/"y.gguf"/' >"$d/xy.json" && echo "$d/xy.json")"

fails 2 "usage: pare compare"
fails 2 "one report alone: --models X,Y says" "$d/both.json"
fails 2 "--models wants two names" "$d/both.json" --models large.gguf
fails 2 "--models X,Y is of one report" "$d/both.json" "$d/both.json" --models large.gguf,small.gguf
fails 2 "both.json holds no model \"other\"" "$d/both.json" --models other,small.gguf
fails 2 "is read" "$d/both.json" --models large.gguf,small.gguf --json "$d/both.json"
fails 1 "/dev/full: No space left" "$d/both.json" --models large.gguf,small.gguf --json /dev/full
