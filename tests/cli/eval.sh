#!/bin/sh
# pare eval on the embedded demo model: what it prints and writes, that threads change
# nothing, and what it says of bad input.
# shellcheck source=tests/lib.sh
. tests/lib.sh
PARE_GOLDEN=${PARE_GOLDEN:-../shared/golden}
text=$demo/evaluation.txt

small="--text $text --ctx 64 --chunks 3"
# shellcheck disable=SC2086  # options in words
"$PARE" eval $demo --against $demo $small --json "$d/a.json" -t 1 >"$d/a" 2>"$d/err"
ok $? "eval runs"
grep -qE '^recipes/demo +BF16 +5\.01 MiB +16\.01 .* 1\.0000 +0 +100\.00$' "$d/a"
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
"$PARE" eval $demo $small --kernels fast >"$d/fast" 2>>"$d/err" && grep -q "^$demo " "$d/fast"
ok $? "--kernels fast runs"

"$PARE" quantize $demo "$d/q.gguf" Q4_0 >/dev/null 2>>"$d/err"
# shellcheck disable=SC2086
"$PARE" eval "$d/q.gguf" --against $demo $small --kernels both --save-logits "$d/l.kld" --json "$d/both.json" \
    >"$d/both" 2>>"$d/err" && grep -q '^  with fast kernels ' "$d/both" && grep -q '^      "fast": {' "$d/both.json"
ok $? "--kernels both shows both losses"
"$PARE" quantize $demo "$d/q8.gguf" Q8_0 >/dev/null 2>>"$d/err"
for level in scalar avx2 avx512 amx; do
    # shellcheck disable=SC2086
    "$PARE" eval "$d/q8.gguf" --against $demo --text $text --chunks 4 --kernels both --cpu $level \
        --json "$d/q8.json" >/dev/null 2>>"$d/err" &&
        sed -n '/"kld": {/,/}/s/.*"value": \([0-9.]*\).*/\1/p' "$d/q8.json" |
        awk '{ kld[NR] = $1 } END { exit !(NR == 2 && kld[1] > 0 && kld[2] <= 1.1 * kld[1]) }'
    ok $? "$level: fast kernels add at most a tenth of what Q8_0 lost"
done
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

refused 2 "--text FILE or --task FILE is missing" eval $demo
refused 2 "usage: pare eval" eval --text $text
refused 2 "--kernels wants f32, bf16, fast or both" eval $demo --text $text --kernels f64
refused 2 "--ctx" eval $demo --text $text --ctx 4
refused 1 "$d/none" eval $demo --text "$d/none"
refused 1 "$d/none" eval "$d/none" --text $text
refused 1 "$d/none" eval $demo --text $text --against "$d/none"
refused 2 "--logits and --against are two originals" eval $demo --logits "$d/l.kld" --against $demo
refused 2 "--save-logits of what --logits reads" eval $demo --logits "$d/l.kld" --save-logits "$d/x"
refused 2 "--save-logits wants --against, or one model alone" eval $demo $demo --text $text --save-logits "$d/x"
refused 2 "--ctx 32, and $d/l.kld holds windows of 64 tokens" eval $demo --logits "$d/l.kld" --ctx 32
refused 1 "not a logits file" eval $demo --logits $text
head -c 20000 "$d/l.kld" >"$d/cut.kld"
refused 1 "20000 bytes do not hold 3 windows of 64 tokens in a vocabulary of 1024: was its writing ended early?" eval \
    $demo --logits "$d/cut.kld"
sed 's/Tom/Tim/g' $text >"$d/other"
refused 1 "$d/l.kld: not of this text: token " eval $demo --logits "$d/l.kld" --text "$d/other"
printf 'Once upon a time\nTom s\303w\n' >"$d/bytes"
refused 1 "$d/bytes: line 2, column 6: byte 0xc3 where UTF-8 was expected" eval $demo --text "$d/bytes"
head -c 300 $text >"$d/short"
refused 1 "too short a text: " eval $demo --text "$d/short"
: >"$d/empty"
refused 1 "too short a text: 0 tokens, and windows of 512 need 1024" eval $demo --text "$d/empty"
# shellcheck disable=SC2086
refused 1 "/dev/full: No space left" eval $demo $small --json /dev/full
# shellcheck disable=SC2086
refused 1 "$d/no/such.json" eval $demo $small --json "$d/no/such.json"

if [ -d "$PARE_GOLDEN/models/llama-gqa" ]; then
    # shellcheck disable=SC2086
    refused 1 "tokens in its vocabulary" eval "$PARE_GOLDEN/models/llama-gqa" --against $demo $small
else
    echo "ok - another vocabulary # SKIP no golden data"
fi
