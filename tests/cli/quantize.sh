#!/bin/sh
# pare quantize on the demo checkpoint: one pass equals two, messages, no partial output.
demo=recipes/demo
. tests/steps.sh
says() { # says TEXT COMMAND...: it succeeds and prints TEXT
    text=$1
    shift
    "$@" >"$tmp/out" 2>&1 && grep -qF -e "$text" "$tmp/out" && return
    cat "$tmp/out"
    return 1
}
# tensors FILE: name, type and hash of each
tensors() { "$PARE" inspect "$1" --verify --json "$tmp/json" >/dev/null && grep -E '"(name|type|sha256)"' "$tmp/json"; }
same_tensors() { tensors "$1" >"$tmp/a" && tensors "$2" >"$tmp/b" && diff "$tmp/a" "$tmp/b"; }

ok "convert" "$PARE" convert "$demo" "$tmp/bf16.gguf"
for mix in Q8_0 Q6_K Q5_K_M Q5_0 Q4_K_M q4_k_s Q4_0 F16; do
    ok "quantize $mix" "$PARE" quantize "$tmp/bf16.gguf" "$tmp/$mix.gguf" $mix
    ok "from the checkpoint, $mix" "$PARE" quantize "$demo" "$tmp/ck.gguf" $mix -t 3
    ok "the same tensors, $mix" same_tensors "$tmp/$mix.gguf" "$tmp/ck.gguf"
done
ok "report beside it" test -s "$tmp/Q4_0.gguf.json"
ok "one thread" "$PARE" quantize "$tmp/bf16.gguf" "$tmp/t1.gguf" Q4_0 -t 1
ok "threads don't matter" cmp "$tmp/t1.gguf" "$tmp/Q4_0.gguf"
ok "dry run" says "dry run" "$PARE" quantize "$tmp/bf16.gguf" "$tmp/none.gguf" Q4_K_M --dry-run
ok "dry run writes nothing" absent "$tmp/none.gguf" "$tmp/none.gguf.json"
ok "pure" "$PARE" quantize "$demo" "$tmp/pure.gguf" Q8_0 --pure
ok "a pattern" "$PARE" quantize "$demo" "$tmp/over.gguf" Q4_0 --tensor-type 'attn_[qk]=Q8_0' \
    --output-type F16 --embedding-type Q5_0
ok "split" "$PARE" quantize "$demo" "$tmp/split.gguf" Q8_0 --split-max-size 100K
ok "split in parts" sh -c "ls $tmp/split-00001-of-*.gguf"

ok "unknown mix" fails 2 'unknown mix "Q4"' "$PARE" quantize "$demo" "$tmp/x.gguf" Q4
ok "bad pattern" fails 2 'pattern "a(b"' "$PARE" quantize "$demo" "$tmp/x.gguf" Q4_0 --tensor-type 'a(b=Q8_0'
ok "pattern without type" fails 2 "PATTERN=TYPE" "$PARE" quantize "$demo" "$tmp/x.gguf" Q4_0 --tensor-type attn
ok "unknown type" fails 2 '"Q9" is no type of a matrix' "$PARE" quantize "$demo" "$tmp/x.gguf" Q4_0 --output-type Q9
ok "already quantized" fails 2 "already quantized" "$PARE" quantize "$tmp/Q8_0.gguf" "$tmp/x.gguf" Q4_0
ok "unless allowed" "$PARE" quantize "$tmp/Q8_0.gguf" "$tmp/re.gguf" Q4_0 --allow-requantize
ok "no source" fails 1 "nowhere" "$PARE" quantize "$tmp/nowhere" "$tmp/x.gguf" Q4_0
ok "no room" fails 1 "/dev/full" "$PARE" quantize "$demo" /dev/full Q4_0
ok "no folder" fails 1 "$tmp/no/x.gguf" "$PARE" quantize "$demo" "$tmp/no/x.gguf" Q4_0
ok "nothing left behind" absent "$tmp/x.gguf" "$tmp/x.gguf.part" "$tmp/x.gguf.json" "$tmp/x.gguf.json.part"
echo "1..$n"
