#!/bin/sh
# pare imatrix on the embedded demo model: threads and the model's form change nothing, files
# add up, and what it says of bad input.
# shellcheck source=tests/lib.sh
. tests/lib.sh
text=$demo/calibration.txt
pare convert $demo "$d/m.gguf"
small="--ctx 64 --chunks 3"

# is WORDS: what was printed
is() {
    grep -qF -- "$1" "$d/out"
}

# no STATUS WORDS ARGUMENTS...
no() {
    status=$1 words=$2
    shift 2
    fails "$status" "$words" imatrix "$@" && clean
    ok $? "imatrix: ${words##*/}"
}

# shellcheck disable=SC2086  # options in words
pare imatrix $demo $text "$d/1.gguf" $small -t 1 && is "22 weights, 3 windows of 64 tokens"
ok $? "a checkpoint's importance"
for t in 2 7; do
    # shellcheck disable=SC2086
    pare imatrix $demo $text "$d/2.gguf" $small -t $t && cmp "$d/1.gguf" "$d/2.gguf"
    ok $? "the same bytes with $t threads"
done
# shellcheck disable=SC2086
pare imatrix "$d/m.gguf" $text "$d/2.gguf" $small && cmp "$d/1.gguf" "$d/2.gguf"
ok $? "a GGUF's is its checkpoint's"
pare quantize "$d/m.gguf" "$d/q.gguf" Q4_0 && pare imatrix "$d/q.gguf" $text "$d/2.gguf" --ctx 64 --chunks 1
ok $? "a quantized model's"

pare inspect "$d/1.gguf" --tensors
grep -q "imatrix.chunk_count .*3" "$d/out" && grep -q "blk.0.attn_q.weight.in_sum2" "$d/out" &&
    grep -q "token_embd.weight.counts" "$d/out"
ok $? "it is a GGUF with llama-imatrix's keys, the tied output's sums among them"

pare imatrix --merge "$d/1.gguf" --merge "$d/1.gguf" "$d/two.gguf" && is "22 weights, 6 windows of 64 tokens"
ok $? "files alone are merged"
# shellcheck disable=SC2086
pare imatrix $demo $text "$d/2.gguf" $small --merge "$d/1.gguf" && cmp "$d/two.gguf" "$d/2.gguf"
ok $? "what is collected is added to a file as that file to it"

no 1 "$d/text: too short a text" $demo "$d/text" "$d/to/o.gguf" --ctx 100000
no 1 "No such file" $demo "$d/absent" "$d/to/o.gguf"
no 1 "No such file" "$d/absent" $text "$d/to/o.gguf"
no 1 "does not begin with" "$d/text" $text "$d/to/o.gguf"
no 2 "usage: pare imatrix" $demo "$d/to/o.gguf"
no 2 "usage: pare imatrix" "$d/to/o.gguf"
no 2 "--ctx wants" $demo $text "$d/to/o.gguf" --ctx 1
no 2 "--chunks wants" $demo $text "$d/to/o.gguf" --chunks 0
no 2 "f64" $demo $text "$d/to/o.gguf" --kernels f64
no 2 "$text" $demo $text $text
no 2 "$d/m.gguf" "$d/m.gguf" $text "$d/m.gguf"
no 2 "$d/1.gguf" --merge "$d/1.gguf" "$d/1.gguf"
no 1 "No such file" --merge "$d/absent" "$d/to/o.gguf"
no 1 "neither a GGUF nor an importance matrix" --merge "$d/text" "$d/to/o.gguf"
no 1 "not an importance matrix" --merge "$d/m.gguf" "$d/to/o.gguf"
: >"$d/empty"
no 1 "neither a GGUF nor" --merge "$d/empty" "$d/to/o.gguf"
head -c 5000 "$d/1.gguf" >"$d/cut.gguf"
no 1 "$d/cut.gguf: " --merge "$d/1.gguf" --merge "$d/cut.gguf" "$d/to/o.gguf"
sed 's/blk\.0\.attn_q\./blk.0.attn_Q./g' "$d/1.gguf" >"$d/other.gguf"
pare imatrix --merge "$d/1.gguf" --merge "$d/other.gguf" "$d/2.gguf" && is "23 weights"
ok $? "a weight that only one file has is kept"
sed 's/blk\./BLK./g; s/token_embd/TOKEN_EMBD/g' "$d/1.gguf" >"$d/other.gguf"
no 1 "$d/other.gguf: of another model" --merge "$d/1.gguf" --merge "$d/other.gguf" "$d/to/o.gguf"

pare imatrix --show "$d/1.gguf" --json "$d/show.json" && is "22 weights, 3 windows of 64 tokens" &&
    grep -qE '^blk\.0\.attn_q\.weight +[0-9]+ +1 +0 +192 +192 ' "$d/out" &&
    grep -q '"schema": "pare.imatrix"' "$d/show.json"
ok $? "what it says of every weight"
no 2 "usage: pare imatrix" --show "$d/1.gguf" "$d/2.gguf"
no 2 "usage: pare imatrix" --show
no 2 "$d/1.gguf" --show "$d/1.gguf" --json "$d/1.gguf"
no 1 "not an importance matrix" --show "$d/m.gguf"

# shellcheck disable=SC2086
pare imatrix $demo $text "$d/2.gguf" $small --full "$d/1.xx" -t 1 && cmp "$d/1.gguf" "$d/2.gguf"
ok $? "second moments beside it"
# shellcheck disable=SC2086
pare imatrix $demo $text "$d/2.gguf" $small --full "$d/2.xx" -t 7 --full-memory 100K && cmp "$d/1.xx" "$d/2.xx"
ok $? "the same with 7 threads, one matrix at a time"
no 2 "given for both outputs" $demo $text "$d/to/o" --full "$d/to/o"
no 2 "$text" $demo $text "$d/to/o.gguf" --full $text
no 2 "--full FILE goes with" --merge "$d/1.gguf" --full "$d/to/o" "$d/to/o.gguf"
