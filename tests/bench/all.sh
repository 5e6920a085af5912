#!/bin/sh
# pare beside llama.cpp, in one run: convert, quantize, perplexity. The two alternate and the best
# of RUNS counts, because shared machines are noisy; what to read is the ratio (below 1: pare is faster).
#   CHECKPOINT   a folder made by smollm2.py (default /tmp/smol/smollm2-w768)
#   PEERS        where peers/llama_cpp.sh built llama.cpp (default ~/.cache/pare-peers)
#   TEXT         evaluation text    CHUNKS  windows of 512 (default 20)    RUNS  (default 3)
#   PEER_FLAGS   more options for llama-perplexity (default --no-repack: its AMX path crashes here)
set -eu
cd "$(dirname "$0")/../.."
PARE=${PARE:-build/release/pare}
CHECKPOINT=${CHECKPOINT:-/tmp/smol/smollm2-w768}
PEERS=${PEERS:-$HOME/.cache/pare-peers}
TEXT=${TEXT:-../shared/text/evaluation.txt}
CHUNKS=${CHUNKS:-20} RUNS=${RUNS:-3}
PEER_FLAGS=${PEER_FLAGS:---no-repack}
peer=$PEERS/llama.cpp/build/bin
work=$(mktemp -d "${TMPDIR:-/tmp}/pare-bench.XXXXXX")
trap 'rm -rf "$work"' EXIT
[ -d "$CHECKPOINT" ] || { echo "bench: no checkpoint at $CHECKPOINT (set CHECKPOINT)" >&2; exit 1; }
[ -x "$peer/llama-quantize" ] || echo "bench: no llama.cpp at $peer (set PEERS): measuring pare alone" >&2

# seconds COMMAND...: wall seconds and peak KB of one run
once() {
    LD_LIBRARY_PATH=$peer /usr/bin/time -f '%e %M' -o "$work/time" "$@" >"$work/log" 2>&1 ||
        { echo "bench: failed: $*" >&2; tail -3 "$work/log" >&2; echo "nan 0" >"$work/time"; }
    tail -1 "$work/time"
}
best() { sort -n "$1" | head -1; }
# row NAME "PARE COMMAND" "PEER COMMAND": alternate, then print both and the ratio
row() {
    : >"$work/a"; : >"$work/b"
    i=0
    while [ $i -lt "$RUNS" ]; do
        # shellcheck disable=SC2086  # commands are lists of words
        once $2 >>"$work/a"
        # shellcheck disable=SC2086
        [ -x "$peer/llama-quantize" ] && [ -n "$3" ] && once $3 >>"$work/b"
        i=$((i + 1))
    done
    echo "$1 $(best "$work/a") $(best "$work/b")" | awk '{
        printf "%-22s %8.2f s %6.0f MB", $1, $2, $3 / 1024
        if ($4 > 0) printf "   %8.2f s %6.0f MB   %5.2f", $4, $5 / 1024, $2 / $4
        printf "\n" }'
}

printf '%-22s %19s   %19s   ratio\n' "" "pare" "llama.cpp"
if [ -x "$PEERS/venv/bin/python" ]; then convert="$PEERS/venv/bin/python $PEERS/llama.cpp/convert_hf_to_gguf.py $CHECKPOINT --outtype bf16 --outfile $work/peer.gguf"; else convert=; fi
row convert-bf16 "$PARE convert $CHECKPOINT $work/bf16.gguf --type bf16" "$convert"
for t in Q8_0 Q4_0 Q5_0 Q4_K_S Q4_K_M Q5_K_M Q6_K; do
    row "quantize-$t" "$PARE quantize $work/bf16.gguf $work/$t.gguf $t" "$peer/llama-quantize $work/bf16.gguf $work/peer.gguf $t 2"
done
for m in bf16 Q4_K_M; do
    flags=
    [ $m = bf16 ] || flags=$PEER_FLAGS
    row "perplexity-$m" "$PARE eval $work/$m.gguf --text $TEXT --chunks $CHUNKS -t 2" \
        "$peer/llama-perplexity -m $work/$m.gguf -f $TEXT -c 512 --chunks $CHUNKS -t 2 $flags"
done
row "perplexity-Q4_K_M-fast" "$PARE eval $work/Q4_K_M.gguf --text $TEXT --chunks $CHUNKS -t 2 --kernels fast" \
    "$peer/llama-perplexity -m $work/Q4_K_M.gguf -f $TEXT -c 512 --chunks $CHUNKS -t 2 $PEER_FLAGS"
