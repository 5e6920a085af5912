#!/bin/sh
# make bench-distill: one distillation step (teacher forward, student forward and backward, forward KL over the
# whole vocabulary, clip, AdamW) beside PyTorch's of ../shared/peers/kd_torch_bench.py: the same shapes, batch and
# loss. The two alternate and the best of RUNS counts; what to read is the ratio of tokens/s (above 1 pare is
# faster), on a busy machine that of tokens per second of processor time. pare's are the differences of runs of 1
# and 1 + STEPS steps, so that starting counts for neither.
#   TEACHER  a folder of SmolLM2-135M for case 135m (default none: 260k only)
#   SMALL    stories260k for case 260k (default ../shared/models/stories260k)
#   PYTHON   one with torch (default ~/.cache/pare-peers/venv/bin/python)    TORCH  more of its options, as --compile
#   MATHS    (default "f32 bf16")    RUNS (2)    T threads (2)    TEXT (default ../shared/text/calibration.txt)
set -eu
cd "$(dirname "$0")/../.."
PARE=${PARE:-build/release/pare} PYTHON=${PYTHON:-$HOME/.cache/pare-peers/venv/bin/python}
TEXT=${TEXT:-../shared/text/calibration.txt} SMALL=${SMALL:-../shared/models/stories260k}
RUNS=${RUNS:-2} T=${T:-2}
peer=../shared/peers/kd_torch_bench.py
"$PYTHON" -c 'import torch' 2>/dev/null || { echo "bench-distill: no torch in $PYTHON (set PYTHON)" >&2; exit 1; }
work=$(mktemp -d "${TMPDIR:-/tmp}/pare-bench.XXXXXX")
trap 'rm -rf "$work"' EXIT
export OMP_WAIT_POLICY=PASSIVE

# steps N MODEL LAYERS BATCH MATH: wall of the steps, CPU seconds and peak KB of a run of N steps
steps() {
    /usr/bin/time -f '%U %S %M' -o "$work/time" "$PARE" distill "$2" "$work/o.gguf" --layers "$3" --text "$TEXT" \
        --ctx 256 --batch "$4" --steps "$1" --held-back 0 --math "$5" --teacher-math "$5" --type f32 -t "$T" >"$work/log" 2>&1 ||
        { tail -3 "$work/log" >&2; exit 1; }
    echo "$(awk -F, 'NR > 1 { s = $6 } END { print s }' "$work/o.gguf.log.csv") $(awk '{ print $1 + $2, $3 }' "$work/time")"
}

# ours MODEL LAYERS BATCH MATH STEPS: tokens/s, tokens per CPU second, peak MB
ours() {
    one=$(steps 1 "$1" "$2" "$3" "$4") more=$(steps $((1 + $5)) "$1" "$2" "$3" "$4")
    echo "$one $more" | awk -v n=$(($5 * $3 * 256)) '{ printf "%.1f %.1f %.0f\n", n / ($4 - $1), n / ($5 - $2), $6 / 1024 }'
}

theirs() {
    [ "$2" = f32 ] && type=fp32 || type=bf16
    # shellcheck disable=SC2086  # a list of options
    "$PYTHON" $peer --case "$1" --dtype $type --threads "$T" --repeats 1 ${TORCH:-} | "$PYTHON" -c '
import json, sys
d = json.load(sys.stdin)
print(d["tokens_per_s"]["max"], max(d["per_cpu_second"]["tokens"]), d["peak_rss_mb"])'
}

best() { sort -rn "$1" | head -1; }

# compare CASE MODEL LAYERS BATCH STEPS
compare() {
    for math in ${MATHS:-f32 bf16}; do
        rm -f "$work/a" "$work/b"
        i=0
        while [ $i -lt "$RUNS" ]; do
            ours "$2" "$3" "$4" $math "$5" >>"$work/a"
            theirs "$1" $math >>"$work/b"
            i=$((i + 1))
        done
        echo "$1 $math $(best "$work/a") $(best "$work/b")" | awk '{
            printf "%-5s %-5s %10.1f %10.1f %8.2f %12.1f %10.1f %8.2f %8d %8d %8.2f\n", $1, $2, $3, $6, $3 / $6, $4, $7, $4 / $7, $5, $8, $5 / $8 }'
    done
}

echo "best of $RUNS, -t $T; tokens/s, tokens per CPU second, peak MB: pare, PyTorch ${TORCH:-}, ratio"
printf '%-11s %10s %10s %8s %12s %10s %8s %8s %8s %8s\n' case tok/s torch ratio tok/CPU-s torch ratio MB torch ratio
[ -z "${TEACHER:-}" ] || compare 135m "$TEACHER" 0,3,6,9,12,15,18,21,25,29 4 3
compare 260k "$SMALL" 0,2,4 8 60
