#!/bin/sh
# Run fuzz targets built with CONFIG=fuzz for $SECONDS_EACH seconds each, two at a time.
# New inputs go to build/fuzz/corpus, crashes to build/fuzz/crash; any crash fails.
set -eu
mkdir -p build/fuzz/crash
export SECONDS_EACH
# shellcheck disable=SC2016  # expanded by the inner shell
printf '%s\n' "$@" | xargs -P "$(nproc)" -I{} sh -c '
    name=$(basename {} | sed s/^fuzz_//)
    mkdir -p "build/fuzz/corpus/$name"
    if build/fuzz/{} -max_total_time="$SECONDS_EACH" -timeout=10 -rss_limit_mb=2048 -max_len=65536 \
        -artifact_prefix="build/fuzz/crash/$name-" "build/fuzz/corpus/$name" "tests/fuzz/corpus/$name" \
        >"build/fuzz/$name.log" 2>&1; then
        echo "fuzz $name: clean, $(grep -c . "build/fuzz/$name.log") log lines, $(tail -1 "build/fuzz/$name.log")"
    else
        echo "fuzz $name: FAILED"; tail -30 "build/fuzz/$name.log"; exit 255
    fi'
