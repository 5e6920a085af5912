#!/bin/sh
# Run kinds of tests and count: tests/run.sh unit check golden cli fuzz explore oom lint
# Every program prints TAP; a skip says "# SKIP reason" and is counted. The last line is
# "N passed, N failed, N skipped"; the exit status is 1 when something failed.
set -u
cd "$(dirname "$0")/.." || exit 2
B=${B:-build/release}
PARE=${PARE:-$B/pare}
PARE_GOLDEN=${PARE_GOLDEN:-../shared/golden}
CMOCKA_MESSAGE_OUTPUT=TAP
GOMP_SPINCOUNT=100 # as main.c sets it
export GOMP_SPINCOUNT B PARE PARE_GOLDEN CMOCKA_MESSAGE_OUTPUT
log=$(mktemp)
trap 'rm -f "$log" "$log.one"' EXIT

# run NAME COMMAND...: its TAP goes to the log; a crash counts as a failure
run() {
    name=$1
    shift
    "$@" >"$log.one" 2>"$log.err"
    rc=$?
    grep -aE '^(not )?ok\b' "$log.one" | sed "s|^\(not ok\|ok\)[ 0-9-]*|\1 - $name: |" >>"$log"
    if grep -aqE '^not ok\b' "$log.one" || [ $rc -ne 0 ]; then
        grep -aqE '^not ok\b' "$log.one" || echo "not ok - $name: exit status $rc" >>"$log"
        echo "==== $name (exit $rc)"
        grep -avE '^ok\b' "$log.one" | head -60
        head -60 "$log.err"
    fi
    grep -aE '^(not )?ok\b.*# SKIP' "$log.one" | sed "s|^|$name: |"
    rm -f "$log.err"
}

for kind in "$@"; do
    case $kind in
    unit | golden)
        for t in tests/$kind/*_*.c; do [ -e "$t" ] && run "${t%.c}" "$B/${t%.c}"; done ;;
    check) run tests/check "$B/tests/check/check" ;;
    oom)
        for t in tests/oom/oom_*.c; do [ -e "$t" ] && run "${t%.c}" "build/asan/${t%.c}"; done ;;
    fuzz)
        for t in tests/fuzz/fuzz_*.c; do
            t=${t%.c}
            [ -e "$t.c" ] && run "$t" "build/asan/$t" "tests/fuzz/corpus/${t##*/fuzz_}"
        done ;;
    explore) run tests/fuzz/explore sh tests/fuzz/explore.sh ;;
    cli | lint)
        for t in tests/$kind/*.sh; do [ -e "$t" ] && run "${t%.sh}" sh "$t"; done ;;
    *) echo "run.sh: unknown kind $kind" >&2; exit 2 ;;
    esac
done

passed=$(grep -aE '^ok' "$log" | grep -avc '# SKIP')
failed=$(grep -acE '^not ok' "$log")
skipped=$(grep -aE '^ok' "$log" | grep -ac '# SKIP')
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ] && [ "$passed" != 0 ]
