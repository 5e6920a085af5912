#!/bin/sh
# What each mix loses, pare's files beside llama-quantize's, made with importance from the calibration text
# and measured on the evaluation text by two judges: `pare eval` (weights as stored, BF16 activations)
# and llama-perplexity --kl-divergence (its own kernels, which round activations to 8 bits).
#   tests/bench/accuracy.sh CHECKPOINT [WORK]
#   PEERS  as in all.sh    CALIBRATION, EVALUATION  texts    CHUNKS  windows of 512 to measure (default 40)
#   MIXES  (default: the twelve of docs/accuracy.md)         JUDGES  pare, llama or both (default)
# WORK keeps what was made, so that a second run goes on from there.
set -eu
cd "$(dirname "$0")/../.."
checkpoint=$1
PARE=${PARE:-build/release/pare}
PEERS=${PEERS:-$HOME/.cache/pare-peers}
CALIBRATION=${CALIBRATION:-../shared/text/calibration.txt}
EVALUATION=${EVALUATION:-../shared/text/evaluation.txt}
CHUNKS=${CHUNKS:-40} JUDGES=${JUDGES:-both}
MIXES=${MIXES:-Q8_0 Q6_K Q5_K_M Q4_K_M Q4_K_S IQ4_XS Q3_K_M IQ3_S IQ3_XXS Q2_K IQ2_S IQ2_XXS}
peer=$PEERS/llama.cpp/build/bin
export LD_LIBRARY_PATH="$peer"
if [ $# -gt 1 ]; then
    work=$2
    mkdir -p "$work"
else
    work=$(mktemp -d "${TMPDIR:-/tmp}/pare-accuracy.XXXXXX")
    trap 'rm -rf "$work"' EXIT
fi

# made FILE COMMAND...: run it unless FILE is there
made() {
    file=$1
    shift
    [ -s "$file" ] && return 0
    "$@" >"$work/log" 2>&1 || { echo "accuracy: failed: $*" >&2; tail -3 "$work/log" >&2; rm -f "$file"; exit 1; }
}
base=$work/base.gguf
made "$base" "$PARE" convert "$checkpoint" "$base" --type bf16
made "$work/pare.imatrix" "$PARE" imatrix "$base" "$CALIBRATION" "$work/pare.imatrix"
made "$work/llama.imatrix" "$peer/llama-imatrix" -m "$base" -f "$CALIBRATION" -o "$work/llama.imatrix" -c 512 -t 2
files=
for m in $MIXES; do
    made "$work/pare-$m.gguf" "$PARE" quantize "$base" "$work/pare-$m.gguf" "$m" --imatrix "$work/pare.imatrix"
    made "$work/llama-$m.gguf" "$peer/llama-quantize" --imatrix "$work/llama.imatrix" "$base" "$work/llama-$m.gguf" "$m" 2
    files="$files $work/pare-$m.gguf $work/llama-$m.gguf"
done
if [ "$JUDGES" != llama ]; then
    # shellcheck disable=SC2086  # a list of files
    "$PARE" eval $files --against "$base" --text "$EVALUATION" --chunks "$CHUNKS" --csv "$work/eval.csv" >"$work/eval"
fi
if [ "$JUDGES" != pare ]; then
    made "$work/base.logits" "$peer/llama-perplexity" -m "$base" -f "$EVALUATION" -c 512 --chunks "$CHUNKS" -t 2 --no-escape \
        --kl-divergence-base "$work/base.logits"
    for m in $MIXES; do
        for who in pare llama; do
            "$peer/llama-perplexity" -m "$work/$who-$m.gguf" -f "$EVALUATION" -c 512 --chunks "$CHUNKS" -t 2 --no-escape --no-repack \
                --kl-divergence --kl-divergence-base "$work/base.logits" >"$work/kld-$who-$m" 2>&1 || :
        done
    done
fi

kld() { # kld WHO MIX JUDGE: the mean, or 0 where it was not measured
    figure=$(figure "$@")
    echo "${figure:-0}"
}
figure() {
    if [ "$3" = pare ]; then
        awk -F, -v file="$1-$2.gguf" '
            NR == 1 { for (i = 1; i <= NF; i++) column[$i] = i }
            NR > 1 && substr($column["file"], length($column["file"]) - length(file) + 1) == file { printf "%.6f", $column["kld"] }' \
            "$work/eval.csv" 2>/dev/null
    else
        sed -n 's/^Mean *KLD: *\([0-9.]*\).*/\1/p' "$work/kld-$1-$2" 2>/dev/null
    fi
}
echo "| mix | pare bytes | llama-quantize bytes | KLD pare | KLD llama-quantize | ratio | by llama-perplexity: pare | llama-quantize | ratio |"
echo "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
for m in $MIXES; do
    echo "$m $(wc -c <"$work/pare-$m.gguf") $(wc -c <"$work/llama-$m.gguf") $(kld pare "$m" pare) $(kld llama "$m" pare)" \
        "$(kld pare "$m" llama) $(kld llama "$m" llama)" |
        awk '{ printf "| %s | %d | %d | %s | %s | %.3f | %s | %s | %.3f |\n", $1, $2, $3, $4, $5, $5 ? $4 / $5 : 0, $6, $7, $7 ? $6 / $7 : 0 }'
done
