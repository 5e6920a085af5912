#!/bin/sh
# pare run: plan, first run, second run, what makes a step run again, bad recipes,
# interruption.
# shellcheck source=tests/lib.sh
. tests/lib.sh
yaml=$demo/demo.yaml

# run OUT-FOLDER ARGUMENTS...: a small run of the demo; stdout in $d/out, stderr in $d/err
run() {
    out=$1
    shift
    "$PARE" run $yaml --out "$out" --set 'quantize=[Q8_0, Q4_0]' --set evaluate.chunks=2 \
        --set evaluate.ctx=32 --set calibrate.chunks=3 "$@" >"$d/out" 2>"$d/err"
}

# cached: how many steps of the last run were found finished
cached() {
    grep -c ' cached$' "$d/err"
}

run "$d/a" --plan
status=$?
[ $status = 0 ] && [ ! -e "$d/a" ] && [ "$(grep -c 'to do' "$d/out")" = 8 ]
ok $? "--plan lists eight steps and does nothing"
plan=$(grep 'Q8_0 .*MiB' "$d/out" | sed 's/^[^0-9]*Q8_0 *\([0-9.]* MiB\).*/\1/')

run "$d/a"
status=$?
[ $status = 0 ] && [ "$(cached)" = 0 ] && [ -s "$d/a/report.html" ] && [ -s "$d/a/report.json" ]
ok $? "a first run makes all"
grep -q "^pebble-Q8_0.gguf .* $plan " "$d/out"
ok $? "the file has the size that --plan said"
grep -q "^$d/a/report.html$" "$d/out"
ok $? "it says where the report is"
cp "$d/out" "$d/first"

begin=$(date +%s%N)
run "$d/a"
status=$?
took=$((($(date +%s%N) - begin) / 1000000))
[ $status = 0 ] && [ "$(cached)" = 8 ] && cmp -s "$d/out" "$d/first"
ok $? "a second run finds all eight steps and prints the same table"
[ $took -lt 1000 ]
ok $? "the second run takes under a second"
run "$d/a" --plan
[ "$(grep -c ' cached ' "$d/out")" = 8 ]
ok $? "--plan says so too"

run "$d/b" -t 1
cmp -s "$d/a/pebble-Q8_0.gguf" "$d/b/pebble-Q8_0.gguf" &&
    cmp -s "$d/a/pebble-Q4_0.gguf" "$d/b/pebble-Q4_0.gguf" &&
    cmp -s "$d/a/pebble.imatrix.gguf" "$d/b/pebble.imatrix.gguf" &&
    cmp -s "$d/a/report.html" "$d/b/report.html" && cmp -s "$d/a/report.json" "$d/b/report.json"
ok $? "another run, with one thread, gives the same bytes"

run "$d/a" --set 'quantize=[Q8_0, Q4_0, Q6_K]'
[ "$(cached)" = 6 ]
ok $? "one more mix: only what is new is done"
run "$d/a" --set evaluate.chunks=1
[ "$(cached)" = 3 ]
ok $? "another evaluation leaves the files alone"
run "$d/a"
[ "$(cached)" = 6 ]
ok $? "back to the first: only the reports differ"

