#!/bin/sh
# A function that only its own file uses is static.
B=${B:-build/release}
objs=$(find "$B" -name '*.o' ! -path '*/tests/*')
# shellcheck disable=SC2086
bad=$(for o in $objs $(find "$B/tests" -name '*.o' 2>/dev/null); do nm "$o" | awk '/ U / { print $2 }'; done | sort -u >/tmp/pare-used.$$
    for o in $objs; do nm "$o" | awk -v o="$o" '$2 == "T" { print $3, o }'; done |
    awk 'NR == FNR { used[$1]; next } !($1 in used) && $1 != "main"' /tmp/pare-used.$$ -)
rm -f /tmp/pare-used.$$
if [ -n "$bad" ]; then
    echo "$bad" | sed 's/^/not ok - used by nobody else: /'
else
    echo "ok - every exported function is used by another file"
fi
