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
mkdir -p "$d/to/c/x-small.gguf.train" && echo other >"$d/to/c/x-small.gguf.train/identity"
pare run "$d/r.yaml" --out "$d/to/c" && cmp "$d/to/a/x-small.gguf" "$d/to/c/x-small.gguf"
ok $? "what another recipe left half done is begun anew"
cat "$d/own.txt" >>"$d/train.txt"
fails 1 "share a run of 64 tokens" run "$d/r.yaml" --out "$d/to/e"
ok $? "training and evaluation text overlap"
sed -i 's/layers: 1/layers: 9/' "$d/r.yaml"
fails 1 "r.yaml: line 4" run "$d/r.yaml" --out "$d/to/f" --allow-overlap
ok $? "a student that cannot be names its line"
sed -i 's/text: train.txt/text: nowhere.txt/' "$d/r.yaml"
fails 1 "line 4, column" run "$d/r.yaml" --out "$d/to/g"
ok $? "a text that is not there"