printf x >>"$d/a/pebble-Q4_0.gguf"
run "$d/a"
[ "$(cached)" = 7 ] && cmp -s "$d/a/pebble-Q4_0.gguf" "$d/b/pebble-Q4_0.gguf"
ok $? "a file somebody changed is made again"
rm "$d/a/pebble-Q8_0.gguf"
run "$d/a"
[ "$(cached)" = 7 ] && cmp -s "$d/a/pebble-Q8_0.gguf" "$d/b/pebble-Q8_0.gguf"
ok $? "a file somebody deleted is made again"
for f in "$d"/a/.cache/*.json "$d"/a/.cache/*.step; do head -c 20 "$f" >"$f.cut" && mv "$f.cut" "$f"; done
run "$d/a"
status=$?
[ $status = 0 ] && [ "$(cached)" = 2 ] && cmp -s "$d/a/report.json" "$d/b/report.json"
ok $? "a damaged cache is no cache"

mkdir "$d/model" && cp recipes/demo/*.json recipes/demo/*.safetensors recipes/demo/evaluation.txt "$d/model"
printf 'model: model\nquantize: [Q8_0]\nevaluate: {text: model/evaluation.txt, chunks: 1, ctx: 16}\n' >"$d/own.yaml"
own() {
    "$PARE" run "$d/own.yaml" --out "$d/own" >"$d/out" 2>"$d/err"
}
own && own && [ "$(cached)" = 3 ] && [ -s "$d/own/own-Q8_0.gguf" ]
ok $? "paths begin at the recipe's folder, its name is the file's"
sed 's/"rope_theta": 10000.0/"rope_theta": 20000.0/' recipes/demo/config.json >"$d/model/config.json"
own && [ "$(cached)" = 0 ]
ok $? "a changed model is quantized and measured again"
touch "$d/model/model.safetensors"
own && [ "$(cached)" = 3 ]
ok $? "a touched one is not"

# recipe TEXT: $d/r.yaml
recipe() {
    # shellcheck disable=SC2059  # the format is the text
    printf "$1" >"$d/r.yaml"
}

refused 2 "usage: pare run" run
refused 1 "$d/none.yaml: No such file" run "$d/none.yaml"
recipe 'model: [m\n'
refused 1 "r.yaml: line 2, column 1: " run "$d/r.yaml" --out "$d/x"
recipe 'model: m\nquantise: [Q8_0]\n'
refused 1 'r.yaml: line 2, column 11: unknown key "quantise" (known: name, model, quantize, evaluate, report, calibrate, gate, allow_overlap, matrix, include' run \
    "$d/r.yaml" --out "$d/x"
recipe 'model: m\nquantize: [Q8_0]\ngate:\n  Q8_0: {kld: "<= 0.1"}\n'
refused 1 "r.yaml: line 4, column 3: gate: needs evaluate:" run "$d/r.yaml" --out "$d/x"
recipe 'model: m\nquantize: [Q8_0]\n'
refused 1 "$d/m: No such file" run "$d/r.yaml" --out "$d/x"
refused 2 "--set wants key=value" run "$d/r.yaml" --out "$d/x" --set x
[ ! -e "$d/x" ]
ok $? "a bad recipe leaves no folder"
refused 1 "$d/none: No such file" run $yaml --out "$d/x" --set "evaluate.text=$d/none"
recipe 'model: r.yaml\nquantize: [Q8_0]\n'
"$PARE" run "$d/r.yaml" --out "$d/x" >"$d/out" 2>"$d/err"
status=$?
[ $status = 1 ] && tail -1 "$d/err" | grep -q 'r.yaml: not a GGUF file'
ok $? "a model that is none"
: >"$d/empty"
refused 1 "/dev/null/x" run $yaml --out /dev/null/x

"$PARE" run $yaml --out "$d/x" --set "evaluate.text=$d/empty" --set 'quantize=[]' >"$d/out" 2>"$d/err"
status=$?
[ $status = 1 ] && grep -q 'too short a text: 0 tokens' "$d/err" && [ ! -e "$d/x/report.html" ]
ok $? "a text that is too short"

printf 'line\nbad \377 here\n' >"$d/bytes"
"$PARE" run $yaml --out "$d/x" --set "calibrate.text=$d/bytes" --set 'quantize=[Q4_0]' >"$d/out" 2>"$d/err"
status=$?
[ $status = 1 ] && tail -1 "$d/err" | grep -q 'bytes: line 2, column 5: byte 0xff where UTF-8 was expected'
ok $? "a calibration text that is no UTF-8"

if command -v flock >/dev/null; then
    mkdir -p "$d/lock/.cache"
    flock "$d/lock/.cache/lock" "$PARE" run $yaml --out "$d/lock" >"$d/out" 2>"$d/err"
    status=$?
    [ $status = 1 ] && grep -q 'another run is using this folder' "$d/err"
    ok $? "two runs in one folder are refused"
else
    echo "ok - two runs in one folder # SKIP no flock"
fi

"$PARE" run $yaml --out "$d/int" >"$d/out" 2>"$d/err" &
pid=$!
while [ ! -s "$d/int/pebble-Q4_K_M.gguf" ] && kill -0 $pid 2>/dev/null; do sleep 0.05; done
kill -INT $pid
wait $pid
status=$?
[ $status = 1 ] && tail -1 "$d/err" | grep -q 'interrupted' && [ ! -e "$d/int/report.html" ] &&
    [ -z "$(find "$d/int" -name '*.part')" ]
ok $? "SIGINT ends it with one line and no partial file"
"$PARE" run $yaml --out "$d/int" --set evaluate.chunks=1 --set evaluate.ctx=16 >"$d/out" 2>"$d/err"
[ "$(cached)" -ge 4 ]
ok $? "the next run goes on where it stopped"
