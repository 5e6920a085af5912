#!/bin/sh
# Every header compiles alone, and its guard is its path.
for h in $(git ls-files '*.h'); do
    guard=$(echo "$h" | tr 'a-z/.' 'A-Z__')
    grep -q "^#ifndef $guard\$" "$h" || echo "not ok - $h: guard is not $guard"
    # shellcheck disable=SC2086
    echo "#include \"$h\"" | ${CC:-cc} -std=c11 -D_POSIX_C_SOURCE=200809L -D_DEFAULT_SOURCE -Wall -Wextra -Werror \
        -I. ${ISA:--mavx512f -mavx512bw -mavx512dq -mavx512vl} -fsyntax-only -x c - 2>&1 | head -3 | sed "s|^|not ok - $h: |"
done | tee /dev/stderr | grep -q . || echo "ok - headers compile alone"
