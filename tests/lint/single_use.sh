#!/bin/sh
# A function that only its own file uses is static. Objects whose source is gone don't count.
B=${B:-build/release}
used=$(mktemp)
trap 'rm -f "$used"' EXIT

# live FOLDER: objects with a source, and those linked from several
live() {
    [ -d "$1" ] || return
    find "$1" -name '*.o' | while read -r o; do
        source=${o#"$B"/}
        source=${source%.o}
        source=${source%.scalar} source=${source%.avx2} source=${source%.avx512}
        case $source in
        quant/codecs_*) echo "$o" ;;
        *) [ ! -e "$source.c" ] || echo "$o" ;;
        esac
    done
}

all=$(live "$B")
objs=$(echo "$all" | grep -v '/tests/')
for o in $all; do nm "$o" | awk '/ U / { print $2 }'; done | sort -u >"$used"
bad=$(for o in $objs; do nm "$o" | awk -v o="$o" '$2 == "T" { print $3, o }'; done |
    awk 'NR == FNR { used[$1]; next } !($1 in used) && $1 != "main"' "$used" -)
if [ -n "$bad" ]; then
    echo "$bad" | sed 's/^/not ok - used by nobody else: /'
else
    echo "ok - every exported function is used by another file"
fi
