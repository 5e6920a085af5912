#!/bin/sh
# pare generate and pare bench: what they print, and what they refuse.
PARE=${PARE:-build/release/pare}
model=$(find recipes/demo -name config.json 2>/dev/null | head -1)
[ -n "$model" ] || { echo "ok - generate # SKIP no demo checkpoint"; exit 0; }
model=${model%/config.json}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
check() { # check NAME COMMAND...: the command succeeds
    name=$1
    shift
    if "$@" >"$dir/log" 2>&1; then echo "ok - $name"; else echo "not ok - $name"; cat "$dir/log"; fi
}
refuses() { # refuses STATUS WORDS ARGUMENTS...: that exit status, and one line with those words
    want=$1 words=$2
    shift 2
    "$PARE" "$@" >"$dir/stdout" 2>"$dir/stderr"
    got=$?
    if [ $got = "$want" ] && grep -q -e "$words" "$dir/stderr" && [ "$(wc -l <"$dir/stderr")" = 1 ]; then
        echo "ok - refuses: $words"
    else
        echo "not ok - exit $got, expected $want and \"$words\": $*"
        cat "$dir/stderr"
    fi
}
say() { # say OUT ARGUMENTS...
    out=$1
    shift
    check "generate $*" "$PARE" generate "$model" -n 40 "$@"
    cp "$dir/log" "$dir/$out"
}
prompt="Once upon a time"
say a -p "$prompt" --temp 0
say b -p "$prompt" --temp 0 -t 1
check "one thread says the same" cmp "$dir/a" "$dir/b"
check "something is said" test "$(wc -c <"$dir/a")" -gt 20
printf '%s' "$prompt" >"$dir/prompt"
say c -f "$dir/prompt" --temp 0
check "a prompt file is a prompt" cmp "$dir/a" "$dir/c"
say d -p "$prompt" --temp 0 --echo
check "echo puts the prompt first" sh -c 'head -c 30 "$1" | grep -q "Once upon a time"' - "$dir/d"
say e -p "$prompt" --seed 1
say f -p "$prompt" --seed 1
say g -p "$prompt" --seed 2
check "equal seeds, equal texts" cmp "$dir/e" "$dir/f"
check "other seeds, other texts" sh -c '! cmp -s "$1" "$2"' - "$dir/e" "$dir/g"
say h -p "$prompt" --temp 3 --top-k 1
check "top-k 1 is greedy at any temperature" cmp "$dir/a" "$dir/h"
"$PARE" generate "$model" -p a >/dev/full 2>"$dir/stderr"
check "a full disk is an error" sh -c 'test $1 = 1 && grep -q "writing the text" "$2"' - $? "$dir/stderr"
refuses 2 "either -p PROMPT or -f FILE" generate "$model"
refuses 2 "either -p PROMPT or -f FILE" generate "$model" -p a -f b
refuses 2 "temp wants a number" generate "$model" -p a --temp -1
refuses 2 "top-p wants a number" generate "$model" -p a --top-p 1.5
refuses 2 "top-k wants a whole number" generate "$model" -p a --top-k x
refuses 2 "one of f32, bf16, fast" generate "$model" -p a --kernels f64
refuses 1 "no-file" generate "$model" -f "$dir/no-file"
refuses 1 "no-model" generate "$dir/no-model" -p a
check "bench" "$PARE" bench "$model" -p 16 -n 4 --runs 2 --json "$dir/bench.json"
cp "$dir/log" "$dir/bench"
check "bench prints a row for each" grep -q "^generation .*tokens/s" "$dir/bench"
check "bench writes numbers" grep -q best_tokens_per_s "$dir/bench.json"
refuses 2 "nothing to measure" bench "$model" -p 0 -n 0
