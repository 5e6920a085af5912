#!/bin/sh
# Calibration and evaluation texts that share a run of tokens are refused.
# shellcheck source=tests/lib.sh
. tests/lib.sh

head -c 9000 "$demo/calibration.txt" >"$d/cal.txt"
head -c 3000 "$demo/evaluation.txt" >"$d/own.txt"
{ cat "$d/own.txt"; echo; head -c 6000 "$demo/calibration.txt" | tail -c 2000; } >"$d/shared.txt"
printf 'name: x\nmodel: "%s"\ncalibrate: {text: cal.txt, ctx: 32, chunks: 2}\nquantize: [Q4_0]\nevaluate: {text: shared.txt, ctx: 32, chunks: 1}\n' \
    "$PWD/$demo" >"$d/r.yaml"

fails 1 "share a run of 64 tokens" run "$d/r.yaml" --out "$d/to/x" &&
    grep -q "r.yaml: line 5, column 18: $d/cal.txt (line [0-9]*) and $d/shared.txt (line [0-9]*) share a run" "$d/err" &&
    [ ! -e "$d/to/x/x-Q4_0.gguf" ]
ok $? "pare run refuses them, before any work"
fails 1 "share a run of 64 tokens" run "$d/r.yaml" --out "$d/to/p" --plan
ok $? "--plan says so"
pare run "$d/r.yaml" --out "$d/to/y" --set evaluate.text="$d/own.txt"
ok $? "other texts are fine"
pare run "$d/r.yaml" --out "$d/to/y" --set evaluate.text="$d/own.txt" && [ "$(grep -c ' cached$' "$d/err")" = 4 ]
ok $? "which is not looked at twice"
pare run "$d/r.yaml" --out "$d/to/y" --set allow_overlap=true
ok $? "allow_overlap: true"
pare run "$d/r.yaml" --out "$d/to/z" --allow-overlap
ok $? "--allow-overlap"

fails 1 "$d/cal.txt (line" eval "$d/to/z/x-Q4_0.gguf" --text "$d/shared.txt" --ctx 32 --chunks 1 && grep -q 'share a run of 64 tokens' "$d/err"
ok $? "pare eval finds the calibration text beside the evaluation text"
pare eval "$d/to/z/x-Q4_0.gguf" --text "$d/shared.txt" --ctx 32 --chunks 1 --allow-overlap
ok $? "pare eval --allow-overlap"
pare eval "$d/to/z/x-Q4_0.gguf" --text "$d/own.txt" --ctx 32 --chunks 1
ok $? "pare eval on another text"
# what JSON Lines say: escapes stand within every run of 64 tokens
tr -d '"\134' <"$d/own.txt" | tr -s '\n' ' ' | fold -sw 100 >"$d/said.txt"
printf '{"text": "%s"}\n' "$(sed 's/$/\\n/' "$d/said.txt" | tr -d '\n')" >"$d/said.jsonl"
# calibrated TEXT: on that
calibrated() {
    pare imatrix "$demo" "$1" "$d/said.gguf" --ctx 32 --chunks 2 && pare quantize "$demo" "$d/said-Q4_0.gguf" Q4_0 --imatrix "$d/said.gguf"
}
calibrated "$d/said.jsonl" && fails 1 "$d/said.jsonl, its texts (line 1) and $d/said.txt (line 1) share a run" eval "$d/said-Q4_0.gguf" --text "$d/said.txt"
ok $? "JSON Lines calibrated on"
calibrated "$d/said.txt" && fails 1 "$d/said.txt (line 1) and $d/said.jsonl, its texts (line 1) share a run" eval "$d/said-Q4_0.gguf" --text "$d/said.jsonl"
ok $? "JSON Lines evaluated on"
sed -i 's/calibrate: .*/calibrate: {imatrix: im.gguf}/' "$d/r.yaml" && cp "$d/to/z/x.imatrix.gguf" "$d/im.gguf"
fails 1 "$d/cal.txt (line" run "$d/r.yaml" --out "$d/to/i"
ok $? "an importance matrix names its text"
pare run "$d/r.yaml" --out "$d/to/i" --allow-overlap && cmp "$d/to/i/x-Q4_0.gguf" "$d/to/z/x-Q4_0.gguf" >"$d/shell"
[ -s "$d/to/i/x-Q4_0.gguf" ]
ok $? "calibrate: {imatrix: FILE}"
mv "$d/cal.txt" "$d/elsewhere"
pare eval "$d/to/z/x-Q4_0.gguf" --text "$d/shared.txt" --ctx 32 --chunks 1
ok $? "a calibration text that can't be found"
