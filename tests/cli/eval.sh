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

[ ! -s "$d/err" ]
ok $? "nothing on stderr"

fails 2 "--text FILE or --task FILE is missing" $demo
fails 2 "usage: pare eval" --text $text
fails 2 "--kernels wants f32, bf16 or fast" $demo --text $text --kernels f64
fails 2 "--ctx" $demo --text $text --ctx 4
fails 1 "$d/none" $demo --text "$d/none"
fails 1 "$d/none" "$d/none" --text $text
fails 1 "$d/none" $demo --text $text --against "$d/none"
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
