#!/bin/sh
# The same bytes at any thread count and with any kernels; pare.source.sha256 is of the source.
# shellcheck source=tests/lib.sh
. tests/lib.sh

# sums NAME COMMAND...: the file is the same however it is made
same() {
    what=$1 bad=0
    shift
    for how in "-t 1" "-t 2" "-t 7" "--cpu scalar" "--cpu avx2" "--cpu avx512"; do
        # shellcheck disable=SC2086  # a list of words
        pare "$@" $how || { bad=1 && echo "# $what $how: $(cat "$d/err")"; }
        mv "$d/to/o.gguf" "$d/now"
        [ "$how" != "-t 1" ] || cp "$d/now" "$d/first"
        cmp "$d/now" "$d/first" || { bad=1 && echo "# $what: $how differs from -t 1"; }
    done
    ok $bad "$what: the same bytes with 1, 2, 7 threads and each level of kernels"
}
for type in f32 f16 bf16 q8_0; do
    same "convert $type" convert $demo "$d/to/o.gguf" --type $type
done
pare convert $demo "$d/m.gguf"
for mix in F16 Q8_0 Q4_0 Q4_K_S Q4_K_M Q5_K_M Q6_K; do
    same "quantize $mix" quantize $demo "$d/to/o.gguf" $mix
done
rm -rf "$d/to"
mkdir "$d/to"

# value FILE: its pare.source.sha256
value() {
    pare inspect "$1" && sed -n 's/.*pare.source.sha256 *STRING *"\([0-9a-f]*\)".*/\1/p' "$d/out"
}
a=$(value "$d/m.gguf") # as convert wrote it
[ ${#a} = 64 ]
ok $? "pare.source.sha256 is a digest"
pare quantize $demo "$d/to/q.gguf" Q8_0
[ "$(value "$d/to/q.gguf")" = "$a" ]
ok $? "the same of the same checkpoint, whatever is made of it"
fresh
printf '{"a": 1}' >"$d/ck/generation_config.json"
pare convert "$d/ck" "$d/to/c.gguf"
[ "$(value "$d/to/c.gguf")" = "$a" ]
ok $? "which is of the tensors"
n=$(perl -e 'read STDIN, $b, 8; print unpack "Q<", $b' <$demo/model.safetensors)
printf '\001' | put "$d/ck/model.safetensors" $((8 + n + 1000))
pare convert "$d/ck" "$d/to/c.gguf"
[ "$(value "$d/to/c.gguf")" != "$a" ]
ok $? "every byte of them"
