#!/bin/sh
# Arguments, ids, texts, recipes and tokenizers that make no sense: exit 2 for misuse, 1 for
# what a file holds, one line, no waiting on pipes.
# shellcheck source=tests/lib.sh
. tests/lib.sh
fresh
m=$d/m.gguf
pare convert "$d/ck" "$m"
mkfifo "$d/pipe"

for c in inspect convert quantize distill imatrix eval run generate tokenize logits codec bench; do
    bad=0
    fails 2 "usage: pare $c" $c || bad=1
    fails 2 "unknown option --nonsense" $c x --nonsense || bad=1
    fails 2 "-t wants a whole number from 1 to 1024" $c x -t 0 || bad=1
    fails 2 "-t wants a whole number from 1 to 1024" $c x -t 99999999999999999999 || bad=1
    fails 2 "-t wants N" $c x -t || bad=1
    pare $c --help && [ -s "$d/out" ] || bad=1
    ok $bad "$c: misuse"
done
refused 2 "--ctx wants a whole number" eval "$m" --text "$d/text" --ctx 1
refused 2 "--ctx wants a whole number" eval "$m" --text "$d/text" --ctx 1e9
refused 2 "--chunks wants a whole number" eval "$m" --text "$d/text" --chunks -1
refused 2 "--kernels" eval "$m" --text "$d/text" --kernels f64
refused 2 "--temp wants a number" generate "$m" -p x --temp nan
refused 2 "--top-p wants a number" generate "$m" -p x --top-p 0
refused 2 "-n wants a whole number" generate "$m" -p x -n -5
refused 2 "unknown mix" quantize "$m" "$d/to/o" Q9_K
refused 2 "is no type" quantize "$m" "$d/to/o" Q8_0 --tensor-type x=y
refused 2 "PATTERN=TYPE" quantize "$m" "$d/to/o" Q8_0 --tensor-type x
refused 2 "" quantize "$m" "$d/to/o" Q8_0 --tensor-type '(=F16'
refused 2 "" quantize "$m" "$d/to/o" Q8_0 --split-max-size 0x
refused 2 "--columns" codec encode Q8_0 "$d/text" "$d/to/o" --columns 1e3
refused 2 "no whole number of Q8_0 blocks" codec encode Q8_0 "$d/text" "$d/to/o" --columns 31
refused 1 "expected a multiple of" codec encode Q8_0 "$d/text" "$d/to/o" --columns 1073741824
refused 1 "" eval "$m" --text "$d/text" --ctx 10000000
refused 1 "" eval "$m" --text /dev/null
for big in "eval $m --text $d/text --ctx 32 --chunks 1" "generate $m -p x -n 2" "convert $demo $d/to/o" "quantize $m $d/to/o Q4_K_M"; do
    # shellcheck disable=SC2086  # a list of words
    survives $big -t 1024
    ok $? "${big%% *}: -t 1024"
done
if [ $kib != unlimited ]; then # caches of gigabytes are refused, not waited for
    refused 1 "out of memory" generate "$m" -p x -n 16777216
    refused 1 "out of memory" bench "$m" -p 16777216 -n 0 --runs 1
