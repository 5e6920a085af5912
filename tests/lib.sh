# shellcheck shell=sh
# What the command-line tests share; sourced, no test by itself. After it: $d is an empty folder
# that goes away, $demo a small real checkpoint, $m.gguf the same converted.
set -u
PARE=${PARE:-build/release/pare}
demo=recipes/demo
d=$(mktemp -d) || exit 1
mounted=
trap '[ -z "$mounted" ] || umount "$mounted" 2>/dev/null; rm -rf "$d"' EXIT
case $PARE in # sanitizers reserve terabytes of addresses
*asan* | *tsan*) kib=unlimited ;;
*) kib=4194304 ;;
esac

# ok STATUS WHAT
ok() {
    if [ "$1" = 0 ]; then echo "ok - $2"; else echo "not ok - $2"; fi
}

# check NAME COMMAND...: the command succeeds
check() {
    name=$1
    shift
    "$@" >"$d/log" 2>&1
    good=$?
    [ $good = 0 ] || sed 's/^/# /' "$d/log"
    ok $good "$name"
}

# pare ARGUMENTS...: in bounded time and memory; stdout to $d/out, stderr to $d/err
pare() {
    (
        ulimit -v $kib
        exec timeout -k 1 20 "$PARE" "$@" >"$d/out" 2>"$d/err" </dev/null
    )
}

# Only warnings and one line that names the command; those of steps that `run` did don't count.
one_line() {
    grep -av ": warning: " "$d/err" >"$d/line"
    [ "$1" != run ] || { grep -avE "^[a-z]+  +[^ ]" "$d/line" >"$d/last"; mv "$d/last" "$d/line"; }
    [ "$(wc -l <"$d/line")" = 1 ] && grep -aq "^pare $1: ." "$d/line"
}

# fails STATUS WORDS COMMAND ARGUMENTS...: that exit status, one line with those words
fails() {
    status=$1 words=$2
    shift 2
    pare "$@"
    got=$?
    [ $got = "$status" ] && one_line "$1" && grep -aqF -e "$words" "$d/line" && return 0
    echo "# pare $*: exit $got, expected $status and \"$words\", in one line: $(head -c 600 "$d/err")" |
        tr '\n' '|' && echo
    return 1
}

# refused STATUS WORDS COMMAND ARGUMENTS...: `fails` as a line of its own
refused() {
    fails "$@"
    ok $? "$3: ${2#"$d"/}"
}

# survives COMMAND ARGUMENTS...: done, or refused in one line; nothing else
survives() {
    pare "$@"
    got=$?
    [ $got = 0 ] && return 0
    [ $got = 1 ] && one_line "$1" && return 0
    echo "# pare $*: exit $got: $(head -c 600 "$d/err")" | tr '\n' '|' && echo
    return 1
}

# Nothing was left under an output's name, nor half of it; a recipe's cache is its own.
clean() {
    left=$(find "$d/to" -type f ! -path '*/.cache/lock' ! -path '*/.cache/hashes.json' | head -3)
    rm -rf "$d/to"
    mkdir "$d/to"
    [ -z "$left" ] && return 0
    echo "# left behind: $left"
    return 1
}

# small COMMAND MODEL: $@ of a command with little work to do, writing below $d/to
small() {
    case $1 in
    convert) set -- convert "$2" "$d/to/o.gguf" ;;
    quantize) set -- quantize "$2" "$d/to/o.gguf" Q4_K_M ;;
    eval) set -- eval "$2" --text "$d/text" --ctx 32 --chunks 1 --json "$d/to/o.json" ;;
    imatrix) set -- imatrix "$2" "$d/text" "$d/to/o.gguf" --ctx 16 --chunks 1 ;;
    generate) set -- generate "$2" -p "Once upon" -n 2 ;;
    logits) set -- logits "$2" --ids "$d/ids.json" "$d/to/o.bin" ;;
    bench) set -- bench "$2" -p 2 -n 2 --runs 1 --json "$d/to/o.json" ;;
    inspect) set -- inspect "$2" --tensors --json "$d/to/o.json" ;;
    tokenize) set -- tokenize "$2" -p "Once upon" ;;
    run)
        printf 'name: x\nmodel: "%s"\nquantize: [Q8_0]\nevaluate: {text: "%s", ctx: 32, chunks: 1}\nreport: {json: r.json}\n' \
            "$2" "$d/text" >"$d/r.yaml"
        set -- run "$d/r.yaml" --out "$d/to"
        ;;
    esac
    if [ -n "$words" ]; then fails 1 "$words" "$@"; else survives "$@"; fi || return 1
    if [ $got = 0 ]; then rm -rf "$d/to" && mkdir "$d/to"; else clean; fi
}

