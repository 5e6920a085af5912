#!/bin/sh
# Broken safetensors and GGUF files: cut, flipped, with counts, offsets, shapes and names
# that can't be. One line names the file, the tensor, what was expected and what was found.
# shellcheck source=tests/lib.sh
. tests/lib.sh

# ---- safetensors --------------------------------------------------------------------
st=$d/ck/model.safetensors
# head PERL: change the JSON header $_ of the checkpoint's weights
head_is() {
    fresh
    perl -e 'undef $/; open F, "<", $ARGV[0]; $f = <F>; $n = unpack "Q<", $f; $_ = substr $f, 8, $n;
        $data = substr $f, 8 + $n; eval $ARGV[1]; die $@ if $@;
        open F, ">", $ARGV[0]; print F pack("Q<", length), $_, $data' "$st" "$1"
}
# header PERL WORDS
header() {
    head_is "$1"
    one "$2" "$d/ck"
    ok $? "safetensors: $2"
}
header 's/"BF16"/"BF17"/' 'model.safetensors: tensor '
header 's/("model.norm.weight".*?)F32/$1I32/' 'tensor model.norm.weight: expected a floating-point type, found I32'
header 's/("model.norm.weight".*?)\[256\]/$1\[128\]/' 'tensor model.norm.weight: '
header 's/("model.norm.weight".*?)\[256\]/$1\[16,16\]/' 'tensor model.norm.weight: expected shape [256] by config.json, found [16, 16]'
header 's/("model.norm.weight".*?)\[256\]/$1\[4294967296,4294967296\]/' 'tensor model.norm.weight: '
header 's/("model.norm.weight".*?)\[256\]/$1\[9007199254740993\]/' 'tensor model.norm.weight: '
header 's/("model.norm.weight".*?)\[256\]/$1\[-256\]/' 'tensor model.norm.weight: '
header 's/("model.norm.weight".*?)\[256\]/$1\[256.5\]/' 'tensor model.norm.weight: '
header 's/("model.norm.weight".*?)\[256\]/$1"256"/' 'tensor model.norm.weight: '
header 's/("model.norm.weight".*?)\[256\]/$1\[1,1,1,1,1,1,1,1,1,256\]/' 'tensor model.norm.weight: '
header 's/("model.norm.weight".*?"data_offsets":\[)\d+,\d+/${1}0,1024/' 'overlap'
header 's/("model.norm.weight".*?"data_offsets":\[)(\d+),\d+/${1}$2,99999999999/' 'tensor model.norm.weight: '
header 's/("model.norm.weight".*?"data_offsets":\[)(\d+),(\d+)/${1}$3,$2/' 'tensor model.norm.weight: '
header 's/("model.norm.weight".*?"data_offsets":\[)(\d+),(\d+)/${1}99999999488,100000000000/' 'tensor model.norm.weight: '
header 's/model.norm.weight/model.embed_tokens.weight/' 'model.embed_tokens.weight'
header 's/model.norm.weight/model.nonsense.weight/' 'tensor model.nonsense.weight: architecture llama has none of this name'
header 's/model.layers.2.mlp.up/model.layers.99.mlp.up/' 'tensor model.layers.99.mlp.up_proj.weight: config.json says 3 layers'
header 's/model.layers.2.mlp.up/model.layers.99999999999999999999.mlp.up/' 'model.layers.99999999999999999999.mlp.up_proj.weight'
header 's/model.norm.weight/model.norm\\nweight/' 'tensor model.norm?weight: '
header 's/model.norm.weight/"x" x 10/e' 'tensor xxxxxxxxxx: architecture llama has none'
header 's/model.norm.weight/"x" x 100000/e' 'xxxx'
header 's/^\{/[/' 'model.safetensors: '
header '$_ = ""' 'model.safetensors: '
header '$_ = "{}"' 'the tensors end at byte 0 of the data'
header '$_ = "{" . join(",", map "\"t$_\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}", 1 .. 20000) . "}"; $data = ""' 'architecture llama has none of this name'

size=$(wc -c <$demo/model.safetensors)
n=$(perl -e 'read STDIN, $b, 8; print unpack "Q<", $b' <$demo/model.safetensors)
fresh
bad=0
for cut in 0 1 7 8 9 $((7 + n)) $((8 + n)) $((9 + n)) 4096 100000 $((size / 2)) $((size - 1)); do
    head -c "$cut" $demo/model.safetensors >"$st"
    one "ck/model.safetensors: " "$d/ck" || bad=1
done
ok $bad "safetensors cut at its boundaries"
for length in 0 1 $((n - 1)) $((n + 1)) "$size" 100000001 9223372036854775807 18446744073709551615; do
    fresh
    le 8 "$length" | put "$st" 0
    one "ck/model.safetensors: " "$d/ck" || bad=1
done
ok $bad "safetensors with a wrong header length"
fresh
printf more >>"$st"
one "ck/model.safetensors: " "$d/ck"
ok $? "safetensors with bytes behind the last tensor"

