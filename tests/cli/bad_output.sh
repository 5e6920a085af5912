#!/bin/sh
# Where results go: an output that is an input, a folder, a device, a full disk, no place at
# all. One line says so, the input stays as it is, nothing is left behind.
# shellcheck source=tests/lib.sh
. tests/lib.sh

fresh
pare convert "$d/ck" "$d/m.gguf"
ok $? "convert"
cp "$d/m.gguf" "$d/kept.gguf"
head -c 4096 /dev/zero >"$d/rows"
cp "$d/rows" "$d/rows.kept"
ln -s m.gguf "$d/link.gguf"

# ---- an output that is an input -------------------------------------------------------
# spares WHAT COMMAND...: misuse, and every input is as it was
spares() {
    what=$1
    shift
    fails 2 "would replace what is read from" "$@" && cmp "$d/m.gguf" "$d/kept.gguf" &&
        cmp "$d/rows" "$d/rows.kept" && cmp "$d/ck/model.safetensors" $demo/model.safetensors &&
        cmp "$d/ck/config.json" $demo/config.json && [ "$(cat "$d/ids.json")" = '{"sequences": [[1, 2, 3]]}' ] &&
        [ "$(wc -c <"$d/text")" = 2000 ]
    ok $? "spares its input: $what"
}
spares "quantize X X" quantize "$d/m.gguf" "$d/m.gguf" Q8_0
spares "quantize LINK X" quantize "$d/link.gguf" "$d/m.gguf" Q8_0
spares "quantize X ./X" quantize "$d/m.gguf" "$d/./to/../m.gguf" Q8_0
spares "the weights" convert "$d/ck" "$d/ck/model.safetensors"
spares "the configuration" quantize "$d/ck" "$d/ck/config.json" Q8_0
spares "logits over its ids" logits "$d/m.gguf" --ids "$d/ids.json" "$d/ids.json"
spares "logits over its model" logits "$d/m.gguf" --ids "$d/ids.json" "$d/m.gguf"
spares "eval over its text" eval "$d/m.gguf" --text "$d/text" --ctx 32 --chunks 1 --json "$d/text"
spares "eval over the second model" eval "$d/ck" "$d/m.gguf" --text "$d/text" --json "$d/m.gguf"
spares "eval over the original" eval "$d/ck" --against "$d/m.gguf" --text "$d/text" --json "$d/m.gguf"
spares "inspect" inspect "$d/m.gguf" --json "$d/m.gguf"
spares "bench" bench "$d/m.gguf" -p 1 -n 1 --json "$d/m.gguf"
spares "codec" codec encode Q8_0 "$d/rows" "$d/rows" --columns 32
spares "codec's importance" codec encode Q8_0 "$d/m.gguf" "$d/rows" --columns 1024 --importance "$d/rows"
printf 'name: m\nmodel: ../m.gguf\nquantize: [{mix: Q8_0, name: b}]\nevaluate: {text: ../text}\nreport: {json: r.yaml}\n' >"$d/to/r.yaml"
spares "a recipe over itself by --json" run "$d/to/r.yaml" --out "$d/to/o" --json "$d/to/r.yaml" --plan
spares "a model by --json" run "$d/to/r.yaml" --out "$d/to/o" --json "$d/m.gguf"
spares "a recipe over itself" run "$d/to/r.yaml" --out "$d/to"
cp "$d/m.gguf" "$d/m-b.gguf"
spares "a recipe over its model" run "$d/to/r.yaml" --set model="$d/m-b.gguf" --set report.json=x.json --out "$d"
cmp "$d/m-b.gguf" "$d/kept.gguf"
ok $? "which is as it was"
rm -rf "$d/.cache" "$d/to/.cache" "$d/to/r.yaml" "$d/m-b.gguf"
pare quantize "$d/m.gguf" "$d/s.gguf" F32 --split-max-size 1M
ok $? "a split file"
first=$(cd "$d" && echo s-00001-of-*.gguf)
sum=$(cat "$d"/s-*.gguf | sha256sum)
fails 2 "would replace" quantize "$d/$first" "$d/s-00002-${first#s-00001-}" Q8_0 &&
    fails 2 "would replace" quantize "$d/$first" "$d/s.gguf" F32 --split-max-size 1M &&
    [ "$(cat "$d"/s-*.gguf | sha256sum)" = "$sum" ]
