#!/bin/sh
# What pare distill says of texts and options that a user would not expect to work, or to do nothing.
# shellcheck source=tests/lib.sh
. tests/lib.sh

text=$demo/calibration.txt
quick="--steps 1 --batch 1 --ctx 64 --held-tokens 64"
# says STATUS WORDS ARGUMENTS...: of pare distill demo OUT
says() {
    code=$1 what=$2
    shift 2
    rm -rf "$d/to" && mkdir "$d/to"
    # shellcheck disable=SC2086
    fails "$code" "$what" distill $demo "$d/to/o.gguf" $quick "$@" && clean
    ok $? "$what"
}

printf 'a short text' >"$d/short.txt"
head -c 6000 $text >"$d/a.txt"
says 2 "short.txt: too short a text: " --text "$d/short.txt"
says 2 "hold back a larger share" --text "$d/a.txt" --held-back 0.001
says 2 "a.txt: of a single document less than half can be held back" --text "$d/a.txt" --held-back 0.5
printf '{"text": "one"}\n' >"$d/one.jsonl"
says 2 "held-back 0 trains on all of it" --text "$d/one.jsonl"
{ printf '\377\376'; cat "$d/a.txt"; } >"$d/wide.txt"
says 1 "wide.txt: UTF-16, expected UTF-8" --text "$d/wide.txt"
says 2 "--qad goes with --quantize" --text "$d/a.txt" --qad scales
says 2 "--type and --quantize: the mix says the types" --text "$d/a.txt" --quantize Q4_0 --type f32
says 2 "--decay goes with --schedule wsd" --text "$d/a.txt" --decay 1
says 2 "--steps and --tokens say the same" --text "$d/a.txt" --tokens 100
says 2 "--cache-k goes with --cache" --text "$d/a.txt" --cache-k 5
says 2 '--ema: expected a number from 0 to 0.9999999, not "1"' --text "$d/a.txt" --ema 1
fails 2 "the output's name is empty" distill $demo "" --text "$d/a.txt"
ok $? "an empty name"

# ---- weights are of a run's options --------------------------------------------------------
# weighted W: the run that was left in $d/to, with that weight
weighted() {
    # shellcheck disable=SC2086
    pare distill $demo "$d/to/o.gguf" --text "$d/a.txt=$1" --text "$d/b.txt" $quick --held-back 0.2 --layers 2 --keep
}
tail -c 6000 $text >"$d/b.txt"
weighted 2 && weighted 2 && ! weighted 3 && one_line distill && grep -q "of a run with other options or inputs" "$d/err"
ok $? "another weight is another run"
rm -rf "$d/to" && mkdir "$d/to"

{ cat "$d/a.txt"; printf '\377 broken'; } >"$d/a.json"
# shellcheck disable=SC2086
pare distill $demo "$d/to/o.gguf" --text "$d/a.json" $quick --held-back 0.2 && grep -q 'warning: .*a.json: byte 6000, 0xff, is no UTF-8' "$d/err" &&
    grep -q 'warning: .*a.json: read as plain text; JSON Lines are told by .jsonl' "$d/err" && grep -q 'warning: the student is the whole teacher' "$d/err"
ok $? "warned of: another encoding, another kind of file, no smaller student"
# shellcheck disable=SC2086
pare distill $demo "$d/to/q.gguf" --text "$d/a.txt" $quick --held-back 0.2 --layers 2 --answers-only && grep -q 'warning: answers-only: there are no messages' "$d/err"
ok $? "answers only, and none there"
# shellcheck disable=SC2086
pare distill $demo "$d/to/p.gguf" --text "$d/a.txt" $quick --held-back 0.2 --layers 2 --cache "$d/c" --cache-keep sampled && ! grep -q warning "$d/err" && ! grep -qi 'nan' "$d/out"
ok $? "not warned otherwise"

# ---- before anything dear is done ---------------------------------------------------------
says 1 "no instructions for BF16" --text "$d/a.txt" --math bf16 --cpu avx2
experts=${PARE_GOLDEN:-../shared/golden}/models/mixtral
if [ -d "$experts" ]; then
    # shellcheck disable=SC2086
    fails 1 "training has no way back through a mixture of experts" distill "$experts" "$d/to/o.gguf" --text "$d/a.txt" $quick && clean
    ok $? "a mixture of experts"
else
    echo "ok - a mixture of experts # SKIP no golden models"
fi
for pick in "--only nosuch" "--freeze nosuch"; do
    rm -rf "$d/to" && mkdir "$d/to"
    # shellcheck disable=SC2086
    fails 2 "no tensor" distill $demo "$d/to/o.gguf" $quick --text "$d/a.txt" --held-back 0.2 --layers 2 --cache "$d/to/cache" $pick &&
        [ ! -e "$d/to/cache" ]
    ok $? "$pick: no cache was made"
done
