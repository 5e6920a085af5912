#!/bin/sh
# pare inspect: what it prints of good files, and that no broken one makes it crash.
# shellcheck source=tests/lib.sh
. tests/lib.sh

str() {
    le 8 ${#1}
    printf %s "$1"
}
zeros() {
    head -c "$1" /dev/zero
}

# ---- a small GGUF: 3 keys, 2 tensors ------------------------------------------------
{
    printf GGUF
    le 4 3
    le 8 2
    le 8 3
    str general.architecture && le 4 8 && str llama
    str llama.block_count && le 4 4 && le 4 1
    str tokenizer.ggml.tokens && le 4 9 && le 4 8 && le 8 2 && str a && str bc
    str token_embd.weight && le 4 2 && le 8 32 && le 8 2 && le 4 0 && le 8 0
    str output_norm.weight && le 4 1 && le 8 32 && le 4 8 && le 8 256
} >"$d/head"
head_bytes=$(wc -c <"$d/head")
pad=$(((32 - head_bytes % 32) % 32))
{
    cat "$d/head"
    zeros $pad
    zeros 256
    zeros 64
} >"$d/m.gguf"
size=$(wc -c <"$d/m.gguf")
last=$((head_bytes + pad + 256 + 34)) # the last tensor's end, before its padding

"$PARE" inspect "$d/m.gguf" --tensors --json "$d/m.json" >"$d/out" 2>"$d/err"
ok $? "a small file"
[ ! -s "$d/err" ]
ok $? "nothing on stderr"
grep -q '2 tensors, 96 parameters' "$d/out" && grep -q 'general.architecture *STRING *"llama"' "$d/out" &&
    grep -q '\["a", "bc"\]' "$d/out" && grep -q 'token_embd.weight *\[32, 2\] *F32 *256' "$d/out"
ok $? "prints metadata and tensors"
zeros 256 | sha256sum | cut -d' ' -f1 >"$d/sum"
grep -q "$(cat "$d/sum")" "$d/m.json" && grep -q "\"file_size\": $size" "$d/m.json"
ok $? "--json holds the sha256 of each tensor"

# ---- --verify -----------------------------------------------------------------------
"$PARE" inspect "$d/m.gguf" --verify >"$d/out"
ok $? "--verify without a report"
mv "$d/m.json" "$d/m.gguf.json"
"$PARE" inspect "$d/m.gguf" --verify >"$d/out" && grep -q 'every sha256 as' "$d/out"
ok $? "--verify with a report that agrees"
cp "$d/m.gguf" "$d/changed.gguf"
cp "$d/m.gguf.json" "$d/changed.gguf.json"
printf '\001' | dd of="$d/changed.gguf" bs=1 seek=$((head_bytes + pad + 7)) conv=notrunc 2>/dev/null
fails 1 "tensor token_embd.weight: sha256" inspect "$d/changed.gguf" --verify
ok $? "--verify finds one changed byte, and names the tensor"

# ---- broken files; the unit tests cut at every byte and flip every bit -----------------
bad=0 n=0
while [ $n -lt "$last" ]; do
    head -c $n "$d/m.gguf" >"$d/cut.gguf"
    fails 1 "" inspect "$d/cut.gguf" || bad=1
    n=$((n + 7))
done
ok $bad "cut at every 7th of $last bytes"

bad=0 n=0
while [ $n -lt "$head_bytes" ]; do
    byte=$(od -An -tu1 -j $n -N 1 "$d/m.gguf" | tr -d ' ')
    cp "$d/m.gguf" "$d/flip.gguf"
    # shellcheck disable=SC2059  # the format is the escape
    printf "\\$(printf %03o $((byte ^ (1 << (n % 8)))))" |
        dd of="$d/flip.gguf" bs=1 seek=$n conv=notrunc 2>/dev/null
    "$PARE" inspect "$d/flip.gguf" --tensors --json "$d/flip.json" >"$d/out" 2>"$d/err"
    status=$?
    # a changed letter of a name is still a good file
    if [ $status -gt 1 ] || [ "$(wc -l <"$d/err")" != $status ]; then
        echo "# bit $((n % 8)) of byte $n: exit $status: $(head -c 200 "$d/err")"
        bad=1
    fi
    n=$((n + 3))
done
ok $bad "a bit flipped in every third of $head_bytes header bytes"

# wrong OFFSET BYTES NUMBER MESSAGE: one field of the header replaced
wrong() {
    cp "$d/m.gguf" "$d/wrong.gguf"
    le "$2" "$3" | dd of="$d/wrong.gguf" bs=1 seek="$1" conv=notrunc 2>/dev/null
    fails 1 "$4" inspect "$d/wrong.gguf"
    ok $? "refused: $4"
}
wrong 4 4 7 "GGUF version 7, expected 2 or 3"
wrong 8 8 1000000000000 "1000000000000 tensors, but only"
wrong 16 8 1000000000000 "1000000000000 metadata keys, but only"
wrong 24 8 1000000000000 "a key of 1000000000000 bytes"
wrong $((head_bytes - 8)) 8 4096 "tensor output_norm.weight: 34 bytes at offset 4096"
wrong $((head_bytes - 8)) 8 257 "tensor output_norm.weight: data offset 257"
wrong $((head_bytes - 8)) 8 0 "overlap"
wrong $((head_bytes - 12)) 4 99 "tensor output_norm.weight: tensor type number 99"
wrong $((head_bytes - 20)) 8 33 "tensor output_norm.weight: rows of 33 values"

: >"$d/empty.gguf"
fails 1 "empty" inspect "$d/empty.gguf"
ok $? "an empty file"
fails 1 "absent.gguf: No such file" inspect "$d/absent.gguf"
ok $? "an absent file"
fails 1 "config.json: No such file" inspect "$d"
ok $? "a folder without config.json"

# ---- a checkpoint -------------------------------------------------------------------
mkdir "$d/ckpt"
echo '{"model_type": "llama"}' >"$d/ckpt/config.json"
header='{"b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{"dtype":"BF16","shape":[3],"data_offsets":[8,14]}}'
{
    str "$header"
    zeros 14
} >"$d/good.safetensors"
cp "$d/good.safetensors" "$d/ckpt/model.safetensors"
"$PARE" inspect "$d/ckpt" --tensors --json "$d/c.json" >"$d/out" && grep -q 'checkpoint, 2 tensors, 5 parameters' "$d/out" &&
    grep -q '"file": "model.safetensors"' "$d/c.json"
ok $? "a checkpoint"
bad=0 n=0
st_bytes=$(wc -c <"$d/good.safetensors")
while [ $n -lt "$st_bytes" ]; do
    head -c $n "$d/good.safetensors" >"$d/ckpt/model.safetensors"
    fails 1 "" inspect "$d/ckpt" || bad=1
    n=$((n + 5))
done
ok $bad "safetensors cut at every 5th of $st_bytes bytes"
rm "$d/ckpt/model.safetensors"
echo '{"weight_map": {"a": "model-2.safetensors"}}' >"$d/ckpt/model.safetensors.index.json"
fails 1 "model-2.safetensors: No such file" inspect "$d/ckpt"
ok $? "a missing shard"
echo '{"model_type": }' >"$d/ckpt/config.json"
fails 1 "config.json: line 1, column" inspect "$d/ckpt"
ok $? "a broken config.json"

# ---- misuse and full disks ----------------------------------------------------------
"$PARE" inspect >/dev/null 2>"$d/err"
[ $? = 2 ] && [ "$(wc -l <"$d/err")" = 1 ]
ok $? "no model: exit 2"
"$PARE" inspect "$d/m.gguf" --nonsense >/dev/null 2>"$d/err"
[ $? = 2 ]
ok $? "an unknown option: exit 2"
fails 1 "No space left" inspect "$d/m.gguf" --json /dev/full
ok $? "--json on a full disk"
"$PARE" inspect "$d/m.gguf" >/dev/full 2>"$d/err"
[ $? = 1 ] && [ "$(wc -l <"$d/err")" = 1 ]
ok $? "stdout on a full disk: exit 1"

# ---- architectures ------------------------------------------------------------------
"$PARE" inspect --architectures >"$d/families"
sed -n '/^<!-- families -->$/,/^<!-- end -->$/{/^|/p}' docs/architectures.md | cmp -s - "$d/families"
ok $? "docs/architectures.md has today's rows (make docs)"
