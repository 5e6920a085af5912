#!/bin/sh
# pare logits: size and contents of its output, and what it refuses.
PARE=${PARE:-build/release/pare}
model=$(find recipes/demo -name config.json 2>/dev/null | head -1)
[ -n "$model" ] || { echo "ok - logits # SKIP no demo checkpoint"; exit 0; }
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
vocab=$(sed -n 's/.*"vocab_size": *\([0-9]*\).*/\1/p' "$model/config.json")
echo '{"sequences": [[1, 2, 3, 4, 5], [7], []]}' >"$dir/ids.json"
check "runs" "$PARE" logits "$model" --ids "$dir/ids.json" "$dir/a.bin"
check "six rows of logits" test "$(wc -c <"$dir/a.bin")" = $((6 * vocab * 4))
check "one thread" "$PARE" logits "$model" --ids "$dir/ids.json" "$dir/b.bin" -t 1
check "two threads" "$PARE" logits "$model" --ids "$dir/ids.json" "$dir/c.bin" -t 2
check "the same bytes from one and two threads" cmp "$dir/b.bin" "$dir/c.bin"
check "bf16 kernels" "$PARE" logits "$model" --ids "$dir/ids.json" "$dir/d.bin" --kernels bf16
refuses 2 "ids FILE.json is missing" logits "$model" "$dir/x.bin"
refuses 2 "one of f32, bf16, fast" logits "$model" --ids "$dir/ids.json" "$dir/x.bin" --kernels f64
refuses 1 "none.json" logits "$model" --ids "$dir/none.json" "$dir/x.bin"
refuses 1 "/dev/full" logits "$model" --ids "$dir/ids.json" /dev/full
refuses 1 "no-model" logits "$dir/no-model" --ids "$dir/ids.json" "$dir/x.bin"
echo '{"sequences": [[1, "a"]]}' >"$dir/text.json"
refuses 1 "sequence 0, item 1" logits "$model" --ids "$dir/text.json" "$dir/x.bin"
echo '{"sequences": 5}' >"$dir/number.json"
refuses 1 "expected {\"sequences\"" logits "$model" --ids "$dir/number.json" "$dir/x.bin"
echo '{"sequences": [[1], [2, 1000000]]}' >"$dir/large.json"
refuses 1 "sequence 1: token id 1000000" logits "$model" --ids "$dir/large.json" "$dir/x.bin"
check "nothing is left of what failed" test ! -e "$dir/x.bin" -a ! -e "$dir/x.bin.part"
