#!/bin/sh
# Recipes with students: trained once, quantized, measured beside the model.
# shellcheck source=tests/lib.sh
. tests/lib.sh

head -c 9000 "$demo/calibration.txt" >"$d/train.txt"
head -c 3000 "$demo/evaluation.txt" >"$d/own.txt"
cat >"$d/r.yaml" <<E
name: x
model: "$PWD/$demo"
distill:
  - {name: small, layers: 1, text: train.txt, ctx: 32, batch: 2, steps: 4, then: Q8_0}
evaluate: {text: own.txt, ctx: 32, chunks: 2}
report: {json: report.json}
gate: {small-Q8_0: size_ratio <= 0.9}
E

pare run "$d/r.yaml" --out "$d/to/a" --plan && grep -q '^distill *small .*to do' "$d/out" && [ ! -e "$d/to/a" ]
ok $? "--plan shows the student"
pare run "$d/r.yaml" --out "$d/to/a" && grep -q '^x-small.gguf  *BF16' "$d/out" && grep -q '^x-small-Q8_0.gguf  *Q8_0' "$d/out"
ok $? "a student, what is made from it, and what both lost"
[ -s "$d/to/a/x-small.gguf.log.csv" ] && [ ! -e "$d/to/a/x-small.gguf.train" ]
ok $? "its log is left, its work is not"
pare run "$d/r.yaml" --out "$d/to/a" && [ "$(grep -c ' cached$' "$d/err")" = 6 ]
ok $? "nothing is done twice"
pare run "$d/r.yaml" --out "$d/to/b" && cmp "$d/to/a/x-small.gguf" "$d/to/b/x-small.gguf" && cmp "$d/to/a/x-small-Q8_0.gguf" "$d/to/b/x-small-Q8_0.gguf"
ok $? "the same bytes elsewhere"
mkdir -p "$d/to/c/x-small.gguf.train" && echo other | tee "$d/to/c/x-small.gguf.train/identity" >"$d/to/c/x-small.gguf.train/state"
pare run "$d/r.yaml" --out "$d/to/c" && cmp "$d/to/a/x-small.gguf" "$d/to/c/x-small.gguf"
ok $? "what another recipe left half done is begun anew"
tr -d '"\134' <"$d/train.txt" | sed 's/.*/{"text": "&"}/' | tee "$d/l.txt" >"$d/l.jsonl"
sed 's/train.txt/l.txt/' "$d/r.yaml" >"$d/l.yaml"
pare run "$d/l.yaml" --out "$d/to/l" && sed -i 's/l.txt/l.jsonl/' "$d/l.yaml" && pare run "$d/l.yaml" --out "$d/to/l" && ! grep -q '^distill .* cached$' "$d/err"
ok $? "the same bytes read as JSON Lines are another text"
# importance of a student
cat >"$d/i.yaml" <<E
name: x
model: "$PWD/$demo"
calibrate: {text: train.txt, ctx: 32, chunks: 4}
distill:
  - {name: small, layers: 1, ctx: 32, batch: 2, steps: 4, then: [Q3_K_M, BF16, {name: plain, mix: Q3_K_M, imatrix: false}]}
  - {name: other, layers: 2, ctx: 32, batch: 2, steps: 1, then: BF16}
E
pare run "$d/i.yaml" --out "$d/to/i" --plan && [ "$(grep -c '^calibrate' "$d/out")" = 1 ] && grep -q '^calibrate  *small .*to do .*x-small.imatrix.gguf' "$d/out"
ok $? "--plan shows whose importance is measured: of what is quantized"
pare run "$d/i.yaml" --out "$d/to/i" --jobs 2 && ! cmp -s "$d/to/i/x-small-Q3_K_M.gguf" "$d/to/i/x-small-plain.gguf"
ok $? "what is made of a student is quantized by the student's importance"
pare imatrix "$d/to/i/x-small.gguf" "$d/train.txt" "$d/own.gguf" --ctx 32 --chunks 4 &&
    pare quantize "$d/to/i/x-small.gguf" "$d/by_hand.gguf" Q3_K_M --imatrix "$d/own.gguf" &&
    pare diff "$d/to/i/x-small-Q3_K_M.gguf" "$d/by_hand.gguf" && grep -q "11 equal" "$d/out"