fi
rm -f "$d"/to/*

# ---- ids ----------------------------------------------------------------------------
for ids in '{"sequences": [[1024]]}' '{"sequences": [[-1]]}' '{"sequences": [[1.5]]}' '{"sequences": [[1e300]]}' \
    '{"sequences": [[[1]]]}' '{"sequences": [1]}' '{"sequences": {}}' '[]' '{' '' '{"sequences": [["1"]]}' '{"sequences": [[null]]}'; do
    printf '%s' "$ids" >"$d/bad.json"
    fails 1 "" logits "$m" --ids "$d/bad.json" "$d/to/o" && clean
    ok $? "logits: $ids"
done

# ---- texts: any bytes are text ---------------------------------------------------------
head -c 3000 /dev/urandom >"$d/noise"
head -c 3000 /dev/zero >"$d/nul"
: >"$d/none"
for t in noise nul none; do
    survives tokenize "$m" --file "$d/$t" && survives eval "$m" --text "$d/$t" --ctx 16 --chunks 1 &&
        { [ $t = none ] && fails 2 "the prompt is empty" generate "$m" -f "$d/$t" || survives generate "$m" -f "$d/$t" -n 1; }
    ok $? "text: $t"
done
pare generate "$m" -p "" -n 2
[ $? -le 2 ]
ok $? "an empty prompt"
printf '{"text": "a"}\n{"text": 1}\n' >"$d/l"
refused 1 "l: line 2: " tokenize "$m" --jsonl "$d/l"

# ---- inputs that are no files ------------------------------------------------------------
for f in "$d/pipe" /dev/zero; do
    bad=0
    for c in "inspect $f" "quantize $f $d/to/o Q8_0" "eval $m --text $f" "eval $f --text $d/text" "run $f" "generate $m -f $f" \
        "tokenize $m --file $f" "logits $m --ids $f $d/to/o" "codec encode Q8_0 $f $d/to/o --columns 32" "bench $f"; do
        # shellcheck disable=SC2086  # a list of words
        fails 1 "$f: not a regular file" $c || bad=1
    done
    ok $bad "not a regular file: ${f##*/}"
done
for f in tokenizer.json model.safetensors tokenizer_config.json; do
    fresh
    rm "$d/ck/$f"
    mkfifo "$d/ck/$f"
    one "$f: not a regular file" "$d/ck"
    ok $? "a pipe as $f"
done

# ---- names -------------------------------------------------------------------------------
odd=$(printf '%s/a b\n\tc\303\251 $x;*' "$d")
cp -r $demo "$odd"
pare convert "$odd" "$odd/o u t.gguf" && pare inspect "$odd/o u t.gguf" && pare quantize "$odd/o u t.gguf" "$odd/q" Q8_0
ok $? "spaces, a newline and UTF-8 in a path"
rm "$odd/config.json"
fails 1 "a b??c" inspect "$odd"
ok $? "and the message is one line"

# ---- tokenizer.json ----------------------------------------------------------------------
size=$(wc -c <$demo/tokenizer.json)
bad=0
for cut in 0 1 100 1000 $((size / 2)) $((size - 3)); do
    fresh
    head -c "$cut" $demo/tokenizer.json >"$d/ck/tokenizer.json"
    one "tokenizer.json: " "$d/ck" || bad=1
done
ok $bad "tokenizer.json cut"
perl -e 'srand 3; undef $/; open F, "<", $ARGV[0]; $f = <F>; for $i (0 .. 29) { $g = $f;
    substr($g, int rand length $f, 1) ^= chr(1 << int rand 8); open G, ">", "$ARGV[1]/flip$i"; print G $g }' $demo/tokenizer.json "$d"
fresh
bad=0 i=0
while [ $i -lt 30 ]; do
    mv "$d/flip$i" "$d/ck/tokenizer.json"
    one "" "$d/ck" || bad=1
    i=$((i + 1))
done
ok $bad "tokenizer.json with a bit flipped"
for doc in '[]' '{}' '{"model": {}}' '{"model": {"type": "BPE", "vocab": {"a": 4000000000}, "merges": []}}' \
    '{"model": {"type": "BPE", "vocab": {"a": -1}, "merges": []}}' '{"model": {"type": "BPE", "vocab": {"a": 0, "b": 0}, "merges": ["a"]}}' \
    '{"model": {"type": "Crossword", "vocab": {"a": 0}}}'; do
    printf '%s' "$doc" >"$d/ck/tokenizer.json"
    fails 1 "tokenizer.json" convert "$d/ck" "$d/to/o" && fails 1 "tokenizer.json" tokenize "$d/ck" -p x
    ok $? "tokenizer.json: $doc"
