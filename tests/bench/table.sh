#!/bin/sh
# The README's table: pare's files beside llama.cpp's, from one checkpoint, measured with one yardstick.
#   tests/bench/table.sh CHECKPOINT       environment: PEERS, TEXT, CHUNKS, TYPES, PEER_FLAGS as in all.sh
# Columns: size, seconds to quantize, perplexity and KL divergence by `pare eval` of both programs'
# files against the checkpoint, and llama-perplexity's own figure and seconds for its file.
set -eu
cd "$(dirname "$0")/../.."
checkpoint=$1
PARE=${PARE:-build/release/pare}
PEERS=${PEERS:-$HOME/.cache/pare-peers}
TEXT=${TEXT:-../shared/text/evaluation.txt}
CHUNKS=${CHUNKS:-20}
TYPES=${TYPES:-Q8_0 Q6_K Q5_K_M Q4_K_M Q4_0}
PEER_FLAGS=${PEER_FLAGS:---no-repack}
peer=$PEERS/llama.cpp/build/bin
export LD_LIBRARY_PATH="$peer"
work=$(mktemp -d "${TMPDIR:-/tmp}/pare-table.XXXXXX")
trap 'rm -rf "$work"' EXIT

# timed NAME COMMAND...: wall seconds to $work/NAME.s, output to $work/NAME.log
timed() {
    name=$1
    shift
    /usr/bin/time -f %e -o "$work/$name.s" "$@" >"$work/$name.log" 2>&1 || { tail -3 "$work/$name.log" >&2; exit 1; }
}

timed pare-BF16 "$PARE" convert "$checkpoint" "$work/pare-BF16.gguf" --type bf16
timed peer-BF16 "$PEERS/venv/bin/python" "$PEERS/llama.cpp/convert_hf_to_gguf.py" "$checkpoint" --outtype bf16 --outfile "$work/peer-BF16.gguf"
files="$work/pare-BF16.gguf"
for t in $TYPES; do
    timed "pare-$t" "$PARE" quantize "$checkpoint" "$work/pare-$t.gguf" "$t"
    timed "peer-$t" "$peer/llama-quantize" "$work/peer-BF16.gguf" "$work/peer-$t.gguf" "$t" 2
    files="$files $work/pare-$t.gguf $work/peer-$t.gguf"
done
# shellcheck disable=SC2086  # a list of files
"$PARE" eval $files --against "$checkpoint" --text "$TEXT" --chunks "$CHUNKS" >"$work/eval"

row() { # row TYPE: one line of Markdown
    for who in pare peer; do
        [ "$who$1" != peerBF16 ] || continue # the same bytes but for the metadata
        size=$(wc -c <"$work/$who-$1.gguf" | awk '{ printf "%.1f", $1 / 1e6 }')
        [ $who = peer ] || timed "own-$1" "$PARE" eval "$work/pare-$1.gguf" --text "$TEXT" --chunks "$CHUNKS"
        figures=$(grep "/$who-$1.gguf" "$work/eval" | awk '{ sub(/.*MiB +[0-9.]+ +/, ""); print }')
        echo "$who $1 | $size MB | $(cat "$work/$who-$1.s") s | $figures | eval $(cat "$work/own-$1.s") s"
    done
    flags=$PEER_FLAGS
    [ "$1" = BF16 ] && flags=
    # shellcheck disable=SC2086
    timed "own-peer-$1-llama" "$peer/llama-perplexity" -m "$work/peer-$1.gguf" -f "$TEXT" -c 512 --chunks "$CHUNKS" -t 2 --no-escape $flags
    echo "llama-perplexity peer $1 | $(grep -o 'PPL = .*' "$work/own-peer-$1-llama.log") | $(cat "$work/own-peer-$1-llama.s") s"
}
for t in BF16 $TYPES; do row "$t"; done
cat "$work/eval"