# each WORDS MODEL: every command that takes a model fails with these words, or survives when
# there are none. `inspect` and `tokenize` read only its head or tokenizer, and must survive.
each() {
    commands="quantize eval imatrix generate logits bench run" bad=0
    [ ! -d "$2" ] || commands="convert $commands"
    for command in $commands inspect tokenize; do
        words=$1
        case $command in inspect | tokenize) words= ;; esac
        small $command "$2" || bad=1
    done
    return $bad
}

# one WORDS MODEL: the same with the next of these commands, where it is one of many cases
turn=0
one() {
    turn=$(((turn + 1) % 7)) bad=0
    # shellcheck disable=SC2046  # a list of words
    set -- "$1" "$2" $(printf 'logits generate quantize eval bench run %s' "$([ -d "$2" ] && echo convert || echo logits)")
    words=$1 model=$2
    shift 2
    shift $turn
    small "$1" "$model" || bad=1
    words=
    case $((turn % 2)) in 0) small inspect "$model" ;; 1) small tokenize "$model" ;; esac || bad=1
    return $bad
}

# fresh: a copy of the checkpoint to break, $d/ck
fresh() {
    rm -rf "$d/ck"
    mkdir "$d/ck"
    cp "$demo"/*config.json "$demo"/tokenizer.json "$demo"/model.safetensors "$d/ck/"
}

# deep LAYERS: the same with more layers, copies of its last, 1.6 MB each
deep() {
    fresh
    perl -e '
    undef $/; open F, "<", $ARGV[0]; $f = <F>; $n = unpack "Q<", $f;
    $h = substr $f, 8, $n; $data = substr $f, 8 + $n;
    $h =~ s/\{"__metadata__":\{[^}]*\},?/{/; $h =~ s/\s+$//; $h =~ s/^\{|\}$//g;
    while ($h =~ /("model.layers.2.([a-z_.]+)":\{"dtype":"\w+","shape":\[[0-9,]+\],"data_offsets":\[(\d+),(\d+)\]\})/g) {
        push @t, [$1, $3, $4];
    }
    $end = length $data; @parts = ($data);
    for $l (3 .. $ARGV[1] - 1) {
        for (@t) {
            my ($e, $a, $b) = @$_;
            $e =~ s/layers\.2/layers.$l/; $e =~ s/\[\d+,\d+\]\}$/"[$end," . ($end += $b - $a) . "]}"/e;
            $h .= ",$e"; push @parts, substr $data, $a, $b - $a;
        }
    }
    open F, ">", $ARGV[0]; print F pack("Q<", 2 + length $h), "{$h}", @parts;
    ' "$d/ck/model.safetensors" "$1"
    sed -i "s/\"num_hidden_layers\": 3/\"num_hidden_layers\": $1/" "$d/ck/config.json"
}

# le BYTES NUMBER: little endian
le() {
    perl -e 'my ($n, $v) = @ARGV; print substr(pack("Q<", $v), 0, $n)' "$1" "$2"
}

# put FILE OFFSET: overwrite with stdin
put() {
    dd of="$1" bs=1 seek="$2" conv=notrunc 2>/dev/null
}

# ms NUMBER: sleep so many milliseconds
ms() {
    sleep "$(printf '%d.%03d' $(($1 / 1000)) $(($1 % 1000)))"
}

mkdir "$d/to"
head -c 2000 "$demo/evaluation.txt" >"$d/text"
echo '{"sequences": [[1, 2, 3]]}' >"$d/ids.json"