done
fresh
rm "$d/ck/tokenizer.json"
for bytes in '' '\377\377\377\377\377\377\377\377\377\377' '\012\377\377\377\377\017a' 'hello'; do
    # shellcheck disable=SC2059  # the format is the escape
    printf "$bytes" >"$d/ck/tokenizer.model"
    fails 1 "tokenizer.model" convert "$d/ck" "$d/to/o" && fails 1 "tokenizer.model" tokenize "$d/ck" -p x
    ok $? "tokenizer.model: $(printf '%.60s' "$bytes")"
done
fresh
for card in '---\nlicense: [\n---\n' '---\n' '---\nlicense: *x\n---\n' '---\n- 1\n---\n' '---\na: &a [*a]\n---\n' '---\nlicense: mit\n' '\000\377' '---\nbase_model: {a: 1}\ntags: 7\nlanguage: [[1]]\n---\n'; do
    # shellcheck disable=SC2059  # the format is the escape
    printf -- "$card" >"$d/ck/README.md"
    survives convert "$d/ck" "$d/to/o"
    ok $? "README.md: $(printf '%.60s' "$card")"
done

# ---- recipes -----------------------------------------------------------------------------
# recipe TEXT WORDS
recipe() {
    # shellcheck disable=SC2059  # the format is the escape
    printf -- "$1" >"$d/r.yaml"
    rm -rf "$d/to"
    fails 1 "$2" run "$d/r.yaml" --out "$d/to"
    ok $? "recipe: $2"
}
recipe '' 'r.yaml: '
recipe '[1' 'r.yaml: line'
recipe 'a: b: c' 'r.yaml: line 1'
recipe '- 1' 'r.yaml: '
recipe 'name: x\nmodle: y\n' 'r.yaml: line 2, column'
recipe 'name: x\nname: y\nmodel: m.gguf\n' 'name'
recipe 'name: ../x\nmodel: m.gguf\nquantize: [Q8_0]\n' 'name'
recipe 'name: x\nquantize: [Q8_0]\n' 'model'
recipe 'name: x\nmodel: none.gguf\nquantize: [Q8_0]\n' 'none.gguf: No such file'
recipe 'name: x\nmodel: m.gguf\nquantize: [Q9]\n' 'Q9'
recipe 'name: x\nmodel: m.gguf\nquantize: Q8_0\n' 'line 3'
recipe 'name: x\nmodel: m.gguf\nquantize: [Q8_0, Q8_0]\n' 'Q8_0'
recipe 'name: x\nmodel: m.gguf\nquantize: [Q8_0]\nevaluate: {text: none.txt}\n' 'none.txt: No such file'
recipe 'name: x\nmodel: m.gguf\nquantize: [Q8_0]\nevaluate: {text: text, ctx: -1}\n' 'ctx'
recipe 'name: x\nmodel: m.gguf\nquantize: [Q8_0]\nevaluate: {text: text, chunks: 1e99}\n' 'chunks'
recipe 'name: x\nmodel: m.gguf\nquantize: [Q8_0]\nreport: {json: ../../r.json}\n' 'expected a plain path inside the output folder'
recipe 'name: x\nmodel: m.gguf\nquantize: [Q8_0]\ngate: {Q8_0: {kld: 1}}\n' 'gate'
recipe 'a: &a [x, x, x, x]\nb: &b [*a, *a, *a, *a]\nc: [*b, *b]\n' 'r.yaml: '
recipe 'name: "x\\0y"\nmodel: m.gguf\n' 'r.yaml: '
perl -e 'print "a: ", "[" x 50000' >"$d/r.yaml"
refused 1 "r.yaml: " run "$d/r.yaml" --out "$d/to"
printf 'name: x\nmodel: m.gguf\nquantize: [Q8_0]\n' >"$d/r.yaml"
refused 2 "nonsense" run "$d/r.yaml" --set nonsense --out "$d/to"
