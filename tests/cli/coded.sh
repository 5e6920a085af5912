#!/bin/sh
# A checkpoint whose weights are stored as GPTQ: converted, run as it is, and quantized to the
# types its grid fits without loss.
model=tests/coded/llama
. tests/steps.sh

# lossless FILE: no matrix of a block differs from what the checkpoint holds
lossless() {
    awk -F'"' '/"name"/ { name = $4 }
        /"nmse"/ { split($0, at, /[:,]/); if (name ~ /blk.*(attn|ffn)_[a-z]+\.weight/ && name !~ /norm/) { n++; bad += at[2] != 0 } }
        END { print n " matrices, " bad + 0 " of them not the same"; exit n != 7 || bad }' "$1"
}
echo '{"sequences": [[0, 1, 2, 3, 1]]}' >"$tmp/ids.json"
ok "convert" "$PARE" convert $model "$tmp/f32.gguf" --type f32
ok "logits of the checkpoint" "$PARE" logits $model --ids "$tmp/ids.json" "$tmp/a.bin"
ok "logits of the file" "$PARE" logits "$tmp/f32.gguf" --ids "$tmp/ids.json" "$tmp/b.bin"
ok "the same" cmp "$tmp/a.bin" "$tmp/b.bin"
for type in Q4_0 Q5_0 Q8_0 F16; do
    ok "quantize --pure $type" "$PARE" quantize $model "$tmp/$type.gguf" $type --pure
done
for type in Q4_0 Q5_0 Q8_0; do
    ok "$type holds the same numbers" lossless "$tmp/$type.gguf.json"
done
ok "one thread" "$PARE" quantize $model "$tmp/one.gguf" Q4_0 --pure -t 1
ok "threads don't matter" cmp "$tmp/one.gguf" "$tmp/Q4_0.gguf"

cp -r $model "$tmp/bad"
sed -i 's/"bits": 4/"bits": 7/' "$tmp/bad/config.json"
ok "unknown bits" fails 1 "bits: expected 2, 3, 4 or 8, found 7" "$PARE" convert "$tmp/bad" "$tmp/x.gguf"
sed -i 's/"bits": 7/"bits": 8/' "$tmp/bad/config.json"
ok "other bits" fails 1 "expected shape" "$PARE" convert "$tmp/bad" "$tmp/x.gguf"
sed -i 's/"gptq"/"exl2"/' "$tmp/bad/config.json"
ok "unknown method" fails 1 '"exl2" is not supported' "$PARE" convert "$tmp/bad" "$tmp/x.gguf"
ok "nothing written" absent "$tmp/x.gguf" "$tmp/x.gguf.part"