fresh
perl -e 'srand 1; undef $/; open F, "<", $ARGV[0]; $f = <F>; for $i (0 .. 19) { $g = substr $f, 0, 8 + $ARGV[1];
    substr($g, int rand(8 + $ARGV[1]), 1) ^= chr(1 << int rand 8); open G, ">", "$ARGV[2]/flip$i"; print G $g, substr $f, 8 + $ARGV[1] }' \
    "$st" "$n" "$d"
bad=0 i=0
while [ $i -lt 20 ]; do
    mv "$d/flip$i" "$st"
    one "" "$d/ck" || bad=1
    i=$((i + 1))
done
ok $bad "safetensors with a bit of the header flipped"

# shards
fresh
mv "$st" "$d/ck/model-00001-of-00002.safetensors"
map=$(perl -e 'undef $/; $_ = <>; s/^.{8}//s; print join ",", map "\"$_\":\"model-00001-of-00002.safetensors\"", /"([a-z_0-9.]+)":\{"dtype/g' "$d"/ck/model-*)
# shards MAP WORDS
shards() {
    printf '{"metadata": {}, "weight_map": {%s}}' "$1" >"$d/ck/model.safetensors.index.json"
    one "$2" "$d/ck"
    ok $? "shards: $2"
}
shards "$map,\"lm_head.weight\":\"model-00002-of-00002.safetensors\"" "ck/model-00002-of-00002.safetensors: No such file"
shards "$map,\"lm_head.weight\":\"model-00001-of-00002.safetensors\"" "tensor lm_head.weight is not in model-00001"
shards "$map,\"lm_head.weight\":\"../../etc/passwd\"" "lm_head.weight: no name of a file of this folder"
shards "$map,\"lm_head.weight\":7" "lm_head.weight: no name of a file of this folder"
shards "" "weight_map names no tensor"
cp "$d/ck/model-00001-of-00002.safetensors" "$d/ck/model-00002-of-00002.safetensors"
shards "$map,\"model.norm.bias\":\"model-00002-of-00002.safetensors\"" "is in model-00001-of-00002.safetensors and in model-00002-of-00002.safetensors"
rm "$d"/ck/model*
one "ck: no safetensors file in this folder" "$d/ck"
ok $? "no weights at all"

# values that are none
# value BYTES OFFSET-FROM-END WHAT
for bits in '\300\177' '\200\177' '\200\377'; do
    fresh
    # shellcheck disable=SC2059  # the format is the escape
    printf "$bits" | put "$st" $((8 + n + 1000))
    bad=0
    at="ck: tensor token_embd.weight: row 1: column 244: expected a finite number, found "
    words=$at
    small quantize "$d/ck" && small convert "$d/ck" && small run "$d/ck" || bad=1
    fails 1 "$at" convert "$d/ck" "$d/to/o.gguf" --type q8_0 && clean || bad=1
    ok $bad "weights with a NaN or infinity: $bits"
done

# ---- GGUF ---------------------------------------------------------------------------
pare convert $demo "$d/f.gguf" && pare quantize $demo "$d/q.gguf" Q4_K_M
ok $? "convert and quantize"
g=$d/g.gguf
# key NAME VALUE-PERL WORDS [FILE]: another value for a key of 4 bytes
key() {
    perl -0777 -pe 'BEGIN { ($k, $v) = splice @ARGV, 0, 2; $v = eval $v } s/\Q$k\E....\K..../$v/s or die "no $k"' \
        "$1" "$2" "${4:-$d/q.gguf}" >"$g"
    one "$3" "$g"
    ok $? "GGUF: $1 $2: $3"
}
key llama.block_count 'pack "V", 1000000000' "llama.block_count: 1000000000 layers, but only 29 tensors"
key llama.block_count 'pack "V", 4294967295' "llama.block_count: 4294967295 layers, but only 29 tensors"
key llama.block_count 'pack "V", 0' "llama.block_count: "
key llama.block_count 'pack "V", 2' "blk.2."
key llama.embedding_length 'pack "V", 0' "llama.embedding_length: "
key llama.embedding_length 'pack "V", 512' "tensor "
key llama.embedding_length 'pack "V", 4294967295' "tensor "
key llama.feed_forward_length 'pack "V", 4294967295' "tensor "
key llama.attention.head_count 'pack "V", 0' "llama.attention.head_count: "
key llama.attention.head_count 'pack "V", 3' "3 query heads are no multiple of 2"
key llama.attention.head_count 'pack "V", 4294967294' "tensor "
key llama.attention.layer_norm_rms_epsilon 'pack "f<", "nan"' "llama.attention.layer_norm_rms_epsilon: "
key llama.rope.freq_base 'pack "f<", 0' "rope"
key llama.rope.dimension_count 'pack "V", 63' "expected an even part"
key llama.rope.dimension_count 'pack "V", 4294967294' "4294967294 rotated values"
key llama.vocab_size 'pack "V", 4294967295' "expected shape"
key llama.context_length 'pack "V", 0' "llama.context_length: "
key llama.context_length 'pack "V", 4294967295' ""
key tokenizer.ggml.bos_token_id 'pack "V", 4294967295' ""
key tokenizer.ggml.bos_token_id 'pack "V", 99999' ""

