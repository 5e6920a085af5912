#!/bin/sh
# TAP: each fuzz target built with CONFIG=fuzz (make fuzzers) explores for $FUZZ_SECONDS seconds, as many at
# a time as there are CPUs. New inputs go to build/fuzz/corpus, crashes to build/fuzz/crash; what is printed
# of one is where it happened and the input.
set -u
cd "$(dirname "$0")/../.." || exit 2
mkdir -p build/fuzz/crash
export FUZZ_SECONDS="${FUZZ_SECONDS:-60}"
# shellcheck disable=SC2016  # expanded by the inner shell
printf "%s\n" tests/fuzz/fuzz_*.c | xargs -P "$(nproc)" -I{} sh -c '
    name=$(basename {} .c); name=${name#fuzz_}
    mkdir -p "build/fuzz/corpus/$name"
    if "build/fuzz/tests/fuzz/fuzz_$name" -max_total_time="$FUZZ_SECONDS" -timeout=10 -rss_limit_mb=2048 -max_len=65536 \
        -artifact_prefix="build/fuzz/crash/$name-" "build/fuzz/corpus/$name" "tests/fuzz/corpus/$name" \
        >"build/fuzz/$name.log" 2>&1; then
        echo "ok - $name: $(tail -1 "build/fuzz/$name.log")"
    else
        echo "not ok - $name"
        grep -E "ERROR: |runtime error: |^ +#[0-9]+ 0x[0-9a-f]+ in [a-z0-9_]+ /|^SUMMARY: " "build/fuzz/$name.log" |
            head -30
        for input in "build/fuzz/crash/$name-"*; do
            [ -f "$input" ] && echo "# $input, gzip and base64: $(gzip -9c "$input" | base64 -w0 | head -c 8000)"
        done
    fi'
