#!/bin/sh
# pare convert on the demo checkpoint: exit codes, messages, no partial output.
demo=recipes/demo
. tests/steps.sh
holds() { grep -qF -e "$2" "$1" || { cat "$1"; return 1; }; }
copy() { # a fresh checkpoint to break
    rm -rf "$tmp/ck"
    mkdir "$tmp/ck"
    cp "$demo"/*.json "$demo"/model.safetensors "$tmp/ck/"
}

for type in auto f32 f16 bf16 q8_0; do
    ok "convert --type $type" "$PARE" convert "$demo" "$tmp/$type.gguf" --type $type
done
ok "auto is the checkpoint's type" cmp "$tmp/auto.gguf" "$tmp/bf16.gguf"
ok "one thread" "$PARE" convert "$demo" "$tmp/t1.gguf" --type q8_0 -t 1
ok "the same bytes at any number of threads" cmp "$tmp/t1.gguf" "$tmp/q8_0.gguf"
ok "other ways to say it" "$PARE" convert "$demo" "$tmp/n.gguf" --name "My Model" --pre-tokenizer gpt-2
ok "inspect them" sh -c "'$PARE' inspect '$tmp/n.gguf' >'$tmp/n.txt'"
ok "--name" holds "$tmp/n.txt" "My Model"
ok "split" "$PARE" convert "$demo" "$tmp/s.gguf" --split-max-size 2MB
ok "split parts" test -s "$tmp/s-00001-of-00003.gguf" -a -s "$tmp/s-00003-of-00003.gguf"
ok "split parts read as one" "$PARE" inspect "$tmp/s-00001-of-00003.gguf"


# ---- proof by running ---------------------------------------------------------------
ok "--verify" sh -c "'$PARE' convert '$demo' '$tmp/v.gguf' --type f32 --verify >'$tmp/v.txt'"
ok "the same logits" holds "$tmp/v.txt" "NMSE of the logits 0,"
ok "--verify of Q8_0" sh -c "'$PARE' convert '$demo' '$tmp/v8.gguf' --type q8_0 --verify >'$tmp/v.txt'"
ok "not quite the same" sh -c "! grep -q 'logits 0,' '$tmp/v.txt'"
echo stale >"$tmp/vs.gguf" # another run's: not what was written now
ok "--verify of parts" "$PARE" convert "$demo" "$tmp/vs.gguf" --split-max-size 2MB --verify

# ---- what fits -----------------------------------------------------------------------
"$PARE" inspect "$demo" >"$tmp/i.txt"
ok "inspect: the row it fits" holds "$tmp/i.txt" "tensors fit, 0 missing"
ok "inspect: what it would weigh" holds "$tmp/i.txt" "Q4_K_M"
copy
sed 's/LlamaForCausalLM/LlamoForCausalLM/' "$demo/config.json" >"$tmp/ck/config.json"
ok "an unknown class names the nearest" fails 1 'the nearest is LlamaForCausalLM' \
    "$PARE" convert "$tmp/ck" "$tmp/x.gguf"
"$PARE" inspect "$tmp/ck" >"$tmp/i.txt"
ok "inspect: unknown, and the nearest" holds "$tmp/i.txt" "unknown; the nearest is llama"
copy
sed 's/"num_hidden_layers": *[0-9]*/"num_hidden_layers": 9/' "$demo/config.json" >"$tmp/ck/config.json"
"$PARE" inspect "$tmp/ck" >"$tmp/i.txt"
ok "inspect: what is missing" holds "$tmp/i.txt" "missing model.layers.8."
ok "inspect: why it does not convert" holds "$tmp/i.txt" "does not convert: "

ok "unknown type" fails 2 '--type wants' "$PARE" convert "$demo" "$tmp/x.gguf" --type q9
ok "bad size" fails 2 'not "4furlongs"' "$PARE" convert "$demo" "$tmp/x.gguf" --split-max-size 4furlongs
ok "operand missing" fails 2 'usage' "$PARE" convert "$demo"
ok "no checkpoint" fails 1 "$tmp: expected a folder with a config.json" "$PARE" convert "$tmp" "$tmp/x.gguf"
ok "a full disk" fails 1 'No space left' "$PARE" convert "$demo" /dev/full
ok "no such folder" fails 1 "$tmp/none/x.gguf" "$PARE" convert "$demo" "$tmp/none/x.gguf"
copy
head -c 3000000 "$demo/model.safetensors" >"$tmp/ck/model.safetensors"
ok "truncated weights" fails 1 'model.safetensors' "$PARE" convert "$tmp/ck" "$tmp/x.gguf"
copy
sed 's/"LlamaForCausalLM"/"OtherForCausalLM"/' "$demo/config.json" >"$tmp/ck/config.json"
ok "unknown architecture" fails 1 'config.json: architecture "OtherForCausalLM"' \
    "$PARE" convert "$tmp/ck" "$tmp/x.gguf"
sed 's/"intermediate_size": *[0-9]*/"intermediate_size": 640/' "$demo/config.json" >"$tmp/ck/config.json"
ok "a shape that disagrees" fails 1 'expected shape [' "$PARE" convert "$tmp/ck" "$tmp/x.gguf"
ok "which tensor" holds "$tmp/err" 'model.safetensors: tensor model.layers.0.mlp.'
printf '{' >"$tmp/ck/config.json"
ok "broken config.json" fails 1 'config.json' "$PARE" convert "$tmp/ck" "$tmp/x.gguf"
copy
rm "$tmp/ck/tokenizer.json"
ok "no tokenizer" fails 1 'tokenizer.json' "$PARE" convert "$tmp/ck" "$tmp/x.gguf"
ok "nothing under the final name" absent "$tmp/x.gguf" "$tmp/x.gguf.part"
echo "1..$n"
