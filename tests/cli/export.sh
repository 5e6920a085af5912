#!/bin/sh
# pare export: a folder that converts to the same file, in shards too, from quantized files,
# whatever the threads; what it refuses, and what it leaves behind.
# shellcheck source=tests/lib.sh
. tests/lib.sh

pare convert $demo "$d/m.gguf" && cp "$d/m.gguf" "$d/kept.gguf"
ok $? "convert"

# ---- there and back ---------------------------------------------------------------------
pare export "$d/m.gguf" "$d/ck" && grep -q "tensors, .* bytes in 1 file" "$d/out"
ok $? "export"
pare convert "$d/ck" "$d/again.gguf" && cmp "$d/m.gguf" "$d/again.gguf"
ok $? "converts to the same bytes"
[ ! -e "$d/ck.part" ] && [ -z "$(find "$d/ck" -name '*.part')" ]
ok $? "no part folder is left"
pare export "$d/m.gguf" "$d/shards" --max-shard-size 200K && [ -e "$d/shards/model.safetensors.index.json" ] &&
    [ ! -e "$d/shards/model.safetensors" ] && pare convert "$d/shards" "$d/s.gguf"
ok $? "shards"
for t in 1 2 7; do
    pare export "$d/m.gguf" "$d/t$t" -t $t && cmp "$d/t$t/model.safetensors" "$d/ck/model.safetensors" &&
        cmp "$d/t$t/pare.json" "$d/ck/pare.json"
    ok $? "the same bytes with -t $t"
done

# ---- quantized, and other types ------------------------------------------------------------
pare quantize "$d/m.gguf" "$d/q.gguf" Q4_K_M && pare export "$d/q.gguf" "$d/q" && grep -q ", BF16, " "$d/out"
ok $? "a quantized file, as BF16"
pare convert "$d/q" "$d/qq.gguf" && ! cmp -s "$d/qq.gguf" "$d/m.gguf"
ok $? "which converts"
pare export "$d/m.gguf" "$d/f32" --type f32 && grep -q ", F32, " "$d/out" && grep -q '"float32"' "$d/f32/config.json"
ok $? "--type f32"

# ---- several ids that end a text ---------------------------------------------------------------
cp -r "$d/ck" "$d/listed" && rm "$d/listed/pare.json" && printf '{"bos_token_id": 0, "eos_token_id": [0, 7, 5], "top_k": 3}' >"$d/listed/generation_config.json" &&
    pare convert "$d/listed" "$d/ends.gguf" && pare export "$d/ends.gguf" "$d/ends" &&
    [ "$(cat "$d/ends/config.json" "$d/ends/generation_config.json" | tr -d ' \n' | grep -o '"eos_token_id":\[0,7,5\]' | wc -l)" = 2 ]
ok $? "all of them, in their order, in both files"
pare convert "$d/ends" "$d/ends2.gguf" && cmp "$d/ends.gguf" "$d/ends2.gguf"
ok $? "and they come back"

# ---- a folder that was changed ---------------------------------------------------------------
cp -r "$d/ck" "$d/changed" && sed -i 's/"rope_theta": [0-9.]*/"rope_theta": 123456/' "$d/changed/config.json" &&
    pare convert "$d/changed" "$d/c.gguf" && grep -q "config.json has changed since the export" "$d/err"
ok $? "a changed config.json counts, and is said"
pare inspect "$d/c.gguf" --json "$d/c.json" && grep -q 123456 "$d/c.json"
ok $? "its theta is in the file"
cp -r "$d/ck" "$d/broken" && printf '{"metadata": [{"key": "a", "type": "UINT99", "value": "1"}]}' >"$d/broken/pare.json"
fails 1 "pare.json: metadata a: its type and value do not fit" convert "$d/broken" "$d/b.gguf"
ok $? "a broken pare.json"
printf '{"metadata": [{"key": "a", "type": "ARRAY", "of": "STRING", "n": 9, "hex": "00"}]}' >"$d/broken/pare.json"
fails 1 "pare.json: metadata a: its type and value do not fit" convert "$d/broken" "$d/b.gguf"
ok $? "an array that is too short"

# ---- refused -----------------------------------------------------------------------------------
fails 2 "is not empty" export "$d/m.gguf" "$d/ck"
ok $? "a folder that is not empty"
fails 2 "exists, expected a new or an empty folder" export "$d/m.gguf" "$d/kept.gguf"
ok $? "a file"
mkdir "$d/x.part" && cp "$d/m.gguf" "$d/x.part/m.gguf"
fails 2 "would replace what is read from" export "$d/x.part/m.gguf" "$d/x" && cmp "$d/m.gguf" "$d/x.part/m.gguf"
ok $? "an input that would go"
fails 2 "is a checkpoint's folder already" export $demo "$d/no"
ok $? "a checkpoint"
fails 2 "f32, f16 or bf16" export "$d/m.gguf" "$d/no" --type q8_0
ok $? "a type no checkpoint has"
fails 1 "No such file" export "$d/m.gguf" "$d/nowhere/deep/out"
ok $? "no place"
[ ! -e "$d/no" ] && [ ! -e "$d/no.part" ] && cmp "$d/m.gguf" "$d/kept.gguf"
ok $? "nothing is left, the input stays"

# ---- stopped and full -----------------------------------------------------------------------------
i=0 bad=0
while [ $i -lt 10 ]; do
    "$PARE" export "$d/m.gguf" "$d/killed" >/dev/null 2>&1 &
    pid=$!
    sleep 0.00$i
    kill -9 $pid 2>/dev/null
    wait $pid 2>/dev/null
    if [ -e "$d/killed" ]; then
        cmp -s "$d/killed/model.safetensors" "$d/ck/model.safetensors" && [ -e "$d/killed/pare.json" ] || bad=1
        rm -rf "$d/killed"
    fi
    i=$((i + 1))
done
ok $bad "killed: the folder is whole or not there"
pare export "$d/m.gguf" "$d/killed" && [ ! -e "$d/killed.part" ]
ok $? "and again"
mkdir "$d/small"
if mount -t tmpfs -o size=128k none "$d/small" 2>/dev/null; then
    mounted=$d/small
    fails 1 "No space left" export "$d/m.gguf" "$d/small/out" && [ -z "$(ls "$d/small")" ]
    ok $? "a full disk"
else
    echo "ok - a full disk # SKIP no mount"
fi
