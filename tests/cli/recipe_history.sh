#!/bin/sh
# The log of runs: what is appended, shown, drawn; a log that is damaged or newer.
# shellcheck source=tests/lib.sh
. tests/lib.sh

# run QUANTIZE OPTIONS...
run() {
    q=$1
    shift
    pare run $demo/demo.yaml --out "$d/to/x" --set "quantize=$q" --set evaluate.chunks=6 --set evaluate.ctx=64 --set calibrate.chunks=2 "$@"
}
run '[Q8_0, Q4_0]' && run '[Q8_0, {name: Q4_0, mix: Q2_K}]' && run '[Q8_0, {name: Q4_0, mix: Q2_K}]'
ok $? "three runs"
pare history pebble --cache "$d/to/x" --json "$d/h.json" --svg "$d/h.svg" && [ "$(grep -c ' pebble ' "$d/out")" = 4 ]
ok $? "two did something: four rows of two variants"
grep -q '^ *2 .* Q4_0 .* worse  size ' "$d/out" && grep -q '^ *2 .* Q8_0 .* same *$' "$d/out"
ok $? "a loss that grew is said to be worse, one that did not is the same"
[ "$(grep -c '"run": ' "$d/h.json")" = 6 ] && grep -q '"change": "worse"' "$d/h.json"
ok $? "JSON"
grep -q '^<svg xmlns' "$d/h.svg" && [ "$(grep -c 'class="line' "$d/h.svg")" -ge 4 ]
ok $? "SVG: a line for each variant"
pare history pebble --cache "$d/to/x" --limit 1 --svg "$d/h.svg" && [ "$(grep -c 'class="dot' "$d/h.svg")" = 4 ]
ok $? "SVG: points where there is one run"
pare history --cache "$d/to/x" --limit 1 && [ "$(grep -c ' pebble ' "$d/out")" = 2 ] && grep -q ' worse ' "$d/out"
ok $? "--limit 1 still knows what came before"
run '[Q6_K]' --no-history && pare history --cache "$d/to/x" && ! grep -q Q6_K "$d/out"
ok $? "--no-history"
fails 2 'no run of "nothing" is in the log' history nothing --cache "$d/to/x"
ok $? "a model that is not there"
fails 1 "No such file" history --cache "$d/ck0"
ok $? "no folder"
(cd "$d" && mkdir w && cp -r to/x w/pebble.out && cd w && PARE_CACHE='' && exec "$PARE" history pebble) >"$d/out" 2>"$d/err"
case $PARE in /*) grep -q ' pebble ' "$d/out" ;; *) true ;; esac
ok $? "the default output folder is found by its name"

# two at once
small='--set evaluate.chunks=1 --set evaluate.ctx=64 --set calibrate.chunks=2'
# shellcheck disable=SC2086  # a list of words
pare run $demo/demo.yaml --out "$d/to/p" --cache "$d/c" --set 'quantize=[Q8_0]' $small &
pare run $demo/demo.yaml --out "$d/to/q" --cache "$d/c" --set 'quantize=[Q4_0]' $small
wait
pare history --cache "$d/c" && [ "$(grep -c ' pebble ' "$d/out")" = 2 ]
ok $? "two runs append to one log"

if command -v sqlite3 >/dev/null; then
    sqlite3 "$d/to/x/.cache/history.db" 'PRAGMA user_version = 9' >"$d/shell"
else
    perl -e 'open F, "+<", $ARGV[0]; seek F, 60, 0; print F pack("N", 9)' "$d/to/x/.cache/history.db"
fi
run '[Q5_0]' && grep -q 'warning: not in the history: .*history.db: a run log of version 9, expected 1' "$d/err"
ok $? "a newer log: a warning, the run succeeds"
fails 1 "a run log of version 9, expected 1" history --cache "$d/to/x"
ok $? "and pare history says so"
rm -f "$d"/to/x/.cache/history.db*
head -c 5000 /dev/urandom >"$d/to/x/.cache/history.db"
run '[Q5_1]' && grep -q 'warning: not in the history: .*history.db: ' "$d/err"
ok $? "a damaged log: a warning, the run succeeds"
fails 1 "history.db: file is not a database" history --cache "$d/to/x"
ok $? "and pare history says so, too"
