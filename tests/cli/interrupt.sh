#!/bin/sh
# Stopped at any moment: after SIGINT and SIGTERM one line and no part file, after SIGKILL at
# most a part file; the final name never holds anything but the whole; and it works again.
# shellcheck source=tests/lib.sh
. tests/lib.sh

# A checkpoint large enough to be met while it is written: 9 MB of layers.
deep 6
pare convert "$d/ck" "$d/whole.gguf" && pare quantize "$d/ck" "$d/whole.q" Q4_K_M
ok $? "the whole, undisturbed"

# stopped SIGNAL WHOLE COMMAND...: 6 times, after a growing part of the time it takes
stopped() {
    signal=$1 whole=$2
    shift 2
    bad=0 i=0 hit=0
    begun=$(date +%s%N)
    "$PARE" "$@" >"$d/out" 2>"$d/err" || bad=1
    took=$((($(date +%s%N) - begun) / 1000000))
    rm -f "$d"/to/*
    while [ $i -lt 6 ]; do
        "$PARE" "$@" >"$d/out" 2>"$d/err" &
        pid=$!
        ms $((took * i / 6 + i))
        kill -"$signal" $pid 2>/dev/null
        wait $pid 2>"$d/shell"
        got=$?
        if [ "$signal" = KILL ]; then
            [ $got = 0 ] || [ $got = 137 ] || bad=1
        elif [ $got != 0 ]; then
            # before the handlers stand the signal itself ends it
            [ $got = 1 ] && [ "$(wc -l <"$d/err")" = 1 ] && grep -qi interrupted "$d/err" || { [ $got -gt 128 ] && [ ! -s "$d/err" ]; } || bad=1
            [ -z "$(find "$d/to" -name '*.part')" ] || bad=1
        fi
        if [ $got = 0 ]; then
            cmp "$d/to/o" "$whole" || bad=1
        else
            hit=$((hit + 1))
            [ ! -e "$d/to/o" ] || cmp "$d/to/o" "$whole" || bad=1
        fi
        [ $bad = 0 ] || { echo "# SIG$signal after $((took * i / 6 + i)) ms: exit $got: $(cat "$d/err") $(ls "$d/to")" && break; }
        [ $got != 0 ] || rm -f "$d"/to/*
        i=$((i + 1))
    done
    [ $hit -ge 1 ] || bad=1
    "$PARE" "$@" >"$d/out" 2>"$d/err" && cmp "$d/to/o" "$whole" && [ -z "$(find "$d/to" -name '*.part')" ] || bad=1
    ok $bad "SIG$signal: $1 ($hit of 6 times while it ran)"
    rm -f "$d"/to/*
}
stopped TERM "$d/whole.gguf" convert "$d/ck" "$d/to/o"
for signal in INT KILL; do
    stopped $signal "$d/whole.gguf" convert "$d/ck" "$d/to/o"
    stopped $signal "$d/whole.q" quantize "$d/ck" "$d/to/o" Q4_K_M
done
perl -e 'print "{\"sequences\": [", join(",", ("[1,2,3,4,5,6,7,8,9,10]") x 20), "]}"' >"$d/ids.json"
pare logits "$d/whole.q" --ids "$d/ids.json" "$d/whole.bin"
stopped INT "$d/whole.bin" logits "$d/whole.q" --ids "$d/ids.json" "$d/to/o"
pare imatrix "$d/whole.q" $demo/calibration.txt "$d/whole.im" --ctx 64
stopped INT "$d/whole.im" imatrix "$d/whole.q" $demo/calibration.txt "$d/to/o" --ctx 64
head -c 20480000 /dev/zero >"$d/zeros"
pare codec encode Q6_K "$d/zeros" "$d/whole.bin" --columns 256
stopped INT "$d/whole.bin" codec encode Q6_K "$d/zeros" "$d/to/o" --columns 256

# what writes nothing stops as soon
for c in "eval $d/whole.q --text $demo/evaluation.txt --ctx 64" "generate $d/whole.q -p x -n 300 --temp 1" "bench $d/whole.q -p 16 -n 8 --runs 90" \
    "inspect $d/whole.gguf --verify"; do
    # shellcheck disable=SC2086  # a list of words
    "$PARE" $c >"$d/out" 2>"$d/err" &
    pid=$!
    ms 100
    kill -INT $pid 2>/dev/null
    wait $pid
    got=$?
    # quick ones may have ended by themselves
    [ $got = 1 ] && [ "$(wc -l <"$d/err")" = 1 ] && grep -qi "^pare ${c%% *}: .*interrupted" "$d/err" ||
        case "$got${c%% *}" in 0inspect | 0generate) true ;; *) false ;; esac
    ok $? "SIGINT: ${c%% *} $got"
done

# ---- a recipe goes on where it was stopped -----------------------------------------------
printf 'name: x\nmodel: "%s"\nquantize: [Q8_0, Q4_K_M]\nevaluate: {text: "%s", ctx: 32, chunks: 1}\nreport: {json: r.json, html: r.html}\n' \
    "$d/ck" "$d/text" >"$d/r.yaml"
"$PARE" run "$d/r.yaml" --out "$d/kept" >"$d/out" 2>"$d/err"
ok $? "a recipe, undisturbed"
for signal in INT KILL; do
    bad=0 i=0
    rm -rf "$d/to"
    while [ $i -lt 4 ]; do
        "$PARE" run "$d/r.yaml" --out "$d/to" >"$d/out" 2>"$d/err" &
        pid=$!
        ms $((30 + 60 * i))
        kill -$signal $pid 2>/dev/null
        wait $pid 2>"$d/shell"
        got=$?
        case $signal$got in INT0 | KILL0 | INT1 | KILL137) ;; *) bad=1 && echo "# exit $got: $(cat "$d/err")" ;; esac
        [ $signal = KILL ] || [ -z "$(find "$d/to" -name '*.part')" ] || bad=1
        for f in x-Q8_0.gguf x-Q4_K_M.gguf; do
            [ ! -e "$d/to/$f" ] || cmp "$d/to/$f" "$d/kept/$f" || bad=1
        done
        i=$((i + 1))
    done
    "$PARE" run "$d/r.yaml" --out "$d/to" >"$d/out" 2>"$d/err" || bad=1
    for f in x-Q8_0.gguf x-Q4_K_M.gguf; do cmp "$d/to/$f" "$d/kept/$f" || bad=1; done
    [ -s "$d/to/r.json" ] && [ -s "$d/to/r.html" ] || bad=1
    [ -z "$(find "$d/to" -name '*.part')" ] || bad=1
    ok $bad "SIG$signal: a recipe stopped four times comes to the same files"
done
