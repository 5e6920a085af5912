#!/bin/sh
# kill -9 at random moments (KILLS of them, 12 each way; more by hand: KILLS=100 SEED=7): the final
# name never holds anything but a complete file, the earlier or the new one, its report never
# belongs to another; running again succeeds. A full disk leaves nothing behind.
# shellcheck source=tests/lib.sh
. tests/lib.sh
KILLS=${KILLS:-12}
seed=${SEED:-$$}

# 20 layers of the demo's are some megabytes
deep 20

# random MOST: 0 .. MOST, in $r
random() {
    seed=$(((seed * 1103515245 + 12345) % 2147483648))
    r=$((seed / 65536 % ($1 + 1)))
}

# report FILE: without the times and the name, which differ from run to run
report() { grep -v -e '"seconds"' -e '"file"' "$1"; }

# is DIR: $d/to holds what is in DIR, and no other report
is() {
    for f in "$1"/*; do
        to=$d/to/${f##*/}
        case $f in
        *.json) [ ! -e "$to" ] || { report "$to" >"$d/a" && report "$f" >"$d/b" && cmp -s "$d/a" "$d/b"; } || return 1 ;;
        *) cmp -s "$f" "$to" || return 1 ;;
        esac
    done
}

# first: the file whose name says that there is a model
first() {
    first=
    for f in "$d"/to/o "$d"/to/o-00001-of-*.gguf; do [ ! -e "$f" ] || first=$f; done
}

# whole: nothing of that name, or all of the earlier, or all of the new
whole() {
    first
    if [ -z "$first" ]; then
        [ ! -e "$d/to/o.json" ] || return 1
        for f in "$d"/to/o-*.gguf; do
            [ ! -e "$f" ] || cmp -s "$f" "$d/old/${f##*/}" || cmp -s "$f" "$d/new/${f##*/}" || return 1
        done
        return 0
    fi
    is "$d/old" || is "$d/new"
}

# make DIR TYPE OPTIONS...: the undisturbed one
make() {
    rm -rf "$1" && mkdir "$1"
    dir=$1 type=$2
    shift 2
    "$PARE" quantize "$d/ck" "$dir/o" "$type" "$@" >"$d/out" 2>"$d/err"
}

# killed EARLIER OPTIONS...: KILLS times
killed() {
    earlier=$1 bad=0 hit=0 i=0
    shift
    begun=$(date +%s%N)
    make "$d/new" IQ4_NL "$@" || bad=1
    took=$((($(date +%s%N) - begun) / 1000000))
    make "$d/old" Q4_0 "$@" || bad=1
    while [ $i -lt "$KILLS" ] && [ $bad = 0 ]; do
        # what the one before left stays, every other time
        [ $((i % 2)) = 1 ] || { rm -rf "$d/to" && if [ "$earlier" = 1 ]; then cp -r "$d/old" "$d/to"; else mkdir "$d/to"; fi; }
        "$PARE" quantize "$d/ck" "$d/to/o" IQ4_NL "$@" >"$d/out" 2>"$d/err" &
        pid=$!
        random $((took + 5))
        ms "$r"
        kill -KILL $pid 2>/dev/null
        wait $pid 2>"$d/shell"
        got=$?
        [ $got = 0 ] || [ $got = 137 ] || bad=1
        [ $got = 0 ] || hit=$((hit + 1))
        whole || bad=1
        first
        [ -z "$first" ] || "$PARE" inspect "$first" --verify >"$d/out" 2>&1 || bad=1
        # where others use the machine, times are what they are: come sooner
        if [ $got = 0 ]; then is "$d/new" || bad=1; took=$((took * 3 / 4)); fi
        [ $bad = 0 ] || echo "# after $r of $took ms: exit $got: $(cat "$d/err") $(ls "$d/to" | tr "\n" " " | head -c 600)"
        i=$((i + 1))
    done
    [ $hit -ge 1 ] || { bad=1 && echo "# never hit"; }
    "$PARE" quantize "$d/ck" "$d/to/o" IQ4_NL "$@" >"$d/out" 2>"$d/err" && is "$d/new" && [ -e "$d/to/o.json" ] || bad=1
    [ -z "$(find "$d/to" -name '*.part')" ] || bad=1
    ok $bad "kill -9, $hit of $KILLS times while it ran, earlier file: $earlier, options: $*"
}
killed 0
killed 1
killed 0 --split-max-size 300K
killed 1 --split-max-size 300K
killed 1 -t 1

# a conversion takes an earlier quantization's report away with it
rm -rf "$d/to" && cp -r "$d/old" "$d/to"
echo '{"tensors": 1}' >"$d/to/p.json"
pare convert "$d/ck" "$d/to/o" && [ ! -e "$d/to/o.json" ]
ok $? "no report of another file beside a converted one"
pare convert "$d/ck" "$d/to/p" && [ -e "$d/to/p.json" ]
ok $? "a file that is no report stays"

# a pipe's header can't be changed once it is gone
mkfifo "$d/pipe"
cat "$d/pipe" >"$d/piped" &
reader=$!
pare quantize "$d/ck" "$d/pipe" Q4_0 && wait $reader && pare quantize "$d/ck" "$d/filed" Q4_0 && cmp "$d/piped" "$d/filed"
ok $? "the same bytes through a pipe"

# no room: by a limit, then on a small disk where one can be mounted
for n in 1 200 700; do
    rm -rf "$d/to" && cp -r "$d/old" "$d/to"
    (
        ulimit -f $n
        trap '' XFSZ
        exec "$PARE" quantize "$d/ck" "$d/to/o" Q8_0 >"$d/out" 2>"$d/err"
    )
    [ $? = 1 ] && one_line quantize && grep -q "$d/to/o" "$d/err" && is "$d/old" && [ -z "$(find "$d/to" -name '*.part')" ]
    ok $? "no room after $n blocks: $(head -c 200 "$d/err" | sed "s|$d||g")"
done
mkdir "$d/disk"
if mount -t tmpfs -o size=600k none "$d/disk" 2>"$d/shell"; then
    mounted=$d/disk
    fails 1 "No space left" quantize "$d/ck" "$d/disk/o" Q8_0 && [ -z "$(ls "$d/disk")" ]
    ok $? "no room on a full disk"
    umount "$d/disk" && mounted=
else
    echo "ok - no room on a full disk # SKIP mount not allowed"
fi