ok $? "as by hand"
pare run "$d/i.yaml" --out "$d/to/j" && cmp "$d/to/i/x-small.imatrix.gguf" "$d/to/j/x-small.imatrix.gguf" && cmp "$d/to/i/x-small-Q3_K_M.gguf" "$d/to/j/x-small-Q3_K_M.gguf"
ok $? "the same bytes elsewhere, one step at a time"
pare run "$d/i.yaml" --out "$d/to/i" --set calibrate.chunks=3 && grep -q '^distill  *small  *cached' "$d/err" && grep -q '^calibrate  *small  *[^c]' "$d/err" &&
    grep -q '^quantize  *small-plain  *cached' "$d/err" && grep -q '^quantize  *small-Q3_K_M  *[^c]' "$d/err"
ok $? "other calibration: what does not use it stays"
sed '/name: other/d; s/then: .*/quantize: Q2_K}/; s/layers: 1, //' "$d/i.yaml" >"$d/q.yaml"
pare run "$d/q.yaml" --out "$d/to/q" && grep -q '^calibrate  *importance' "$d/err" && pare inspect "$d/to/q/x-small.gguf" --json "$d/q.json" && grep -q 'x.imatrix.gguf' "$d/q.json"
ok $? "a whole model trained through a mix uses the model's"
sed -i 's/Q2_K/Q9_K/' "$d/q.yaml"
fails 1 "q.yaml: line 5, column 3: small: quantize: unknown" run "$d/q.yaml" --out "$d/to/q"
ok $? "no such mix"

sed 's/Q9_K/Q2_K, type: f32/' "$d/q.yaml" >"$d/t.yaml"
fails 1 "t.yaml: line 5, column 5: type and quantize: the mix says the types" run "$d/t.yaml" --out "$d/to/q"
ok $? "a setting that would do nothing"

cat "$d/own.txt" >>"$d/train.txt"
fails 1 "share a run of 64 tokens" run "$d/r.yaml" --out "$d/to/e"
ok $? "training and evaluation text overlap"
# lines of 40 words or so: escapes stand within every run of 64 tokens
tr -d '"\134' <"$d/own.txt" | tr -s '\n' ' ' | fold -sw 100 >"$d/said.txt"
sed 's/$/\\n/' "$d/said.txt" | tr -d '\n' >"$d/one"
for line in '{"text": "%s"}\n' '{"messages": [{"role": "user", "content": "Well?"}, {"role": "assistant", "content": "%s"}]}\n'; do
    # shellcheck disable=SC2059
    printf "$line" "$(cat "$d/one")" >"$d/leak.jsonl"
    sed 's/train.txt/leak.jsonl/; s/own.txt/said.txt/' "$d/r.yaml" >"$d/leak.yaml"
    fails 1 "leak.jsonl, its texts (line " run "$d/leak.yaml" --out "$d/to/leak" && grep -q 'share a run of 64 tokens' "$d/err"
    ok $? "and of JSON Lines: what ${line%%:*} says"
done
sed -i 's/layers: 1/layers: 9/' "$d/r.yaml"
fails 1 "r.yaml: line 4" run "$d/r.yaml" --out "$d/to/f" --allow-overlap --plan && [ ! -e "$d/to/f" ]
ok $? "a student that cannot be names its line"
sed -i 's/text: train.txt/text: nowhere.txt/' "$d/r.yaml"
fails 1 "line 4, column" run "$d/r.yaml" --out "$d/to/g"
ok $? "a text that is not there"
