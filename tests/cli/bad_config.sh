#!/bin/sh
# config.json and its neighbours, broken in every way a download or a hand can break them:
# each command that takes a model says in one line what it expected and what it found.
# shellcheck source=tests/lib.sh
. tests/lib.sh

# with KEY VALUE WORDS: config.json with this value is refused
with() {
    fresh
    sed -i "s|\"$1\": [^,]*|\"$1\": $2|" "$d/ck/config.json"
    one "$3" "$d/ck"
    ok $? "$1: $2"
}
layers="num_hidden_layers: expected a"
with num_hidden_layers 1000000000 "num_hidden_layers: 1000000000 layers, but only 29 tensors"
with num_hidden_layers 4 "config.json says 4 layers"
with num_hidden_layers 2 "tensor model.layers.2.input_layernorm.weight: config.json says 2 layers"
with num_hidden_layers -1 "$layers whole number below 2^32, found -1"
with num_hidden_layers 1.5 "$layers whole number below 2^32, found 1.5"
with num_hidden_layers '"2"' "$layers number, found \"2\""
with num_hidden_layers '[3]' "$layers number, found [3]"
with num_hidden_layers 1e400 "$layers finite number, found inf"
with num_hidden_layers 18446744073709551615 "$layers whole number below 2^32"
with num_hidden_layers NaN "config.json: line 18, column 24: not valid JSON"
with head_dim 0 "head_dim: expected a positive number, found 0"
with head_dim 3 "expected an even part"
with head_dim 32 "tensor model.layers.0.self_attn.k_proj.weight: expected shape [64, 256] by config.json, found [128, 256]"
with vocab_size 1000000000000 "vocab_size: expected a whole number below 2^32, found 1000000000000"
with vocab_size 4000000000 "expected shape [4000000000, 256] by config.json, found [1024, 256]"
with hidden_size 4294967295 "by config.json, found [1024, 256]"
with intermediate_size 4294967295 "expected shape [256, 4294967295] by config.json, found [256, 768]"
with num_attention_heads 3 "3 query heads are no multiple of 2 key-value heads"
with num_attention_heads 4000000000 "by config.json, found [256, 256]"
with num_key_value_heads 0 "num_key_value_heads: expected a positive number, found 0"
with rms_norm_eps -1e-5 "rms_norm_eps: expected a positive number"
with rope_theta 0 "rope_theta: expected a positive number"
with hidden_act '"swash"' "swash"
with rope_theta '1, "rope_scaling": {"rope_type": "spiral", "factor": 2}' "spiral"
with rope_theta '1, "rope_scaling": {"rope_type": "yarn"}' "factor"
with rope_theta '1, "rope_theta": 2' "rope_theta"
with model_type '"llama" "' "config.json: line"

# absurd where it only sizes caches: refused or done, in bounded memory
for v in 1 4294967295; do
    fresh
    sed -i "s|\"max_position_embeddings\": [^,]*|\"max_position_embeddings\": $v|" "$d/ck/config.json"
    each "" "$d/ck"
    ok $? "max_position_embeddings: $v"
done

# is NAME TEXT WORDS: the whole of a file
is() {
    fresh
    printf "$2" >"$d/ck/$1"
    one "$3" "$d/ck"
    ok $? "$1: $(printf %.40s "$2" | cat -v)"
}
is config.json '' "config.json: "
is config.json '[]' "config.json: not a JSON object"
is config.json '{}' "config.json: architectures is missing"
is config.json '{"architectures": []}' "config.json: architectures is missing"
is config.json '{"architectures": [null]}' "config.json: architectures is missing"
is config.json '{"architectures": ["NoSuchForCausalLM"]}' 'architecture "NoSuchForCausalLM" is not supported'
is config.json '{"architectures": ["a\\u0000b"]}' "config.json: line 1"
is config.json '\377\376{\000' "config.json: line 1"
is generation_config.json '{' "generation_config.json: line"
is tokenizer_config.json '[1]' "tokenizer_config.json: not a JSON object"
is special_tokens_map.json '{"a": 1, "a": 2}' "special_tokens_map.json: duplicate key \"a\""

fresh
perl -e 'print "[" x 100000' >"$d/ck/config.json"
one "config.json: line 1" "$d/ck"
ok $? "config.json nested a hundred thousand deep"
fresh
head -c 300 "$demo/config.json" >"$d/ck/config.json"
one "config.json: line" "$d/ck"
ok $? "config.json cut"

# bits of config.json flipped: never more than one clear line
fresh
bad=0 n=3 size=$(wc -c <"$demo/config.json")
while [ $n -lt "$size" ]; do
    perl -0777 -pe 'BEGIN { $n = shift } substr($_, $n, 1) ^= chr(1 << $n % 8)' $n \
        "$demo/config.json" >"$d/ck/config.json"
    survives convert "$d/ck" "$d/to/o.gguf" || bad=1
    [ $got = 0 ] || clean || bad=1
    survives logits "$d/ck" --ids "$d/ids.json" "$d/to/o.bin" || bad=1
    rm -f "$d"/to/*
    n=$((n + 13))
done
ok $bad "a bit flipped in every thirteenth byte of config.json"

# every command once
fresh
echo '{"architectures": ["NoSuchForCausalLM"]}' >"$d/ck/config.json"
each 'ck/config.json: architecture "NoSuchForCausalLM" is not supported' "$d/ck"
ok $? "an unknown architecture, by every command"
fresh
rm "$d/ck/config.json"
each "ck" "$d/ck"
ok $? "no config.json, by every command"