# text PERL WORDS: substitution over the whole file
text() {
    perl -0777 -pe "$1" "$d/q.gguf" >"$g"
    one "$2" "$g"
    ok $? "GGUF: $2"
}
text 's/general\.architecture\x08\0\0\0\x05\0{7}\Kllama/llamx/' 'architecture "llamx" is not supported'
text 's/general\.architecture\x08/general.architecture\x07/' 'g.gguf: '
text 's/blk\.1\.attn_q\.weight/blk.1.attn_Q.weight/' 'tensor blk.1.attn_Q.weight: architecture llama has none of this name'
text 's/blk\.1\.attn_q\.weight/blk.0.attn_q.weight/' 'blk.0.attn_q.weight'
text 's/blk\.1\.attn_q\.weight/blk.9.attn_q.weight/' 'blk.9.attn_q.weight'
text 's/blk\.1\.attn_q\.weight.{4}\K.{8}/pack "Q<", 1 << 62/se' 'tensor blk.1.attn_q.weight: '
text 's/blk\.1\.attn_q\.weight.{4}\K.{8}/pack "Q<", 0/se' 'tensor blk.1.attn_q.weight: '
text 's/blk\.1\.attn_q\.weight\K.{4}/pack "V", 5/se' 'tensor blk.1.attn_q.weight: '
text 's/blk\.1\.attn_q\.weight.{20}\K.{4}/pack "V", 0/se' 'blk.1.attn_q'
text 's/blk\.1\.attn_q\.weight.{20}\K.{4}/pack "V", 4000/se' 'tensor blk.1.attn_q.weight: tensor type number 4000'
text 's/blk\.1\.attn_q\.weight.{24}\K.{8}/pack "Q<", 1 << 63/se' 'tensor blk.1.attn_q.weight: '
text 's/blk\.1\.attn_q\.weight.{24}\K.{8}/pack "Q<", 32/se' 'overlap'
text 's/tokenizer\.ggml\.tokens.{8}\K.{8}/pack "Q<", 1 << 60/se' 'tokenizer.ggml.tokens'
text 's/tokenizer\.ggml\.tokens.{8}\K.{8}/pack "Q<", 0/se' 'g.gguf: '
text 's/tokenizer\.ggml\.model\x08\0\0\0\x05\0{7}\Kgpt2/gpt9/' ''
each "" "$g"
ok $? "GGUF: a tokenizer model that pare does not know, by every command"
text 's/(tokenizer\.ggml\.pre\x08\0\0\0.\0{7})./$1\xff/s' ''

bad=0 hsize=$(perl -0777 -ne 'print index($_, "output_norm.weight")' "$d/q.gguf") gsize=$(wc -c <"$d/q.gguf")
for cut in 0 3 4 8 12 16 20 24 28 40 1000 $((hsize / 2)) "$hsize" $((hsize + 20)) $((hsize + 200)) $((gsize / 2)) $((gsize - 1000)); do
    head -c "$cut" "$d/q.gguf" >"$g"
    one "g.gguf: " "$g" || bad=1
done
ok $bad "GGUF cut at its boundaries"

perl -e 'srand 2; undef $/; open F, "<", $ARGV[0]; $f = <F>; for $i (0 .. 39) { $g = $f;
    substr($g, int rand($i % 2 ? $ARGV[1] : 700), 1) ^= chr(1 << int rand 8); open G, ">", "$ARGV[2]/flip$i"; print G $g }' \
    "$d/q.gguf" "$hsize" "$d"
bad=0 i=0
while [ $i -lt 40 ]; do
    mv "$d/flip$i" "$g"
    one "" "$g" || bad=1
    i=$((i + 1))
done
ok $bad "GGUF with a bit of the head flipped"

fresh
head -c 1000 /dev/zero | tr '\0' '\377' | put "$st" $((8 + n + 800000))
words="not finite"
small eval "$d/ck" && small logits "$d/ck"
ok $? "NaN weights seen in the logits"

# block scales that are none: refused, or measured as what they are, never a crash
perl -0777 -pe 'substr($_, length() - 4000, 2) = "\x00\x7e"; substr($_, length() - 300000, 256) = "\xff" x 256' "$d/q.gguf" >"$g"
each "" "$g"
ok $? "GGUF with scales that are NaN"

pare quantize $demo "$d/s.gguf" Q8_0 --split-max-size 1M
rm "$d"/s-00002-*
each "s-00002-of-" "$(ls "$d"/s-00001-*)"
ok $? "GGUF with a part missing, by every command"
: >"$g"
each "g.gguf: " "$g"
ok $? "an empty file, by every command"
head -c 100000 /dev/urandom >"$g"
each "g.gguf: " "$g"
ok $? "noise, by every command"
