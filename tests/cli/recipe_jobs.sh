#!/bin/sh
# Steps side by side, within a memory limit, after failures: the same files, and what is said.
# shellcheck source=tests/lib.sh
. tests/lib.sh

set_up='--set quantize=[Q8_0,Q6_K,Q4_0,Q4_K_M] --set evaluate.chunks=2 --set evaluate.ctx=64 --set calibrate.chunks=2'
# run OUT OPTIONS...
run() {
    out=$1
    shift
    # shellcheck disable=SC2086  # a list of words
    pare run $demo/demo.yaml --out "$out" $set_up "$@"
}
# same DIR: the files and reports are those of the first run
same() {
    for f in "$d"/to/a/*.gguf "$d"/to/a/report.*; do cmp "$f" "$1/${f##*/}" || return 1; done
}
run "$d/to/a" --jobs 1
ok $? "one at a time"
run "$d/to/b" --jobs 4 -t 4 && same "$d/to/b"
ok $? "four at a time: the same bytes"
run "$d/to/c" --jobs 4 -t 2 --memory 150M && same "$d/to/c"
ok $? "within the memory of one"
run "$d/to/e" --memory 1M && same "$d/to/e"
ok $? "evaluated one by one where two do not fit: the same bytes"
fails 2 "--memory: expected a size" run $demo/demo.yaml --memory lots
ok $? "a memory that is none"

# ---- after a failure ------------------------------------------------------------------------
# a type that needs importance without it fails, whatever else is there
bad='--set quantize=[Q8_0,{"name":"x","mix":"IQ1_S","imatrix":false},Q4_0]'
# failing OPTIONS...
failing() {
    rm -rf "$d/to/f"
    # shellcheck disable=SC2086  # a list of words
    pare run $demo/demo.yaml --out "$d/to/f" $bad --set evaluate.chunks=2 --set evaluate.ctx=64 --set calibrate.chunks=2 "$@"
}
failing
[ $? = 1 ] && [ -s "$d/to/f/pebble-Q8_0.gguf" ] && [ ! -e "$d/to/f/pebble-Q4_0.gguf" ] && tail -n 1 "$d/err" | grep -q '^pare run: x: IQ1_S needs an importance matrix'
ok $? "the first failure ends it"
failing --keep-going --json "$d/run.json"
[ $? = 1 ] && [ -s "$d/to/f/pebble-Q4_0.gguf" ] && [ ! -e "$d/to/f/report.html" ] && cmp "$d/to/f/pebble-Q4_0.gguf" "$d/to/a/pebble-Q4_0.gguf"
ok $? "--keep-going makes the others"
grep -q '^quantize  x .*failed: ' "$d/err" && grep -q '^evaluate  x .*skipped' "$d/err" && grep -q '^report    report.html .*skipped' "$d/err" &&
    tail -n 1 "$d/err" | grep -q '^pare run: 4 of 10 steps were not done; first: x: IQ1_S needs'
ok $? "with a list, and how many in one line"
[ "$(grep -c '"state": "done"' "$d/run.json")" = 6 ] && [ "$(grep -c '"state": "failed"' "$d/run.json")" = 1 ] && [ "$(grep -c '"state": "skipped"' "$d/run.json")" = 3 ]
ok $? "and as JSON"
failing --keep-going --jobs 3 -t 3
[ $? = 1 ] && [ -s "$d/to/f/pebble-Q4_0.gguf" ]
ok $? "side by side, too"
