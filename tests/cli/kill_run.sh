#!/bin/sh
# A recipe killed at random moments (KILLS of them, 15; more by hand: KILLS=100 SEED=7) comes to the
# same bytes; so do two runs that share a cache; damaged records and objects are made again.
# shellcheck source=tests/lib.sh
. tests/lib.sh
KILLS=${KILLS:-15}
seed=${SEED:-$$}

random() {
    seed=$(((seed * 1103515245 + 12345) % 2147483648))
    r=$((seed / 65536 % ($1 + 1)))
}

# run OUT OPTIONS...: the demo, smaller; stderr in $d/err
set_up="--set quantize=[BF16,Q8_0,Q4_K_M,Q3_K_M] --set evaluate.chunks=4 --set evaluate.ctx=64 --set calibrate.chunks=6 --set report.junit=junit.xml"
run() {
    out=$1
    shift
    # shellcheck disable=SC2086  # a list of words
    exec "$PARE" run $demo/demo.yaml --out "$out" $set_up "$@" >"$d/$run_name.out" 2>"$d/$run_name.err" </dev/null
}
run_name=a

# same DIR: all outputs are those of the undisturbed run
same() {
    for f in "$d"/whole/*.gguf "$d"/whole/*.json "$d"/whole/*.html "$d"/whole/*.xml; do
        case $f in *.gguf.json) [ -s "$1/${f##*/}" ] && continue ;; esac # has times in it
        cmp "$f" "$1/${f##*/}" || return 1
    done
    [ -z "$(find "$1" -name '*.part')" ]
}

# half DIR: what is there under a final name is whole
half() {
    for f in "$1"/*.gguf; do
        [ ! -e "$f" ] || cmp "$f" "$d/whole/${f##*/}" || return 1
    done
}

begun=$(date +%s%N)
(run "$d/whole")
ok $? "undisturbed"
took=$((($(date +%s%N) - begun) / 1000000))

# killed NAME OUT OPTIONS...: KILLS times, then to the end
killed() {
    name=$1 to=$2 bad=0 i=0 hit=0
    shift 2
    while [ $i -lt "$KILLS" ] && [ $bad = 0 ]; do
        # begin anew now and then: most moments are before the first step is finished
        [ $((i % 5)) != 0 ] || rm -rf "$to" "$d/cache"
        (run "$to" "$@") &
        pid=$!
        random $took
        ms "$r"
        kill -KILL $pid 2>/dev/null
        wait $pid 2>"$d/shell"
        got=$?
        case $got in 0) ;; 137) hit=$((hit + 1)) ;; *) bad=1 && echo "# exit $got: $(cat "$d/a.err")" ;; esac
        half "$to" || bad=1
        [ $got != 0 ] || rm -rf "$to"
        i=$((i + 1))
    done
    (run "$to" "$@") && same "$to" || bad=1
    [ $bad = 0 ] || echo "# last: $(tail -2 "$d/a.err")"
    ok $bad "kill -9: $name, $hit of $KILLS while it ran"
}
killed "own cache" "$d/to/k"
killed "two jobs" "$d/to/j" --jobs 2 -t 2
killed "shared cache" "$d/to/s" --cache "$d/cache"

# what was finished is in the cache: another folder takes it from there
rm -rf "$d/to/s2" && (run "$d/to/s2" --cache "$d/cache")
[ "$(grep -c ' cached$' "$d/a.err")" = 10 ] && same "$d/to/s2"
ok $? "another folder takes ten steps from the cache and writes its reports"

# ---- two at once --------------------------------------------------------------------------
rm -rf "$d/cache"
run_name=b
(run "$d/to/t1" --cache "$d/cache") &
one=$!
run_name=a
(run "$d/to/t2" --cache "$d/cache")
two=$?
wait $one
[ $? = 0 ] && [ $two = 0 ] && same "$d/to/t1" && same "$d/to/t2"
ok $? "two runs share a cache"
# no step was done twice: 10 steps that are kept, of 20 in both runs
done_by_both=$(cat "$d/a.err" "$d/b.err" | grep -v 'waits for another' | grep '^\(calibrate\|convert\|quantize\|evaluate\)' | grep -vc ' cached$')
[ "$done_by_both" = 10 ]
ok $? "each step is done by one of them ($done_by_both)"
[ -z "$(find "$d/cache" -name '*.lock')" ]
ok $? "no locks are left"

# ---- damage -------------------------------------------------------------------------------
for f in "$d"/cache/objects/*; do printf x | dd of="$f" bs=1 seek=1000 conv=notrunc 2>/dev/null; done
rm -rf "$d/to/t3" && (run "$d/to/t3" --cache "$d/cache") && same "$d/to/t3"
ok $? "damaged objects are made again"
grep -q 'quantize  Q8_0 .* cached' "$d/a.err"
[ $? = 1 ]
ok $? "and not taken"
for f in "$d"/cache/*.step; do sed -i 's/"bytes": [0-9]*/"bytes": 1/' "$f"; done
rm -rf "$d/to/t4" && (run "$d/to/t4" --cache "$d/cache") && same "$d/to/t4" && [ "$(grep -c ' cached$' "$d/a.err")" = 0 ]
ok $? "records that were changed are no records"
