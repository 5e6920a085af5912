#!/bin/sh
# How the demo's checkpoint was made: stories sampled by pare's runtime from stories260k (Karpathy's TinyStories model of
# 260K parameters, MIT: huggingface.co/karpathy/tinyllamas, as a folder or a GGUF), and fresh weights fitted to them by
# pare's trainer, with the demo's own tokenizer. Twenty minutes on two cores.
#
#   recipes/demo/rebuild.sh STORIES260K OUT_FOLDER
#
# calibration.txt and evaluation.txt are other stories of the same model, not among these. OUT_FOLDER/model.safetensors is what
# lies here: on a processor with AMX the same bytes, on others nearly the same weights.
set -eu
PARE=${PARE:-build/release/pare}
here=$(dirname "$0")
stories=$2.stories.jsonl
[ -s "$stories" ] ||
    "$PARE" generate "$1" --batch 6000 -n 500 --temp 0.9 --top-k 0 --top-p 1 --seed 1 -o "$stories"
"$PARE" distill "$here" "$2" --from "$here/config.json" --text "$stories" --loss ce \
    --ctx 512 --batch 16 --steps 1200 --lr 3e-3 --weight-decay 0.1 --eval-every 1200 --held-tokens 16384 --seed 1 --math bf16
