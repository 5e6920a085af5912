#!/bin/sh
# pare logits: size and contents of its output, and what it refuses.
# shellcheck source=tests/lib.sh
. tests/lib.sh
vocab=$(sed -n 's/.*"vocab_size": *\([0-9]*\).*/\1/p' "$demo/config.json")
echo '{"sequences": [[1, 2, 3, 4, 5], [7], []]}' >"$d/ids.json"
check "runs" "$PARE" logits $demo --ids "$d/ids.json" "$d/a.bin"
check "six rows of logits" test "$(wc -c <"$d/a.bin")" = $((6 * vocab * 4))
check "one thread" "$PARE" logits $demo --ids "$d/ids.json" "$d/b.bin" -t 1
check "two threads" "$PARE" logits $demo --ids "$d/ids.json" "$d/c.bin" -t 2
check "the same bytes from one and two threads" cmp "$d/b.bin" "$d/c.bin"
check "bf16 kernels" "$PARE" logits $demo --ids "$d/ids.json" "$d/d.bin" --kernels bf16
refused 2 "ids FILE.json is missing" logits $demo "$d/x.bin"
refused 2 "one of f32, bf16, fast" logits $demo --ids "$d/ids.json" "$d/x.bin" --kernels f64
refused 1 "none.json" logits $demo --ids "$d/none.json" "$d/x.bin"
refused 1 "/dev/full" logits $demo --ids "$d/ids.json" /dev/full
refused 1 "no-model" logits "$d/no-model" --ids "$d/ids.json" "$d/x.bin"
echo '{"sequences": [[1, "a"]]}' >"$d/text.json"
refused 1 "sequence 0, item 1" logits $demo --ids "$d/text.json" "$d/x.bin"
echo '{"sequences": 5}' >"$d/number.json"
refused 1 "expected {\"sequences\"" logits $demo --ids "$d/number.json" "$d/x.bin"
echo '{"sequences": [[1], [2, 1000000]]}' >"$d/large.json"
refused 1 "sequence 1: token id 1000000" logits $demo --ids "$d/large.json" "$d/x.bin"
check "nothing is left of what failed" test ! -e "$d/x.bin" -a ! -e "$d/x.bin.part"
