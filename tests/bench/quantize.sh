#!/bin/sh
# make bench-quantize: pare beside llama-quantize -t 2, one table a model. The two alternate and the best
# of RUNS counts; what to read is the ratio (peer's time over pare's: above 1 pare is faster). Both read
# from the page cache and write to OUT, memory by default, so that the disk is in neither figure.
#   CHECKPOINT   a folder made by smollm2.py (default /tmp/smol/smollm2-w768); "" leaves it out
#   LAYERS       of the synthetic model (default 10: 1.1 GB); 0 leaves it out
#   PEERS        where peers/llama_cpp.sh built llama.cpp (default ~/.cache/pare-peers)
#   TYPES, RUNS  (default all, 3)    EFFORT  normal    TEXT, CHUNKS  for the importance matrix
#   OUT          folder for what is written (default /dev/shm)
set -eu
cd "$(dirname "$0")/../.."
PARE=${PARE:-build/release/pare}
CHECKPOINT=${CHECKPOINT-/tmp/smol/smollm2-w768}
PEERS=${PEERS:-$HOME/.cache/pare-peers}
TEXT=${TEXT:-../shared/text/calibration.txt}
CHUNKS=${CHUNKS:-80} RUNS=${RUNS:-3} LAYERS=${LAYERS:-10} EFFORT=${EFFORT:-normal}
TYPES=${TYPES:-Q8_0 Q4_0 Q4_1 Q5_0 Q5_1 Q6_K Q5_K_M Q4_K_M Q4_K_S Q3_K_M Q2_K IQ4_NL IQ4_XS IQ3_S IQ3_XXS IQ2_S IQ2_XS IQ2_XXS IQ1_M IQ1_S TQ1_0 TQ2_0}
peer=$PEERS/llama.cpp/build/bin
work=$(mktemp -d "${TMPDIR:-/tmp}/pare-bench.XXXXXX")
out=$(mktemp -d "${OUT:-/dev/shm}/pare-bench.XXXXXX")
trap 'rm -rf "$work" "$out"' EXIT
[ -x "$peer/llama-quantize" ] || { echo "bench-quantize: no llama-quantize at $peer (set PEERS)" >&2; exit 1; }

# once FILE COMMAND...: wall seconds, peak KB and bytes written of one run, appended to FILE
once() {
    file=$1
    shift
    rm -rf "$out"/*
    LD_LIBRARY_PATH=$peer /usr/bin/time -f '%e %M' -o "$work/time" "$@" >"$work/log" 2>&1 ||
        { echo "bench-quantize: failed: $*" >&2; tail -3 "$work/log" >&2; echo "nan 0" >"$work/time"; }
    echo "$(tail -1 "$work/time") $(stat -c %s "$out/q.gguf" 2>/dev/null || echo 0)" >>"$file"
}
best() { sort -n "$1" | head -1; }

# table NAME MODEL.gguf IMATRIX
table() {
    echo "$1, $(($(stat -c %s "$2") / 1000000)) MB, -t 2, importance, effort $EFFORT, best of $RUNS"
    printf '%-10s %10s %8s %8s   %10s %8s %8s   %6s\n' "" pare MB "RSS MB" llama.cpp MB "RSS MB" times
    for t in $TYPES; do
        : >"$work/a"
        : >"$work/b"
        i=0
        while [ $i -lt "$RUNS" ]; do
            once "$work/a" "$PARE" quantize "$2" "$out/q.gguf" "$t" --imatrix "$3" --effort "$EFFORT" -t 2
            once "$work/b" "$peer/llama-quantize" --imatrix "$3" "$2" "$out/q.gguf" "$t" 2
            i=$((i + 1))
        done
        echo "$t $(best "$work/a") $(best "$work/b")" | awk '{
            printf "%-10s %8.2f s %8.1f %8.0f   %8.2f s %8.1f %8.0f   %6.2f\n", $1, $2, $4 / 1e6, $3 / 1024,
                $5, $7 / 1e6, $6 / 1024, $5 / $2 }'
    done
}

if [ -n "$CHECKPOINT" ]; then
    [ -d "$CHECKPOINT" ] || { echo "bench-quantize: no checkpoint at $CHECKPOINT (set CHECKPOINT)" >&2; exit 1; }
    "$PARE" convert "$CHECKPOINT" "$work/w.gguf" --type bf16 >/dev/null
    "$PARE" imatrix "$work/w.gguf" "$TEXT" "$work/w.imatrix" --chunks "$CHUNKS" >/dev/null
    table "$(basename "$CHECKPOINT")" "$work/w.gguf" "$work/w.imatrix"
fi
if [ "$LAYERS" != 0 ]; then
    build/release/tests/bench/synthetic "$work/s.gguf" "$work/s.imatrix" "$LAYERS"
    table "synthetic" "$work/s.gguf" "$work/s.imatrix"
fi
