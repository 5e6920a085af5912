#!/bin/sh
# Memory does not grow with the model: a checkpoint of zeros, 0.9 GB that take no room on disk
# (rows of 128k columns, an embedding of 64k rows, stacked experts), in less than 300 MB.
# Larger ones by hand: HIDDEN=8192 INNER=32768 VOCAB=262144 TYPES=Q4_K_M sh tests/cli/memory.sh
# shellcheck source=tests/lib.sh
. tests/lib.sh
HIDDEN=${HIDDEN:-512} INNER=${INNER:-131072} EXPERTS=${EXPERTS:-2} VOCAB=${VOCAB:-65536}
MOST_KB=$((300 * 1024))

fresh
perl -e '
    ($d, $h, $i, $e, $v) = @ARGV;
    $p = "model.layers.0";
    @t = (["model.embed_tokens", $v, $h], ["model.norm", $h], ["$p.input_layernorm", $h],
        ["$p.post_attention_layernorm", $h], ["$p.self_attn.q_norm", 128], ["$p.self_attn.k_norm", 128],
        ["$p.self_attn.q_proj", 512, $h], ["$p.self_attn.k_proj", 128, $h], ["$p.self_attn.v_proj", 128, $h],
        ["$p.self_attn.o_proj", $h, 512], ["$p.mlp.gate", $e, $h]);
    for (0 .. $e - 1) {
        $x = "$p.mlp.experts.$_";
        push @t, ["$x.gate_proj", $i, $h], ["$x.up_proj", $i, $h], ["$x.down_proj", $h, $i];
    }
    for (@t) {
        ($n, @s) = @$_;
        $end = $at + 2;
        $end = $at + ($end - $at) * $_ for @s;
        push @h, sprintf "\"%s.weight\":{\"dtype\":\"BF16\",\"shape\":[%s],\"data_offsets\":[%d,%d]}", $n, join(",", @s), $at, $end;
        $at = $end;
    }
    $head = "{" . join(",", @h) . "}";
    open F, ">", "$d/model.safetensors"; print F pack("Q<", length $head), $head; close F;
    truncate "$d/model.safetensors", 8 + length($head) + $at;
    open F, ">", "$d/config.json";
    print F "{\"architectures\":[\"Qwen3MoeForCausalLM\"],\"model_type\":\"qwen3_moe\",\"hidden_size\":$h,
        \"intermediate_size\":$i,\"moe_intermediate_size\":$i,\"num_experts\":$e,\"num_experts_per_tok\":1,
        \"num_hidden_layers\":1,\"num_attention_heads\":4,\"num_key_value_heads\":1,\"head_dim\":128,
        \"vocab_size\":$v,\"max_position_embeddings\":512,\"rms_norm_eps\":1e-6,\"rope_theta\":10000,
        \"tie_word_embeddings\":true,\"torch_dtype\":\"bfloat16\",\"decoder_sparse_step\":1,
        \"norm_topk_prob\":true,\"mlp_only_layers\":[]}";
' "$d/ck" "$HIDDEN" "$INNER" "$EXPERTS" "$VOCAB"
size=$(stat -c %s "$d/ck/model.safetensors")
echo "# $((size / 1000000)) MB, $(du -k "$d/ck/model.safetensors" | cut -f1) KB on disk"

# peak COMMAND...: its largest resident set in $kb; the kernel's own count, read until it ends
peak() {
    "$PARE" "$@" >"$d/out" 2>"$d/err" </dev/null &
    pid=$! kb=0
    while [ -r /proc/$pid/status ] && seen=$(sed -n 's/^VmHWM:[^0-9]*\([0-9]*\).*/\1/p' /proc/$pid/status 2>/dev/null) && [ -n "$seen" ]; do
        kb=$seen
        ms 20
    done
    wait $pid
}

case $PARE in
*asan* | *tsan*) echo "ok - memory # SKIP sanitizers keep their own" && exit ;;
esac
for type in ${TYPES:-Q8_0 TQ1_0}; do
    to=/dev/null
    [ "$type" != TQ1_0 ] || to=$d/to/o
    peak quantize "$d/ck" "$to" "$type" && [ "$kb" -gt 1000 ] && [ "$kb" -lt $MOST_KB ]
    ok $? "quantize $type to ${to##*/}: $((kb / 1024)) MB of $((size / 1000000)) $(cat "$d/err")"
    rm -f "$d"/to/*
done
peak convert "$d/ck" /dev/null && [ "$kb" -gt 1000 ] && [ "$kb" -lt $MOST_KB ]
ok $? "convert: $((kb / 1024)) MB of $((size / 1000000)) $(cat "$d/err")"
