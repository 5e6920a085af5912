#!/bin/sh
# pare eval on the embedded demo model: what it prints and writes, that threads change
# nothing, and what it says of bad input.
set -u
PARE=${PARE:-build/release/pare}
PARE_GOLDEN=${PARE_GOLDEN:-../shared/golden}
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
    "$PARE" eval "$@" >"$d/out" 2>"$d/err"
    status=$?
    [ $status = "$want" ] && [ "$(wc -l <"$d/err")" = 1 ] && grep -qF -- "$words" "$d/err"
    good=$?
    [ $good = 0 ] || echo "# eval $*: exit $status: $(head -c 300 "$d/err")"
    ok $good "eval: ${words#"$d"/}"
}

small="--text $text --ctx 64 --chunks 3"
# shellcheck disable=SC2086  # options in words
"$PARE" eval $demo --against $demo $small --json "$d/a.json" -t 1 >"$d/a" 2>"$d/err"
ok $? "eval runs"
grep -qE '^recipes/demo +BF16 +5\.01 MiB +16\.00 .* 1\.0000 +0 +100\.00$' "$d/a"
ok $? "a model lost nothing against itself"
grep -q '"schema": "pare.report"' "$d/a.json" && grep -q '"tokens": 93' "$d/a.json" &&
    grep -q '"windows": 3' "$d/a.json"
ok $? "the report counts 3 windows of 31 scored tokens"

# shellcheck disable=SC2086
"$PARE" eval $demo --against $demo $small --json "$d/b.json" -t 2 >"$d/b" 2>>"$d/err"
grep -v seconds "$d/a.json" >"$d/a.text"
grep -v seconds "$d/b.json" | cmp -s - "$d/a.text" && cmp -s "$d/a" "$d/b"
ok $? "two threads give the figures of one"

# shellcheck disable=SC2086
"$PARE" eval $demo $small --kernels fast >"$d/fast" 2>>"$d/err" && ! cmp -s "$d/fast" "$d/a"
ok $? "--kernels fast runs"

"$PARE" quantize $demo "$d/q.gguf" Q4_0 >/dev/null 2>>"$d/err"
# shellcheck disable=SC2086
"$PARE" eval "$d/q.gguf" --against $demo $small --kernels both --save-logits "$d/l.kld" --json "$d/both.json" \
    >"$d/both" 2>>"$d/err" && grep -q '^  with fast kernels ' "$d/both" && grep -q '^      "fast": {' "$d/both.json"
ok $? "--kernels both shows both losses"
"$PARE" eval "$d/q.gguf" --logits "$d/l.kld" --json "$d/told.json" >"$d/told" 2>>"$d/err"
ok $? "--logits stands for the original, its text and --ctx"
# values FILE: loss of the model, to what 16 bits keep
kld() {
    sed -n '/"kld": {/,/}/s/.*"value": \([0-9.]*\).*/\1/p' "$1" | head -1
}
awk "BEGIN { d = $(kld "$d/told.json") / $(kld "$d/both.json") - 1; exit !(d < 0.01 && d > -0.01) }"
ok $? "the loss against the file is that against the model"
# shellcheck disable=SC2086
"$PARE" eval "$d/q.gguf" --logits "$d/l.kld" --text $text --chunks 2 >"$d/told" 2>>"$d/err"
ok $? "--logits with its text, fewer windows"

[ ! -s "$d/err" ]
ok $? "nothing on stderr"

fails 2 "--text FILE or --task FILE is missing" $demo
fails 2 "usage: pare eval" --text $text
fails 2 "--kernels wants f32, bf16, fast or both" $demo --text $text --kernels f64
fails 2 "--ctx" $demo --text $text --ctx 4
fails 1 "$d/none" $demo --text "$d/none"
fails 1 "$d/none" "$d/none" --text $text
fails 1 "$d/none" $demo --text $text --against "$d/none"
fails 2 "--logits and --against are two originals" $demo --logits "$d/l.kld" --against $demo
fails 2 "--save-logits of what --logits reads" $demo --logits "$d/l.kld" --save-logits "$d/x"
fails 2 "--save-logits wants --against, or one model alone" $demo $demo --text $text --save-logits "$d/x"
fails 2 "--ctx 32, and $d/l.kld holds windows of 64 tokens" $demo --logits "$d/l.kld" --ctx 32
fails 1 "not a logits file" $demo --logits $text
head -c 20000 "$d/l.kld" >"$d/cut.kld"
fails 1 "20000 bytes do not hold 3 windows of 64 tokens in a vocabulary of 1024: was its writing ended early?" \
    $demo --logits "$d/cut.kld"
sed 's/Tom/Tim/g' $text >"$d/other"
fails 1 "$d/l.kld: not of this text: token " $demo --logits "$d/l.kld" --text "$d/other"
printf 'Once upon a time\nTom s\303w\n' >"$d/bytes"
fails 1 "$d/bytes: line 2, column 6: byte 0xc3 where UTF-8 was expected" $demo --text "$d/bytes"
head -c 300 $text >"$d/short"
fails 1 "too short a text: " $demo --text "$d/short"
: >"$d/empty"
fails 1 "too short a text: 0 tokens, and windows of 512 need 1024" $demo --text "$d/empty"
# shellcheck disable=SC2086
fails 1 "/dev/full: No space left" $demo $small --json /dev/full
# shellcheck disable=SC2086
fails 1 "$d/no/such.json" $demo $small --json "$d/no/such.json"

if [ -d "$PARE_GOLDEN/models/llama-gqa" ]; then
    # shellcheck disable=SC2086
    fails 1 "tokens in its vocabulary" "$PARE_GOLDEN/models/llama-gqa" --against $demo $small
else
    echo "ok - another vocabulary # SKIP no golden data"
fi
