#!/bin/sh
# What llama-imatrix collects from golden models, for tests/golden/golden_imatrix.c.
#
#   sh tests/oracle/imatrix.sh LLAMA_BIN [MODEL...]
#
# Writes tests/imatrix/MODEL.gguf and manifest.json, by the sha256 of all its safetensors.
# The peer keeps keys and values in F32 and multiplies F32 weights: what is left are roundings.
set -eu
bin=$1
shift
[ $# != 0 ] || set -- deepseek3 falcon-h1 gpt-oss granitemoeshared jamba lfm2moe llama4 mamba2 mixtral phi3 qwen3next
text=recipes/demo/calibration.txt
golden=${PARE_GOLDEN:-../shared/golden}/models
to=tests/imatrix
mkdir -p "$to"
d=$(mktemp -d)
trap 'rm -rf "$d"' EXIT
sep=
{
    printf '{\n "text": "%s",\n "ctx": 64,\n "chunks": 4,\n "models": [' "$text"
    for m in "$@"; do
        "${PARE:-build/release/pare}" convert "$golden/$m" "$d/m.gguf" --type f32 >"$d/log"
        LD_LIBRARY_PATH=$bin "$bin/llama-imatrix" -m "$d/m.gguf" -f $text -o "$to/$m.gguf" -c 64 -b 64 \
            --chunks 4 --process-output --no-ppl -ctk f32 -ctv f32 -fa off >"$d/log" 2>&1
        hash=$(find "$golden/$m/" -name "*.safetensors" | LC_ALL=C sort | xargs cat | sha256sum)
        printf '%s\n  {"name": "%s", "sha256": "%s"}' "$sep" "$m" "${hash%% *}"
        sep=,
    done
    printf '\n ]\n}\n'
} >"$d/manifest.json"
mv "$d/manifest.json" "$to/manifest.json"
