#!/bin/sh
# pare cache: what is listed, what goes, what stays.
# shellcheck source=tests/lib.sh
. tests/lib.sh

# run OUT: a small run with the cache $d/c
run() {
    pare run $demo/demo.yaml --out "$1" --cache "$d/c" --set 'quantize=[Q8_0, Q4_0]' --set evaluate.chunks=1 \
        --set evaluate.ctx=32 --set calibrate.chunks=2
}
# cached OUT: how many steps it had finished
cached() {
    run "$1" && grep -c ' cached$' "$d/err"
}
run "$d/to/a"
ok $? "a run with a cache"
pare cache ls "$d/c" --json "$d/ls.json" && grep -q '^steps: 7, ' "$d/out" && [ "$(grep -c '"key"' "$d/ls.json")" = 7 ] &&
    grep -q 'quantize *pebble *Q8_0 .* MiB ' "$d/out"
ok $? "ls lists seven steps"
PARE_CACHE=$d/c pare cache ls && grep -q '^steps: 7, ' "$d/out"
ok $? "\$PARE_CACHE"
pare run $demo/demo.yaml --out "$d/to/n" --cache "$d/c" --set 'quantize=[Q8_0, Q4_0]' --set evaluate.chunks=1 --set evaluate.ctx=32 \
    --set calibrate.chunks=2 --plan && [ "$(grep -c ' cached ' "$d/out")" = 6 ] && [ ! -e "$d/to/n" ]
ok $? "--plan knows what another folder would take from it"
pare cache gc "$d/c" --max-size 2M --dry-run && grep -q '^would be: steps removed: [1-9]' "$d/out" && [ "$(cached "$d/to/a")" = 6 ] 2>/dev/null
[ "$(find "$d/c" -name '*.step' | wc -l)" = 7 ]
ok $? "--dry-run removes nothing"
pare cache gc "$d/c" --max-size 100G && grep -q '^steps removed: 0, ' "$d/out"
ok $? "what fits stays"
pare cache gc "$d/c" --older-than 1d && grep -q '^steps removed: 0, ' "$d/out"
ok $? "what is new stays"
find "$d/c" -name '*.step' -exec touch -d '3 days ago' {} +
run "$d/to/a" && pare cache gc "$d/c" --older-than 1d && grep -q '^steps removed: 0, ' "$d/out"
ok $? "what was used lately stays"
find "$d/c" -name '*.step' -exec touch -d '3 days ago' {} +
pare cache gc "$d/c" --older-than 2d && grep -q '^steps removed: 7, ' "$d/out" && [ -z "$(find "$d/c/objects" -type f)" ]
ok $? "what is old goes, with its objects"
run "$d/to/b" && [ "$(grep -c ' cached$' "$d/err")" = 0 ] && run "$d/to/c" && [ "$(grep -c ' cached$' "$d/err")" = 6 ]
ok $? "then all is done again, once"
for f in "$d"/c/*.step; do echo x >>"$f"; break; done
pare cache ls "$d/c" && grep -q ' damaged ' "$d/out" && pare cache gc "$d/c" && grep -q '^steps removed: 1, ' "$d/out"
ok $? "a damaged record is listed as such, and goes"
: >"$d/c/objects/$(printf '%064d' 7)" && touch -d '2 hours ago' "$d/c/objects/$(printf '%064d' 7)" "$d/c/x.part" && pare cache gc "$d/c" &&
    [ ! -e "$d/c/objects/$(printf '%064d' 7)" ] && [ ! -e "$d/c/x.part" ] && run "$d/to/c" && pare cache ls "$d/to/c"
ok $? "what belongs to nothing goes"

# ---- a variant of several files -----------------------------------------------------------
pare convert $demo "$d/m.gguf" --split-max-size 2M
parts=$(find "$d" -maxdepth 1 -name 'm-*-of-*.gguf' | wc -l)
printf 'name: s\nmodel: m-00001-of-0000%s.gguf\nquantize: [{name: k, mix: Q4_0, keep_split: true}]\n' "$parts" >"$d/r.yaml"
split() {
    pare run "$d/r.yaml" --out "$d/to/s" --cache "$d/cs"
}
split && [ "$parts" -gt 1 ] && [ "$(find "$d/to/s" -name 's-k-*.gguf' | wc -l)" = "$parts" ] && [ -s "$d/to/s/s-k.gguf.json" ] &&
    pare quantize "$d/m-00001-of-0000$parts.gguf" "$d/q.gguf" Q4_0 --keep-split && cmp "$d/q-00002-of-0000$parts.gguf" "$d/to/s/s-k-00002-of-0000$parts.gguf"
ok $? "keep_split: as many files as the model has"
cp -r "$d/to/s" "$d/whole" && rm "$d/to/s/s-k-00002-of-0000$parts.gguf" && split && grep -q 'quantize  k .* cached' "$d/err" &&
    diff -r -x .cache "$d/to/s" "$d/whole"
ok $? "one that is gone comes from the cache"
find "$d/cs/objects" -type f -exec touch -d '2 hours ago' {} +
pare cache gc "$d/cs" && grep -q '^steps removed: 0' "$d/out" && [ "$(find "$d/cs/objects" -type f | wc -l)" = $((parts + 1)) ]
ok $? "gc leaves all of them"
pare cache gc "$d/cs" --max-size 1K && [ -z "$(find "$d/cs/objects" -type f)" ]
ok $? "or takes all of them"

fails 2 "which cache?" cache ls
ok $? "no folder given"
fails 2 "expected ls or gc" cache rm "$d/c"
ok $? "another word"
fails 1 "$d/none: No such file" cache ls "$d/none"
ok $? "a folder that is not there"
fails 2 "--older-than wants a time" cache gc "$d/c" --older-than 3x
ok $? "a time that is none"
