#!/bin/sh
# make bench-eval: what a quantized file lost against its original: pare eval (one pass, nothing stored)
# beside llama-perplexity (--kl-divergence-base, then --kl-divergence), -t 2. The two alternate and the best of
# RUNS counts; what to read is the ratio (pare's time over both passes of the peer's: below 1 pare is faster),
# on a busy machine that of the CPU times.
#   ORIGINAL, MODEL  GGUF files, a float one and one quantized from it (no defaults)
#   TEXT, CHUNKS     (default ../shared/text/evaluation.txt, 12 windows of 512)
#   PEERS            where peers/llama_cpp.sh built llama.cpp (default ~/.cache/pare-peers)
#   RUNS             (default 3)    OUT  folder for the peer's file (default /dev/shm)
set -eu
cd "$(dirname "$0")/../.."
PARE=${PARE:-build/release/pare}
PEERS=${PEERS:-$HOME/.cache/pare-peers}
TEXT=${TEXT:-../shared/text/evaluation.txt}
CHUNKS=${CHUNKS:-12} RUNS=${RUNS:-3}
peer=$PEERS/llama.cpp/build/bin/llama-perplexity
[ -x "$peer" ] || { echo "bench-eval: no llama-perplexity at $peer (set PEERS)" >&2; exit 1; }
for f in "${ORIGINAL:-}" "${MODEL:-}"; do
    [ -f "$f" ] || { echo "bench-eval: set ORIGINAL and MODEL to GGUF files" >&2; exit 1; }
done
work=$(mktemp -d "${TMPDIR:-/tmp}/pare-bench.XXXXXX")
out=$(mktemp -d "${OUT:-/dev/shm}/pare-bench.XXXXXX")
trap 'rm -rf "$work" "$out"' EXIT

# once LOG COMMAND...: wall seconds, CPU seconds and peak KB of one run, to $work/time
once() {
    log=$1
    shift
    LD_LIBRARY_PATH=$(dirname "$peer") /usr/bin/time -f '%e %U %S %M' -o "$work/time" "$@" >"$log" 2>&1 ||
        { echo "bench-eval: failed: $*" >&2; tail -3 "$log" >&2; exit 1; }
    awk '{ printf "%.2f %.2f %d\n", $1, $2 + $3, $4 }' "$work/time"
}
best() { sort -n "$1" | head -1; }

i=0
while [ $i -lt "$RUNS" ]; do
    once "$work/pare.log" "$PARE" eval "$MODEL" --against "$ORIGINAL" --text "$TEXT" --chunks "$CHUNKS" -t 2 \
        --json "$work/pare.json" >>"$work/a"
    once "$work/base.log" "$peer" -m "$ORIGINAL" -f "$TEXT" --no-escape --chunks "$CHUNKS" -t 2 -c 512 \
        --kl-divergence-base "$out/base.kld" >"$work/b1"
    once "$work/kld.log" "$peer" -m "$MODEL" --no-repack -t 2 -c 512 --kl-divergence \
        --kl-divergence-base "$out/base.kld" >"$work/b2"
    paste -d' ' "$work/b1" "$work/b2" | awk '{ print $1 + $4, $2 + $5, ($3 > $6 ? $3 : $6) }' >>"$work/b"
    i=$((i + 1))
done

files=$(($(stat -c %s "$MODEL") + $(stat -c %s "$ORIGINAL")))
echo "$(basename "$MODEL") against $(basename "$ORIGINAL"), $((files / 1000000)) MB together, $CHUNKS windows of 512, -t 2, best of $RUNS"
printf '%-12s %10s %10s %10s %12s   %s\n' "" "wall s" "CPU s" "peak MB" "on disk MB" "mean KLD"
echo "$(best "$work/a") $(best "$work/b") $(stat -c %s "$out/base.kld")" \
    "$(sed -n '/"kld": {/,/}/s/.*"value": \([0-9.]*\).*/\1/p' "$work/pare.json" | head -1)" \
    "$(sed -n 's/^Mean *KLD: *\([0-9.]*\).*/\1/p' "$work/kld.log")" | awk '{
        row = "%-12s %10.1f %10.1f %10.0f %12.0f   %.5f\n"
        printf row, "pare", $1, $2, $3 / 1024, 0, $8
        printf row, "llama.cpp", $4, $5, $6 / 1024, $7 / 1e6, $9
        printf "%-12s %10.2f %10.2f\n", "ratio", $1 / $4, $2 / $5 }'
