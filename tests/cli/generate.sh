#!/bin/sh
# pare generate and pare bench: what they print, and what they refuse.
# shellcheck source=tests/lib.sh
. tests/lib.sh
say() { # say OUT ARGUMENTS...
    out=$1
    shift
    check "generate $*" "$PARE" generate $demo -n 40 "$@"
    cp "$d/log" "$d/$out"
}
prompt="Once upon a time"
say a -p "$prompt" --temp 0
say b -p "$prompt" --temp 0 -t 1
check "one thread says the same" cmp "$d/a" "$d/b"
check "something is said" test "$(wc -c <"$d/a")" -gt 20
printf '%s' "$prompt" >"$d/prompt"
say c -f "$d/prompt" --temp 0
check "a prompt file is a prompt" cmp "$d/a" "$d/c"
say d -p "$prompt" --temp 0 --echo
check "echo puts the prompt first" sh -c 'head -c 30 "$1" | grep -q "Once upon a time"' - "$d/d"
say e -p "$prompt" --seed 1
say f -p "$prompt" --seed 1
say g -p "$prompt" --seed 2
check "equal seeds, equal texts" cmp "$d/e" "$d/f"
check "other seeds, other texts" sh -c '! cmp -s "$1" "$2"' - "$d/e" "$d/g"
say h -p "$prompt" --temp 3 --top-k 1
check "top-k 1 is greedy at any temperature" cmp "$d/a" "$d/h"
"$PARE" generate $demo -p a >/dev/full 2>"$d/stderr"
check "a full disk is an error" sh -c 'test $1 = 1 && grep -q "writing the text" "$2"' - $? "$d/stderr"
refused 2 "either -p PROMPT or -f FILE" generate $demo
refused 2 "either -p PROMPT or -f FILE" generate $demo -p a -f b
refused 2 "temp wants a number" generate $demo -p a --temp -1
refused 2 "top-p wants a number" generate $demo -p a --top-p 1.5
refused 2 "top-k wants a whole number" generate $demo -p a --top-k x
refused 2 "one of f32, bf16, fast" generate $demo -p a --kernels f64
refused 1 "no-file" generate $demo -f "$d/no-file"
refused 1 "no-model" generate "$d/no-model" -p a
check "bench" "$PARE" bench $demo -p 16 -n 4 --runs 2 --json "$d/bench.json"
cp "$d/log" "$d/bench"
check "bench prints a row for each" grep -q "^generation .*tokens/s" "$d/bench"
check "bench writes numbers" grep -q best_tokens_per_s "$d/bench.json"
refused 2 "nothing to measure" bench $demo -p 0 -n 0