ok $? "spares its input: the other parts"
pare quantize "$d/$first" "$d/s.gguf" Q8_0 && [ "$(cat "$d"/s-*.gguf | sha256sum)" = "$sum" ]
ok $? "but one file of the parts' name is another file"
rm "$d"/s*
pare quantize "$d/ck" "$d/ck/m.gguf" Q8_0 && pare quantize "$d/ck" "$d/ck/m.gguf" Q8_0
ok $? "a GGUF in the checkpoint's folder, twice"

# ---- places that can't be written -------------------------------------------------------
long=$(printf '%0300d' 0)
deep=$(printf 'a/%.0s' $(seq 2500))
m=$d/m.gguf
# nowhere WORDS PATH: by every command that writes a file
nowhere() {
    bad=0
    fails 1 "$1" convert "$d/ck" "$2" || bad=1
    fails 1 "$1" quantize "$m" "$2" Q8_0 || bad=1
    fails 1 "$1" eval "$m" --text "$d/text" --ctx 32 --chunks 1 --json "$2" || bad=1
    fails 1 "$1" logits "$m" --ids "$d/ids.json" "$2" || bad=1
    fails 1 "$1" codec encode Q8_0 "$d/rows" "$2" --columns 32 || bad=1
    fails 1 "$1" bench "$m" -p 1 -n 1 --runs 1 --json "$2" || bad=1
    fails 1 "$1" inspect "$m" --json "$2" || bad=1
    ok $bad "$1"
}
nowhere "/none/o.part: No such file or directory" "$d/none/o"
nowhere "is a folder, expected a file to write" "$d/to"
nowhere "o.part: Not a directory" "$d/rows/o"
nowhere "o/.part: No such file or directory" "$d/o/"
nowhere "/dev/full: No space left on device" /dev/full
nowhere "00.part: File name too long" "$d/$long"
nowhere "a/.part: File name too long" "$d/$deep"
clean
ok $? "nothing was left"
printf 'name: x\nmodel: %s\nquantize: [Q8_0]\n' "$m" >"$d/r.yaml"
fails 1 "Not a directory" run "$d/r.yaml" --out "$d/rows/x" && fails 1 "rows/.cache: Not a directory" run "$d/r.yaml" --out "$d/rows"
ok $? "run: --out is a file"
pare quantize "$m" /dev/null Q8_0 && [ -c /dev/null ] && [ ! -e /dev/null.json ] && [ ! -e /dev/null.part ]
ok $? "/dev/null, and nothing beside it"
if [ "$(id -u)" = 0 ]; then
    chattr +i "$d/to" 2>/dev/null && readonly=yes || readonly=
else
    chmod a-w "$d/to" && readonly=yes
fi
if [ -n "$readonly" ]; then
    nowhere "/to/o.part: " "$d/to/o"
    chattr -i "$d/to" 2>/dev/null
    chmod u+w "$d/to"
else
    echo "ok - a folder without permission # SKIP root may write everywhere"
fi

# what stood there stays
echo before >"$d/to/o.gguf"
sed -i 's/"vocab_size": 1024/"vocab_size": 1025/' "$d/ck/config.json"
fails 1 "expected shape [1025, 256]" convert "$d/ck" "$d/to/o.gguf" &&
    [ "$(cat "$d/to/o.gguf")" = before ] && [ ! -e "$d/to/o.gguf.part" ]
ok $? "a failure leaves the file that was there"
mkdir "$d/to/p.gguf.part"
fails 1 "p.gguf.part: " quantize "$m" "$d/to/p.gguf" Q8_0
ok $? "a folder where the part file goes"
rm -rf "$d/to"
mkdir "$d/to"

