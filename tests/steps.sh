# shellcheck shell=sh
# Steps of the command-line tests that run whole commands; sourced, no test by itself. After it: $tmp
# is an empty folder that goes away. (tests/lib.sh is its sibling for hostile input, with limits.)
PARE=${PARE:-build/release/pare}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
n=0
ok() { # ok NAME COMMAND...: the command succeeds
    name=$1
    shift
    n=$((n + 1))
    if "$@" >"$tmp/log" 2>&1; then echo "ok $n - $name"; else
        echo "not ok $n - $name"
        sed 's/^/# /' "$tmp/log"
    fi
}
# fails STATUS TEXT COMMAND...: it exits with STATUS, saying TEXT in one line
fails() {
    status=$1 text=$2
    shift 2
    "$@" >"$tmp/out" 2>"$tmp/err"
    got=$?
    [ $got = "$status" ] && [ "$(wc -l <"$tmp/err")" = 1 ] && grep -qF -e "$text" "$tmp/err" && return
    echo "exit $got, expected $status and \"$text\":"
    cat "$tmp/err"
    return 1
}
absent() { for f in "$@"; do [ ! -e "$f" ] || { echo "$f exists"; return 1; }; done; }