# ---- a disk that fills ----------------------------------------------------------------
if mount -t tmpfs -o size=1m none "$d/to" 2>/dev/null; then
    mounted=$d/to
    # full COMMAND...
    full() {
        fails 1 "No space left on device" "$@" && [ -z "$(find "$d/to" -type f ! -path '*/.cache/*')" ]
        ok $? "a full disk: $1"
    }
    full convert $demo "$d/to/o.gguf"
    full quantize "$m" "$d/to/o.gguf" Q4_0
    full quantize "$m" "$d/to/o.gguf" Q4_0 --split-max-size 300K
    head -c 8000000 /dev/zero >"$d/zeros"
    full codec encode Q8_0 "$d/zeros" "$d/to/o" --columns 32
    head -c 3400000 /dev/zero >"$d/blocks"
    full codec decode Q8_0 "$d/blocks" "$d/to/o" --columns 32
    perl -e 'print "{\"sequences\": [[", join(",", (1) x 400), "]]}"' >"$d/many.json"
    full logits "$m" --ids "$d/many.json" "$d/to/o.bin"
    full run "$d/r.yaml" --out "$d/to"
    head -c 2000000 /dev/zero >"$d/to/filler" 2>/dev/null
    rm -rf "$d/to/.cache"
    fails 1 "No space left on device" inspect "$m" --json "$d/to/o" ||
        fails 1 "No space left on device" inspect "$m" --json "$d/to/o"
    ok $? "a full disk: inspect --json"
    fails 1 "" run "$d/r.yaml" --out "$d/to/x"
    ok $? "a full disk: run, from the start"
    umount "$d/to" && mounted=
else
    echo "ok - a full disk # SKIP mount is not permitted"
fi

# ---- stdout -------------------------------------------------------------------------------
for c in "inspect $m" "tokenize $m -p x" "generate $m -p x -n 3" "eval $m --text $d/text --ctx 32 --chunks 1" \
    "bench $m -p 1 -n 1 --runs 1" "quantize $m $d/to/o.gguf Q8_0" "convert $demo $d/to/o.gguf" "--help" "--version" "inspect --help"; do
    # shellcheck disable=SC2086  # a list of words
    (ulimit -v $kib && exec timeout 20 "$PARE" $c >/dev/full 2>"$d/err")
    full=$?
    # shellcheck disable=SC2086
    (ulimit -v $kib && exec timeout 20 "$PARE" $c >&- 2>"$d/err2")
    closed=$?
    # shellcheck disable=SC2086
    { (ulimit -v $kib && exec timeout 20 "$PARE" $c 2>"$d/err3") && echo 0 >"$d/rc" || echo $? >"$d/rc"; } | true
    read -r broken <"$d/rc"
    [ "$full" = 1 ] && [ "$(wc -l <"$d/err")" = 1 ] && [ $closed = 1 ] && [ "$(wc -l <"$d/err2")" = 1 ] && [ "$broken" -le 1 ]
    ok $? "stdout full, closed, broken: ${c%% *}: $full $closed $broken"
done

# ---- streams that come closed: no message lands in a file ------------------------------
pare quantize "$m" "$d/to/o.gguf" Q8_0
cp "$d/to/o.gguf" "$d/q.gguf"
for closed in '0<&-' '2>&-' '0<&- 1>&- 2>&-'; do
    rm -f "$d"/to/*
    eval "\"\$PARE\" quantize \"\$m\" \"\$d/to/o.gguf\" Q8_0 $closed" >"$d/out"
    cmp "$d/to/o.gguf" "$d/q.gguf"
    ok $? "the same file with $closed"
done

# ---- two writers of one file ------------------------------------------------------------
bad=0
for i in 1 2 3 4 5; do
    rm -f "$d"/to/*
    "$PARE" quantize "$m" "$d/to/o.gguf" Q8_0 >"$d/out1" 2>"$d/err1" &
    "$PARE" quantize "$m" "$d/to/o.gguf" Q8_0 >"$d/out2" 2>"$d/err2"
    two=$?
    wait $!
    one=$?
    [ $((one + two)) -le 1 ] && cmp "$d/to/o.gguf" "$d/q.gguf" || bad=1
    [ $((one + two)) = 0 ] || grep -q "another process is writing this file" "$d/err1" "$d/err2" || bad=1
done
ok $bad "two writers of one file: at most one is refused, and the file is whole"
